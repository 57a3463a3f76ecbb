//! The JSON of the form's field `filter`, parsed strictly: unknown and repeated members are
//! violations.

use serde_json::value::RawValue;

use super::json::{self, Members};
use crate::{
    domain::{Filter, FilterFields, Id, InvalidFilter},
    violation::{self, Violation},
};

/// Parses a filter. Returns `None` for an empty object.
///
/// # Errors
///
/// All violations, each with its field.
pub(super) fn parse(text: &str) -> Result<Option<Filter>, Vec<Violation>> {
    let members: Members<'_> = serde_json::from_str(text)
        .map_err(|error| vec![Violation::new("filter", json::message(&error))])?;
    let mut violations = Vec::new();
    let mut fields = FilterFields::default();
    for (key, value) in members.0 {
        let field = format!("filter.{}", violation::excerpt(&key));
        let slot = match key.as_str() {
            "base_image_id" => &mut fields.base_image_id,
            "product_key" => &mut fields.product_key,
            "branch" => &mut fields.branch,
            _ => {
                let message =
                    "is unknown; a filter has base_image_id, product_key and branch, each optional";
                violations.push(Violation::new(field, message));
                continue;
            }
        };
        match parse_id(value) {
            Ok(_) if slot.is_some() => {
                violations.push(Violation::new(field, "is given more than once; give it once"));
            }
            Ok(id) => *slot = Some(id),
            Err(message) => violations.push(Violation::new(field, message)),
        }
    }
    // The combination is checked only if each member is valid.
    if !violations.is_empty() {
        return Err(violations);
    }
    match Filter::try_from(fields) {
        Ok(filter) => Ok(Some(filter)),
        Err(InvalidFilter::Empty) => Ok(None),
        Err(InvalidFilter::BranchWithoutProduct) => Err(vec![Violation::new(
            "filter.branch",
            "needs filter.product_key: name the product of the branch",
        )]),
    }
}

fn parse_id(value: &RawValue) -> Result<Id, String> {
    let text: String = serde_json::from_str(value.get())
        .map_err(|_| "must be a string; leave it out where it does not matter".to_owned())?;
    Id::try_from(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_parsed() {
        let text = r#"{"base_image_id": "debian", "product_key": "kafka", "branch": "2"}"#;
        let filter = parse(text).unwrap().unwrap();
        assert_eq!(filter.base_image_id().map(Id::as_str), Some("debian"));
        assert_eq!(filter.product_key().map(Id::as_str), Some("kafka"));
        assert_eq!(filter.branch().map(Id::as_str), Some("2"));
        assert_eq!(parse(" {} "), Ok(None));
    }

    #[test]
    fn each_violation_names_its_field() {
        const STRING: &str = "must be a string; leave it out where it does not matter";
        const UNKNOWN: &str =
            "is unknown; a filter has base_image_id, product_key and branch, each optional";
        const ID: &str = "must be 1 to 128 characters of at most 252 bytes, none of them \
            `#`, `/`, `\\`, `%` or a control character";
        const BRANCH: &str = "needs filter.product_key: name the product of the branch";
        for (text, expected) in [
            (r#"{"branch": "2"}"#, &[("filter.branch", BRANCH)][..]),
            (r#"{"branch": 2}"#, &[("filter.branch", STRING)]),
            (r#"{"product_key": null}"#, &[("filter.product_key", STRING)]),
            (r#"{"product_key": ""}"#, &[("filter.product_key", ID)]),
            (r#"{"product_key": "a#b"}"#, &[("filter.product_key", ID)]),
            (
                r#"{"product_key": "a", "product_key": "b"}"#,
                &[("filter.product_key", "is given more than once; give it once")],
            ),
            (
                r#"{"image": "a", "product_key": [], "base_image_id": {}}"#,
                &[
                    ("filter.image", UNKNOWN),
                    ("filter.product_key", STRING),
                    ("filter.base_image_id", STRING),
                ],
            ),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|&(field, message)| Violation::new(field, message)).collect();
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn json_other_than_an_object_is_refused() {
        let deep = "[".repeat(100_000);
        let nested = format!(r#"{{"branch": {deep}}}"#);
        for text in ["", "null", "[]", "\"kafka\"", "{", "{} {}", "{\"a\": nan}", &deep, &nested] {
            let violations = parse(text).unwrap_err();
            assert_eq!(violations.len(), 1);
            assert_eq!(violations[0].field, "filter");
            assert!(violations[0].message.starts_with("must be a JSON object"), "{violations:?}");
        }
    }
}
