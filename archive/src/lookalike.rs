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
        let base_64 = signed.unwrap_or_default();
        [(octal, 3), (hexadecimal, 4), (binary, 1), (base_64, 6)].map(|(digits, bits)| {
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
