//! Properties of characters that decide which names are accepted, and which names are alike.

use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

use caseless::Caseless;

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Selects the coloured form of the emoji before it.
const EMOJI_PRESENTATION: char = '\u{fe0f}';

/// Frames the digit before it: `1`, U+FE0F and U+20E3 are a keycap.
const KEYCAP: char = '\u{20e3}';

/// Returns true if the text holds control characters (terminal escapes, log forging), or characters
/// that reorder or hide text in a listing or a log ("Trojan Source", CVE-2021-42574).
///
/// The joiners U+200C and U+200D are allowed, because scripts and emoji need them. U+FE0F is allowed
/// in emoji.
pub(crate) fn is_deceptive(text: &str) -> bool {
    // Most names are ASCII, where the check takes many bytes at a time.
    if text.is_ascii() {
        return text.bytes().any(|byte| byte.is_ascii_control());
    }
    let mut previous = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_allowed = match character {
            ZERO_WIDTH_NON_JOINER | ZERO_WIDTH_JOINER => true,
            EMOJI_PRESENTATION => match previous {
                Some('0'..='9' | '#' | '*') => characters.peek() == Some(&KEYCAP),
                Some(previous) => has_emoji_presentation(previous),
                None => false,
            },
            _ => {
                !(character.is_control()
                    || is_default_ignorable(character)
                    || is_invisible_or_reordering(character))
            }
        };
        if !is_allowed {
            return true;
        }
        previous = Some(character);
    }
    false
}

/// Returns true for characters that are invisible or move text, though Unicode does not list them as
/// default ignorable: line and paragraph separators, interlinear annotations, the blank Braille
/// pattern, the null note head, and the Khitan filler.
fn is_invisible_or_reordering(character: char) -> bool {
    matches!(
        character,
        '\u{2028}'..='\u{2029}' | '\u{2800}' | '\u{fff9}'..='\u{fffb}' | '\u{16fe4}' | '\u{1d159}'
    )
}

/// Returns true for `Default_Ignorable_Code_Point` (Unicode 17, `DerivedCoreProperties.txt`): renderers
/// show nothing for these characters. HFS+ ignores them when it compares names, as does Unicode's
/// `NFKC_Casefold`.
pub(crate) fn is_default_ignorable(character: char) -> bool {
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

/// Returns true for characters in the blocks of those that `emoji-variation-sequences.txt` (Unicode
/// 17) lists, without digits. All of them are symbols, so U+FE0F hides nothing after them.
fn has_emoji_presentation(character: char) -> bool {
    matches!(
        character,
        '\u{a9}'
            | '\u{ae}'
            | '\u{203c}'
            | '\u{2049}'
            | '\u{2122}'
            | '\u{2139}'
            | '\u{2190}'..='\u{21ff}'
            | '\u{2300}'..='\u{23ff}'
            | '\u{24c2}'
            | '\u{25a0}'..='\u{27bf}'
            | '\u{2934}'..='\u{2935}'
            | '\u{2b00}'..='\u{2bff}'
            | '\u{3030}'
            | '\u{303d}'
            | '\u{3297}'
            | '\u{3299}'
            | '\u{1f000}'..='\u{1faff}'
    )
}

/// Appends a path component in a form that is equal for all names that some file system takes for
/// equal: compatibility caseless matching (Unicode, section 3.13, D146), without default ignorable
/// characters.
///
/// File systems with simple case mappings also merge names that full case folding keeps apart: `ı`
/// and `I` by upper case, `İ` and `i` by lower case. So the text is mapped to upper case first, and
/// dots above an `i` are left out.
pub(crate) fn push_normalized(component: &str, normalized: &mut String) {
    if component.is_ascii() {
        normalized.extend(component.chars().map(|character| character.to_ascii_lowercase()));
        return;
    }
    let visible = component.chars().filter(|character| !is_default_ignorable(*character));
    let upper = visible.nfd().default_case_fold().nfkd().flat_map(char::to_uppercase);
    let folded = upper.default_case_fold().nfkd().default_case_fold().nfkd();
    let mut is_over_i = false;
    normalized.extend(folded.filter(|character| {
        if canonical_combining_class(*character) == 0 {
            is_over_i = *character == 'i';
        }
        !(is_over_i && *character == '\u{307}')
    }));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic here is a failed test")]
mod tests {
    use super::*;

    fn normalized(text: &str) -> String {
        let mut normalized = String::new();
        push_normalized(text, &mut normalized);
        normalized
    }

    fn assert_alike(one: &str, other: &str) {
        assert_eq!(normalized(one), normalized(other), "{one:?} and {other:?}");
    }

    /// Characters whose full mappings have several characters, and whose simple mappings pair them
    /// with the character at a distance of 8 (`UnicodeData.txt`).
    const GREEK_WITH_IOTA: std::ops::RangeInclusive<char> = '\u{1f80}'..='\u{1faf}';

    #[test]
    fn all_characters_that_some_case_mapping_merges_are_alike() {
        for character in '\0'..=char::MAX {
            let text = String::from(character);
            let one = |mut mapped: Box<dyn ExactSizeIterator<Item = char>>| {
                if mapped.len() == 1 { mapped.next().map(String::from) } else { None }
            };
            let upper = one(Box::new(character.to_uppercase()));
            let lower = one(Box::new(character.to_lowercase()));
            for mapped in upper.iter().chain(&lower) {
                assert_alike(&text, mapped);
            }
            assert_alike(&text, &text.to_uppercase());
            assert_alike(&text, &text.to_lowercase());
            assert_alike(&text, &text.nfd().collect::<String>());
            assert_alike(&text, &text.nfkc().collect::<String>());
            assert_alike(&text, &text.chars().default_case_fold().collect::<String>());
        }
        for (lower, upper) in
            GREEK_WITH_IOTA.filter(|c| *c as u32 & 8 == 0).map(|c| (c, c as u32 + 8))
        {
            assert_alike(&lower.to_string(), &char::from_u32(upper).unwrap().to_string());
        }
        for (one, other) in [
            ("ı", "I"),
            ("İ", "i"),
            ("I\u{323}\u{307}", "i\u{323}"),
            ("ᾳ", "ᾼ"),
            ("ῃ", "ῌ"),
            ("ῳ", "ῼ"),
            ("ß", "ẞ"),
        ] {
            assert_alike(one, other);
        }
    }

    #[test]
    fn normalized_text_is_its_own_normalized_form() {
        for character in '\0'..=char::MAX {
            let once = normalized(&format!("ä{character}"));
            assert_eq!(normalized(&once), once, "{character:?}");
        }
    }

    #[test]
    fn different_letters_are_not_alike() {
        for [one, other] in
            [["ż", "z"], ["é", "e"], ["ø", "o"], ["i", "j"], ["д", "g"], ["日", "月"]]
        {
            assert_ne!(normalized(one), normalized(other));
        }
    }

    #[test]
    fn characters_that_show_nothing_are_deceptive() {
        let hidden = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180e}\u{180f}\
            \u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2064}\u{2065}\u{206f}\
            \u{2800}\u{3164}\u{fe00}\u{fe0e}\u{feff}\u{ffa0}\u{fff0}\u{fff8}\u{fff9}\u{fffb}\u{16fe4}\
            \u{1bca0}\u{1bca3}\u{1d159}\u{1d173}\u{1d17a}\u{e0000}\u{e0001}\u{e0020}\u{e007f}\u{e0100}\u{e01ef}\u{e0fff}";
        for character in hidden.chars() {
            assert!(is_deceptive(&format!("a{character}b")), "{character:?}");
            assert!(is_deceptive(&character.to_string()), "{character:?}");
        }
    }

    #[test]
    fn the_emoji_selector_is_deceptive_outside_emoji() {
        for text in [
            "\u{fe0f}",
            "a\u{fe0f}",
            "1\u{fe0f}",
            "1\u{fe0f}2",
            "é\u{fe0f}",
            "❤\u{fe0f}\u{fe0f}",
            "日\u{fe0f}",
        ] {
            assert!(is_deceptive(text), "{text:?}");
        }
        for text in [
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "#\u{fe0f}\u{20e3}",
            "©\u{fe0f}",
            "👁\u{fe0f}\u{200d}🗨\u{fe0f}",
            "✌\u{1f3fd}",
        ] {
            assert!(!is_deceptive(text), "{text:?}");
        }
    }

    #[test]
    fn visible_characters_are_not_deceptive() {
        for text in [
            "",
            "a b",
            "größe",
            "日本語",
            "می\u{200c}خواهم",
            "👩\u{200d}🚀",
            "한글",
            "ก็",
            "\u{3000}",
            "\u{a0}",
        ] {
            assert!(!is_deceptive(text), "{text:?}");
        }
    }
}
