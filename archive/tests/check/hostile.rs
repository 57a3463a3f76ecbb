//! Hostile archives, each with the rule and the message that refuse it.

use archive_builder::{BLOCK, Field, Gzip, Tarball, pax_record};

use super::sound;

/// A hostile archive.
pub(super) struct Hostile {
    pub(super) what: &'static str,
    pub(super) archive: Vec<u8>,
    pub(super) rule: &'static str,
    pub(super) message: String,
}

fn hostile(what: &'static str, archive: Vec<u8>, rule: &'static str, message: &str) -> Hostile {
    Hostile { what, archive, rule, message: message.to_owned() }
}

pub(super) fn archives() -> Vec<Hostile> {
    [
        gzip_faults(),
        type_faults(),
        format_faults(),
        entry_faults(),
        number_faults(),
        metadata_faults(),
        record_faults(),
        key_faults(),
        path_faults(),
        set_faults(),
        end_faults(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The gzip member: one file, two views (some readers take the first member alone, some all).
fn gzip_faults() -> Vec<Hostile> {
    const NOT_GZIP: &str = "the archive is not in gzip format; send a tar.gz";
    const CUT: &str = "the archive is cut short: its gzip data does not end";
    const DAMAGED: &str = "the archive's gzip data is damaged";
    const TRAILING: &str =
        "the archive has data after the end of its gzip data; send one gzip member alone";
    let tar = sound().tar();
    let gzip = || Gzip::new(&tar);
    let whole = gzip().bytes();
    let cut = |length: usize| whole[..length].to_vec();
    let followed = |by: &[u8]| [&whole, by].concat();
    let first_half = Gzip::new(&tar[..BLOCK]).bytes();
    let second_half = Gzip::new(&tar[BLOCK..]).bytes();
    vec![
        hostile("no bytes", Vec::new(), "empty", "the archive is empty"),
        hostile("a bare tar", tar.clone(), "not-gzip", NOT_GZIP),
        hostile("a zip", b"PK\x03\x04and so on and on".to_vec(), "not-gzip", NOT_GZIP),
        hostile("reserved gzip flag", gzip().flags(0x20).bytes(), "not-gzip", NOT_GZIP),
        hostile("wrong gzip header checksum", gzip().header_crc(1).bytes(), "not-gzip", NOT_GZIP),
        hostile(
            "endless gzip file name",
            gzip().name(&vec![b'n'; 65_536]).bytes(),
            "not-gzip",
            NOT_GZIP,
        ),
        hostile("cut in the gzip header", cut(5), "gzip-truncated", CUT),
        hostile("cut in the data", cut(whole.len() / 2), "gzip-truncated", CUT),
        hostile("cut before the checksum", cut(whole.len() - 8), "gzip-truncated", CUT),
        hostile("cut in the length", cut(whole.len() - 1), "gzip-truncated", CUT),
        hostile("wrong checksum", gzip().wrong_crc().bytes(), "gzip-damaged", DAMAGED),
        hostile("wrong length", gzip().wrong_size().bytes(), "gzip-damaged", DAMAGED),
        hostile("a second member", followed(&whole), "data-after-gzip", TRAILING),
        hostile(
            "an empty second member",
            followed(&Gzip::new(b"").bytes()),
            "data-after-gzip",
            TRAILING,
        ),
        hostile(
            "a tar in two members",
            [first_half, second_half].concat(),
            "data-after-gzip",
            TRAILING,
        ),
        hostile("a zero after the member", followed(b"\0"), "data-after-gzip", TRAILING),
        hostile("garbage after the member", followed(b"#!/bin/sh"), "data-after-gzip", TRAILING),
        hostile(
            "gzip in gzip",
            Gzip::new(&whole).bytes(),
            "block-truncated",
            "the archive's tar does not end at a multiple of 512 bytes",
        ),
    ]
}

/// Links that escape or redirect (CVE-2007-4559, CVE-2021-38511, CVE-2022-36113, CVE-2026-23745),
/// devices, and types that readers differ on.
fn type_faults() -> Vec<Hostile> {
    let typed = |flag: u8| Tarball::new().entry(flag, "bin/run", b"").gzip();
    let mut faults = vec![
        hostile(
            "symbolic link out of the archive",
            Tarball::new().symlink("etc", "/etc").file("etc/passwd", b"root::0:0").gzip(),
            "symbolic-link",
            "entry `etc` is a symbolic link; only files and directories are allowed",
        ),
        hostile(
            "marker file that is a link",
            Tarball::new().symlink(".cargo-ok", "../../target").file(".cargo-ok", b"ok").gzip(),
            "symbolic-link",
            "entry `.cargo-ok` is a symbolic link; only files and directories are allowed",
        ),
        hostile(
            "hard link out of the archive",
            sound().hard_link("copy", "/etc/shadow").gzip(),
            "hard-link",
            "entry `copy` is a hard link; only files and directories are allowed",
        ),
        hostile(
            "link with a long name",
            Tarball::new().long_name("some/where").symlink("short", "/").gzip(),
            "symbolic-link",
            "entry `some/where` is a symbolic link; only files and directories are allowed",
        ),
        hostile(
            "link that a pax header names",
            Tarball::new().pax(&[("path", "pax/name")]).symlink("short", "/").gzip(),
            "symbolic-link",
            "entry `pax/name` is a symbolic link; only files and directories are allowed",
        ),
        hostile(
            // CVE-2025-58183: a sparse map as large as the reader's memory.
            "sparse file",
            Tarball::new()
                .entry(b'S', "bin/run", b"")
                .gnu()
                .set(Field::GNU_REAL_SIZE, b"77777777777")
                .gzip(),
            "sparse-file",
            "entry `bin/run` is a sparse file; only files and directories are allowed",
        ),
    ];
    faults.extend(
        [
            (b'1', "hard-link", "a hard link"),
            (b'2', "symbolic-link", "a symbolic link"),
            (b'3', "character-device", "a character device"),
            (b'4', "block-device", "a block device"),
            (b'6', "fifo", "a fifo"),
            (b'7', "contiguous-file", "a contiguous file"),
            (b'D', "dump-directory", "a GNU dump directory"),
            (b'K', "long-link", "a GNU long link name"),
            (b'M', "multi-volume", "a part of a multi-volume archive"),
            (b'V', "volume-label", "a volume label"),
            (b'X', "solaris-header", "a Solaris extended header"),
            (b'A', "unknown-type", "of an unknown type"),
            (b' ', "unknown-type", "of an unknown type"),
        ]
        .map(|(flag, rule, named)| {
            let message =
                format!("entry `bin/run` is {named}; only files and directories are allowed");
            hostile("forbidden type", typed(flag), rule, &message)
        }),
    );
    faults
}

/// Headers that readers read differently.
fn format_faults() -> Vec<Hostile> {
    let with = |field: Field, value: &[u8]| sound().set(field, value).gzip();
    let gnu = |field: Field, value: &[u8]| sound().gnu().set(field, value).gzip();
    let text = |what, archive, message| hostile(what, archive, "header-text", message);
    let magic = |what, value: &[u8]| {
        hostile(
            what,
            with(Field::MAGIC, value),
            "header-format",
            "entry number 1 has a header that is not in ustar, pax or GNU format",
        )
    };
    let gnu_fields = |what, archive| {
        hostile(
            what,
            archive,
            "header-gnu-fields",
            "entry `bin/run` has a header with fields of GNU tar's that only incremental, sparse or multi-volume archives need",
        )
    };
    let checksum = |what, value: &[u8]| {
        hostile(
            what,
            with(Field::CHECKSUM, value),
            "header-checksum",
            "entry number 1 has a header with a wrong checksum",
        )
    };
    vec![
        magic("no magic", b""),
        magic("no version", b"ustar"),
        magic("another magic", b"rustar00"),
        checksum("wrong checksum", b"000001\0 "),
        checksum("no checksum", b""),
        hostile(
            "negative checksum",
            with(Field::CHECKSUM, b"-01234\0 "),
            "header-number",
            "entry number 1 has a header with a malformed checksum",
        ),
        hostile(
            // Readers that sum signed bytes take this one.
            "checksum of signed bytes",
            signed_checksum(),
            "header-checksum",
            "entry number 1 has a header with a wrong checksum",
        ),
        hostile(
            "start of bzip2 data",
            Tarball::new().file("BZh91AY&SY", b"").gzip(),
            "header-bzip2",
            "entry number 1 has a name that is the start of bzip2 data",
        ),
        text(
            "name after a name",
            with(Field::NAME, b"bin/run\0/etc/passwd"),
            "entry number 1 has a header with a malformed name",
        ),
        text(
            "prefix after a prefix",
            with(Field::PREFIX, b"a\0b"),
            "entry number 1 has a header with a malformed prefix",
        ),
        text(
            "prefix with a slash",
            with(Field::PREFIX, b"usr/"),
            "entry number 1 has a header with a malformed prefix",
        ),
        text(
            "user name of control characters",
            with(Field::USER, b"\x1b[2J"),
            "entry `bin/run` has a header with a malformed user name",
        ),
        text(
            "group name that is not UTF-8",
            with(Field::GROUP, b"caf\xe9"),
            "entry `bin/run` has a header with a malformed group name",
        ),
        gnu_fields("GNU header with a prefix", gnu(Field::PREFIX, b"/etc")),
        gnu_fields("GNU header with a sparse map", gnu(Field::GNU_SPARSE_OFFSET, b"00000000001")),
        gnu_fields("GNU header with another size", gnu(Field::GNU_REAL_SIZE, b"00000000001")),
    ]
}

/// Entries that grant powers, or that are not clearly file or directory.
fn entry_faults() -> Vec<Hostile> {
    let power = |what, mode| {
        hostile(
            what,
            sound().mode(mode).gzip(),
            "special-mode",
            "entry `bin/run` has its setuid, setgid or sticky bit set; clear it",
        )
    };
    vec![
        power("setuid", 0o4755),
        power("setgid", 0o2755),
        power("sticky", 0o1755),
        hostile(
            "sticky directory",
            sound().directory("tmp").mode(0o1777).gzip(),
            "special-mode",
            "entry `tmp` has its setuid, setgid or sticky bit set; clear it",
        ),
        hostile(
            "link name on a file",
            sound().set(Field::LINK, b"/etc").gzip(),
            "link-name",
            "entry `bin/run` has a link name, though it is not a link",
        ),
        hostile(
            "directory with data",
            Tarball::new().entry(b'5', "bin", b"data").gzip(),
            "directory-data",
            "entry `bin` is a directory with data",
        ),
        hostile(
            "file named as a directory",
            Tarball::new().file("bin/", b"data").gzip(),
            "file-slash",
            "entry `bin/` is a file whose path ends like a directory's",
        ),
        hostile(
            "file named as a directory's dot",
            Tarball::new().file("bin/.", b"data").gzip(),
            "file-slash",
            "entry `bin/.` is a file whose path ends like a directory's",
        ),
        hostile(
            "old file named as a directory, under another name",
            Tarball::new().pax(&[("path", "bin/run")]).entry(b'\0', "bin/", b"data").gzip(),
            "file-slash",
            "entry `bin/run` is a file whose path ends like a directory's",
        ),
    ]
}

/// Numbers that readers read differently.
fn number_faults() -> Vec<Hostile> {
    let number = |what, field, value: &[u8], named| {
        let message = format!("entry `bin/run` has a header with a malformed {named}");
        hostile(what, sound().set(field, value).gzip(), "header-number", &message)
    };
    vec![
        number("mode that `int` takes", Field::MODE, b"0o644", "mode"),
        number("user id with an underscore", Field::UID, b"1_0", "user id"),
        number("negative group id", Field::GID, b"-7", "group id"),
        number("user id past 32 bits", Field::UID, b"\x80\0\0\x01\0\0\0\0", "user id"),
        number("size with a sign", Field::SIZE, b"+12", "size"),
        number("negative size", Field::SIZE, &[0xff; 12], "size"),
        number("size past 64 bits", Field::SIZE, b"\x80\0\0\x01", "size"),
        number("no size", Field::SIZE, b"", "size"),
        number("size after a NUL", Field::SIZE, b"\x0000000000012", "size"),
        number("two sizes", Field::SIZE, b"12 14", "size"),
        number("blank mode", Field::MODE, b"        ", "mode"),
        number("time with a letter", Field::MTIME, b"12x", "modification time"),
        number(
            "time past the year 9999",
            Field::MTIME,
            b"\x80\0\0\0\0\0\0\x3a\xff\xff\xff\xff",
            "modification time",
        ),
        number(
            "time before any year",
            Field::MTIME,
            b"\xff\0\0\0\0\0\0\0\0\0\0\0",
            "modification time",
        ),
        number("device number in hex", Field::DEVMAJOR, b"0x1", "device number"),
        number("device number with a sign", Field::DEVMINOR, b"+1", "device number"),
        number("access time in words", Field::STAR_ATIME, b"now", "access time"),
        number("change time in words", Field::STAR_CTIME, b"now", "change time"),
    ]
}

/// A header whose checksum is right for readers that take bytes as signed, as some once did.
fn signed_checksum() -> Vec<u8> {
    let mut tar = Tarball::new().file("ß", b"").tar();
    let unsigned = u32::from_str_radix(str::from_utf8(&tar[148..154]).unwrap(), 8).unwrap();
    let signed = unsigned - 2 * 256;
    tar[148..154].copy_from_slice(format!("{signed:06o}").as_bytes());
    Gzip::new(&tar).bytes()
}

/// Metadata headers: what `TARmageddon` (CVE-2025-62518, CVE-2026-33055) and node-tar's pax size on
/// a long name made of them.
fn metadata_faults() -> Vec<Hostile> {
    let stray = |what, tarball: Tarball| {
        hostile(
            what,
            tarball.gzip(),
            "metadata-stray",
            "entry number 1 has a pax header or long name that is not followed by its file or directory",
        )
    };
    let comment = [("comment", "x")];
    let new = Tarball::new;
    vec![
        stray("pax header at the end", new().pax(&comment)),
        stray("long name at the end", new().long_name("name")),
        stray("global header at the end", new().global(&comment)),
        stray("two pax headers", new().pax(&comment).pax(&comment).file("bin/run", b"")),
        stray("two long names", new().long_name("one").long_name("two").file("bin/run", b"")),
        stray("two global headers", new().global(&comment).global(&comment).file("bin/run", b"")),
        stray(
            "pax size on a long name",
            new().pax(&[("size", "0")]).long_name("name").file("bin/run", b""),
        ),
        stray(
            "long name before a pax header",
            new().long_name("name").pax(&comment).file("bin/run", b""),
        ),
        stray(
            "global header after a pax header",
            new().pax(&comment).global(&comment).file("bin/run", b""),
        ),
        hostile(
            "long name with a second name after a NUL",
            new().long_name_bytes(b"one\0two\0").file("bin/run", b"").gzip(),
            "long-name",
            "entry number 1 has a long name with a NUL in it",
        ),
        hostile(
            // `tarfile` reads on into the padding.
            "pax record in the padding",
            padded_pax().gzip(),
            "metadata-padding",
            "entry number 1 has a pax header or long name whose padding is not zeros",
        ),
        hostile(
            "pax header with a size of words",
            new().pax(&comment).set(Field::SIZE, b"ten").file("bin/run", b"").gzip(),
            "header-number",
            "entry number 1 has a header with a malformed size",
        ),
        hostile(
            "pax header that could be another format's start",
            new().pax(&comment).set(Field::NAME, b"\x1f\x8b").file("bin/run", b"").gzip(),
            "header-text",
            "entry number 1 has a header with a malformed name",
        ),
        hostile(
            "pax header cut short by the end of the tar",
            Gzip::new(&new().pax(&comment).set(Field::SIZE, b"1024").unended()).bytes(),
            "data-truncated",
            "the archive's tar ends inside an entry",
        ),
    ]
}

/// A pax header whose data ends before its last record.
fn padded_pax() -> Tarball {
    let (first, hidden) = (pax_record(b"comment", b"x"), pax_record(b"path", b"/etc/passwd"));
    let data = [first.as_slice(), &hidden].concat();
    Tarball::new()
        .pax_bytes(&data)
        .set(Field::SIZE, format!("{:011o}", first.len()).as_bytes())
        .file("bin/run", b"")
}

/// Records of pax headers that readers read differently.
fn record_faults() -> Vec<Hostile> {
    let with =
        |records: &[(&str, &str)]| Tarball::new().pax(records).file("bin/run", b"data").gzip();
    let bytes = |records: &[u8]| Tarball::new().pax_bytes(records).file("bin/run", b"data").gzip();
    let malformed = |what, records: &[u8]| {
        hostile(what, bytes(records), "pax-malformed", "entry number 1 has a malformed pax header")
    };
    let value = |what, key: &str, value: &str| {
        let message = format!("entry number 1 has a pax header with a malformed `{key}`");
        hostile(what, with(&[(key, value)]), "pax-value", &message)
    };
    let size = |what, size: &str| {
        hostile(
            what,
            with(&[("size", size)]),
            "pax-size",
            "entry `bin/run` has a pax header whose size is not the size that the entry's own header gives",
        )
    };
    let charset = |what, records: &[(&str, &str)]| {
        hostile(
            what,
            with(records),
            "pax-charset",
            "entry number 1 has a pax header that sets a character set; names must be UTF-8",
        )
    };
    let doubled = |what, key: &str, records: &[(&str, &str)]| {
        let message = format!("entry number 1 has a pax header that sets `{key}` twice");
        hostile(what, with(records), "pax-doubled", &message)
    };
    vec![
        size("pax size that hides the data", "0"),
        size("pax size that hides the next entry", "512"),
        value("pax size with a sign", "size", "+4"),
        value("pax size with an underscore", "size", "0_4"),
        value("pax size with a zero in front", "size", "04"),
        value("pax size past 64 bits", "size", "18446744073709551620"),
        value("no pax size", "size", ""),
        value("user id past 32 bits", "uid", "4294967296"),
        value("negative group id", "gid", "-1"),
        value("time that `float` takes", "mtime", "1e9"),
        value("time that is no number", "atime", "nan"),
        value("time with a bare point", "ctime", "5."),
        value("time past the year 9999", "mtime", "253402300800"),
        value("user name of control characters", "uname", "\u{1b}[2J"),
        value("group name with a NUL", "gname", "wheel\0"),
        doubled("doubled path", "path", &[("path", "bin/run"), ("path", "/etc/passwd")]),
        doubled("doubled size", "size", &[("size", "4"), ("size", "4")]),
        doubled(
            "doubled attribute",
            "SCHILY.xattr.user.x",
            &[("SCHILY.xattr.user.x", "1"), ("SCHILY.xattr.user.x", "2")],
        ),
        malformed("no record", b""),
        malformed("record without a length", b"path=x\n"),
        malformed("record with a zero in front of its length", b"010 path=x\n"),
        malformed("record with a blank in front of its length", b" 10 path=x\n"),
        malformed("record with a longer length", b"12 path=x\n"),
        malformed("record with a shorter length", b"8 path=x\n"),
        malformed("record with no length to speak of", b"0 path=x\n"),
        malformed("record with an endless length", b"99999999999999999999 path=x\n"),
        malformed("record without a key", b"6 =ab\n"),
        malformed("record without a value", b"7 path\n"),
        malformed("record with a control character in its key", b"11 pa\th=xx\n"),
        malformed("record with a key that is not UTF-8", b"9 V.\xff=x\n"),
        malformed("NUL after the records", b"10 path=x\n\0"),
        charset("raw names", &[("comment", "x\n21 hdrcharset=BINARY\n")]),
        value("binary names", "hdrcharset", "BINARY"),
    ]
}

/// Keys that change what an entry is, or what it may do.
fn key_faults() -> Vec<Hostile> {
    let key = |what, key: &str, value: &str| {
        let message =
            format!("entry number 1 has a pax header that sets `{key}`, which is not allowed");
        hostile(
            what,
            Tarball::new().pax(&[(key, value)]).file("bin/run", b"data").gzip(),
            "pax-key",
            &message,
        )
    };
    let global = |what, key: &str| {
        let message = format!(
            "entry number 1 has a global pax header that sets `{key}`; only a comment is allowed"
        );
        hostile(
            what,
            Tarball::new().global(&[(key, "0")]).file("bin/run", b"").gzip(),
            "pax-global",
            &message,
        )
    };
    vec![
        key("link path", "linkpath", "/etc/passwd"),
        key("blank in front of a key", " path", "x"),
        key("key of POSIX's future", "realtime.x", "1"),
        key("GNU sparse size", "GNU.sparse.size", "1"),
        key("GNU sparse name", "GNU.sparse.name", "/etc/passwd"),
        key("GNU sparse map", "GNU.sparse.map", "0,1"),
        key("GNU volume", "GNU.volume.label", "x"),
        key("GNU dump directory", "GNU.dumpdir", "x"),
        key("Solaris sparse file", "SUN.holesdata", " 0 1"),
        key("star's real size", "SCHILY.realsize", "1"),
        key("star's file type", "SCHILY.filetype", "2"),
        key("file capabilities", "SCHILY.xattr.security.capability", "\u{1}"),
        key("file capabilities, escaped", "LIBARCHIVE.xattr.security%2Ecapability", "AQ"),
        key("overlay redirect", "SCHILY.xattr.trusted.overlay.redirect", "/etc"),
        key("overlay redirect of a user", "LIBARCHIVE.xattr.user.overlay.redirect", "L2V0Yw"),
        global("global path", "path"),
        global("global size", "size"),
        global("global sparse size", "GNU.sparse.size"),
        global("global character set", "hdrcharset"),
    ]
}

/// Paths that leave the directory, and those that are not what they seem.
fn path_faults() -> Vec<Hostile> {
    let at = |path: &str| Tarball::new().file(path, b"").gzip();
    let raw = |path: &[u8]| Tarball::new().file("", b"").set(Field::NAME, path).gzip();
    let absolute = |what, archive, path: &str| {
        hostile(
            what,
            archive,
            "path-absolute",
            &format!("entry `{path}` has an absolute path; paths must be relative"),
        )
    };
    let parent = |what, archive, path: &str| {
        hostile(what, archive, "path-parent", &format!("entry `{path}` has `..` in its path"))
    };
    let control = |what, path: &str, shown: &str| {
        let message =
            format!("entry `{shown}` has control or invisible formatting characters in its path");
        hostile(what, at(path), "path-control", &message)
    };
    let unfolded = |what, path: &str, shown: &str| {
        let message = format!(
            "entry `{shown}` has a path that another Unicode form turns into a different one"
        );
        hostile(what, at(path), "path-unfolded", &message)
    };
    let drive = |what, path: &str| {
        let message = format!(
            "entry `{path}` has a path that starts with a drive letter; paths must be relative"
        );
        hostile(what, at(path), "path-drive", &message)
    };
    let cut = format!("entry `{}…` has a path of more than 1024 bytes", "n".repeat(100));
    vec![
        absolute("absolute path", at("/etc/passwd"), "/etc/passwd"),
        absolute("two slashes in front", at("//etc/passwd"), "//etc/passwd"),
        absolute(
            "absolute pax path",
            Tarball::new().pax(&[("path", "/x")]).file("x", b"").gzip(),
            "/x",
        ),
        absolute("absolute long name", Tarball::new().long_name("/x").file("x", b"").gzip(), "/x"),
        absolute("absolute prefix", sound().set(Field::PREFIX, b"/usr").gzip(), "/usr/bin/run"),
        absolute("absolute directory", sound().directory("/").gzip(), "/"),
        parent("parent in front", at("../x"), "../x"),
        parent("parent in the middle", at("a/../../x"), "a/../../x"),
        parent("parent at the end", sound().directory("a/..").gzip(), "a/.."),
        parent("parent in a prefix", sound().set(Field::PREFIX, b"..").gzip(), "../bin/run"),
        hostile(
            "backslashes",
            at("..\\x"),
            "path-backslash",
            "entry `..\\u{5c}x` has a backslash in its path; separate directories by `/`",
        ),
        drive("drive", "C:/x"),
        drive("drive without a slash", "c:x"),
        hostile("no path", raw(b""), "path-empty", "entry `` has an empty path"),
        hostile(
            "empty pax path",
            Tarball::new().pax(&[("path", "")]).file("x", b"").gzip(),
            "path-empty",
            "entry `` has an empty path",
        ),
        hostile(
            "Latin-1",
            raw(b"caf\xe9"),
            "path-utf8",
            "entry `caf\\xe9` has a path that is not UTF-8",
        ),
        hostile(
            "overlong slash",
            raw(b"..\xc0\xafx"),
            "path-utf8",
            "entry `..\\xc0\\xafx` has a path that is not UTF-8",
        ),
        control("newline", "a\nb", "a\\u{a}b"),
        control("terminal escape", "\u{1b}[31mred", "\\u{1b}[31mred"),
        control("delete", "a\u{7f}", "a\\u{7f}"),
        control("C1 control", "a\u{9b}31m", "a\\u{9b}31m"),
        control("right-to-left override", "exe.\u{202e}txt", "exe.\\u{202e}txt"),
        control("isolate", "a\u{2066}b", "a\\u{2066}b"),
        control("line separator", "a\u{2028}b", "a\\u{2028}b"),
        control("zero-width space", "a\u{200b}b", "a\\u{200b}b"),
        control("byte order mark", "\u{feff}a", "\\u{feff}a"),
        hostile(
            "NUL in a pax path",
            Tarball::new().pax(&[("path", "bin/run\0.txt")]).file("x", b"").gzip(),
            "path-control",
            "entry `bin/run\\u{0}.txt` has control or invisible formatting characters in its path",
        ),
        unfolded("wide slash", "a\u{ff0f}b", "a\\u{ff0f}b"),
        unfolded("two dot leader", "\u{2025}/x", "\\u{2025}/x"),
        unfolded("account of", "a\u{2100}b", "a\\u{2100}b"),
        unfolded("nothing but a joiner", "\u{200d}", "\\u{200d}"),
        hostile("endless path", at(&"n".repeat(1_025)), "path-length", &cut),
    ]
}

/// Entries that are sound alone, but not together (CVE-2026-23950).
fn set_faults() -> Vec<Hostile> {
    let files = |paths: &[&str]| {
        paths.iter().fold(Tarball::new(), |tarball, path| tarball.file(path, b"")).gzip()
    };
    let twice = |what, archive, path: &str| {
        hostile(what, archive, "path-twice", &format!("entry `{path}` is in the archive twice"))
    };
    let folded = |what, archive, path: &str| {
        let message = format!(
            "entry `{path}` has the same path as another entry, but for case or Unicode form"
        );
        hostile(what, archive, "path-folded", &message)
    };
    let inside = |what, archive, path: &str| {
        hostile(
            what,
            archive,
            "path-inside-file",
            &format!("entry `{path}` lies inside another entry that is a file"),
        )
    };
    let above = |what, archive, path: &str| {
        hostile(
            what,
            archive,
            "path-inside-file",
            &format!("entry `{path}` is a file, but other entries lie inside it"),
        )
    };
    vec![
        twice("file twice", files(&["a", "a"]), "a"),
        twice("file twice, with a dot", files(&["a", "./a"]), "./a"),
        twice("file twice, with two slashes", files(&["a/b", "a//b"]), "a//b"),
        twice("file twice, with a dot between", files(&["a/b", "a/./b"]), "a/./b"),
        twice(
            "file twice, by a long name",
            Tarball::new().file("a", b"").long_name("a").file("b", b"").gzip(),
            "a",
        ),
        twice("directory twice", sound().directory("a").directory("a/").gzip(), "a/"),
        twice("root twice", sound().directory(".").directory("./").gzip(), "./"),
        twice("file and directory", Tarball::new().file("a", b"").directory("a").gzip(), "a"),
        twice("directory and file", Tarball::new().directory("a").file("a", b"").gzip(), "a"),
        folded("case", files(&["README", "readme"]), "readme"),
        folded("sharp s", files(&["straße", "STRASSE"]), "STRASSE"),
        folded("Kelvin sign", files(&["\u{212a}", "k"]), "k"),
        folded("ligature", files(&["o\u{fb03}ce", "office"]), "office"),
        folded("composed and decomposed", files(&["caf\u{e9}", "cafe\u{301}"]), "cafe\\u{301}"),
        folded(
            "order of marks",
            files(&["a\u{301}\u{316}", "a\u{316}\u{301}"]),
            "a\\u{316}\\u{301}",
        ),
        folded("joiner", files(&["gi\u{200d}t", "git"]), "git"),
        folded("directories", sound().directory("Lib").directory("lib").gzip(), "lib"),
        folded("directory after a path through it", sound().directory("BIN").gzip(), "BIN"),
        hostile(
            "directories that paths lead through",
            files(&["Lib/a", "lib/b"]),
            "path-folded",
            "entry `lib/b` lies in the same directory as another entry, but for the case or Unicode form of the directory's path",
        ),
        hostile(
            "directories far above",
            files(&["A/b/c/d", "a/b/c/e"]),
            "path-folded",
            "entry `a/b/c/e` lies in the same directory as another entry, but for the case or Unicode form of the directory's path",
        ),
        inside("inside a file", files(&["a", "a/b"]), "a/b"),
        inside("deep inside a file", files(&["a/b", "a/b/c/d/e"]), "a/b/c/d/e"),
        inside("inside a file of another case", files(&["a", "A/b"]), "A/b"),
        inside(
            "directory inside a file",
            Tarball::new().file("a", b"").directory("a/b").gzip(),
            "a/b",
        ),
        above("file above another", files(&["a/b", "a"]), "a"),
        above("file far above another", files(&["a/b/c/d", "a/b"]), "a/b"),
    ]
}

/// The end of the tar.
fn end_faults() -> Vec<Hostile> {
    const NO_END: &str = "the archive's tar does not end with two blocks of zeros";
    const AFTER: &str = "the archive's tar has data after its end";
    const CUT: &str = "the archive's tar ends inside an entry";
    const BLOCK_CUT: &str = "the archive's tar does not end at a multiple of 512 bytes";
    let tar = |tar: Vec<u8>| Gzip::new(&tar).bytes();
    let header_alone = |size: &[u8]| tar(sound().set(Field::SIZE, size).unended());
    vec![
        hostile("nothing in the member", tar(Vec::new()), "no-end", NO_END),
        hostile("no end", tar(sound().unended()), "no-end", NO_END),
        hostile("half an end", tar(sound().zeros(BLOCK).unended()), "no-end", NO_END),
        hostile(
            "an entry after half an end",
            sound().zeros(BLOCK).file("after", b"").gzip(),
            "data-after-end",
            AFTER,
        ),
        hostile(
            "an entry after the end",
            sound().zeros(2 * BLOCK).file("after", b"").gzip(),
            "data-after-end",
            AFTER,
        ),
        hostile(
            "another tar after the end",
            tar([sound().tar(), sound().tar()].concat()),
            "data-after-end",
            AFTER,
        ),
        hostile(
            "a byte long after the end",
            tar(sound().zeros(600 * BLOCK).bytes(&[1; BLOCK]).unended()),
            "data-after-end",
            AFTER,
        ),
        hostile(
            "bytes after the end",
            tar(sound().zeros(2 * BLOCK).bytes(b"\0\0").unended()),
            "block-truncated",
            BLOCK_CUT,
        ),
        hostile(
            "cut in a header",
            tar(sound().unended()[..300].to_vec()),
            "block-truncated",
            BLOCK_CUT,
        ),
        hostile("cut in the data", header_alone(b"2000"), "data-truncated", CUT),
        hostile(
            "data as long as can be",
            header_alone(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
            "data-truncated",
            CUT,
        ),
        hostile("no entries", Tarball::new().gzip(), "no-file", "the archive holds no file"),
        hostile(
            "directories alone",
            Tarball::new().directory("a").directory("a/b").gzip(),
            "no-file",
            "the archive holds no file",
        ),
        hostile(
            "a comment alone",
            tar([0; 20 * BLOCK].to_vec()),
            "no-file",
            "the archive holds no file",
        ),
    ]
}
