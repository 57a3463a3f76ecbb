//! Writes the seeds that the fuzzer begins with: what ordinary clients send, and one input for each
//! thing that is hard to come by at random. Run in this folder: `cargo run --release --bin seeds`.

use std::path::Path;
use std::{fs, io};

use archive_builder::{Field, Gzip, Tarball};
use fuzz::signed::{self, GOOD, HEADER, sign};
use libfuzzer_sys as _;
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    write("archive", tars())?;
    write("archive", archives())?;
    write("form", forms())?;
    write("event", events())?;
    write("token", tokens())?;
    write("claims", claims())
}

fn write(target: &str, seeds: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    seeds.into_iter().try_for_each(|(name, seed)| fs::write(folder.join(name), seed))
}

fn tars() -> [(&'static str, Vec<u8>); 14] {
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
            Tarball::new().global(&[("comment", "0a1b2c")]).file("file", b"1").tar(),
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
        ("padded-end.tar", ordinary.zeros(8192).tar()),
    ]
}

fn archives() -> [(&'static str, Vec<u8>); 4] {
    let tar = Tarball::new().file("file", b"12345678").tar();
    let gzip = Gzip::new(&tar);
    [
        ("plain.tgz", gzip.clone().bytes()),
        (
            "every-field.tgz",
            gzip.clone().extra(b"ab\x01\0c").name(b"n").comment(b"c").header_crc(0).bytes(),
        ),
        ("two-members.tgz", gzip.clone().bytes().repeat(2)),
        ("bomb.tgz", Gzip::new(&Tarball::new().file("zeros", &vec![0; 1 << 16]).tar()).bytes()),
    ]
}

fn forms() -> [(&'static str, Vec<u8>); 6] {
    let form = |content_type: &str, parts: &[(&str, &str)]| {
        let part =
            |(headers, content): &(&str, &str)| format!("--B\r\n{headers}\r\n\r\n{content}\r\n");
        let parts: String = parts.iter().map(part).collect();
        format!("{content_type}\n{parts}--B--\r\n").into_bytes()
    };
    const PLAIN: &str = "multipart/form-data; boundary=B";
    const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"a.tar.gz\"\r\n\
        Content-Type: application/gzip";
    const FILTER: &str = "Content-Disposition: form-data; name=\"filter\"";
    [
        ("file-alone", form(PLAIN, &[(FILE, "bytes")])),
        (
            "every-field",
            form(
                PLAIN,
                &[
                    (FILE, "bytes"),
                    ("content-disposition: form-data; name=name", "my name"),
                    ("Content-Disposition:form-data;name=\"description\"", "what for"),
                    (FILTER, r#"{"product_key": "kafka", "branch": "2", "base_image_id": "a"}"#),
                ],
            ),
        ),
        (
            "quoted-and-extended",
            form(
                "Multipart/Form-Data; charset=utf-8; boundary=\"B\"",
                &[(
                    "Content-Disposition: form-data; name=\"file\"; filename=\"C:\\\\d\\\"\\\\a\"; \
                    filename*=utf-8'en'%C3%A9.tgz",
                    "",
                )],
            ),
        ),
        (
            "filter-doubled",
            form(PLAIN, &[(FILTER, r#"{"branch": "1", "branch": "2", "\u202e": [[1]]}"#)]),
        ),
        ("filter-no-object", form(PLAIN, &[(FILTER, "\"text\"")])),
        (
            "unknown-doubled-strange",
            form(
                PLAIN,
                &[
                    ("Content-Disposition: form-data; name=\"\u{202e}\"", "1"),
                    ("Content-Disposition: form-data; name=\"name\"", "\u{1b}"),
                    ("Content-Disposition: form-data; name=\"name\"", "2"),
                ],
            ),
        ),
    ]
}

fn events() -> [(&'static str, Vec<u8>); 6] {
    [
        ("create.rest", include_bytes!("../events/create-customization.rest.json").to_vec()),
        ("create.http", include_bytes!("../events/create-customization.http.json").to_vec()),
        ("get.rest", include_bytes!("../events/get-customization.rest.json").to_vec()),
        ("get.http", include_bytes!("../events/get-customization.http.json").to_vec()),
        ("base64-claimed", br#"{"body":"aGVsbG8","isBase64Encoded":true}"#.to_vec()),
        (
            "escaped",
            br#"{"body":"\u00e9\n","headers":{"A":"\u00e9","a":"b"},"isBase64Encoded":false}"#
                .to_vec(),
        ),
    ]
}

fn tokens() -> [(&'static str, Vec<u8>); 6] {
    let signed =
        |header: &str, claims: &Value| sign(header.as_bytes(), claims.to_string().as_bytes());
    let mut expired = signed::claims();
    expired["exp"] = json!(1_700_000_001);
    let with_alg = |alg: &str| HEADER.replace("RS256", alg);
    [
        ("bearer", format!("Bearer {}", *GOOD).into()),
        ("bare", GOOD.as_bytes().to_vec()),
        ("expired", signed(HEADER, &expired).into()),
        ("none", signed(&with_alg("none"), &signed::claims()).into()),
        ("hs256", signed(&with_alg("HS256"), &signed::claims()).into()),
        (
            "critical",
            signed(&HEADER.replace("\"typ\"", "\"crit\":[\"b64\"],\"typ\""), &signed::claims())
                .into(),
        ),
    ]
}

fn claims() -> Vec<(&'static str, Vec<u8>)> {
    let with = |name: &str, value: Value| {
        let mut claims = signed::claims();
        claims[name] = value;
        format!("{HEADER}\n{claims}").into_bytes()
    };
    vec![
        ("good", format!("{HEADER}\n{}", signed::claims()).into()),
        ("no-kid", format!("{{\"alg\":\"RS256\"}}\n{}", signed::claims()).into()),
        (
            "embedded-key",
            format!(
                "{}\n{}",
                HEADER.replace(
                    "\"typ\"",
                    r#""jku":"https://a","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"},"typ""#
                ),
                signed::claims(),
            )
            .into(),
        ),
        ("fractions", with("exp", json!(4_102_444_800.5))),
        ("not-before", with("nbf", json!(4_000_000_000_u64))),
        ("issuers", with("iss", json!(["https://csp.localhost"]))),
        ("no-organization", with("context_name", json!("default"))),
        ("no-permission", with("perms", json!({"csp:org_owner": true}))),
        ("no-user", with("username", json!(""))),
    ]
}
