//! The end of the tar.

use archive_builder::{BLOCK, Field, Gzip, Tarball};
use rstest::rstest;

use crate::{assert_refused, valid};

#[rstest]
#[case::no_block(Vec::new())]
#[case::no_zero_block(valid().tar_without_end())]
#[case::one_zero_block(valid().zeros(BLOCK).tar_without_end())]
fn a_tar_without_an_end_is_refused(#[case] tar: Vec<u8>) {
    assert_refused(
        &Gzip::new(&tar).bytes(),
        "no-end",
        "the archive's tar does not end with two blocks of zeros",
    );
}

#[rstest]
#[case::entry_after_one_zero_block(valid().zeros(BLOCK).file("after", b"").tar())]
#[case::entry_after_the_end(valid().zeros(2 * BLOCK).file("after", b"").tar())]
#[case::another_tar([valid().tar(), valid().tar()].concat())]
#[case::far_after_the_end(valid().zeros(600 * BLOCK).bytes(&[1; BLOCK]).tar_without_end())]
fn data_after_the_end_is_refused(#[case] tar: Vec<u8>) {
    assert_refused(
        &Gzip::new(&tar).bytes(),
        "data-after-end",
        "the archive's tar has data after its end",
    );
}

#[rstest]
#[case::in_a_header(valid().tar_without_end()[..300].to_vec())]
#[case::after_the_end(valid().zeros(2 * BLOCK).bytes(b"\0\0").tar_without_end())]
fn a_partial_block_is_refused(#[case] tar: Vec<u8>) {
    assert_refused(
        &Gzip::new(&tar).bytes(),
        "block-truncated",
        "the archive's tar does not end at a multiple of 512 bytes",
    );
}

#[rstest]
#[case::ordinary_size(b"2000")]
#[case::size_of_64_bits(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff")]
fn truncated_data_is_refused(#[case] size: &[u8]) {
    let tar = valid().set(Field::SIZE, size).tar_without_end();
    assert_refused(
        &Gzip::new(&tar).bytes(),
        "data-truncated",
        "the archive's tar ends inside an entry",
    );
}

#[rstest]
#[case::no_entry(Tarball::new())]
#[case::only_directories(Tarball::new().directory("a").directory("a/b"))]
#[case::only_zeros(Tarball::new().zeros(18 * BLOCK))]
fn an_archive_without_a_file_is_refused(#[case] tarball: Tarball) {
    assert_refused(&tarball.gzip(), "no-file", "the archive holds no file");
}
