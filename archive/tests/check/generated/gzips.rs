//! Gzip members: header fields, block types, and polyglots.

use archive_builder::{BLOCK, Gzip};

use super::random::Random;

/// Compresses a tar, most often without oddities.
pub(super) fn gzip(random: &mut Random, tar: &[u8]) -> Vec<u8> {
    let mut gzip = match random.below(6) {
        0 => Gzip::stored(tar, random.pick(&[1, 100, 497, 512, 4_000, u16::MAX])),
        _ => Gzip::new(tar),
    };
    if random.one_in(4) {
        gzip = gzip.fixed([(); 6].map(|()| random.byte()));
    }
    let is_polyglot = random.one_in(40);
    match random.below(60) {
        0 => gzip = gzip.name(random.pick(&[&b"x.tar"[..], b"", b"caf\xe9", b"a/../b", b"a b"])),
        1 => gzip = gzip.name(&vec![b'n'; random.below(300)]),
        2 => gzip = gzip.extra(&[b'x'; 40]),
        3 => gzip = gzip.comment(b"comment"),
        4..8 => gzip = gzip.header_crc(0),
        8..12 => gzip = gzip.flags(1),
        _ => {}
    }
    let bytes = gzip.clone().bytes();
    if is_polyglot { polyglot(random, &gzip) } else { bytes }
}

/// Makes the start of the file the header of an empty file, by a file name that reaches there.
fn polyglot(random: &mut Random, gzip: &Gzip) -> Vec<u8> {
    let magic = random.pick(&["ustar", "ustar  ", "nnnnnnn"]);
    let with = |checksum: &str| {
        // Name, mode, ids, size, time, checksum, type and link name.
        let numbers = "0000644 0001750 0001750 00000000000 14000000000 ";
        let name = format!("{:n<90}{numbers}{:0<9}{:n<100}{magic}", "", checksum, "");
        gzip.clone().name(name.as_bytes()).bytes()
    };
    let form = random.below(4);
    let signed = random.one_in(4);
    let mut bytes = with("");
    for _ in 0..4 {
        let sum: i64 = bytes
            .iter()
            .take(BLOCK)
            .enumerate()
            .filter(|(at, _)| !(148..156).contains(at))
            .map(|(_, byte)| if signed { i64::from(byte.cast_signed()) } else { i64::from(*byte) })
            .sum::<i64>()
            + 256;
        let sum = sum.unsigned_abs();
        bytes = with(&match form {
            0 => format!("{sum:07o} "),
            1 => format!("{sum:6o} 5"),
            2 => format!("{sum:08o}"),
            _ => format!("{sum:07o} 0nnn"),
        });
    }
    bytes
}
