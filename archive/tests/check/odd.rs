//! Odd but sound archives: what a reader must not trip over.

use archive_builder::{BLOCK, Field, Gzip, Tarball};

use super::sound;

/// What bsdtar stores of a file with attributes, flags and an access list.
const BSDTAR_RECORDS: [(&str, &str); 9] = [
    ("mtime", "1700000000.123456789"),
    ("LIBARCHIVE.creationtime", "1700000000.1"),
    ("SCHILY.fflags", "nodump"),
    ("SCHILY.acl.access", "user::rw-,group::r--,other::r--,user:builder:rwx:1000,mask::rwx"),
    ("SCHILY.dev", "2049"),
    ("SCHILY.ino", "131"),
    ("SCHILY.nlink", "1"),
    ("LIBARCHIVE.xattr.user.origin", "aGVsbG8"),
    ("SCHILY.xattr.user.origin", "hello\0\n"),
];

pub(super) fn archives() -> Vec<(String, Vec<u8>)> {
    let tar = sound().tar();
    let fields = Gzip::new(&tar)
        .flags(1)
        .extra(b"ab\x02\0cd")
        .name(b"x.tar")
        .comment(b"a comment")
        .header_crc(0);
    let gzip = |tarball: Tarball| tarball.gzip();
    [
        ("gzip fields", fields.bytes()),
        ("the longest gzip name", Gzip::new(&tar).name(&vec![b'n'; 65_535]).bytes()),
        ("zeros long after the end", Gzip::new(&sound().zeros(1_000 * BLOCK).tar()).bytes()),
        ("root directory", gzip(Tarball::new().directory("./").file("./x", b""))),
        (
            "directory after a path through it",
            gzip(Tarball::new().file("a/b/c", b"").directory("a/b").directory("a")),
        ),
        ("old file type", gzip(Tarball::new().entry(b'\0', "x", b"data"))),
        (
            "blank numbers",
            gzip(
                sound()
                    .set(Field::MODE, b"")
                    .set(Field::UID, b"")
                    .set(Field::GID, b"")
                    .set(Field::MTIME, b""),
            ),
        ),
        (
            "numbers ended by blanks",
            gzip(sound().set(Field::MODE, b"   644 ").set(Field::SIZE, b"        12 ")),
        ),
        ("numbers in base 256", gzip(sound().set(Field::UID, b"\x80\0\0\0\xff\xff\xff\xff"))),
        ("time before 1970", gzip(sound().set(Field::MTIME, &[0xff; 12]))),
        (
            "star's times",
            gzip(
                sound()
                    .set(Field::STAR_ATIME, b"14000000000")
                    .set(Field::STAR_CTIME, b"14000000000"),
            ),
        ),
        ("full prefix", gzip(sound().set(Field::PREFIX, &[b'p'; 155]))),
        ("file type in the mode", gzip(sound().mode(0o100_755))),
        ("another type in the mode", gzip(sound().mode(0o040_755))),
        (
            "names that scripts and emoji need",
            gzip(Tarball::new().file("می\u{200c}خواهم", b"").file("👩\u{200d}🚀", b"")),
        ),
        (
            "comments between entries",
            gzip(
                sound()
                    .global(&[("comment", "one")])
                    .file("x", b"")
                    .global(&[("comment", "two")])
                    .file("y", b""),
            ),
        ),
        (
            "comment before a pax header",
            gzip(Tarball::new().global(&[("comment", "one")]).pax(&[("path", "x")]).file("y", b"")),
        ),
        (
            "pax size that is the header's",
            gzip(Tarball::new().pax(&[("size", "4")]).file("x", b"data")),
        ),
        (
            "pax character set UTF-8",
            gzip(
                Tarball::new()
                    .pax(&[("hdrcharset", "ISO-IR 10646 2000 UTF-8"), ("path", "ß")])
                    .file("y", b""),
            ),
        ),
        (
            "pax times",
            gzip(
                Tarball::new()
                    .pax(&[("mtime", "-1.5"), ("atime", "0"), ("ctime", "253402300799.9")])
                    .file("x", b""),
            ),
        ),
        ("bsdtar's keys", gzip(Tarball::new().pax(&BSDTAR_RECORDS).file("x", b""))),
        (
            "vendor's key",
            gzip(
                Tarball::new()
                    .pax(&[("MSWINDOWS.rawsd", "AQ=="), ("RHT.security.selinux", "u:r:t:s0\0")])
                    .file("x", b""),
            ),
        ),
    ]
    .map(|(what, archive)| (what.to_owned(), archive))
    .into()
}
