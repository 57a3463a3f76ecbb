//! The fields of tar headers.

use archive_builder::{Field, Gzip, Tarball};
use rstest::rstest;

use crate::{assert_refused, unusual::assert_accepted, valid};

#[rstest]
#[case::no_magic(b"")]
#[case::no_version(b"ustar")]
#[case::other_magic(b"rustar00")]
fn unknown_header_formats_are_refused(#[case] magic: &[u8]) {
    assert_refused(
        &valid().set(Field::MAGIC, magic).gzip(),
        "header-format",
        "entry number 1 has a header that is not in ustar, pax or GNU format",
    );
}

/// A checksum that is correct for readers that sum signed bytes.
fn signed_checksum() -> Vec<u8> {
    let mut tar = Tarball::new().file("ß", b"").tar();
    let unsigned = u32::from_str_radix(str::from_utf8(&tar[148..154]).unwrap(), 8).unwrap();
    let signed = unsigned - 2 * 256;
    tar[148..154].copy_from_slice(format!("{signed:06o}").as_bytes());
    Gzip::new(&tar).bytes()
}

#[rstest]
#[case::other_sum(&valid().set(Field::CHECKSUM, b"000001\0 ").gzip())]
#[case::sum_of_signed_bytes(&signed_checksum())]
fn wrong_checksums_are_refused(#[case] archive: &[u8]) {
    assert_refused(archive, "header-checksum", "entry number 1 has a header with a wrong checksum");
}

/// The correct checksum, in another form than POSIX defines.
fn with_checksum(format: fn(u32) -> String) -> Vec<u8> {
    let mut tar = valid().tar();
    let sum = u32::from_str_radix(str::from_utf8(&tar[148..154]).unwrap(), 8).unwrap();
    tar[148..156].copy_from_slice(format!("{:\0<8}", format(sum)).as_bytes());
    Gzip::new(&tar).bytes()
}

/// node-tar reads the number from 12 bytes. Digits without an end go on in the type flag: node-tar
/// skips such a header, and parses the data as headers.
#[rstest]
#[case::eight_digits(with_checksum(|sum| format!("{sum:08o}")))]
#[case::blanks_before(with_checksum(|sum| format!("{sum:8o}")))]
#[case::nul_before(with_checksum(|sum| format!("\0{sum:06o}\0")))]
#[case::sign(with_checksum(|sum| format!("+{sum:06o}")))]
#[case::two_numbers(with_checksum(|sum| format!("{sum:05o}\x001 ")))]
#[case::hexadecimal(with_checksum(|sum| format!("0x{sum:x}")))]
#[case::underscore(with_checksum(|sum| format!("0_{sum:05o}")))]
#[case::negative(valid().set(Field::CHECKSUM, b"-01234\0 ").gzip())]
#[case::blank(valid().set(Field::CHECKSUM, b"        ").gzip())]
#[case::none(valid().set(Field::CHECKSUM, b"").gzip())]
#[case::base_256(valid().set(Field::CHECKSUM, b"\x80\0\0\0\0\0\x12\x34").gzip())]
fn malformed_checksums_are_refused(#[case] archive: Vec<u8>) {
    assert_refused(
        &archive,
        "header-number",
        "entry number 1 has a header with a malformed checksum",
    );
}

/// A header with a large sum that the name of the user raises.
fn with_user(user: &str) -> Tarball {
    let high = |bytes: usize| "\u{ffff}".repeat(bytes / 3);
    Tarball::new()
        .file(&high(99), b"")
        .set(Field::PREFIX, high(153).as_bytes())
        .set(Field::USER, &[0; 32])
        .set(Field::USER, user.as_bytes())
        .set(Field::GROUP, high(30).as_bytes())
        .set(Field::MTIME, &[0xff; 12])
}

/// Perl's `Archive::Tar` computes sums modulo 65,536. If the sum is wrong, it skips the header, and
/// parses the data as headers.
#[test]
fn a_checksum_above_16_bits_is_refused() {
    assert_refused(
        &with_user(&"\u{ffff}".repeat(10)).gzip(),
        "header-sum",
        "entry number 1 has a header whose checksum is too large for some readers; shorten its names",
    );
}

#[test]
fn a_checksum_of_16_bits_is_accepted() {
    let tar = with_user("").tar();
    let sum = u32::from_str_radix(str::from_utf8(&tar[148..154]).unwrap(), 8).unwrap();
    // A name of bytes with the missing sum: as many `~` as leave two more characters.
    let missing = 0xffff - sum;
    let tildes = missing / u32::from(b'~') - 1;
    let rest = missing - tildes * u32::from(b'~');
    let user = |rest: u32| {
        let [first, second] = [rest / 2, rest - rest / 2].map(|byte| char::from_u32(byte).unwrap());
        format!("{}{first}{second}", "~".repeat(tildes as usize))
    };
    assert_accepted(with_user(&user(rest)).gzip());
    let message = "entry number 1 has a header whose checksum is too large for some readers; shorten its names";
    assert_refused(&with_user(&user(rest + 1)).gzip(), "header-sum", message);
}

/// Perl's `Archive::Tar` skips such a header, and parses the data as headers.
#[rstest]
#[case::first(Field(500, 1), b"1")]
#[case::last(Field(511, 1), b"1")]
#[case::magic_of_star(Field(508, 4), b"tar\0")]
fn data_after_the_last_field_is_refused(#[case] field: Field, #[case] value: &[u8]) {
    assert_refused(
        &valid().set(field, value).gzip(),
        "header-padding",
        "entry `bin/run` has a header with data after its last field",
    );
}

#[test]
fn a_tar_that_bsdtar_takes_for_bzip2_is_refused() {
    assert_refused(
        &Tarball::new().file("BZh91AY&SY", b"").gzip(),
        "header-bzip2",
        "entry number 1 has a name that is the start of bzip2 data",
    );
}

#[rstest]
#[case::name_after_a_name(Field::NAME, b"bin/run\0/etc/passwd", "name")]
#[case::prefix_after_a_prefix(Field::PREFIX, b"a\0b", "prefix")]
#[case::prefix_with_a_slash(Field::PREFIX, b"usr/", "prefix")]
#[case::newline_after_a_name(Field::NAME, b"bin/run\0\n", "name")]
fn ambiguous_paths_in_headers_are_refused(
    #[case] field: Field,
    #[case] value: &[u8],
    #[case] name: &str,
) {
    let message = format!("entry number 1 has a header with a malformed {name}");
    assert_refused(&valid().set(field, value).gzip(), "header-text", &message);
}

/// Perl's `Archive::Tar` ends its list at a header without a name.
#[rstest]
#[case::no_name(Tarball::new().directory("").set(Field::PREFIX, b"bin"), "bin/")]
#[case::two_slashes(Tarball::new().file("/run", b"").set(Field::PREFIX, b"bin"), "bin//run")]
fn ambiguous_names_after_a_prefix_are_refused(#[case] tarball: Tarball, #[case] path: &str) {
    let message = format!("entry `{path}` has a header with a malformed name");
    assert_refused(&tarball.file("x", b"").gzip(), "header-text", &message);
}

/// Perl's `Archive::Tar` takes it for metadata, and does not list it.
#[rstest]
#[case::file(Tarball::new().file("pax_global_header", b""), "pax_global_header")]
#[case::directory(valid().directory("pax_global_header"), "pax_global_header")]
#[case::after_a_prefix(
    Tarball::new().file("pax_global_header", b"").set(Field::PREFIX, b"x"),
    "x/pax_global_header"
)]
#[case::under_a_pax_path(
    Tarball::new().pax(&[("path", "ß")]).file("pax_global_header", b""),
    "ß"
)]
#[case::long_name(
    Tarball::new().long_name("pax_global_header").file("pax_global_header", b""),
    "pax_global_header"
)]
fn a_name_that_perl_hides_is_refused(#[case] tarball: Tarball, #[case] path: &str) {
    let message = format!(
        "entry `{path}` has the name `pax_global_header`, under which some readers hide it; rename it"
    );
    assert_refused(&tarball.gzip(), "metadata-name", &message);
}

#[rstest]
#[case::user_name_with_control_characters(Field::USER, b"\x1b[2J", "user name")]
#[case::group_name_that_is_not_utf_8(Field::GROUP, b"caf\xe9", "group name")]
fn owner_names_that_listings_cannot_print_are_refused(
    #[case] field: Field,
    #[case] value: &[u8],
    #[case] name: &str,
) {
    let message = format!("entry `bin/run` has a header with a malformed {name}");
    assert_refused(&valid().set(field, value).gzip(), "header-text", &message);
}

#[rstest]
#[case::prefix(Field::PREFIX, b"/etc")]
#[case::sparse_map(Field::GNU_SPARSE_OFFSET, b"00000000001")]
#[case::real_size(Field::GNU_REAL_SIZE, b"00000000001")]
fn gnu_extension_fields_are_refused(#[case] field: Field, #[case] value: &[u8]) {
    assert_refused(
        &valid().gnu().set(field, value).gzip(),
        "header-gnu-fields",
        "entry `bin/run` has a header with fields of GNU tar's that only incremental, sparse or multi-volume archives need",
    );
}

#[rstest]
#[case::mode_that_python_accepts(Field::MODE, b"0o644", "mode")]
#[case::blank_mode(Field::MODE, b"        ", "mode")]
#[case::user_id_with_an_underscore(Field::UID, b"1_0", "user id")]
#[case::user_id_above_32_bits(Field::UID, b"\x80\0\0\x01\0\0\0\0", "user id")]
#[case::negative_group_id(Field::GID, b"-7", "group id")]
#[case::size_with_a_sign(Field::SIZE, b"+12", "size")]
#[case::negative_size(Field::SIZE, &[0xff; 12], "size")]
#[case::size_above_64_bits(Field::SIZE, b"\x80\0\0\x01", "size")]
#[case::no_size(Field::SIZE, b"", "size")]
#[case::size_after_a_nul(Field::SIZE, b"\x0000000000012", "size")]
#[case::two_sizes(Field::SIZE, b"12 14", "size")]
#[case::time_with_a_letter(Field::MTIME, b"12x", "modification time")]
#[case::time_after_the_year_9999(
    Field::MTIME,
    b"\x80\0\0\0\0\0\0\x3a\xff\xf4\x41\x80",
    "modification time"
)]
#[case::time_before_the_year_minus_6059(
    Field::MTIME,
    b"\xff\xff\xff\xff\xff\xff\xff\xc5\x00\x0b\xbe\x80",
    "modification time"
)]
#[case::time_before_all_years(Field::MTIME, b"\xff\0\0\0\0\0\0\0\0\0\0\0", "modification time")]
#[case::hexadecimal_device_number(Field::DEVMAJOR, b"0x1", "device number")]
#[case::device_number_with_a_sign(Field::DEVMINOR, b"+1", "device number")]
#[case::access_time_in_words(Field::STAR_ATIME, b"now", "access time")]
#[case::change_time_in_words(Field::STAR_CTIME, b"now", "change time")]
fn ambiguous_numbers_are_refused(#[case] field: Field, #[case] value: &[u8], #[case] name: &str) {
    let message = format!("entry `bin/run` has a header with a malformed {name}");
    assert_refused(&valid().set(field, value).gzip(), "header-number", &message);
}
