//! The gzip member.

use archive_builder::{BLOCK, Gzip};
use rstest::rstest;

use crate::{assert_refused, valid};

fn gzip() -> Gzip {
    Gzip::new(&valid().tar())
}

fn followed_by(after: &[u8]) -> Vec<u8> {
    [&gzip().bytes(), after].concat()
}

/// The tar, split between two gzip members.
fn in_two_members() -> Vec<u8> {
    let tar = valid().tar();
    let (first, second) = tar.split_at(BLOCK);
    [Gzip::new(first).bytes(), Gzip::new(second).bytes()].concat()
}

#[test]
fn an_empty_upload_is_refused() {
    assert_refused(b"", "empty", "the archive is empty");
}

#[rstest]
#[case::bare_tar(&valid().tar())]
#[case::zip(b"PK\x03\x04and so on and on")]
#[case::text_shorter_than_a_gzip_header(b"hello")]
#[case::one_byte(b"\n")]
#[case::other_magic(b"\x1f\x9d")]
#[case::other_compression_method(b"\x1f\x8b\x07")]
#[case::reserved_flag(&gzip().flags(0x20).bytes())]
fn data_that_is_not_gzip_is_refused(#[case] archive: &[u8]) {
    assert_refused(archive, "not-gzip", "the archive is not in gzip format; send a tar.gz");
}

#[rstest]
#[case::in_the_magic(|_| 1)]
#[case::in_the_header(|_| 5)]
#[case::before_the_last_byte_of_the_header(|_| 9)]
#[case::after_the_header(|_| 10)]
#[case::in_the_data(|length| length / 2)]
#[case::before_the_checksum(|length| length - 8)]
#[case::in_the_length(|length| length - 1)]
fn truncated_gzip_is_refused(#[case] cut: fn(usize) -> usize) {
    let archive = gzip().bytes();
    assert_refused(
        &archive[..cut(archive.len())],
        "gzip-truncated",
        "the archive is cut short: its gzip data does not end",
    );
}

#[rstest]
#[case::at_the_file_name(|_| 10)]
#[case::in_the_file_name(|_| 12)]
#[case::in_the_longest_file_name(|_| 265)]
#[case::in_the_header_checksum(|_| 267)]
#[case::after_the_header_checksum(|_| 268)]
fn truncated_gzip_headers_are_refused(#[case] cut: fn(usize) -> usize) {
    let archive = gzip().name(&[b'n'; 255]).header_crc(0).bytes();
    assert_refused(
        &archive[..cut(archive.len())],
        "gzip-truncated",
        "the archive is cut short: its gzip data does not end",
    );
}

/// Polyglots: both fields can hold an uncompressed tar, which GNU tar without `-z` and busybox list.
#[rstest]
#[case::extra_field(
    gzip().extra(&valid().tar()),
    "gzip-extra",
    "the archive's gzip header has an extra field; compress it with `gzip`"
)]
#[case::empty_extra_field(
    gzip().extra(b""),
    "gzip-extra",
    "the archive's gzip header has an extra field; compress it with `gzip`"
)]
#[case::comment(
    gzip().comment(b"c"),
    "gzip-comment",
    "the archive's gzip header has a comment; compress it with `gzip`"
)]
#[case::comment_after_a_name(
    gzip().name(b"n").comment(b""),
    "gzip-comment",
    "the archive's gzip header has a comment; compress it with `gzip`"
)]
fn optional_gzip_fields_are_refused(
    #[case] gzip: Gzip,
    #[case] rule: &'static str,
    #[case] message: &str,
) {
    assert_refused(&gzip.bytes(), rule, message);
}

#[rstest]
#[case::too_long(&[b'n'; 256])]
#[case::endless(&vec![b'n'; 65_536])]
#[case::newline(b"a\nb")]
#[case::terminal_escape(b"\x1b[2J")]
#[case::delete(b"a\x7f")]
#[case::control_at_the_limit(&[[b'n'; 254].as_slice(), b"\x01"].concat())]
fn gzip_file_names_that_no_tool_writes_are_refused(#[case] name: &[u8]) {
    assert_refused(
        &gzip().name(name).bytes(),
        "gzip-name",
        "the archive's gzip header has a file name of more than 255 bytes or with control characters; compress it with `gzip -n`",
    );
}

/// Sums of the first 512 bytes of a file, as a tar header: of unsigned and of signed bytes.
fn sums(file: &[u8]) -> (i64, i64) {
    let summed = || file.iter().take(BLOCK).enumerate().filter(|(at, _)| !(148..156).contains(at));
    let signed = |byte: u8| i64::from(byte.cast_signed());
    (
        256 + summed().map(|(_, byte)| i64::from(*byte)).sum::<i64>(),
        256 + summed().map(|(_, byte)| signed(*byte)).sum::<i64>(),
    )
}

/// GNU tar's base 64.
fn base_64(value: i64) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit =
        |shift: u32| char::from(DIGITS[usize::try_from((value.abs() >> shift) & 63).unwrap()]);
    let sign = if value < 0 { '-' } else { '+' };
    [sign].into_iter().chain([24_u32, 18, 12, 6, 0].map(digit)).collect()
}

/// Polyglots: a stored deflate block puts any bytes into the first block of the file.
///
/// Each case formats a checksum as some reader parses it.
#[rstest]
#[case::posix(|unsigned: i64, _: i64| format!("{unsigned:06o}\0 ").into())]
#[case::without_terminator(|unsigned: i64, _: i64| format!("{unsigned:08o}").into())]
#[case::blanks_before(|unsigned: i64, _: i64| format!("{unsigned:8o}").into())]
#[case::nuls_before(|unsigned: i64, _: i64| format!("\0\0{unsigned:06o}").into())]
#[case::tab_before(|unsigned: i64, _: i64| format!("\t{unsigned:06o} ").into())]
#[case::sign(|unsigned: i64, _: i64| format!("+{unsigned:06o} ").into())]
#[case::letter_after(|unsigned: i64, _: i64| format!("{unsigned:06o}xx").into())]
#[case::underscore(|unsigned: i64, _: i64| format!("0_{unsigned:06o}").into())]
#[case::octal_prefix(|unsigned: i64, _: i64| format!("0o{unsigned:06o}").into())]
#[case::hexadecimal(|unsigned: i64, _: i64| format!("0x{unsigned:05x} ").into())]
#[case::twelve_bytes(|unsigned: i64, _: i64| format!("{unsigned:012o}").into())]
#[case::twelve_bytes_with_blanks(|unsigned: i64, _: i64| format!("{unsigned:11o}\0").into())]
#[case::base_64(|unsigned: i64, _: i64| format!("{}\0 ", base_64(unsigned)).into())]
#[case::base_256(|unsigned: i64, _: i64| [&b"\x80\0\0\0"[..], &unsigned.to_be_bytes()[4..]].concat())]
#[case::base_256_with_high_bits(|unsigned: i64, _: i64| [&b"\x87abc"[..], &unsigned.to_be_bytes()[4..]].concat())]
#[case::base_256_of_twelve_bytes(|unsigned: i64, _: i64| [&b"\x80\0\0\0"[..], &unsigned.to_be_bytes()].concat())]
#[case::signed_sum(|_: i64, signed: i64| if signed < 0 { format!("-{:06o} ", -signed) } else { format!("{signed:06o}\0 ") }.into())]
#[case::signed_sum_in_base_64(|_: i64, signed: i64| format!("{}\0 ", base_64(signed)).into())]
#[case::signed_sum_in_base_256(|_: i64, signed: i64| {
    let [_, rest @ ..] = signed.to_be_bytes();
    [&[if signed < 0 { 0xff } else { 0x80 }], &rest[..]].concat()
})]
fn a_compressed_file_that_is_a_tar_is_refused(
    #[case] format: fn(i64, i64) -> Vec<u8>,
    #[values(b'a', 0x81, 0xfe)] filler: u8,
    #[values(165, 300, 1_000)] length: usize,
) {
    // Readers pad a short file with zeros.
    let to_file = |data: &[u8]| Gzip::stored(data, u16::MAX).bytes()[..length].to_vec();
    // A checksum of twelve bytes sums four of its own digits: another byte makes up for them.
    let data = (0..=255)
        .find_map(|tweak| {
            let mut data = vec![filler; 1_000];
            data[0] = tweak;
            for _ in 0..20 {
                let before = sums(&to_file(&data));
                let checksum = format(before.0, before.1);
                // The checksum field of the file is at this offset of the data.
                data[133..][..checksum.len()].copy_from_slice(&checksum);
                if sums(&to_file(&data)) == before {
                    return Some(data);
                }
            }
            None
        })
        .unwrap();
    assert_refused(
        &to_file(&data),
        "gzip-polyglot",
        "the archive is an uncompressed tar as well; compress it again with `gzip -n`",
    );
}

/// The same with a file name.
#[rstest]
#[case::octal(|sum: i64| format!("{sum:07o} "))]
#[case::twelve_digits(|sum: i64| format!("{sum:012o}"))]
#[case::base_64(|sum: i64| format!("{}  ", base_64(sum)))]
fn a_gzip_file_name_that_makes_a_tar_is_refused(#[case] format: fn(i64) -> String) {
    let with_checksum = |tweak: u8, checksum: &str| {
        let name = format!("{:n<137}{}{checksum:n<12}", "", char::from(tweak));
        gzip().name(name.as_bytes()).bytes()
    };
    let archive = (b'a'..=b'z')
        .find_map(|tweak| {
            let mut archive = with_checksum(tweak, &format(0));
            for _ in 0..20 {
                let before = sums(&archive);
                archive = with_checksum(tweak, &format(before.0));
                if sums(&archive) == before {
                    return Some(archive);
                }
            }
            None
        })
        .unwrap();
    assert_refused(
        &archive,
        "gzip-polyglot",
        "the archive is an uncompressed tar as well; compress it again with `gzip -n`",
    );
}

#[rstest]
#[case::wrong_checksum(gzip().wrong_crc())]
#[case::wrong_header_checksum(gzip().header_crc(1))]
#[case::wrong_length(gzip().wrong_size())]
fn damaged_gzip_is_refused(#[case] gzip: Gzip) {
    assert_refused(&gzip.bytes(), "gzip-damaged", "the archive's gzip data is damaged");
}

/// Some readers read the first member only, others all members: one file, two views.
#[rstest]
#[case::second_member(&followed_by(&gzip().bytes()))]
#[case::empty_second_member(&followed_by(&Gzip::new(b"").bytes()))]
#[case::tar_in_two_members(&in_two_members())]
#[case::zero(&followed_by(b"\0"))]
#[case::garbage(&followed_by(b"#!/bin/sh"))]
fn data_after_the_gzip_member_is_refused(#[case] archive: &[u8]) {
    assert_refused(
        archive,
        "data-after-gzip",
        "the archive has data after the end of its gzip data; send one gzip member alone",
    );
}

#[test]
fn gzip_in_gzip_is_refused() {
    assert_refused(
        &Gzip::new(&gzip().bytes()).bytes(),
        "block-truncated",
        "the archive's tar does not end at a multiple of 512 bytes",
    );
}
