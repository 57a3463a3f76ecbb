//! One file, one view: whatever we accept, every reader lists as we do.
//!
//! `ARCHIVE_CASES` sets how many archives are tried, `ARCHIVE_SEED` which.

use std::env;

use archive_builder::{BLOCK, Field, Gzip, Tarball};

use super::readers::{Readers, ours};

/// Small, and the same on every machine (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides as u64).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.roll(chances) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn what_we_accept_every_reader_lists_as_we_do() {
    let readers = Readers::find();
    let mut dice = Dice(2 * setting("ARCHIVE_SEED", 0x5eed) + 1);
    let cases = setting("ARCHIVE_CASES", 600);
    let mut accepted = Vec::new();
    let mut counts = [0; 3];
    for case in 0..cases {
        let (kind, tar) = match case % 3 {
            0 => ("ordinary", ordinary(&mut dice).tar()),
            1 => ("mutated", mutated(&mut dice)),
            _ => ("odd", odd(&mut dice)),
        };
        let archive = Gzip::new(&tar).bytes();
        let verdict = ours(&archive);
        if kind == "ordinary" {
            assert!(verdict.is_ok(), "an ordinary archive was refused: {verdict:?}");
        }
        if verdict.is_ok() {
            counts[(case % 3) as usize] += 1;
            accepted.push((format!("{kind} archive {case}"), archive));
        }
    }
    println!("{accepted} of {cases} archives accepted: {counts:?}", accepted = accepted.len());
    let disagreements = readers.disagreements(&accepted);
    assert!(
        disagreements.is_empty(),
        "{} disagreements: {}",
        disagreements.len(),
        disagreements[..disagreements.len().min(20)].join("\n")
    );
}

/// Files and directories with distinct names, in any of the three formats.
fn ordinary(dice: &mut Dice) -> Tarball {
    let mut tarball = Tarball::new();
    if dice.one_in(4) {
        tarball = tarball.global(&[("comment", "52d9a1e6d5a4a4a0c0e3ecb1a0d4f4a7b6ee5a05")]);
    }
    if dice.one_in(4) {
        tarball = tarball.directory("./");
    }
    for number in 0..=dice.roll(6) {
        let stem = dice.pick(&[
            "file",
            "some/where/file",
            "./file",
            "with space",
            "größe",
            "日本語/文書",
            "a.b-c+d",
        ]);
        let long = "long/".repeat(if dice.one_in(4) { dice.roll(60) } else { 0 });
        let name = format!("{long}{stem}{number}");
        let data = vec![b'x'; dice.roll(1_500)];
        let directory = dice.one_in(4);
        let name = if directory { format!("{name}/") } else { name };
        let flag = if directory { b'5' } else { b'0' };
        let data: &[u8] = if directory { b"" } else { &data };
        tarball = match dice.roll(3) {
            0 if name.len() > 100 => tarball.long_name(&name).entry(flag, &name, data).gnu(),
            0 => tarball.entry(flag, &name, data).gnu(),
            1 => tarball
                .pax(&[("mtime", "1700000000.123456789"), ("path", &name), ("uid", "1000")])
                .entry(flag, "short", data),
            _ => match name.len() {
                ..=100 => tarball.entry(flag, &name, data),
                _ => tarball.pax(&[("path", &name)]).entry(flag, "short", data),
            },
        };
    }
    tarball.file("last", b"data")
}

/// An ordinary tar with some bytes of its headers changed, or some of its blocks moved, and the
/// checksums made right.
fn mutated(dice: &mut Dice) -> Vec<u8> {
    let mut tar = ordinary(dice).tar();
    let blocks = tar.len() / BLOCK;
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(blocks) * BLOCK;
        match dice.roll(8) {
            0 => {
                let from = dice.roll(blocks) * BLOCK;
                tar.copy_within(from..from + BLOCK, at);
            }
            1 => {
                tar.splice(at..at, tar[at..at + BLOCK].to_vec());
            }
            2 if tar.len() > 4 * BLOCK => {
                tar.drain(at..at + BLOCK);
                return tar;
            }
            _ => {
                let offset = match dice.roll(4) {
                    0 => dice.roll(BLOCK),
                    1 => 100 + dice.roll(57),
                    2 => 257 + dice.roll(8),
                    _ => 329 + dice.roll(183),
                };
                let value = match dice.roll(4) {
                    0 => dice.roll(256),
                    1 => usize::from(*dice.pick(&[
                        &b' ', &b'\0', &b'0', &b'7', &b'-', &b'+', &b'_', &b'/', &b'.', &0x80,
                        &0xff,
                    ])),
                    _ => b'0' as usize + dice.roll(10),
                };
                tar[at + offset] = u8::try_from(value).unwrap();
            }
        }
    }
    for block in tar.chunks_exact_mut(BLOCK) {
        let block: &mut [u8; BLOCK] = block.try_into().unwrap();
        if block[257..262] == *b"ustar" {
            archive_builder::write_checksum(block);
        }
    }
    tar
}

/// A tar put together from odd parts, most of them alone harmless to some reader.
fn odd(dice: &mut Dice) -> Vec<u8> {
    let mut tarball = Tarball::new();
    for number in 0..=dice.roll(2) {
        tarball = odd_entry(dice, tarball, number);
    }
    tarball = tarball.file("last", b"data");
    match dice.roll(24) {
        0 => tarball.zeros(BLOCK).unended(),
        1 => tarball.unended(),
        2 => tarball.zeros(dice.roll(20) * 100).tar(),
        3 => tarball.zeros(BLOCK).file("after", b"").tar(),
        _ => tarball.tar(),
    }
}

fn odd_entry(dice: &mut Dice, tarball: Tarball, number: usize) -> Tarball {
    const NAMES: [&str; 14] = [
        "name",
        "dir/",
        "./name",
        "a//b",
        "a/./b",
        ".",
        "./",
        "dir/name",
        "ß",
        "name\u{200d}x",
        "dir/.",
        "dir//",
        "c/name ",
        "BZh91AY&SY",
    ];
    let name = match dice.roll(4) {
        0 => dice.pick(&NAMES).to_owned(),
        1 | 2 => format!("n{number}"),
        _ => format!("d{number}/"),
    };
    let data = vec![b'd'; if dice.one_in(3) { 0 } else { dice.roll(1_100) }];
    let mut tarball = match dice.roll(6) {
        0 => odd_pax(dice, tarball, b'x', &name, data.len()),
        1 => {
            let long =
                [name.as_bytes(), dice.pick(&[&b"\0"[..], b"\0", b"", b"", b"\0\0", b"\0tail"])]
                    .concat();
            tarball.long_name_bytes(&long)
        }
        2 if dice.one_in(2) => odd_pax(dice, tarball, b'g', &name, data.len()),
        _ => tarball,
    };
    let flag = match dice.roll(8) {
        0 => *dice.pick(&[&b'0', &b'\0', &b'5', &b'7', &b'x', &b'L', &b'S', &b'1', &b'Z']),
        1 => b'\0',
        _ if name.ends_with('/') => b'5',
        _ => b'0',
    };
    tarball =
        tarball.entry(flag, &name, if flag == b'5' && !dice.one_in(16) { b"" } else { &data });
    if dice.one_in(2) {
        tarball = tarball.gnu();
    }
    for _ in 0..dice.roll(3) {
        tarball = odd_field(dice, tarball);
    }
    tarball
}

/// Changes one field of the last header.
fn odd_field(dice: &mut Dice, tarball: Tarball) -> Tarball {
    const NUMBERS: [&[u8]; 26] = [
        b"",
        b"0",
        b"7",
        b"0000644",
        b"  644",
        b"644 ",
        b"       ",
        b"        ",
        b"            ",
        b"\x00000644",
        b"0644\x001",
        b"644 4",
        b"0o7",
        b"1_0",
        b"+7",
        b"-7",
        b"8",
        b"00000644",
        b"\x80\0\0\0\0\0\0\x07",
        b"\x80\0\0\0\0\0\0\0\0\0\0\x07",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf0",
        b"\x80\0\0\0\x01\0\0\0\0\0\0\0",
        b"\x80\0\0\x01\0\0\0\0",
        b"\t644",
        b"\n7",
        b" \0",
    ];
    const TEXTS: [&[u8]; 9] = [
        b"",
        b"text",
        b"pre/",
        b"a/b",
        b"x\0y",
        b"caf\xc3\xa9",
        b"caf\xe9",
        b"bell\x07",
        b"two words",
    ];
    let number = dice.pick(&NUMBERS);
    let text = dice.pick(&TEXTS);
    match dice.roll(18) {
        0 => tarball.set(Field::MODE, number),
        1 => tarball.set(Field::UID, number),
        2 => tarball.set(Field::GID, number),
        3 => tarball.set(Field::MTIME, number),
        4 => tarball.set(Field::SIZE, number),
        5 => tarball.set(Field::DEVMAJOR, number),
        6 => tarball.set(Field::DEVMINOR, number),
        7 => tarball.set(Field::STAR_ATIME, number),
        8 => tarball.set(Field::STAR_CTIME, number),
        9 => tarball.set(Field::GNU_REAL_SIZE, number),
        10 => tarball.set(Field::GNU_SPARSE_OFFSET, number),
        11 => tarball.set(Field::USER, text),
        12 => tarball.set(Field::GROUP, text),
        13 | 14 => tarball.set(Field::PREFIX, text),
        15 => tarball.set(Field::LINK, text),
        16 => tarball.set(
            Field::MAGIC,
            dice.pick(&[&b"ustar\x0000"[..], b"ustar  \0", b"ustar\0\0\0", b"ustar", b""]),
        ),
        _ => tarball.set(Field::CHECKSUM, number),
    }
}

/// A pax header of a few records, some of them odd.
fn odd_pax(dice: &mut Dice, tarball: Tarball, flag: u8, name: &str, size: usize) -> Tarball {
    let size = size.to_string();
    let records: [(&str, &str); 44] = [
        ("path", name),
        ("path", ""),
        ("path", "other"),
        ("path", "other/"),
        ("path", "a//b"),
        ("size", &size),
        ("size", &size),
        ("size", "0"),
        ("size", "+5"),
        ("size", "1_0"),
        ("size", " 5"),
        ("mtime", "1700000000"),
        ("mtime", "-1.5"),
        ("mtime", "1e5"),
        ("mtime", "nan"),
        ("mtime", ""),
        ("mtime", "99999999999999999999"),
        ("mtime", "253402300799.999"),
        ("uid", "1000"),
        ("uid", "-1"),
        ("uid", "4294967295"),
        ("gid", "4294967296"),
        ("uid", "x"),
        ("uname", "user"),
        ("uname", ""),
        ("gname", "größe"),
        ("comment", "text"),
        ("comment", "x\n30 hdrcharset=BINARY\n"),
        ("charset", "BINARY"),
        ("hdrcharset", "BINARY"),
        ("hdrcharset", "ISO-IR 10646 2000 UTF-8"),
        ("linkpath", "x"),
        ("GNU.sparse.size", "99"),
        ("GNU.sparse.name", "other"),
        ("SCHILY.realsize", "99"),
        ("SCHILY.xattr.user.x", "\u{0}\u{1}=\n"),
        ("SCHILY.acl.access", "nonsense"),
        ("LIBARCHIVE.xattr.user.x", "!!"),
        ("LIBARCHIVE.creationtime", "5"),
        ("VENDOR.key", "value"),
        ("atime", "5."),
        ("ctime", "05"),
        ("SCHILY.fflags", "nodump"),
        ("SCHILY.ino", "x"),
    ];
    let mut bytes = Vec::new();
    for _ in 0..=dice.roll(2) {
        let (key, value) = records[dice.roll(records.len())];
        bytes.extend(archive_builder::pax_record(key.as_bytes(), value.as_bytes()));
    }
    match dice.roll(40) {
        0 => bytes.push(b'\0'),
        1 => bytes.push(b'\n'),
        2 => bytes.insert(0, b'0'),
        3 => bytes.insert(0, b' '),
        4 => {
            bytes.pop();
        }
        _ => {}
    }
    let tarball = tarball.entry(flag, "PaxHeaders/odd", &bytes);
    if dice.one_in(10) { odd_field(dice, tarball) } else { tarball }
}
