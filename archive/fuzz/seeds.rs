//! Writes the seeds of the corpus: archives of ordinary tools, and archives that mutation hardly
//! finds. Run it in this folder: `cargo run --release --bin seeds`.

use std::{fs, io, path::Path};

use archive_builder::{Field, Gzip, Tarball};
use libfuzzer_sys as _;

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/archive");
    fs::create_dir_all(&folder)?;
    tars()
        .into_iter()
        .chain(archives())
        .try_for_each(|(name, seed)| fs::write(folder.join(name), seed))
}

fn tars() -> [(&'static str, Vec<u8>); 18] {
    let long = "folder/".repeat(30) + "file";
    let ordinary = Tarball::new().directory("bin/").file("bin/run", b"#!/bin/sh\n").mode(0o755);
    [
        ("ordinary.tar", ordinary.clone().tar()),
        ("gnu.tar", Tarball::new().directory("./").gnu().file("./file", b"1").gnu().tar()),
        ("gnu-long-name.tar", Tarball::new().file(&long, b"1").gnu().tar()),
        ("prefix.tar", Tarball::new().file("file", b"1").set(Field::PREFIX, b"folder").tar()),
        ("pax-path.tar", Tarball::new().pax(&[("path", &long)]).file("file", b"1").tar()),
        (
            "pax.tar",
            Tarball::new()
                .pax(&[("size", "1"), ("mtime", "1700000000.5"), ("LIBARCHIVE.xattr.user.a", "b")])
                .file("file", b"1")
                .tar(),
        ),
        (
            "pax-size-differs.tar",
            Tarball::new().pax(&[("size", "513")]).file("file", &[1; 512]).tar(),
        ),
        (
            "git-archive.tar",
            Tarball::new().pax_global(&[("comment", "0a1b2c")]).file("file", b"1").tar(),
        ),
        ("unicode.tar", Tarball::new().file("Straße/é", b"").file("STRASSE/e\u{301}", b"").tar()),
        ("same-name.tar", Tarball::new().file("a", b"").file("./A", b"").tar()),
        ("file-above.tar", Tarball::new().file("a", b"").file("a/b", b"").tar()),
        (
            "base-256.tar",
            Tarball::new()
                .file("file", b"1")
                .gnu()
                .set(Field::SIZE, b"\x80\0\0\0\0\0\0\0\0\0\0\x01")
                .set(Field::MTIME, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
                .tar(),
        ),
        ("links.tar", Tarball::new().symlink("a", "/etc").hard_link("b", "a").tar()),
        (
            "record-in-a-value.tar",
            Tarball::new()
                .pax(&[("SCHILY.xattr.user.a", "b\n13 path=evil")])
                .file("file", b"1")
                .tar(),
        ),
        (
            "checksum-without-end.tar",
            Tarball::new().file("file", b"1").checksum_form(|sum| format!("{sum:08o}")).tar(),
        ),
        (
            "own-path.tar",
            Tarball::new().pax(&[("path", "größe")]).file("gr??e", b"1").mode(0o100_644).tar(),
        ),
        ("cut-name.tar", Tarball::new().pax(&[("path", "größe")]).file("gre/", b"text\n").tar()),
        ("padded-end.tar", ordinary.zeros(8192).tar()),
    ]
}

fn archives() -> [(&'static str, Vec<u8>); 6] {
    let tar = Tarball::new().file("file", b"12345678").tar();
    let gzip = Gzip::new(&tar);
    [
        ("plain.tgz", gzip.clone().bytes()),
        (
            "every-field.tgz",
            gzip.clone().extra(b"ab\x01\0c").name(b"n").comment(b"c").header_crc(0).bytes(),
        ),
        ("two-members.tgz", gzip.clone().bytes().repeat(2)),
        ("fields.tgz", gzip.clone().name(b"n").header_crc(0).bytes()),
        ("stored.tgz", Gzip::stored(&tar, 300).bytes()),
        ("bomb.tgz", Gzip::new(&Tarball::new().file("zeros", &vec![0; 1 << 16]).tar()).bytes()),
    ]
}
