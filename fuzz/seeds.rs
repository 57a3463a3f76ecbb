//! Writes the seeds of the corpora: the inputs of ordinary clients, and inputs that mutation hardly
//! finds. Run it in this folder: `cargo run --release --bin seeds`.

use std::path::Path;
use std::{fs, io};

use fuzz::signed::{self, GOOD, HEADER, sign};
use libfuzzer_sys as _;
use serde_json::{Value, json};

fn main() -> io::Result<()> {
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
