//! The header `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header-07).

use ::http::{HeaderMap, HeaderValue};
use shared::{
    app::{App, AuthorizedRequest},
    storage::{IdempotencyKey, IdempotencyRecord, StorageError},
    violation::Violation,
};

const HEADER: &str = "idempotency-key";

/// The maximum length of a key in characters.
const MAX_CHARACTERS: usize = 255;

/// Reads the request's idempotency key and hashes it with `user`. Adds a violation if the key is
/// invalid. Returns `None` if the request has no valid key.
pub(crate) fn key(
    headers: &HeaderMap,
    user: &str,
    violations: &mut Vec<Violation>,
) -> Option<IdempotencyKey> {
    let mut values = headers.get_all(HEADER).iter();
    let value = values.next()?;
    let key = parse(value).filter(|_| values.next().is_none());
    if key.is_none() {
        violations.push(violation());
    }
    key.map(|key| IdempotencyKey::new(user, &key))
}

/// Finds the idempotency record of a request with the key `key`.
pub(crate) async fn find(
    app: &App,
    request: &AuthorizedRequest<'_>,
    key: Option<IdempotencyKey>,
) -> Result<Option<IdempotencyRecord>, StorageError> {
    match key {
        Some(key) => app.idempotency_records.find(&request.catalog_id, key).await,
        None => Ok(None),
    }
}

fn violation() -> Violation {
    let message = format!(
        "must be one quoted string of 1 to {MAX_CHARACTERS} printable ASCII characters, such as \"8e03978e\""
    );
    Violation::new("Idempotency-Key", message)
}

/// Parses the header's value: a quoted string (RFC 8941, section 3.3.3), or the same characters
/// without quotes.
fn parse(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?.trim();
    let key = match text.strip_prefix('"') {
        _ if text.contains('\t') => return None,
        None if text.contains(['"', ' ']) => return None,
        None => text.to_owned(),
        Some(quoted) => unquote(quoted)?,
    };
    (1..=MAX_CHARACTERS).contains(&key.len()).then_some(key)
}

/// Parses a quoted string without its first quote; the closing quote must be the last character.
fn unquote(quoted: &str) -> Option<String> {
    let mut key = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return characters.as_str().is_empty().then_some(key),
            '\\' => key.push(characters.next().filter(|c| matches!(c, '"' | '\\'))?),
            character => key.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_or_bare_key_is_parsed() {
        let longest = "k".repeat(255);
        for (value, expected) in [
            ("\"8e03978e-40d5\"", Some("8e03978e-40d5")),
            ("8e03978e-40d5", Some("8e03978e-40d5")),
            (r#""a \"b\" \\c""#, Some(r#"a "b" \c"#)),
            (&*longest, Some(&*longest)),
            ("", None),
            ("\"\"", None),
            ("\"a", None),
            ("\"a\"b", None),
            ("a\"b", None),
            ("a b", None),
            ("a\tb", None),
            ("\"a\tb\"", None),
            (r#""a\b""#, None),
            ("\"a\", \"b\"", None),
            (&format!("{longest}k"), None),
        ] {
            let parsed = parse(&HeaderValue::from_str(value).unwrap());
            assert_eq!(parsed.as_deref(), expected, "{value}");
        }
        assert_eq!(parse(&HeaderValue::from_bytes(b"\xff").unwrap()), None);
    }
}
