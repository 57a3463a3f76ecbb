//! Writes the seeds of the corpora: inputs of ordinary clients, and inputs that mutations rarely
//! find. Run it in this folder: `cargo run --release --bin seeds`.

use std::path::Path;
use std::{fs, io};

use fuzz::signed_tokens::{HEADER, VALID_TOKEN, sign, valid_claims};
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

fn forms() -> [(&'static str, Vec<u8>); 9] {
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
        ("file-only", form(PLAIN, &[(FILE, "bytes")])),
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
            "filter-duplicate-key",
            form(PLAIN, &[(FILTER, r#"{"branch": "1", "branch": "2", "\u202e": [[1]]}"#)]),
        ),
        ("filter-not-an-object", form(PLAIN, &[(FILTER, "\"text\"")])),
        (
            "unknown-duplicate-and-control-characters",
            form(
                PLAIN,
                &[
                    ("Content-Disposition: form-data; name=\"\u{202e}\"", "1"),
                    ("Content-Disposition: form-data; name=\"name\"", "\u{1b}"),
                    ("Content-Disposition: form-data; name=\"name\"", "2"),
                ],
            ),
        ),
        (
            "json-every-field",
            format!(
                "application/json\n{}",
                json!({
                    "sha256": "0".repeat(64),
                    "filename": "a/b.tar.gz",
                    "name": "my name",
                    "description": "what for",
                    "filter": {"product_key": "kafka", "branch": "2", "base_image_id": "a"},
                })
            )
            .into(),
        ),
        (
            "json-wrong-types-and-duplicates",
            b"application/json\n{\"sha256\": 1, \"name\": \"\\u202e\", \"name\": null, \"filter\": \"\"}"
                .to_vec(),
        ),
        ("json-not-an-object", b"Application/JSON; charset=utf-8\n[1]".to_vec()),
    ]
}

fn events() -> [(&'static str, Vec<u8>); 6] {
    [
        ("create.rest", include_bytes!("../events/create-customization.rest.json").to_vec()),
        ("create.http", include_bytes!("../events/create-customization.http.json").to_vec()),
        ("get.rest", include_bytes!("../events/get-customization.rest.json").to_vec()),
        ("get.http", include_bytes!("../events/get-customization.http.json").to_vec()),
        ("invalid-base64", br#"{"body":"aGVsbG8","isBase64Encoded":true}"#.to_vec()),
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
    let mut expired = valid_claims();
    expired["exp"] = json!(1_700_000_001);
    let header_with = |algorithm: &str| HEADER.replace("RS256", algorithm);
    [
        ("bearer", format!("Bearer {}", *VALID_TOKEN).into()),
        ("bare", VALID_TOKEN.as_bytes().to_vec()),
        ("expired", signed(HEADER, &expired).into()),
        ("algorithm-none", signed(&header_with("none"), &valid_claims()).into()),
        ("algorithm-hs256", signed(&header_with("HS256"), &valid_claims()).into()),
        (
            "critical-extension",
            signed(&HEADER.replace("\"typ\"", "\"crit\":[\"b64\"],\"typ\""), &valid_claims())
                .into(),
        ),
    ]
}

fn claims() -> Vec<(&'static str, Vec<u8>)> {
    let with_claim = |name: &str, value: Value| {
        let mut claims = valid_claims();
        claims[name] = value;
        format!("{HEADER}\n{claims}").into_bytes()
    };
    vec![
        ("valid", format!("{HEADER}\n{}", valid_claims()).into()),
        ("no-kid", format!("{{\"alg\":\"RS256\"}}\n{}", valid_claims()).into()),
        (
            "embedded-key",
            format!(
                "{}\n{}",
                HEADER.replace(
                    "\"typ\"",
                    r#""jku":"https://a","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"},"typ""#
                ),
                valid_claims(),
            )
            .into(),
        ),
        ("fractional-expiry", with_claim("exp", json!(4_102_444_800.5))),
        ("not-before", with_claim("nbf", json!(4_000_000_000_u64))),
        ("issuer-list", with_claim("iss", json!(["https://csp.localhost"]))),
        ("no-organization", with_claim("context_name", json!("default"))),
        ("no-permission", with_claim("perms", json!({"csp:org_owner": true}))),
        ("no-user", with_claim("username", json!(""))),
    ]
}
