//! Timestamps in the API's format.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use time::{
    OffsetDateTime, UtcOffset, format_description::BorrowedFormatItem,
    format_description::well_known::Rfc3339, macros::format_description,
};

const MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A point in time in UTC. It is written in the format of RFC 3339 with milliseconds
/// (`2023-03-03T00:59:52.762Z`), and parsed from any format of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(OffsetDateTime);

/// The text is not a [`Timestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a date and time of RFC 3339, such as 2023-03-03T00:59:52.762Z")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// The current time of the machine's clock.
    #[must_use]
    pub fn now() -> Self {
        Self(OffsetDateTime::now_utc())
    }

    /// This time plus `duration`; this time itself if that is after the year 9999.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let sum = duration.try_into().ok().and_then(|duration| self.0.checked_add(duration));
        sum.map_or(self, Self)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(text: String) -> Result<Self, InvalidTimestamp> {
        let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        time.checked_to_offset(UtcOffset::UTC)
            .filter(|utc| (0..=9999).contains(&utc.year()))
            .map(Self)
            .ok_or(InvalidTimestamp)
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.format(MILLISECONDS).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_added_up_to_the_last_year() {
        let time = |text: &str| Timestamp::try_from(text.to_owned()).unwrap();
        let minute = Duration::from_mins(1);
        assert_eq!(time("2023-12-31T23:59:30Z").after(minute), time("2024-01-01T00:00:30Z"));
        assert_eq!(time("9999-12-31T23:59:59Z").after(minute), time("9999-12-31T23:59:59Z"));
        assert_eq!(time("2023-01-01T00:00:00Z").after(Duration::MAX), time("2023-01-01T00:00:00Z"));
    }

    #[test]
    fn a_timestamp_is_written_in_utc_with_milliseconds() {
        for (read, written) in [
            ("2023-03-03T00:59:52.762Z", "2023-03-03T00:59:52.762Z"),
            ("2023-03-03T00:59:52Z", "2023-03-03T00:59:52.000Z"),
            ("2023-03-03T01:59:52.7629+01:00", "2023-03-03T00:59:52.762Z"),
        ] {
            let timestamp = Timestamp::try_from(read.to_owned());
            assert_eq!(timestamp.map(String::from), Ok(written.to_owned()));
        }
        for bad in ["", "2023-03-03", "yesterday", "0000-01-01T00:00:00+23:59"] {
            assert_eq!(Timestamp::try_from(bad.to_owned()), Err(InvalidTimestamp));
        }
    }
}
