//! Blocks that some reader takes for a tar header, whether or not this crate does.
//!
//! Readers accept more than POSIX defines: no magic, sums of signed bytes, and checksums in many
//! forms. This module accepts whatever one of them accepts.

use memchr::memchr;

use crate::{
    blocks::{Block, is_zero},
    path,
};

/// Offset of the checksum field.
const CHECKSUM: usize = 148;

/// Bytes that readers take for the checksum field. POSIX defines 8; node-tar reads 12.
const CHECKSUM_BYTES: [usize; 2] = [8, 12];

/// Sums of a header's bytes, with the checksum field as blanks.
struct Sums {
    /// As POSIX defines it.
    unsigned: i64,
    /// As old Sun and HP-UX systems computed it. Most readers accept it.
    signed: i64,
}

impl Sums {
    fn of(block: &Block) -> Self {
        let summed = || block[..CHECKSUM].iter().chain(&block[CHECKSUM + 8..]);
        let blanks = 8 * i64::from(b' ');
        Self {
            unsigned: blanks + summed().map(|byte| i64::from(*byte)).sum::<i64>(),
            signed: blanks + summed().map(|byte| i64::from(byte.cast_signed())).sum::<i64>(),
        }
    }
}

/// Number that a reader finds in a checksum field.
struct Number {
    value: i64,
    /// False if other text follows. Only some readers accept that, and none with a signed sum.
    is_alone: bool,
}

/// Returns true if some reader takes the block for a header.
///
/// Polyglots: GNU tar and busybox look for a tar header before they look for compressed data, so a
/// compressed file that starts with a header has another listing there.
pub(crate) fn is_header(block: &Block) -> bool {
    let sums = Sums::of(block);
    numbers(block).any(|Number { value, is_alone }| {
        value == sums.unsigned || (is_alone && value == sums.signed)
    }) || is_binary_sum(block, sums.unsigned)
        || is_binary_sum(block, sums.signed)
}

/// Returns true if Perl's `Archive::Tar` can do harm with a block of data that it takes for a header.
///
/// It computes sums modulo 65,536, and none at all for types other than files. Honest data can look
/// like an entry without a sum. It is harmless if it stays inside the directory and makes no device.
pub(crate) fn is_harmful_to_perl(block: &Block) -> bool {
    let magic = until_nul(&block[257..263]).trim_ascii_end();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if is_zero(block) || !is_zero(&block[500..]) || !magic.iter().all(is_word) {
        return false;
    }
    let sums = Sums::of(block);
    let is_sum = |number: Number| {
        [sums.unsigned, sums.signed].iter().any(|sum| sum.rem_euclid(1 << 16) == number.value)
    };
    let (name, link) = (until_nul(&block[..100]), until_nul(&block[157..257]));
    let has_no_sum = matches!(block[156], b'1'..=b'9') || name.trim_ascii_end().ends_with(b"/");
    // The text of pax records has newlines.
    let is_safe = |path: &[u8]| path.split(|byte| *byte == b'\n').all(path::is_safe);
    let is_harmless =
        !name.is_empty() && is_safe(name) && is_safe(link) && is_zero(&block[329..345]);
    (has_no_sum && !is_harmless) || numbers(block).any(is_sum)
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == b'\0').next().unwrap_or_default()
}

/// Returns all numbers that readers find in the checksum field as text.
fn numbers(block: &Block) -> impl Iterator<Item = Number> {
    CHECKSUM_BYTES.into_iter().flat_map(|length| {
        let field = block[CHECKSUM..].get(..length).unwrap_or_default();
        let is_filler = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'\0' | b'\x0b');
        let start = field.iter().position(|byte| !is_filler(byte)).unwrap_or(field.len());
        let text = field.get(start..).unwrap_or_default();
        let is_negative = text.starts_with(b"-");
        let signed = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+"));
        let digits = signed.unwrap_or(text);
        let without_prefix = |prefixes: [&[u8]; 4]| {
            prefixes.into_iter().find_map(|prefix| digits.strip_prefix(prefix)).unwrap_or(digits)
        };
        // Perl's `oct` accepts these prefixes, Python's `int` and Perl accept underscores.
        let octal = without_prefix([b"0o", b"0O", b"o", b"O"]);
        let hexadecimal = without_prefix([b"0x", b"0X", b"x", b"X"]);
        let binary = without_prefix([b"0b", b"0B", b"b", b"B"]);
        // GNU tar's base 64 starts with a sign.
        let base_64 = signed.map(|digits| (digits, 6));
        let forms = [(octal, 3), (hexadecimal, 4), (binary, 1)].into_iter().chain(base_64);
        forms.map(move |(digits, bits)| {
            let mut value = 0_i64;
            let mut rest = digits;
            while let [digit, after @ ..] = rest {
                match digit_value(*digit, bits) {
                    // No overflow: the longest field has 12 digits of 6 bits, and wraps.
                    Some(digit) => value = value.wrapping_shl(bits) | digit,
                    None if *digit == b'_' => {}
                    None => break,
                }
                rest = after;
            }
            let is_alone = rest.first().is_none_or(is_filler);
            Number { value: if is_negative { value.wrapping_neg() } else { value }, is_alone }
        })
    })
}

/// Returns the value of a digit of this many bits. Digits of 6 bits are GNU tar's base 64.
fn digit_value(digit: u8, bits: u32) -> Option<i64> {
    const BASE_64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    match bits {
        6 => memchr(digit, BASE_64).and_then(|value| i64::try_from(value).ok()),
        _ => char::from(digit).to_digit(1 << bits).map(i64::from),
    }
}

/// Returns true if the checksum field holds this sum in base 256.
///
/// Readers differ on the sign and on large numbers, so only the low 32 bits count.
fn is_binary_sum(block: &Block, sum: i64) -> bool {
    let is_binary = block[CHECKSUM] & 0x80 != 0;
    let sum = sum.to_be_bytes();
    is_binary
        && CHECKSUM_BYTES.into_iter().any(|length| {
            let field = block[CHECKSUM..].get(..length).unwrap_or_default();
            field.last_chunk::<4>() == sum.last_chunk::<4>()
        })
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic here is a failed test")]
mod tests {
    use super::*;

    /// A block of this byte, with zeros where Perl's `Archive::Tar` needs them.
    fn block(byte: u8) -> Block {
        let mut block = [byte; 512];
        block[156] = b'0';
        block[257..263].copy_from_slice(b"ustar\0");
        block[329..345].fill(0);
        block[500..].fill(0);
        block
    }

    fn with_checksum(mut block: Block, format: impl Fn(i64, i64) -> String) -> Block {
        let sums = Sums::of(&block);
        let checksum = format(sums.unsigned, sums.signed);
        block[148..156].fill(0);
        block[148..148 + checksum.len()].copy_from_slice(checksum.as_bytes());
        block
    }

    fn posix(unsigned: i64, _: i64) -> String {
        format!("{unsigned:06o}\0 ")
    }

    #[test]
    fn perl_finds_the_checksum_of_a_file_in_many_forms() {
        let forms: [fn(i64, i64) -> String; 7] = [
            posix,
            |unsigned, _| format!("{unsigned:08o}"),
            |unsigned, _| format!("0x{unsigned:x}"),
            |unsigned, _| format!("X{unsigned:x}"),
            |unsigned, _| format!("0o{unsigned:o}"),
            |unsigned, _| format!("{:o}", unsigned % 65_536),
            |_, signed| format!("{:o}", signed.rem_euclid(65_536)),
        ];
        for (form, byte) in forms.into_iter().flat_map(|form| [(form, b'a'), (form, 0x81)]) {
            let harmful = with_checksum(block(byte), form);
            assert!(is_harmful_to_perl(&harmful), "{:?}", &harmful[148..156]);
            assert!(!is_harmful_to_perl(&with_checksum(block(byte), |unsigned, signed| {
                form(unsigned + 7, signed + 7)
            })));
        }
    }

    #[test]
    fn perl_adds_more_than_16_bits() {
        let mut high = [0xff; 512];
        high[156] = b'0';
        high[257..263].copy_from_slice(b"ustar\0");
        high[500..].fill(0);
        assert!(Sums::of(&high).unsigned > 1 << 16);
        assert!(is_harmful_to_perl(&with_checksum(high, |sum, _| format!("{:o}", sum % 65_536))));
        assert!(!is_harmful_to_perl(&with_checksum(high, |_, _| "1".into())));
    }

    #[test]
    fn perl_skips_blocks_that_are_no_headers() {
        let valid = with_checksum(block(b'a'), posix);
        assert!(is_harmful_to_perl(&valid));
        assert!(!is_harmful_to_perl(&[0; 512]));
        for (offset, byte) in [(500, b'x'), (511, b'x'), (257, b'-'), (259, 0xe9), (258, b' ')] {
            let mut skipped = block(b'a');
            skipped[offset] = byte;
            assert!(!is_harmful_to_perl(&with_checksum(skipped, posix)), "{offset}");
        }
        for (offset, magic) in [(257, *b"a_Z09x"), (257, *b"ustar "), (257, [0; 6])] {
            let mut considered = block(b'a');
            considered[offset..offset + 6].copy_from_slice(&magic);
            assert!(is_harmful_to_perl(&with_checksum(considered, posix)), "{magic:?}");
        }
    }

    #[test]
    fn perl_needs_no_checksum_for_other_types() {
        for flag in b'1'..=b'9' {
            let mut entry = block(b'a');
            entry[156] = flag;
            assert!(!is_harmful_to_perl(&entry), "{flag}");
            for (offset, text) in [
                (0, &b"/etc\0"[..]),
                (0, b"a/../b\0"),
                (0, b"\0"),
                (157, b"/etc\0"),
                (157, b"a\n/b\0"),
                (329, b"1"),
                (344, b"1"),
            ] {
                let mut harmful = entry;
                harmful[offset..offset + text.len()].copy_from_slice(text);
                assert!(is_harmful_to_perl(&harmful), "{flag} {offset}");
            }
        }
        for name in [&b"../\0"[..], b"/etc/\0", b"../\n\0"] {
            let mut directory = block(b'a');
            directory[..name.len()].copy_from_slice(name);
            assert!(is_harmful_to_perl(&directory), "{name:?}");
        }
        let mut safe_directory = block(b'a');
        safe_directory[..3].copy_from_slice(b"x/\0");
        assert!(!is_harmful_to_perl(&safe_directory));
        let mut file = block(b'a');
        file[..4].copy_from_slice(b"/x\0a");
        assert!(!is_harmful_to_perl(&file), "a file needs a checksum");
    }

    #[test]
    fn a_sum_in_base_256_starts_with_its_flag() {
        let sum = u32::try_from(Sums::of(&block(b'a')).unsigned).unwrap();
        for (flag, expected) in [(0x80, true), (0, false), (0x40, false)] {
            let mut binary = block(b'a');
            binary[CHECKSUM..CHECKSUM + 8].copy_from_slice(&(u64::from(sum)).to_be_bytes());
            binary[CHECKSUM] = flag;
            assert_eq!(is_header(&binary), expected, "{flag:#x}");
        }
    }

    #[test]
    fn honest_compressed_data_is_no_header() {
        // Linear congruential numbers stand for compressed data.
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let random = [(); 512].map(|()| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_be_bytes()[0]
            });
            assert!(!is_header(&random), "{random:?}");
        }
    }
}
