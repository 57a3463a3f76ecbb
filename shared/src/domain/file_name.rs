//! The names of uploaded files.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::percent;

/// The maximum length of a name in bytes, which is the limit of most file systems.
const MAX_BYTES: usize = 255;

/// The name of a file whose upload has no file name.
const DEFAULT: &str = "customization.tar.gz";

/// A file name: 1 to 255 bytes, not a path, without control characters and without characters that
/// change the writing direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

/// The text is not a [`FileName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFileName {
    /// The name exceeds the length limit.
    #[error("must be at most {MAX_BYTES} bytes")]
    TooLong,
    /// The name has a character that could forge a header or disguise the name.
    #[error("must not hold control or bidirectional formatting characters")]
    Control,
    /// The name is `.` or `..`, which are directories.
    #[error("must not be . or ..")]
    NotAFile,
}

impl FileName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its suffix `.tar.gz` or `.tgz`.
    #[must_use]
    pub fn stem(&self) -> &str {
        let stem = self.0.strip_suffix(".tar.gz").or_else(|| self.0.strip_suffix(".tgz"));
        stem.filter(|stem| !stem.is_empty()).unwrap_or(&self.0)
    }

    /// The value of `Content-Disposition` that makes a browser save a download under this name
    /// (RFC 6266). For a non-ASCII name, the value also has the extended form (RFC 8187).
    #[must_use]
    pub fn content_disposition(&self) -> String {
        let ascii: String = self
            .0
            .chars()
            .map(|c| if c.is_ascii() { c } else { '_' })
            .flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c]))
            .collect();
        if self.0.is_ascii() {
            return format!("attachment; filename=\"{ascii}\"");
        }
        let extended = percent::encode(&self.0);
        format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{extended}")
    }
}

impl Default for FileName {
    fn default() -> Self {
        Self(DEFAULT.to_owned())
    }
}

impl FromStr for FileName {
    type Err = InvalidFileName;

    /// Takes the last component of a Unix or Windows path, which prevents path traversal. If it is
    /// empty, returns the default name.
    fn from_str(path: &str) -> Result<Self, InvalidFileName> {
        let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = without_drives(name);
        match name {
            "" => Ok(Self::default()),
            "." | ".." => Err(InvalidFileName::NotAFile),
            _ if name.contains(|c: char| c.is_control() || is_directional(c)) => {
                Err(InvalidFileName::Control)
            }
            _ if name.len() > MAX_BYTES => Err(InvalidFileName::TooLong),
            _ => Ok(Self(name.to_owned())),
        }
    }
}

/// Removes Windows drive letters: `C:certs.tgz` is a path relative to a drive. Removes all of them,
/// so that parsing the result again does not change it.
fn without_drives(mut name: &str) -> &str {
    while let [letter, b':', ..] = name.as_bytes()
        && letter.is_ascii_alphabetic()
    {
        name = name.get(2..).unwrap_or_default();
    }
    name
}

/// Returns true for Unicode's `Bidi_Control` characters, which change the writing direction. An
/// attacker can use them to display a name that ends in `.exe` as if it ended in `.tgz`.
fn is_directional(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl TryFrom<String> for FileName {
    type Error = InvalidFileName;

    fn try_from(name: String) -> Result<Self, InvalidFileName> {
        name.parse()
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_reduced_to_its_last_component() {
        for (path, name) in [
            ("certs.tar.gz", "certs.tar.gz"),
            ("/etc/passwd", "passwd"),
            ("../../certs.tgz", "certs.tgz"),
            ("C:\\Users\\me\\certs.tgz", "certs.tgz"),
            ("d:/mixed\\certs.tgz", "certs.tgz"),
            ("d:certs.tgz", "certs.tgz"),
            ("C:d:certs.tgz", "certs.tgz"),
            ("d:", "customization.tar.gz"),
            ("10:30.tgz", "10:30.tgz"),
            ("", "customization.tar.gz"),
            ("folder/", "customization.tar.gz"),
            ("übung \"1\".tgz", "übung \"1\".tgz"),
        ] {
            let parsed: FileName = path.parse().unwrap();
            assert_eq!(parsed.as_str(), name);
            assert_eq!(parsed.to_string().parse(), Ok(parsed), "parsing is idempotent");
        }
        let longest = "a".repeat(255);
        assert!(longest.parse::<FileName>().is_ok());
        for (path, error) in [
            ("a\0b", InvalidFileName::Control),
            ("a\r\nSet-Cookie: x", InvalidFileName::Control),
            ("\u{202e}zgt.exe", InvalidFileName::Control),
            ("..", InvalidFileName::NotAFile),
            (&format!("{longest}a"), InvalidFileName::TooLong),
        ] {
            assert_eq!(path.parse::<FileName>(), Err(error));
        }
    }

    #[test]
    fn the_stem_is_never_empty() {
        for (name, stem) in [
            ("certs.tar.gz", "certs"),
            ("certs.tgz", "certs"),
            ("certs.zip", "certs.zip"),
            (".tar.gz", ".tar.gz"),
        ] {
            assert_eq!(name.parse::<FileName>().unwrap().stem(), stem);
        }
    }

    #[test]
    fn content_disposition_escapes_and_encodes_the_name() {
        for (name, header) in [
            ("certs.tgz", r#"attachment; filename="certs.tgz""#),
            (r#"a"b.tgz"#, r#"attachment; filename="a\"b.tgz""#),
            ("é;.tgz", r#"attachment; filename="_;.tgz"; filename*=UTF-8''%C3%A9%3B.tgz"#),
        ] {
            assert_eq!(name.parse::<FileName>().unwrap().content_disposition(), header);
        }
    }
}
