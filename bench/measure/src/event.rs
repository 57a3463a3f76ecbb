//! Events for the functions, as API Gateway's REST API sends them. They are made from the sample
//! events in `events/` of the repository.

use serde_json::{Map, Value, json};

use crate::Result;

const CREATE: &str = include_str!("../../../events/create-customization.rest.json");
const LIST: &str = include_str!("../../../events/list-customizations.rest.json");
const GET: &str = include_str!("../../../events/get-customization.rest.json");
const GET_FILE: &str = include_str!("../../../events/get-file.rest.json");

const BOUNDARY: &str = "------------------------d74496d66958873e";

/// Content type of [`form`].
pub const FORM_TYPE: &str =
    "multipart/form-data; boundary=------------------------d74496d66958873e";

/// Name of every uploaded file.
pub const FILE_NAME: &str = "customization.tar.gz";

/// Builder of events.
#[derive(Clone, Debug)]
pub struct EventBuilder {
    /// Access token of the requests.
    pub token: String,
    /// Catalog of the requests.
    pub catalog_id: String,
}

/// Returns the form that uploads `archive`. Without a filter, the customization is global.
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

impl EventBuilder {
    /// Returns the event that creates a customization from `archive`.
    ///
    /// # Errors
    ///
    /// The sample event is not a JSON object.
    pub fn create(&self, archive: &[u8], filter: Option<&Value>) -> Result<Vec<u8>> {
        let mut event = self.event(CREATE, &[])?;
        set_header(&mut event, "Content-Type", FORM_TYPE);
        let body = base64_simd::STANDARD.encode_to_string(form(archive, filter));
        event.insert("body".to_owned(), body.into());
        Ok(serde_json::to_vec(&event)?)
    }

    /// Returns the event that creates a customization from a direct upload with this SHA-256.
    ///
    /// # Errors
    ///
    /// The sample event is not a JSON object.
    pub fn create_from_upload(&self, sha256: &str) -> Result<Vec<u8>> {
        let mut event = self.event(CREATE, &[])?;
        set_header(&mut event, "Content-Type", "application/json");
        let body = json!({ "sha256": sha256 }).to_string();
        event.insert("body".to_owned(), base64_simd::STANDARD.encode_to_string(body).into());
        Ok(serde_json::to_vec(&event)?)
    }

    /// Returns the event that lists the first page of 20 customizations.
    ///
    /// # Errors
    ///
    /// The sample event is not a JSON object.
    pub fn list(&self) -> Result<Vec<u8>> {
        let mut event = self.event(LIST, &[])?;
        for parameters in ["queryStringParameters", "multiValueQueryStringParameters"] {
            event.insert(parameters.to_owned(), Value::Null);
        }
        Ok(serde_json::to_vec(&event)?)
    }

    /// Returns the event that gets a customization.
    ///
    /// # Errors
    ///
    /// The sample event is not a JSON object.
    pub fn get(&self, customization_id: &str) -> Result<Vec<u8>> {
        let event = self.event(GET, &[("customization_id", customization_id)])?;
        Ok(serde_json::to_vec(&event)?)
    }

    /// Returns the event that gets the download link of a file.
    ///
    /// # Errors
    ///
    /// The sample event is not a JSON object.
    pub fn get_file(&self, digest: &str) -> Result<Vec<u8>> {
        Ok(serde_json::to_vec(&self.event(GET_FILE, &[("digest", digest)])?)?)
    }

    /// Changes a sample event: sets the token, and the path parameters in addition to the catalog.
    fn event(&self, sample: &str, parameters: &[(&str, &str)]) -> Result<Map<String, Value>> {
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

/// Sets a header in the single-value and the multi-value map.
fn set_header(event: &mut Map<String, Value>, name: &str, value: &str) {
    for (headers, value) in [("headers", json!(value)), ("multiValueHeaders", json!([value]))] {
        if let Some(headers) = event.get_mut(headers).and_then(Value::as_object_mut) {
            headers.insert(name.to_owned(), value);
        }
    }
}
