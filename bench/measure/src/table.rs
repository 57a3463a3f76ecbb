//! Tables of results in Markdown, for the terminal and for docs/performance.md.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

/// A table with `N` columns.
#[derive(Clone, Debug)]
pub struct Table<const N: usize> {
    header: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// Creates a table without rows.
    #[must_use]
    pub const fn new(header: [&'static str; N]) -> Self {
        Self { header, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn add_row(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// Returns true if the table has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl<const N: usize> Display for Table<N> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let header = self.header.map(str::to_owned);
        let width = |column: usize| {
            let cells = [&header].into_iter().chain(&self.rows).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default().max(3)
        };
        let widths: [usize; N] = std::array::from_fn(width);
        let mut line = |row: &[String; N]| {
            let cells = row.iter().zip(widths);
            let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
            writeln!(formatter, "| {} |", cells.collect::<Vec<_>>().join(" | "))
        };
        line(&header)?;
        line(&widths.map(|width| "-".repeat(width)))?;
        self.rows.iter().try_for_each(line)
    }
}

/// Formats a duration in microseconds or milliseconds.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    if micros < 1_000.0 {
        format!("{micros:.0} µs")
    } else if micros < 100_000.0 {
        format!("{:.1} ms", micros / 1e3)
    } else {
        format!("{:.0} ms", micros / 1e3)
    }
}

/// Formats a ratio.
#[must_use]
pub fn ratio(ratio: f64) -> String {
    let decimals = if ratio < 0.1 { 4 } else { 2 };
    format!("{ratio:.decimals$} ×")
}

/// Formats a number of bytes in MB (10⁶ bytes).
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_add(50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// Formats a number in millions.
#[must_use]
pub fn millions(number: u64) -> String {
    let hundredths = number.saturating_add(5_000) / 10_000;
    format!("{}.{:02} M", hundredths / 100, hundredths % 100)
}

/// Formats the result of a comparison with a target.
#[must_use]
pub fn target_met(met: bool) -> String {
    if met { "yes" } else { "**no**" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_printed_as_markdown() {
        let mut table = Table::new(["what", "µs"]);
        table.add_row(["é".to_owned(), "1,000".to_owned()]);
        table.add_row(["longer".to_owned(), String::new()]);
        let lines = [
            "| what   | µs    |",
            "| ------ | ----- |",
            "| é      | 1,000 |",
            "| longer |       |\n",
        ];
        assert_eq!(table.to_string(), lines.join("\n"));
    }

    #[test]
    fn numbers_are_printed_with_their_units() {
        assert_eq!(duration(Duration::from_nanos(42_400)), "42 µs");
        assert_eq!(duration(Duration::from_micros(1_250)), "1.2 ms");
        assert_eq!(duration(Duration::from_millis(250)), "250 ms");
        assert_eq!(ratio(1.204), "1.20 ×");
        assert_eq!(megabytes(22_349_999), "22.3 MB");
        assert_eq!(megabytes(22_350_000), "22.4 MB");
        assert_eq!(millions(9_495_000), "9.50 M");
        assert_eq!(millions(10_049_999), "10.05 M");
    }
}
