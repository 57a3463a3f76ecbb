//! Generated archives: every reader lists the same entries in each archive that is accepted.
//!
//! `ARCHIVE_CASES` sets the number of archives, `ARCHIVE_SEED` the seed of the generator.

use std::env;

use archive_builder::{BLOCK, Field, Gzip, Tarball, pax_record, write_checksum};

use crate::readers::{assert_readers_agree, list};

/// Small generator, with equal numbers on every machine (xorshift64*, Vigna 2016).
struct Random(u64);

impl Random {
    /// Returns a number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound as u64).unwrap()
    }

    /// Returns true in one of `chances` calls.
    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn readers_agree_on_generated_archives() {
    let mut random = Random(2 * setting("ARCHIVE_SEED", 0x5eed) + 1);
    let cases = setting("ARCHIVE_CASES", 600);
    let mut accepted = Vec::new();
    let mut counts = [0; 3];
    for case in 0..cases {
        let (kind, tar) = match case % 3 {
            0 => ("ordinary", ordinary_tar(&mut random)),
            1 => ("mutated", mutated_tar(&mut random)),
            _ => ("odd", odd_tar(&mut random)),
        };
        let archive = Gzip::new(&tar).bytes();
        let result = list(&archive);
        if kind == "ordinary" {
            assert!(result.is_ok(), "an ordinary archive is refused: {result:?}");
        }
        if result.is_ok() {
            counts[(case % 3) as usize] += 1;
            accepted.push((format!("{kind} archive {case}"), archive));
        }
    }
    println!("{} of {cases} archives accepted: {counts:?}", accepted.len());
    assert_readers_agree(&accepted);
}

/// Files and directories with distinct names, in any of the three formats.
fn ordinary_tar(random: &mut Random) -> Vec<u8> {
    let mut tarball = Tarball::new();
    if random.one_in(4) {
        tarball = tarball.pax_global(&[("comment", "52d9a1e6d5a4a4a0c0e3ecb1a0d4f4a7b6ee5a05")]);
    }
    if random.one_in(4) {
        tarball = tarball.directory("./");
    }
    for number in 0..=random.below(6) {
        let stem = random.pick(&[
            "file",
            "some/where/file",
            "./file",
            "with space",
            "größe",
            "日本語/文書",
            "a.b-c+d",
        ]);
        let long = "long/".repeat(if random.one_in(4) { random.below(60) } else { 0 });
        let name = format!("{long}{stem}{number}");
        let data = vec![b'x'; random.below(1_500)];
        let directory = random.one_in(4);
        let name = if directory { format!("{name}/") } else { name };
        let flag = if directory { b'5' } else { b'0' };
        let data: &[u8] = if directory { b"" } else { &data };
        tarball = match random.below(3) {
            0 if name.len() > 100 => tarball.long_name(&name).entry(flag, &name, data).gnu(),
            0 => tarball.entry(flag, &name, data).gnu(),
            1 => tarball
                .pax(&[("mtime", "1700000000.123456789"), ("path", &name), ("uid", "1000")])
                .entry(flag, &name, data),
            _ => match name.len() {
                ..=100 => tarball.entry(flag, &name, data),
                _ => tarball.pax(&[("path", &name)]).entry(flag, &name, data),
            },
        };
    }
    tarball.file("last", b"data").tar()
}

/// An ordinary tar with changed bytes in its headers or with moved blocks, and correct checksums.
fn mutated_tar(random: &mut Random) -> Vec<u8> {
    let mut tar = ordinary_tar(random);
    let blocks = tar.len() / BLOCK;
    for _ in 0..=random.below(3) {
        let at = random.below(blocks) * BLOCK;
        match random.below(8) {
            0 => {
                let from = random.below(blocks) * BLOCK;
                tar.copy_within(from..from + BLOCK, at);
            }
            1 => {
                tar.splice(at..at, tar[at..at + BLOCK].to_vec());
            }
            2 if tar.len() > 4 * BLOCK => {
                tar.drain(at..at + BLOCK);
                return tar;
            }
            _ => mutate_header(random, &mut tar[at..at + BLOCK]),
        }
    }
    let (blocks, _) = tar.as_chunks_mut::<BLOCK>();
    blocks.iter_mut().filter(|block| block[257..].starts_with(b"ustar")).for_each(write_checksum);
    tar
}

/// Changes one byte of a header, most often in a field that readers differ on.
fn mutate_header(random: &mut Random, header: &mut [u8]) {
    let offset = match random.below(4) {
        0 => random.below(BLOCK),
        1 => 100 + random.below(57),
        2 => 257 + random.below(8),
        _ => 329 + random.below(183),
    };
    let value =
        match random.below(4) {
            0 => random.below(256),
            1 => usize::from(*random.pick(&[
                &b' ', &b'\0', &b'0', &b'7', &b'-', &b'+', &b'_', &b'/', &b'.', &0x80, &0xff,
            ])),
            _ => b'0' as usize + random.below(10),
        };
    header[offset] = u8::try_from(value).unwrap();
}

/// A tar of odd parts. Most of them are harmless to some reader if they occur alone.
fn odd_tar(random: &mut Random) -> Vec<u8> {
    let mut tarball = Tarball::new();
    for number in 0..=random.below(2) {
        tarball = odd_entry(random, tarball, number);
    }
    tarball = tarball.file("last", b"data");
    match random.below(24) {
        0 => tarball.zeros(BLOCK).tar_without_end(),
        1 => tarball.tar_without_end(),
        2 => tarball.zeros(random.below(20) * 100).tar(),
        3 => tarball.zeros(BLOCK).file("after", b"").tar(),
        _ => tarball.tar(),
    }
}

fn odd_entry(random: &mut Random, tarball: Tarball, number: usize) -> Tarball {
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
    let name = match random.below(4) {
        0 => random.pick(&NAMES).to_owned(),
        1 | 2 => format!("n{number}"),
        _ => format!("d{number}/"),
    };
    let data = vec![b'd'; if random.one_in(3) { 0 } else { random.below(1_100) }];
    let mut tarball = match random.below(6) {
        0 => odd_pax(random, tarball, b'x', &name, data.len()),
        1 => {
            let long =
                [name.as_bytes(), random.pick(&[&b"\0"[..], b"\0", b"", b"", b"\0\0", b"\0tail"])]
                    .concat();
            tarball.long_name_bytes(&long)
        }
        2 if random.one_in(2) => odd_pax(random, tarball, b'g', &name, data.len()),
        _ => tarball,
    };
    let flag = match random.below(8) {
        0 => *random.pick(&[&b'0', &b'\0', &b'5', &b'7', &b'x', &b'L', &b'S', &b'1', &b'Z']),
        1 => b'\0',
        _ if name.ends_with('/') => b'5',
        _ => b'0',
    };
    tarball =
        tarball.entry(flag, &name, if flag == b'5' && !random.one_in(16) { b"" } else { &data });
    if random.one_in(2) {
        tarball = tarball.gnu();
    }
    for _ in 0..random.below(3) {
        tarball = odd_field(random, tarball);
    }
    tarball
}

/// Changes one field of the last header.
fn odd_field(random: &mut Random, tarball: Tarball) -> Tarball {
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
    let number = random.pick(&NUMBERS);
    let text = random.pick(&TEXTS);
    match random.below(18) {
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
            random.pick(&[&b"ustar\x0000"[..], b"ustar  \0", b"ustar\0\0\0", b"ustar", b""]),
        ),
        _ => tarball.set(Field::CHECKSUM, number),
    }
}

/// Adds a pax header with a few records, some of them odd.
fn odd_pax(random: &mut Random, tarball: Tarball, flag: u8, name: &str, size: usize) -> Tarball {
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
    for _ in 0..=random.below(2) {
        let (key, value) = records[random.below(records.len())];
        bytes.extend(pax_record(key.as_bytes(), value.as_bytes()));
    }
    match random.below(40) {
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
    if random.one_in(10) { odd_field(random, tarball) } else { tarball }
}
