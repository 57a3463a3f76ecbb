//! What an entry's name may be, and which names are the same once spelling, case and Unicode form
//! are folded.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

use crate::error::Rule;
use crate::{Kind, Limits};

/// Takes a path as the archive spells it.
pub(crate) fn path(path: &[u8], kind: Kind, limit: usize) -> Result<&str, Rule> {
    if path.len() > limit {
        return Err(Rule::PathLength { limit });
    }
    let path = std::str::from_utf8(path).map_err(|_| Rule::PathUtf8)?;
    if path.is_empty() {
        return Err(Rule::PathEmpty);
    }
    // Most paths are ASCII, which goes many bytes at a time.
    let deceptive = if path.is_ascii() {
        path.bytes().any(|byte| byte.is_ascii_control())
    } else {
        path.contains(is_deceptive)
    };
    if deceptive {
        return Err(Rule::PathControl);
    }
    // A separator on Windows, and part of a name elsewhere.
    if path.contains('\\') {
        return Err(Rule::PathBackslash);
    }
    if path.starts_with('/') {
        return Err(Rule::PathAbsolute);
    }
    // Absolute on Windows; node-tar takes it off everywhere.
    if let [drive, b':', ..] = path.as_bytes()
        && drive.is_ascii_alphabetic()
    {
        return Err(Rule::PathDrive);
    }
    if path.split('/').any(|component| component == "..") {
        return Err(Rule::PathParent);
    }
    // Some readers take a file whose name ends so for a directory.
    if kind == Kind::File && matches!(path.rsplit('/').next(), Some("" | ".")) {
        return Err(Rule::FileSlash);
    }
    Ok(path)
}

/// Control characters, and those that reorder or hide what a listing or a log shows ("Trojan
/// Source", CVE-2021-42574). The joiners U+200C and U+200D stay, since scripts and emoji need them.
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

/// The names seen.
pub(crate) struct Names<'a> {
    limits: &'a Limits,
    /// By the hash of the folded path. The key of the hash is random: nobody can prepare names that
    /// collide.
    seen: HashMap<u64, Seen>,
    hasher: RandomState,
    root: bool,
    unfolded: usize,
    /// The path at hand, each component after a slash: folded, and as it is spelled.
    folded: String,
    spelled: String,
    /// Where in both the directories end that it leads through, and it itself.
    ends: Vec<(usize, usize)>,
}

struct Seen {
    spelling: u32,
    what: What,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum What {
    File,
    Directory,
    /// A directory that other paths lead through, without an entry of its own so far.
    Implied,
}

impl<'a> Names<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            seen: HashMap::new(),
            hasher: RandomState::new(),
            root: false,
            unfolded: 0,
            folded: String::new(),
            spelled: String::new(),
            ends: Vec::new(),
        }
    }

    /// Adds an entry's path, and the directories that it leads through.
    pub(crate) fn add(&mut self, path: &str, kind: Kind) -> Result<(), Rule> {
        self.fold(path)?;
        let Some((folded, spelling)) = self.pop() else {
            return if std::mem::replace(&mut self.root, true) { Err(Rule::Twice) } else { Ok(()) };
        };
        self.add_entry(folded, spelling, kind)?;
        // Most parents are known: what lies above them need not even be hashed.
        while let Some((folded, spelling)) = self.pop() {
            if self.add_parent(folded, spelling)? {
                break;
            }
        }
        if self.seen.len() > self.limits.names {
            return Err(Rule::Names { limit: self.limits.names });
        }
        Ok(())
    }

    fn add_entry(&mut self, folded: u64, spelling: u32, kind: Kind) -> Result<(), Rule> {
        let what = if kind == Kind::File { What::File } else { What::Directory };
        match self.seen.entry(folded) {
            Entry::Vacant(vacant) => {
                vacant.insert(Seen { spelling, what });
                Ok(())
            }
            Entry::Occupied(seen) if seen.get().spelling != spelling => Err(Rule::SameFolded),
            Entry::Occupied(mut seen) => match (seen.get().what, kind) {
                (What::Implied, Kind::Directory) => {
                    seen.get_mut().what = What::Directory;
                    Ok(())
                }
                (What::Implied, Kind::File) => Err(Rule::FileAbove),
                _ => Err(Rule::Twice),
            },
        }
    }

    /// Says whether the directory was known, and with it all directories above it.
    fn add_parent(&mut self, folded: u64, spelling: u32) -> Result<bool, Rule> {
        match self.seen.entry(folded) {
            Entry::Vacant(vacant) => {
                vacant.insert(Seen { spelling, what: What::Implied });
                Ok(false)
            }
            Entry::Occupied(seen) if seen.get().what == What::File => Err(Rule::InsideFile),
            Entry::Occupied(seen) if seen.get().spelling != spelling => Err(Rule::ParentFolded),
            Entry::Occupied(_) => Ok(true),
        }
    }

    /// The hashes of the path at hand, and then of each directory above it.
    fn pop(&mut self) -> Option<(u64, u32)> {
        let (folded, spelled) = self.ends.pop()?;
        let folded = self.hasher.hash_one(self.folded.get(..folded)?);
        // Half a hash will do to tell two spellings of one folded path apart.
        let spelling = self.hasher.hash_one(self.spelled.get(..spelled)?) >> 32;
        Some((folded, u32::try_from(spelling).ok()?))
    }

    /// Takes a path to hand.
    fn fold(&mut self, path: &str) -> Result<(), Rule> {
        self.folded.clear();
        self.spelled.clear();
        self.ends.clear();
        for component in path.split('/').filter(|component| !matches!(*component, "" | ".")) {
            self.spelled.push('/');
            self.spelled.push_str(component);
            self.folded.push('/');
            self.fold_component(component)?;
            self.ends.push((self.folded.len(), self.spelled.len()));
        }
        Ok(())
    }

    /// Appends the form in which names are the same that some file system takes for the same:
    /// compatibility caseless matching (Unicode, section 3.13, D146), without the characters that
    /// are ignored by default.
    fn fold_component(&mut self, component: &str) -> Result<(), Rule> {
        let start = self.folded.len();
        if component.is_ascii() {
            self.folded.push_str(component);
            self.folded.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
            return Ok(());
        }
        let shown = component.chars().filter(|character| !is_ignored(*character));
        self.folded.extend(shown.nfd().default_case_fold().nfkd().default_case_fold().nfkd());
        let folded = self.folded.get(start..).unwrap_or_default();
        self.unfolded += folded.len();
        if self.unfolded > self.limits.unfolded {
            return Err(Rule::Unfolded { limit: self.limits.unfolded });
        }
        // U+FF0F unfolds to a slash, U+2025 to two dots.
        if folded.contains(['/', '\\']) || matches!(folded, "" | "." | "..") {
            return Err(Rule::PathUnfolded);
        }
        Ok(())
    }
}

/// `Default_Ignorable_Code_Point`, which HFS+ leaves out when it compares names (as does Unicode's
/// `NFKC_Casefold`).
fn is_ignored(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}
