//! The events that the functions are sent: those of API Gateway's REST API.

use serde_json::{Map, Value, json};

use crate::Outcome;

const CREATE: &str = include_str!("../../../events/create-customization.rest.json");
const GET: &str = include_str!("../../../events/get-customization.rest.json");
const GET_FILE: &str = include_str!("../../../events/get-file.rest.json");

const BOUNDARY: &str = "------------------------d74496d66958873e";

/// The content type of [`form`].
pub const FORM_TYPE: &str =
    "multipart/form-data; boundary=------------------------d74496d66958873e";

/// The name that every file is uploaded under.
pub const FILE_NAME: &str = "customization.tar.gz";

/// Who asks, and in which catalog.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The access token.
    pub token: String,
    /// The catalog.
    pub catalog_id: String,
}

/// The form of an upload, with a filter if it is not for the whole catalog.
#[must_use]
pub fn form(archive: &[u8], filter: Option<&Value>) -> Vec<u8> {
    let part = |disposition: &str, content: &[u8]| {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let mut form = part(&format!("name=\"file\"; filename=\"{FILE_NAME}\""), archive);
    form.extend(part("name=\"name\"", b"my customization"));
    if let Some(filter) = filter {
        form.extend(part("name=\"filter\"", filter.to_string().as_bytes()));
    }
    form.extend(format!("--{BOUNDARY}--\r\n").bytes());
    form
}

impl Caller {
    /// The event that uploads `archive`.
    ///
    /// # Errors
    ///
    /// The event in the workspace is not what this expects.
    pub fn create(&self, archive: &[u8], filter: Option<&Value>) -> Outcome<Vec<u8>> {
        let mut event = self.event(CREATE, &[])?;
        set_header(&mut event, "Content-Type", FORM_TYPE);
        let body = base64_simd::STANDARD.encode_to_string(form(archive, filter));
        event.insert("body".to_owned(), body.into());
        Ok(serde_json::to_vec(&event)?)
    }

    /// The event that reads a customization.
    ///
    /// # Errors
    ///
    /// The event in the workspace is not what this expects.
    pub fn get(&self, customization_id: &str) -> Outcome<Vec<u8>> {
        let event = self.event(GET, &[("customization_id", customization_id)])?;
        Ok(serde_json::to_vec(&event)?)
    }

    /// The event that asks where to download a file.
    ///
    /// # Errors
    ///
    /// The event in the workspace is not what this expects.
    pub fn get_file(&self, digest: &str) -> Outcome<Vec<u8>> {
        Ok(serde_json::to_vec(&self.event(GET_FILE, &[("digest", digest)])?)?)
    }

    /// An event of the workspace, from this caller.
    fn event(&self, sample: &str, parameters: &[(&str, &str)]) -> Outcome<Map<String, Value>> {
        let mut event: Map<String, Value> = serde_json::from_str(sample)?;
        set_header(&mut event, "Authorization", &format!("Bearer {}", self.token));
        set_header(&mut event, "Accept-Encoding", "gzip");
        let catalog_id = ("catalog_id", self.catalog_id.as_str());
        let parameters = parameters.iter().chain([&catalog_id]);
        let parameters: Map<_, _> =
            parameters.map(|&(name, value)| (name.to_owned(), value.into())).collect();
        event.insert("pathParameters".to_owned(), parameters.into());
        Ok(event)
    }
}

/// Sets a header in both of the maps that hold it.
fn set_header(event: &mut Map<String, Value>, name: &str, value: &str) {
    for (headers, value) in [("headers", json!(value)), ("multiValueHeaders", json!([value]))] {
        if let Some(headers) = event.get_mut(headers).and_then(Value::as_object_mut) {
            headers.insert(name.to_owned(), value);
        }
    }
}
