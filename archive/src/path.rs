//! The rules for one path.

use crate::{EntryKind, error::EntryError, unicode::is_deceptive};

/// Checks a path as the archive spells it, and returns it as text.
pub(crate) fn check(path: &[u8], kind: EntryKind, max_bytes: usize) -> Result<&str, EntryError> {
    if path.len() > max_bytes {
        return Err(EntryError::PathLength { limit: max_bytes });
    }
    // Readers decode other encodings in different ways, and overlong UTF-8 hides separators.
    let path = std::str::from_utf8(path).map_err(|_| EntryError::PathUtf8)?;
    if path.is_empty() {
        return Err(EntryError::PathEmpty);
    }
    if is_deceptive(path) {
        return Err(EntryError::PathControl);
    }
    // Path traversal on Windows, where a backslash separates components. On Unix it is a part of
    // the name.
    if path.contains('\\') {
        return Err(EntryError::PathBackslash);
    }
    // Absolute paths overwrite files outside the directory (CVE-2007-4559).
    if path.starts_with('/') {
        return Err(EntryError::PathAbsolute);
    }
    // Absolute on Windows. node-tar strips a drive letter on every system.
    if let [drive, b':', ..] = path.as_bytes()
        && drive.is_ascii_alphabetic()
    {
        return Err(EntryError::PathDrive);
    }
    // Path traversal (CVE-2007-4559).
    if path.split('/').any(|component| component == "..") {
        return Err(EntryError::PathParent);
    }
    // Some readers take a file with such a name for a directory.
    if kind == EntryKind::File && matches!(path.rsplit('/').next(), Some("" | ".")) {
        return Err(EntryError::FileSlash);
    }
    Ok(path)
}

/// Returns true if a reader that unpacks this path stays inside the directory, and if a terminal can
/// show it. The path may be empty or cut inside a character.
pub(crate) fn is_safe(path: &[u8]) -> bool {
    let is_absolute = matches!(path, [b'/', ..])
        || matches!(path, [drive, b':', ..] if drive.is_ascii_alphabetic());
    !is_absolute
        && components(path).all(|component| component != b"..")
        && path
            .utf8_chunks()
            .all(|chunk| !is_deceptive(chunk.valid()) && !chunk.valid().contains('\\'))
}

/// Returns the components of a path that name something.
pub(crate) fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|component| !matches!(*component, b"" | b"."))
}
