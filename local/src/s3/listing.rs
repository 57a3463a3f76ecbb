//! Pages of the operation `ListObjectsV2`.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{CommonPrefix, EncodingType, ListObjectsV2Input, ListObjectsV2Output};

use super::objects::ObjectInfo;

/// Largest number of keys and common prefixes in one page.
const MAX_KEYS: i32 = 1000;

/// Characters that `encoding-type=url` percent-encodes.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'/').remove(b'_').remove(b'~');

/// Returns the page that `input` requests. `objects` are all objects of the bucket, sorted by key.
/// A continuation token is the last key or common prefix of the previous page.
pub(super) fn page(objects: &[ObjectInfo], input: ListObjectsV2Input) -> ListObjectsV2Output {
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let token = input.continuation_token.as_deref();
    let after = token.or(input.start_after.as_deref()).unwrap_or_default();
    let max_keys = input.max_keys.unwrap_or(MAX_KEYS).clamp(0, MAX_KEYS);
    let page_size = usize::try_from(max_keys).unwrap_or_default();
    let encode = |text: &str| match &input.encoding_type {
        Some(encoding) if encoding.as_str() == EncodingType::URL => {
            utf8_percent_encode(text, ENCODED).to_string()
        }
        _ => text.to_owned(),
    };

    let mut contents = Vec::new();
    let mut common_prefixes: Vec<&str> = Vec::new();
    let mut last = None;
    let mut is_truncated = false;
    for object in objects {
        let key = object.attributes.key.as_str();
        let Some(rest) = key.strip_prefix(prefix).filter(|_| key > after) else { continue };
        let common_prefix = delimiter
            .and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()))
            .and_then(|length| key.get(..prefix.len() + length));
        if common_prefix
            .is_some_and(|common| token == Some(common) || common_prefixes.last() == Some(&common))
        {
            continue;
        }
        if contents.len() + common_prefixes.len() == page_size {
            is_truncated = page_size > 0;
            break;
        }
        match common_prefix {
            Some(common) => common_prefixes.push(common),
            None => contents.push(listed(object, encode(key))),
        }
        last = Some(common_prefix.unwrap_or(key));
    }

    let common_prefixes: Vec<_> = common_prefixes
        .into_iter()
        .map(|common| CommonPrefix { prefix: Some(encode(common)) })
        .collect();
    ListObjectsV2Output {
        key_count: i32::try_from(contents.len() + common_prefixes.len()).ok(),
        next_continuation_token: last.filter(|_| is_truncated).map(ToOwned::to_owned),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        prefix: input.prefix.as_deref().map(encode),
        delimiter: input.delimiter.as_deref().map(encode),
        start_after: input.start_after.as_deref().map(encode),
        name: Some(input.bucket),
        continuation_token: input.continuation_token,
        encoding_type: input.encoding_type,
        is_truncated: Some(is_truncated),
        max_keys: Some(max_keys),
        ..ListObjectsV2Output::default()
    }
}

fn listed(object: &ObjectInfo, key: String) -> s3s::dto::Object {
    s3s::dto::Object {
        key: Some(key),
        e_tag: Some(object.attributes.e_tag()),
        last_modified: Some(object.modified.into()),
        size: i64::try_from(object.size).ok(),
        ..s3s::dto::Object::default()
    }
}
