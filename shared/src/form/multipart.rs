//! Multipart bodies (RFC 7578, RFC 2046 section 5.1) in memory: parts are slices of the body, not
//! copies.

use bytes::Bytes;
use memchr::memmem;
use percent_encoding::percent_decode_str;

/// The length limit of a boundary (RFC 2046, section 5.1.1), in characters.
const MAX_BOUNDARY_CHARACTERS: usize = 70;

/// The maximum number of parts in a form. A valid form has at most four.
const MAX_PARTS: usize = 32;

/// The maximum number of headers of a part. Clients send two.
const MAX_HEADERS: usize = 16;

/// A part of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The field's name.
    pub(super) name: String,
    /// The file name.
    pub(super) file_name: Option<String>,
    /// The field's value.
    pub(super) content: Bytes,
}

/// The body is not a multipart body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("the content type must name one boundary of 1 to {MAX_BOUNDARY_CHARACTERS} characters")]
    Boundary,
    #[error("the body does not hold the boundary that the content type names")]
    NoBoundary,
    #[error("the body breaks off before its closing boundary")]
    Unclosed,
    #[error("a part's headers cannot be read")]
    Headers,
    #[error("a part has no `Content-Disposition: form-data` with one name")]
    NoName,
    #[error("the body has more than {MAX_PARTS} parts")]
    TooManyParts,
}

/// Extracts the boundary of a content type.
pub(super) fn boundary(content_type: &mime::Mime) -> Result<&str, Malformed> {
    let mut boundaries = content_type.params().filter(|(name, _)| *name == mime::BOUNDARY);
    let (Some((_, boundary)), None) = (boundaries.next(), boundaries.next()) else {
        return Err(Malformed::Boundary);
    };
    let boundary = boundary.as_str();
    let fits = (1..=MAX_BOUNDARY_CHARACTERS).contains(&boundary.len()) && !boundary.ends_with(' ');
    if fits { Ok(boundary) } else { Err(Malformed::Boundary) }
}

/// Splits `body` into its parts. Skips the preamble and the epilogue (RFC 2046).
pub(super) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<Part>, Malformed> {
    let first = format!("--{boundary}");
    let later = format!("\r\n{first}");
    let finder = memmem::Finder::new(&later);
    let mut delimiters =
        (body.starts_with(first.as_bytes()).then_some((0, first.len())).into_iter())
            .chain(finder.find_iter(body).map(|start| (start, start + later.len())))
            .filter_map(|(start, end)| Delimiter::new(body, start, end));

    let mut parts = Vec::new();
    let mut open = delimiters.next().ok_or(Malformed::NoBoundary)?;
    while !open.closes {
        let close = delimiters.next().ok_or(Malformed::Unclosed)?;
        if parts.len() == MAX_PARTS {
            return Err(Malformed::TooManyParts);
        }
        // Without a part between them, two delimiters share a line break.
        let part = body.get(open.end..close.start).ok_or(Malformed::Headers)?;
        parts.push(Part::read(&body.slice_ref(part))?);
        open = close;
    }
    Ok(parts)
}

/// A delimiter line, which separates parts or ends the body.
struct Delimiter {
    start: usize,
    end: usize,
    closes: bool,
}

impl Delimiter {
    /// Returns the delimiter whose boundary is at `start..end`. Returns `None` if the line
    /// continues after the boundary, because the line is then part of the content.
    fn new(body: &[u8], start: usize, end: usize) -> Option<Self> {
        let rest = body.get(end..)?;
        if rest.starts_with(b"--") {
            return Some(Self { start, end, closes: true });
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let line_end = rest.get(padding..)?.starts_with(b"\r\n");
        line_end.then_some(Self { start, end: end + padding + 2, closes: false })
    }
}

impl Part {
    fn read(part: &Bytes) -> Result<Self, Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let Ok(httparse::Status::Complete((length, headers))) =
            httparse::parse_headers(part, &mut headers)
        else {
            return Err(Malformed::Headers);
        };
        let mut dispositions =
            headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-disposition"));
        let (Some(disposition), None) = (dispositions.next(), dispositions.next()) else {
            return Err(Malformed::NoName);
        };
        let disposition = std::str::from_utf8(disposition.value).map_err(|_| Malformed::Headers)?;
        let Disposition { name, file_name, extended_file_name } =
            Disposition::parse(disposition).ok_or(Malformed::NoName)?;
        Ok(Self {
            name: name.filter(|name| !name.is_empty()).ok_or(Malformed::NoName)?,
            file_name: extended_file_name.or(file_name),
            content: part.slice(length..),
        })
    }
}

/// The parameters of a `Content-Disposition: form-data` (RFC 7578, section 4.2).
#[derive(Default)]
struct Disposition {
    name: Option<String>,
    file_name: Option<String>,
    /// `filename*`: RFC 7578 forbids it, but some clients send it for non-ASCII names.
    extended_file_name: Option<String>,
}

impl Disposition {
    fn parse(header: &str) -> Option<Self> {
        let (kind, mut rest) = header.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return None;
        }
        let mut disposition = Self::default();
        while !rest.trim_start().is_empty() {
            let (parameter, after) = rest.split_once('=')?;
            let (value, after) = parse_value(after.trim_start())?;
            let slot = match parameter.trim().to_ascii_lowercase().as_str() {
                "name" => Some((&mut disposition.name, value)),
                "filename" => Some((&mut disposition.file_name, value)),
                "filename*" => {
                    Some((&mut disposition.extended_file_name, decode_extended(&value)?))
                }
                _ => None,
            };
            if let Some((slot, value)) = slot
                && slot.replace(value).is_some()
            {
                return None;
            }
            rest = after;
        }
        Some(disposition)
    }
}

/// Parses a parameter's value, quoted or not. Returns it with the text after its semicolon.
fn parse_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        return Some((value.trim_end().to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => break,
            // Any other backslash is literal: some clients send complete Windows paths.
            '\\' if characters.as_str().starts_with(['"', '\\']) => value.extend(characters.next()),
            character => value.push(character),
        }
    }
    let rest = characters.as_str().trim_start();
    if rest.is_empty() { Some((value, rest)) } else { Some((value, rest.strip_prefix(';')?)) }
}

/// Decodes an extended value (RFC 8187, section 3.2) in UTF-8.
fn decode_extended(value: &str) -> Option<String> {
    let (charset, value) = value.split_once('\'')?;
    let (_language, value) = value.split_once('\'')?;
    let decoded = percent_decode_str(value).decode_utf8().ok()?;
    charset.eq_ignore_ascii_case("utf-8").then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<(String, Option<String>, String)>, Malformed> {
        let parts = parts(&Bytes::copy_from_slice(body.as_bytes()), "B")?;
        Ok(parts
            .into_iter()
            .map(|part| {
                (part.name, part.file_name, String::from_utf8(part.content.into()).unwrap())
            })
            .collect())
    }

    fn part(
        name: &str,
        file_name: Option<&str>,
        content: &str,
    ) -> (String, Option<String>, String) {
        (name.into(), file_name.map(Into::into), content.into())
    }

    #[test]
    fn parts_are_parsed_in_order() {
        let body = "a preamble\r\n--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
            --B \t\r\ncontent-disposition: Form-Data; filename=f; name=b\r\nContent-Type: x/y\r\n\r\n\
            \r\n--Bad\r\n--C\r\n\r\n--B--an epilogue\r\n--B\r\n";
        let expected = [part("a", None, "1"), part("b", Some("f"), "\r\n--Bad\r\n--C\r\n")];
        assert_eq!(read(body), Ok(expected.into()));
        assert_eq!(read("--B--"), Ok(vec![]));
    }

    #[test]
    fn malformed_bodies_are_refused() {
        let form_with_parts = |count| {
            let part = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n";
            format!("{}--B--", part.repeat(count))
        };
        assert_eq!(read(&form_with_parts(32)).map(|parts| parts.len()), Ok(32));
        for (body, error) in [
            (form_with_parts(33), Malformed::TooManyParts),
            (form_with_parts(1000), Malformed::TooManyParts),
            (String::new(), Malformed::NoBoundary),
            ("--C--".into(), Malformed::NoBoundary),
            ("--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1".into(), Malformed::Unclosed),
            ("--B\r\n--B--".into(), Malformed::Headers),
            ("--B\r\nContent-Disposition: form-data; name=a\r\n--B--".into(), Malformed::Headers),
            ("--B\r\n\r\n1\r\n--B--".into(), Malformed::NoName),
            (format!("--B\r\n{}\r\n\r\n--B--", "a: b\r\n".repeat(17)), Malformed::Headers),
        ] {
            assert_eq!(read(&body), Err(error), "{body:?}");
        }
    }

    #[test]
    fn content_dispositions_of_real_clients_are_parsed() {
        for (parameters, expected) in [
            (r#"name="file"; filename="a.tgz""#, Some(("file", Some("a.tgz")))),
            ("name=file;filename=a.tgz", Some(("file", Some("a.tgz")))),
            (r#"name="file"; filename="a\"b\\c;.tgz""#, Some(("file", Some(r#"a"b\c;.tgz"#)))),
            (r#"name="file"; filename="C:\dir\a.tgz""#, Some(("file", Some(r"C:\dir\a.tgz")))),
            (
                r#"name="file"; filename="x"; filename*=utf-8''%C3%A9.tgz"#,
                Some(("file", Some("é.tgz"))),
            ),
            (r#"name="file"; filename="é.tgz""#, Some(("file", Some("é.tgz")))),
            (r#"name="""#, None),
            (r#"name="file"; name="file""#, None),
            (r#"name="file"#, None),
            (r#"name="file" filename=x"#, None),
            (r#"filename="x""#, None),
            (r#"name="file"; filename*=latin1''%E9"#, None),
            (r#"name="file"; filename*=utf-8''%E9"#, None),
        ] {
            let body =
                format!("--B\r\nContent-Disposition: form-data; {parameters}\r\n\r\n\r\n--B--");
            let expected = expected
                .map(|(name, file_name)| vec![part(name, file_name, "")])
                .ok_or(Malformed::NoName);
            assert_eq!(read(&body), expected, "{parameters}");
        }
    }

    #[test]
    fn a_boundary_has_1_to_70_characters_and_occurs_once() {
        let read = |parameters: &str| {
            let content_type: mime::Mime =
                format!("multipart/form-data{parameters}").parse().unwrap();
            boundary(&content_type).map(str::to_owned)
        };
        let longest = "a".repeat(70);
        assert_eq!(read("; boundary=----AaB"), Ok("----AaB".into()));
        assert_eq!(read("; boundary=\"a b\""), Ok("a b".into()));
        assert_eq!(read(&format!("; boundary={longest}")), Ok(longest.clone()));
        for parameters in
            ["", "; charset=a", "; boundary=a; boundary=a", &format!("; boundary={longest}a")]
        {
            assert_eq!(read(parameters), Err(Malformed::Boundary), "{parameters}");
        }
    }
}
