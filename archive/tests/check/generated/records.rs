//! Records of pax headers, of every key that some reader interprets.

use archive_builder::pax_record;

use super::random::Random;

/// Keys that readers interpret, and keys that look like them.
const KEYS: [&str; 46] = [
    "path",
    "size",
    "mtime",
    "atime",
    "ctime",
    "uid",
    "gid",
    "uname",
    "gname",
    "linkpath",
    "comment",
    "charset",
    "hdrcharset",
    "type",
    "mode",
    "dev",
    "ino",
    "SCHILY.dev",
    "SCHILY.ino",
    "SCHILY.nlink",
    "SCHILY.devmajor",
    "SCHILY.devminor",
    "SCHILY.realsize",
    "SCHILY.filetype",
    "SCHILY.fflags",
    "SCHILY.acl.access",
    "SCHILY.xattr.user.x",
    "SCHILY.xattr.user.y",
    "SCHILY.xattr.security.selinux",
    "SCHILY.xattr.com.apple.provenance",
    "LIBARCHIVE.xattr.user.x",
    "LIBARCHIVE.xattr.security.capability",
    "LIBARCHIVE.creationtime",
    "LIBARCHIVE.symlinktype",
    "GNU.sparse.major",
    "GNU.sparse.minor",
    "GNU.sparse.name",
    "GNU.sparse.size",
    "GNU.sparse.realsize",
    "GNU.sparse.map",
    "GNU.volume.label",
    "RHT.security.selinux",
    "SUN.holesdata",
    "MSWINDOWS.rawsd",
    "VENDOR.key",
    "realtime.x",
];

/// Values, most of them valid for some key. `{name}` and `{size}` are those of the entry.
const VALUES: [&str; 40] = [
    "{name}",
    "{name}",
    "{name}/",
    "./{name}",
    "other",
    "/etc/evil",
    "../../evil",
    "{size}",
    "{size}",
    "0",
    "512",
    "1024",
    "+5",
    "0{size}",
    "1_0",
    " 5",
    "-1",
    "1700000000",
    "1700000000.123456789",
    "-1.5",
    "1e5",
    "nan",
    "",
    "99999999999999999999",
    "253402300799.999",
    "4294967295",
    "4294967296",
    "user",
    "größe",
    "BINARY",
    "ISO-IR 10646 2000 UTF-8",
    "nodump",
    "hidden,compress",
    "schg",
    "AQIDBA==",
    "a=b",
    "x\ty",
    "\u{0}\u{1}",
    "x\u{0}y",
    "5",
];

/// Lines after a newline, some of which a reader takes for a record.
const LINES: [&str; 14] = [
    "text",
    "",
    "16 path=../evil\n",
    "13 path=evil",
    "16xpath=../evil",
    "10 size=0",
    "11 size=512",
    "+10 size=0",
    "\t13 path=evil",
    "\u{a0}15 path=evil",
    "7 path",
    "22 hdrcharset=BINARY",
    "a\nb\nc",
    "18 linkpath=/etc/x",
];

/// Returns the records of a pax header.
pub(super) fn records(random: &mut Random, name: &str, size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let has_path = random.one_in(2);
    if has_path && random.one_in(2) {
        bytes.extend(pax_record(b"path", name.as_bytes()));
    }
    if random.one_in(12) {
        let value = random.pick(&["x\n", "x\n\ny", "\n", "x\ny"]);
        bytes.extend(pax_record(b"SCHILY.xattr.user.w", value.as_bytes()));
    }
    for _ in 0..random.below(4) {
        bytes.extend(record(random, name, size));
    }
    if has_path || bytes.is_empty() {
        bytes.extend(pax_record(b"path", name.as_bytes()));
    }
    if random.one_in(8) { mutate(random, bytes) } else { bytes }
}

fn record(random: &mut Random, name: &str, size: usize) -> Vec<u8> {
    let ordinary = [
        ("mtime", "1700000000.5"),
        ("atime", "1700000000"),
        ("size", "{size}"),
        ("uid", "1000"),
        ("uname", "user"),
        ("comment", "text"),
        ("SCHILY.xattr.user.z", "\u{0}=x"),
        ("SCHILY.dev", "2049"),
        ("VENDOR.key", "value"),
    ];
    let (key, value) = if random.one_in(3) {
        random.pick(&ordinary)
    } else {
        (random.pick(&KEYS), random.pick(&VALUES))
    };
    let mut value = value.replace("{name}", name).replace("{size}", &size.to_string());
    let key = if random.one_in(6) {
        for _ in 0..=random.below(2) {
            value = format!("{value}\n{}", random.pick(&LINES));
        }
        random.pick(&["SCHILY.xattr.user.x", "SCHILY.xattr.user.x", key])
    } else {
        key
    };
    pax_record(key.as_bytes(), value.as_bytes())
}

fn mutate(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    match random.below(6) {
        0 => bytes.push(random.pick(b"\0\n 1")),
        1 => bytes.insert(0, random.pick(b"0 +\n")),
        2 => {
            bytes.pop();
        }
        _ => {
            let at = random.below(bytes.len());
            bytes[at] = if random.one_in(2) { random.pick(b"\0\n =9") } else { random.byte() };
        }
    }
    bytes
}
