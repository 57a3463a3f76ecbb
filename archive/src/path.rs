//! The rules for one path.

use crate::{EntryKind, error::EntryError};

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
    // Most paths are ASCII, where the check takes many bytes at a time.
    let is_deceptive = if path.is_ascii() {
        path.bytes().any(|byte| byte.is_ascii_control())
    } else {
        path.contains(is_deceptive)
    };
    if is_deceptive {
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

/// Returns true for control characters (terminal escapes, log forging), and for characters that
/// reorder or hide text in a listing or a log ("Trojan Source", CVE-2021-42574).
///
/// The joiners U+200C and U+200D are allowed: scripts and emoji need them.
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}
