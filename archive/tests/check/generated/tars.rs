//! Tars with oddities in every field that some reader looks at.
//!
//! Data and values hold tar headers of their own, so that a reader that loses its place lists them.

use archive_builder::{BLOCK, Field, Tarball, write_checksum};

use super::{random::Random, records::records};

const NAMES: [&str; 27] = [
    "file",
    "some/where/file",
    "./file",
    "with space",
    "größe",
    "日本語",
    "日本語/文書",
    "a.b-c+d",
    "a//b",
    "a/./b",
    "dir",
    "c/name ",
    "name\u{200d}x",
    "❤\u{fe0f}",
    "'quoted'",
    "\"quoted\"",
    "%41",
    "-option",
    "pax_global_header",
    "x/pax_global_header",
    "._file",
    "a:b",
    "070707",
    "1",
    "#mtree",
    "BZh91AY&SY",
    "x\u{e9}\u{301}",
];

/// Returns a tar with about as many oddities.
pub(super) fn tar(random: &mut Random, oddities: usize) -> Vec<u8> {
    let count = 1 + random.below(4);
    let odd_entries: Vec<usize> = (0..oddities).map(|_| random.below(count)).collect();
    let mut tarball = Tarball::new();
    if random.one_in(6) {
        tarball = tarball.pax_global(&[("comment", "52d9a1e6d5a4a4a0c0e3ecb1a0d4f4a7b6ee5a05")]);
    }
    if random.one_in(6) {
        tarball = tarball.directory("./");
    }
    let is_hostile = oddities > 0;
    for number in 0..count {
        let oddities = odd_entries.iter().filter(|odd| **odd == number).count();
        tarball = entry(random, tarball, number, oddities, is_hostile);
    }
    tarball = tarball.file("last", b"data");
    let tar = match random.below(40) {
        0 if oddities > 0 => tarball.zeros(BLOCK).tar_without_end(),
        1 if oddities > 0 => tarball.zeros(BLOCK).file("after", b"").tar(),
        2 if oddities > 0 => tarball.tar_without_end(),
        3 => tarball.zeros(random.below(20) * BLOCK).tar(),
        _ => tarball.tar(),
    };
    if oddities > 0 && random.one_in(4) { mutate(random, tar) } else { tar }
}

/// A name that does not occur twice.
fn name(random: &mut Random, number: usize, is_odd: bool) -> String {
    let stem = if is_odd { random.pick(&NAMES) } else { random.pick(&NAMES[..8]) };
    let long = match random.below(6) {
        0 => "long/".repeat(random.below(60)),
        1 => "größe/".repeat(random.below(20)),
        _ => String::new(),
    };
    if is_odd && random.one_in(2) {
        format!("{long}{stem}")
    } else {
        format!("{long}{stem}{number}")
    }
}

/// Data that a reader may take for headers if it loses its place.
fn data(random: &mut Random, is_hostile: bool) -> Vec<u8> {
    let hostile = |flag, name| Tarball::new().entry(flag, name, b"").tar_without_end();
    match if is_hostile { random.below(6) } else { 4 + random.below(2) } {
        0 => Vec::new(),
        1 => hostile(b'0', "hidden"),
        2 => hostile(b'5', "../../evil"),
        3 => [hostile(b'2', "hidden-link"), hostile(b'0', "/etc/evil")].concat(),
        4 => b"text 1234567890\n".repeat(random.below(80)),
        _ => vec![b'd'; random.below(1_500)],
    }
}

fn entry(
    random: &mut Random,
    mut tarball: Tarball,
    number: usize,
    oddities: usize,
    is_hostile: bool,
) -> Tarball {
    let is_odd = oddities > 0;
    let has_odd_field = is_odd && random.one_in(2);
    let is_directory = random.one_in(4);
    let path = name(random, number, is_odd);
    let data = if is_directory { Vec::new() } else { data(random, is_hostile) };
    // Metadata, in order unless it is odd.
    let mut has_path = false;
    let kinds: &[u8] = match random.below(8) {
        _ if path.len() > 100 && random.one_in(2) => b"x",
        _ if path.len() > 100 => b"L",
        0 | 1 => b"x",
        2 => b"L",
        3 if is_odd => random.pick(&[
            &b"xx"[..],
            b"xL",
            b"Lx",
            b"LL",
            b"xg",
            b"gx",
            b"gL",
            b"gg",
            b"Kx",
            b"XL",
            b"Nx",
        ]),
        _ => b"",
    };
    for kind in kinds {
        has_path = true;
        tarball = metadata(random, tarball, *kind, &path, data.len(), is_odd);
    }
    let own = if has_path { own_path(random, &path, is_odd) } else { path.clone() };
    let own = if is_directory && !random.one_in(4) { format!("{own}/") } else { own };
    let flag = match random.below(8) {
        _ if is_directory => b'5',
        0 if is_odd => random.pick(b"0\x00571234679gxLKSVMDNXAZ "),
        1 if is_odd || !has_path => b'\0',
        _ => b'0',
    };
    tarball = tarball.entry(flag, &own, &data);
    if is_directory {
        tarball = tarball.mode(0o755);
    }
    if random.one_in(3) {
        tarball = tarball.gnu();
    }
    for _ in 0..oddities * usize::from(has_odd_field) {
        tarball = odd_field(random, tarball);
    }
    tarball
}

/// The name in the header's own field, under a pax path or a long name.
fn own_path(random: &mut Random, path: &str, is_odd: bool) -> String {
    match random.below(8) {
        0 if is_odd => random
            .pick(&[
                "/etc/evil",
                "../../evil",
                "",
                "own",
                "own/",
                "pax_global_header",
                "a\\b",
                "./own",
            ])
            .to_owned(),
        1 if !path.is_ascii() => path.replace(|c: char| !c.is_ascii(), "?"),
        2 if !path.is_ascii() && is_odd => path.replace(|c: char| !c.is_ascii(), ""),
        _ => path.to_owned(),
    }
}

fn metadata(
    random: &mut Random,
    tarball: Tarball,
    kind: u8,
    path: &str,
    size: usize,
    is_odd: bool,
) -> Tarball {
    let mut tarball = match kind {
        b'L' | b'K' | b'N' => {
            let end = if is_odd {
                random.pick(&["\0", "\0", "\0", "", "", "\0\0", "\0tail", "/\0"])
            } else {
                "\0"
            };
            let long = format!("{path}{end}");
            tarball.long_name_bytes(long.as_bytes()).set(Field::TYPE, &[kind])
        }
        _ => {
            let data = if is_odd {
                records(random, path, size)
            } else {
                archive_builder::pax_records(&[("mtime", "1700000000.123456789"), ("path", path)])
            };
            tarball.entry(kind, "PaxHeaders/x", &data)
        }
    };
    if is_odd && random.one_in(6) {
        tarball = tarball
            .set(Field::NAME, random.pick(&[&b""[..], b"x/", b"/etc/", b"../", b"x", b"\x1f\x8b"]));
    }
    if is_odd && random.one_in(8) {
        tarball = odd_field(random, tarball);
    }
    tarball
}

/// Numbers in the forms that some reader accepts.
const NUMBERS: [&[u8]; 34] = [
    b"",
    b"0",
    b"7",
    b"0000644",
    b"0100644",
    b"0040755",
    b"0120777",
    b"0004755",
    b"  644",
    b"644 ",
    b"       ",
    b"        ",
    b"            ",
    b"\x00000644",
    b"0644\x001",
    b"0644\0\n7",
    b"644 4",
    b"0o7",
    b"0x7",
    b"1_0",
    b"+7",
    b"-7",
    b"8",
    b"00000644",
    b"000000000644",
    b"\x80\0\0\0\0\0\0\x07",
    b"\x80\0\0\0\0\0\0\0\0\0\0\x07",
    b"\x81\0\0\0\0\0\0\0\0\0\0\x07",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf0",
    b"\x80\0\0\0\x01\0\0\0\0\0\0\0",
    b"\x80\0\0\x01\0\0\0\0",
    b"\t644",
    b"\n7",
    b" \0",
];

const TEXTS: [&[u8]; 13] = [
    b"",
    b"text",
    b"pre/",
    b"a/b",
    b"./a",
    b"..",
    b"/abs",
    b"x\0y",
    b"\0\ny",
    b"caf\xc3\xa9",
    b"caf\xe9",
    b"bell\x07",
    b"two words",
];

/// Changes one field of the last header.
fn odd_field(random: &mut Random, tarball: Tarball) -> Tarball {
    let (number, text) = (random.pick(&NUMBERS), random.pick(&TEXTS));
    match random.below(26) {
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
        15 => tarball.set(Field::PREFIX, &vec![b'p'; 120 + random.below(36)]),
        16 => tarball.set(Field::LINK, text),
        17 => tarball.set(Field(157 + random.below(100), 1), &[random.byte()]),
        18 => tarball.set(
            Field::MAGIC,
            random.pick(&[&b"ustar\x0000"[..], b"ustar  \0", b"ustar\0\0\0", b"ustar", b""]),
        ),
        19 => tarball.set(Field::NAME, text),
        20 => tarball.set(Field(500 + random.below(12), 1), &[random.byte()]),
        21 => tarball.set(Field::MODE, random.pick(&[b"0100644", b"0040755", b"0120777"])),
        // High bytes everywhere, for a sum above 16 bits.
        22 => tarball
            .set(Field::NAME, "\u{ffff}".repeat(33).as_bytes())
            .set(Field::PREFIX, "\u{ffff}".repeat(51).as_bytes())
            .set(Field::USER, "\u{ffff}".repeat(10).as_bytes())
            .set(Field::GROUP, "\u{ffff}".repeat(10).as_bytes())
            .set(Field::MTIME, &[0xff; 12]),
        23 => tarball.set(Field::NAME, "\u{ffff}".repeat(34).as_bytes()),
        24 => tarball.set(Field::USER, "\u{ffff}".repeat(10).as_bytes()),
        _ => tarball.checksum_form(random.pick(&FORMS)),
    }
}

/// Forms of a correct checksum.
const FORMS: [fn(u32) -> String; 12] = [
    |sum| format!("{sum:06o}\0 "),
    |sum| format!("{sum:06o} \0"),
    |sum| format!("{sum:07o}\0"),
    |sum| format!("{sum:07o} "),
    |sum| format!("{sum:7o} "),
    |sum| format!(" {sum:06o}\0"),
    |sum| format!("{sum:08o}"),
    |sum| format!("{sum:8o}"),
    |sum| format!("\0{sum:06o}\0"),
    |sum| format!("{sum:o}\0 1"),
    |sum| format!("+{sum:06o} "),
    |sum| format!("0x{sum:x}"),
];

/// Changes bytes of headers, or moves blocks, and corrects the checksums.
fn mutate(random: &mut Random, mut tar: Vec<u8>) -> Vec<u8> {
    let blocks = tar.len() / BLOCK;
    let at = random.below(blocks) * BLOCK;
    match random.below(10) {
        0 => {
            let from = random.below(blocks) * BLOCK;
            tar.copy_within(from..from + BLOCK, at);
        }
        1 => {
            tar.splice(at..at, tar[at..at + BLOCK].to_vec());
        }
        2 if blocks > 4 => {
            tar.drain(at..at + BLOCK);
        }
        _ => {
            let headers: Vec<usize> = (0..blocks)
                .map(|block| block * BLOCK)
                .filter(|at| tar[at + 257..].starts_with(b"ustar"))
                .collect();
            let at = random.pick(&headers);
            for _ in 0..=random.below(2) {
                let offset = match random.below(4) {
                    0 => random.below(BLOCK),
                    1 => 100 + random.below(57),
                    2 => 257 + random.below(8),
                    _ => 329 + random.below(183),
                };
                tar[at + offset] = match random.below(3) {
                    0 => random.byte(),
                    1 => random.pick(b" \x0007-+_/.\n\x80\xff"),
                    _ => random.pick(b"0123456789"),
                };
            }
        }
    }
    let (blocks, _) = tar.as_chunks_mut::<BLOCK>();
    blocks.iter_mut().filter(|block| block[257..].starts_with(b"ustar")).for_each(write_checksum);
    tar
}
