//! Records of pax headers.

/// Formats the records of a pax header.
#[must_use]
pub fn pax_records(records: &[(&str, &str)]) -> Vec<u8> {
    records.iter().flat_map(|(key, value)| pax_record(key.as_bytes(), value.as_bytes())).collect()
}

/// Formats one record of a pax header: `"%d %s=%s\n"` of length, key and value.
#[must_use]
pub fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    // The length includes its own digits.
    let rest = key.len() + value.len() + 3;
    let length = (1..=20)
        .map(|digits| rest + digits)
        .find(|length| length.to_string().len() + rest == *length);
    [length.unwrap_or_default().to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}
