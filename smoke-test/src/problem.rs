//! Expected problem documents (docs/api.md, "Errors").

use std::collections::BTreeSet;

use cli::api::HttpResponse;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::expect::{self, Failure, describe};

/// An expected problem document.
#[derive(Clone, Copy, Debug)]
pub struct Problem {
    status: u16,
    /// The last part of its `type`. The operator configures the first part.
    slug: &'static str,
    detail: &'static str,
    /// The field of each violation, and a part of its message.
    violations: &'static [(&'static str, &'static str)],
}

/// The members of a problem document that are checked one by one.
#[derive(Deserialize)]
struct Document {
    r#type: String,
    status: u16,
    detail: String,
    instance: String,
    #[serde(default)]
    violations: Vec<Violation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Violation {
    field: String,
    message: String,
}

const fn problem(status: u16, slug: &'static str, detail: &'static str) -> Problem {
    Problem { status, slug, detail, violations: &[] }
}

const fn violation(violations: &'static [(&'static str, &'static str)]) -> Problem {
    let detail = "There was an error validating the request.";
    Problem { violations, ..problem(400, "validation-error", detail) }
}

impl Problem {
    /// The token is missing or invalid.
    pub const UNAUTHENTICATED: Self =
        problem(401, "unauthenticated", "A valid CSP access token is required.");
    /// The token lacks the permission.
    pub const FORBIDDEN: Self =
        problem(403, "forbidden", "The requesting user is not authorized for this operation.");
    /// The catalog does not exist.
    pub const CATALOG_NOT_FOUND: Self =
        problem(404, "catalog-not-found", "The catalog is not found.");
    /// The customization does not exist.
    pub const CUSTOMIZATION_NOT_FOUND: Self =
        problem(404, "customization-not-found", "The customization is not found.");
    /// The file does not exist.
    pub const FILE_NOT_FOUND: Self = problem(404, "file-not-found", "The file is not found.");
    /// The route does not exist.
    pub const NOT_FOUND: Self = problem(404, "not-found", "There is no such route.");
    /// The customization is removed.
    pub const CUSTOMIZATION_REMOVED: Self =
        problem(409, "customization-removed", "The customization is removed; create another one.");
    /// The file was not uploaded.
    pub const NOT_UPLOADED: Self = problem(
        409,
        "file-not-uploaded",
        "There is no uploaded file with this SHA-256; upload it first.",
    );
    /// The file of a form is too large.
    pub const FORM_TOO_LARGE: Self = problem(
        413,
        "payload-too-large",
        "The upload is too large: a file may have up to 4,500,000 bytes.",
    );
    /// A direct upload is too large.
    pub const UPLOAD_TOO_LARGE: Self = problem(
        413,
        "payload-too-large",
        "The upload is too large: a file may have up to 268,435,456 bytes.",
    );
    /// The content type of the body is not supported.
    pub const UNSUPPORTED: Self = problem(
        415,
        "unsupported-media-type",
        "The request's content type must be multipart/form-data or application/json.",
    );
    /// The idempotency key was used for another request.
    pub const KEY_REUSED: Self = problem(
        422,
        "idempotency-key-reused",
        "The idempotency key was used for another request; use a new one.",
    );
    /// An entry of the archive would be unpacked outside its folder.
    pub const PATH_TRAVERSAL: Self = violation(&[("file", "has `..` in its path")]);
    /// The file is not in gzip format.
    pub const NO_ARCHIVE: Self =
        violation(&[("file", "the archive is not in gzip format; send a tar.gz")]);
    /// The product of the filter does not exist.
    pub const NO_PRODUCT: Self = violation(&[("filter.product_key", "there is no such product")]);

    /// Expects that a response is this problem document, without further members.
    ///
    /// # Errors
    ///
    /// [`Failure`]
    pub fn expect(&self, response: &HttpResponse) -> Result<(), Failure> {
        if response.status.as_u16() != self.status {
            let expected = format!("{} {}", self.status, self.slug);
            return Err(Failure::new(expected, describe(response)));
        }
        expect::header(response, "content-type", "application/problem+json")?;
        let parse = |error| Failure::new("a problem document", error);
        let members: Map<String, Value> = serde_json::from_slice(&response.body).map_err(parse)?;
        let members: BTreeSet<&str> = members.keys().map(String::as_str).collect();
        let mut expected = BTreeSet::from(["detail", "instance", "status", "title", "type"]);
        if !self.violations.is_empty() {
            expected.insert("violations");
        }
        expect::equal("the members", expected, members)?;
        let document: Document = serde_json::from_slice(&response.body).map_err(parse)?;
        let slug = document.r#type.rsplit('/').next().unwrap_or_default();
        expect::equal("the type", self.slug, slug)?;
        expect::equal("the member status", self.status, document.status)?;
        expect::equal("the detail", self.detail, &document.detail)?;
        let request_id = response.header("x-amzn-requestid").unwrap_or_default();
        expect::equal("the instance", format!("urn:uuid:{request_id}"), document.instance)?;
        self.expect_violations(&document.violations)
    }

    fn expect_violations(&self, violations: &[Violation]) -> Result<(), Failure> {
        let same = violations.len() == self.violations.len()
            && violations.iter().zip(self.violations).all(|(violation, (field, message))| {
                violation.field == *field && violation.message.contains(message)
            });
        if same {
            return Ok(());
        }
        let actual = violations.iter().map(|Violation { field, message }| (field, message));
        let actual: Vec<_> = actual.collect();
        let expected = format!("the violations {:?}", self.violations);
        Err(Failure::new(expected, format!("{actual:?}")))
    }
}
