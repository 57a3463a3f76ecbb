//! Views: the JSON of responses. A view adds the URLs and links, which records do not hold.

use serde::Serialize;

use crate::{
    domain::{
        Artifact, Customization, CustomizationId, CustomizationStatus, CustomizationVersion,
        Digest, FileName, Filter, Id, Timestamp, Version,
    },
    percent,
    routes::{BASE_PATH, Operation},
};

/// The fields that every view of a customization has.
#[derive(Debug, Serialize)]
pub struct CustomizationFields<'a> {
    id: CustomizationId,
    version: Version,
    artifact: ArtifactView<'a>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    catalog_id: &'a Id,
    status: &'a CustomizationStatus,
    created_by: &'a str,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed_at: Option<Timestamp>,
    global: bool,
}

#[derive(Debug, Serialize)]
struct ArtifactView<'a> {
    id: Digest,
    url: String,
    filename: &'a FileName,
}

impl<'a> ArtifactView<'a> {
    fn new(catalog_id: &Id, artifact: &'a Artifact) -> Self {
        let digest = artifact.id.to_string();
        let path = Operation::GetFile.route().path_for(&[catalog_id.as_str(), &digest]);
        let filename = percent::encode(artifact.filename.as_str());
        Self {
            id: artifact.id,
            url: format!("{path}?filename={filename}"),
            filename: &artifact.filename,
        }
    }
}

impl<'a> From<&'a Customization> for CustomizationFields<'a> {
    fn from(customization: &'a Customization) -> Self {
        let Customization { catalog_id, artifact, .. } = customization;
        Self {
            id: customization.id,
            version: customization.version,
            artifact: ArtifactView::new(catalog_id, artifact),
            name: &customization.name,
            description: customization.description.as_deref(),
            catalog_id,
            status: &customization.status,
            created_by: &customization.created_by,
            created_at: customization.created_at,
            updated_by: customization.updated_by.as_deref(),
            updated_at: customization.updated_at,
            removed_by: customization.removed_by.as_deref(),
            removed_at: customization.removed_at,
            global: customization.is_global(),
        }
    }
}

/// A customization without the applications that it affects.
#[derive(Debug, Serialize)]
pub struct CustomizationSummary<'a> {
    #[serde(flatten)]
    fields: CustomizationFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a Filter>,
    _links: Links,
}

impl<'a> From<&'a Customization> for CustomizationSummary<'a> {
    fn from(customization: &'a Customization) -> Self {
        Self {
            fields: customization.into(),
            filter: customization.filter.as_ref(),
            _links: customization.into(),
        }
    }
}

/// A version of a customization.
#[derive(Debug, Serialize)]
pub struct VersionView<'a> {
    version: Version,
    artifact: ArtifactView<'a>,
    created_by: &'a str,
    created_at: Timestamp,
}

impl<'a> VersionView<'a> {
    /// The view of a version of a customization of the catalog `catalog_id`.
    #[must_use]
    pub fn new(catalog_id: &Id, version: &'a CustomizationVersion) -> Self {
        Self {
            version: version.version,
            artifact: ArtifactView::new(catalog_id, &version.artifact),
            created_by: &version.created_by,
            created_at: version.created_at,
        }
    }
}

/// Links from a customization to its catalog and to its filter's base image.
#[derive(Debug, Serialize)]
pub struct Links {
    catalog: Link,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_image: Option<Link>,
}

impl From<&Customization> for Links {
    fn from(customization: &Customization) -> Self {
        let base_image = customization.filter.as_ref().and_then(Filter::base_image_id);
        Self {
            catalog: Link::new(&["catalogs", customization.catalog_id.as_str()]),
            base_image: base_image.map(|id| Link::new(&["base-images", id.as_str()])),
        }
    }
}

/// A link to another resource.
#[derive(Debug, Serialize)]
pub struct Link {
    href: String,
}

impl Link {
    /// The link to a pipeline of a catalog.
    #[must_use]
    pub fn to_pipeline(catalog_id: &Id, pipeline_id: &Id) -> Self {
        Self::new(&["catalogs", catalog_id.as_str(), "pipelines", pipeline_id.as_str()])
    }

    /// The link to a resource that this service does not serve.
    fn new(segments: &[&str]) -> Self {
        let mut href = BASE_PATH.to_owned();
        for segment in segments {
            href.push('/');
            href.extend(percent::encode(segment));
        }
        Self { href }
    }
}

/// The path of a customization.
#[must_use]
pub fn customization_path(customization: &Customization) -> String {
    let id = customization.id.to_string();
    Operation::GetCustomization.route().path_for(&[customization.catalog_id.as_str(), &id])
}

/// The path of a page of a catalog's customizations.
#[must_use]
pub fn customizations_path(catalog_id: &Id, query: &[(&str, String)]) -> String {
    let mut path = Operation::ListCustomizations.route().path_for(&[catalog_id.as_str()]);
    for (index, (name, value)) in query.iter().enumerate() {
        path.push(if index == 0 { '?' } else { '&' });
        path.push_str(name);
        path.push('=');
        path.extend(percent::encode(value));
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn links_escape_reserved_characters() {
        let digest = Digest::of(b"");
        let customization: Customization = from_value(json!({
            "id": "0192d3a4-5b6c-7def-8123-456789abcdef",
            "version": "v1",
            "artifact": {"id": digest, "filename": "a b&c=é.tgz"},
            "name": "n",
            "catalog_id": "my catalog",
            "status": "CREATED",
            "filter": {"base_image_id": "debian?11"},
            "created_by": "johndoe",
            "created_at": "2023-03-03T00:59:52.762Z",
            "revision": 1,
            "change_id": "00000000-0000-4000-8000-000000000000",
        }))
        .unwrap();
        let view = json!(CustomizationSummary::from(&customization));
        let url =
            format!("/v1/catalogs/my%20catalog/files/{digest}?filename=a%20b%26c%3D%C3%A9.tgz");
        assert_eq!(view["artifact"]["url"], url);
        assert_eq!(view["_links"]["catalog"]["href"], "/v1/catalogs/my%20catalog");
        assert_eq!(view["_links"]["base_image"]["href"], "/v1/base-images/debian%3F11");
        assert_eq!(view.get("revision").or(view.get("change_id")), None, "internal fields");
    }
}
