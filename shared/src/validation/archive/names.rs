//! What an entry's name may be, and which names are the same once spelling, case and Unicode form are folded.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hasher, RandomState};

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

use super::fault::Rule;
use super::{Kind, Limits};

/// Takes a path as the archive spells it.
pub(super) fn path(path: &[u8], kind: Kind, limit: usize) -> Result<&str, Rule> {
    if path.len() > limit {
        return Err(Rule::PathLength { limit });
    }
    let path = std::str::from_utf8(path).map_err(|_| Rule::PathUtf8)?;
    if path.is_empty() {
        return Err(Rule::PathEmpty);
    }
    if path.contains(is_deceptive) {
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

/// Control characters, and those that reorder or hide what a listing or a log shows ("Trojan Source",
/// CVE-2021-42574). The joiners U+200C and U+200D stay, since scripts and emoji need them.
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

/// The names seen.
pub(super) struct Names<'a> {
    limits: &'a Limits,
    /// By the hash of the folded path. The key of the hash is random: nobody can prepare names that collide.
    seen: HashMap<u64, Seen>,
    hasher: RandomState,
    root: bool,
    unfolded: usize,
    /// One component, folded.
    component: String,
    /// The hashes of the path at hand and of the directories above it, from the topmost down.
    levels: Vec<Level>,
}

#[derive(Clone, Copy)]
struct Level {
    folded: u64,
    spelling: u32,
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
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            seen: HashMap::new(),
            hasher: RandomState::new(),
            root: false,
            unfolded: 0,
            component: String::new(),
            levels: Vec::new(),
        }
    }

    /// Adds an entry's path, and the directories that it leads through.
    pub(super) fn add(&mut self, path: &str, kind: Kind) -> Result<(), Rule> {
        self.fold(path)?;
        let Some(entry) = self.levels.pop() else {
            return if std::mem::replace(&mut self.root, true) { Err(Rule::Twice) } else { Ok(()) };
        };
        self.add_entry(entry, kind)?;
        while let Some(parent) = self.levels.pop() {
            if self.add_parent(parent)? {
                break;
            }
        }
        if self.seen.len() > self.limits.names {
            return Err(Rule::Names { limit: self.limits.names });
        }
        Ok(())
    }

    fn add_entry(&mut self, entry: Level, kind: Kind) -> Result<(), Rule> {
        let what = if kind == Kind::File { What::File } else { What::Directory };
        match self.seen.entry(entry.folded) {
            Entry::Vacant(vacant) => {
                vacant.insert(Seen { spelling: entry.spelling, what });
                Ok(())
            }
            Entry::Occupied(seen) if seen.get().spelling != entry.spelling => Err(Rule::SameFolded),
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
    fn add_parent(&mut self, parent: Level) -> Result<bool, Rule> {
        match self.seen.entry(parent.folded) {
            Entry::Vacant(vacant) => {
                vacant.insert(Seen { spelling: parent.spelling, what: What::Implied });
                Ok(false)
            }
            Entry::Occupied(seen) if seen.get().what == What::File => Err(Rule::InsideFile),
            Entry::Occupied(seen) if seen.get().spelling != parent.spelling => {
                Err(Rule::ParentFolded)
            }
            Entry::Occupied(_) => Ok(true),
        }
    }

    /// Puts the hashes of the path and of the directories above it into `levels`.
    fn fold(&mut self, path: &str) -> Result<(), Rule> {
        self.levels.clear();
        let (mut folded, mut spelling) = (self.hasher.build_hasher(), self.hasher.build_hasher());
        for component in path.split('/').filter(|component| !matches!(*component, "" | ".")) {
            self.fold_component(component)?;
            folded.write(self.component.as_bytes());
            spelling.write(component.as_bytes());
            // No component holds this byte, so none ends where another would.
            folded.write_u8(b'/');
            spelling.write_u8(b'/');
            let spelling = (spelling.finish() >> 32) as u32;
            self.levels.push(Level { folded: folded.finish(), spelling });
        }
        Ok(())
    }

    /// The form in which names are the same that some file system takes for the same: compatibility caseless matching
    /// (Unicode, section 3.13, D146), without the characters that are ignored by default.
    fn fold_component(&mut self, component: &str) -> Result<(), Rule> {
        self.component.clear();
        if component.is_ascii() {
            self.component
                .extend(component.chars().map(|character| character.to_ascii_lowercase()));
            return Ok(());
        }
        let shown = component.chars().filter(|character| !is_ignored(*character));
        for character in shown.nfd().default_case_fold().nfkd().default_case_fold().nfkd() {
            self.component.push(character);
        }
        self.unfolded += self.component.len();
        if self.unfolded > self.limits.unfolded {
            return Err(Rule::Unfolded { limit: self.limits.unfolded });
        }
        // U+FF0F unfolds to a slash, U+2025 to two dots.
        if self.component.contains(['/', '\\'])
            || matches!(self.component.as_str(), "" | "." | "..")
        {
            return Err(Rule::PathUnfolded);
        }
        Ok(())
    }
}

/// `Default_Ignorable_Code_Point`, which HFS+ leaves out when it compares names (as does Unicode's `NFKC_Casefold`).
fn is_ignored(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}
