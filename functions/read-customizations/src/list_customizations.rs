//! `GET /v1/catalogs/{catalog_id}/customizations`: lists the customizations of a catalog.

use std::{collections::HashSet, ops::RangeInclusive};

use ::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use shared::{
    app::{App, AuthorizedRequest},
    domain::Id,
    problem::Problem,
    response::{self, Response, ResponseError},
    storage::ListFilter,
    view::{self, CustomizationSummary},
    violation::{self, Violation},
};

use crate::conditional;

const PAGES: RangeInclusive<u32> = 1..=i32::MAX.cast_unsigned();
const PAGE_SIZES: RangeInclusive<u32> = 1..=100;
const DEFAULT_PAGE_SIZE: u32 = 20;

/// The query parameters.
#[derive(Debug, PartialEq, Eq)]
struct Query {
    filter: ListFilter,
    /// The value of `active`, for links: `false` selects the same as no value.
    active: Option<bool>,
    page: u32,
    page_size: u32,
}

/// The response, under the published names.
#[derive(Serialize)]
struct List<'a> {
    page: u32,
    page_size: u32,
    total_size: usize,
    total_pages: usize,
    items: Vec<CustomizationSummary<'a>>,
}

pub(crate) async fn handle(
    app: &App,
    request: &AuthorizedRequest<'_>,
) -> Result<Response, Problem> {
    app.require_catalog(request).await?;
    let query = Query::parse(&request.request.query).map_err(Problem::Validation)?;
    let page_size = query.page_size as usize;
    let offset = (query.page as usize - 1).saturating_mul(page_size);
    let list = app.customizations.list(&request.catalog_id, &query.filter, offset, page_size);
    let list = list.await?;

    let total_pages = list.total.div_ceil(page_size);
    let body = List {
        page: query.page,
        page_size: query.page_size,
        total_size: list.total,
        total_pages,
        items: list.items.iter().map(CustomizationSummary::from).collect(),
    };
    let mut response = response::json(StatusCode::OK, &body)?;
    let links = query.links(&request.catalog_id, total_pages)?;
    response.headers_mut().insert(header::LINK, links);
    Ok(conditional::if_none_match(&request.request.headers, response)?)
}

impl Query {
    /// Parses query parameters, or reports the violations of all of them together.
    fn parse(parameters: &[(String, String)]) -> Result<Self, Vec<Violation>> {
        let mut query = Self {
            filter: ListFilter::default(),
            active: None,
            page: *PAGES.start(),
            page_size: DEFAULT_PAGE_SIZE,
        };
        let (mut violations, mut seen) = (Vec::new(), HashSet::new());
        for (name, value) in parameters {
            if !seen.insert(name) {
                let message = "is given more than once; give it once".to_owned();
                violations.push(Violation::new(violation::excerpt(name), message));
            } else if let Err(message) = query.set(name, value) {
                violations.push(Violation::new(violation::excerpt(name), message));
            }
        }
        if violations.is_empty() { Ok(query) } else { Err(violations) }
    }

    /// Sets one parameter, or returns the message of its violation.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "product_key" => self.filter.product_key = Some(parse_id(value)?),
            "base_image_id" => self.filter.base_image_id = Some(parse_id(value)?),
            "branch" => self.filter.branch = Some(parse_id(value)?),
            "active" => {
                let active = parse_bool(value)?;
                self.active = Some(active);
                self.filter.active = active;
            }
            "global" => self.filter.global = Some(parse_bool(value)?),
            "page" => self.page = parse_number(value, PAGES)?,
            "page_size" => self.page_size = parse_number(value, PAGE_SIZES)?,
            _ => {
                return Err("is unknown; a list has product_key, base_image_id, branch, active, \
                            global, page and page_size, each optional"
                    .to_owned());
            }
        }
        Ok(())
    }

    /// The header `Link` (RFC 8288): the first, previous, next and last page, with the same
    /// parameters. An empty list has one page.
    fn links(&self, catalog_id: &Id, total_pages: usize) -> Result<HeaderValue, ResponseError> {
        let (page, last) = (self.page as usize, total_pages.max(1));
        let links = [
            ("first", Some(1)),
            // Before a page past the end is the last one.
            ("prev", (page > 1).then(|| last.min(page - 1))),
            ("next", (page < last).then_some(page + 1)),
            ("last", Some(last)),
        ];
        let links = links.into_iter().filter_map(|(relation, page)| {
            let path = view::customizations_path(catalog_id, &self.parameters(page?));
            Some(format!("<{path}>; rel=\"{relation}\""))
        });
        Ok(HeaderValue::try_from(links.collect::<Vec<_>>().join(", "))?)
    }

    /// The parameters that select `page` of this list.
    fn parameters(&self, page: usize) -> Vec<(&'static str, String)> {
        let ListFilter { product_key, base_image_id, branch, global, .. } = &self.filter;
        [
            ("product_key", product_key.as_ref().map(Id::to_string)),
            ("base_image_id", base_image_id.as_ref().map(Id::to_string)),
            ("branch", branch.as_ref().map(Id::to_string)),
            ("active", self.active.map(|active| active.to_string())),
            ("global", global.map(|global| global.to_string())),
            ("page", Some(page.to_string())),
            ("page_size", Some(self.page_size.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

fn parse_id(value: &str) -> Result<Id, String> {
    value.parse().map_err(|error| format!("{error}"))
}

fn parse_bool(value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| "must be true or false".to_owned())
}

fn parse_number(value: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    // `parse` also accepts a plus sign.
    let number = value.parse().ok().filter(|number| range.contains(number));
    number
        .filter(|_| !value.starts_with('+'))
        .ok_or_else(|| format!("must be a number from {} to {}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &[(&str, &str)]) -> Result<Query, Vec<Violation>> {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Query::parse(&query.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn links_keep_the_parameters_and_stay_in_the_list() {
        let catalog_id = "my catalog".parse().unwrap();
        let query = [("branch", "2"), ("product_key", "a&b"), ("active", "false")];
        let path = "/v1/catalogs/my%20catalog/customizations?product_key=a%26b&branch=2\
                    &active=false";
        for (page, total_pages, expected) in [
            ("1", 0, &[("first", 1), ("last", 1)][..]),
            ("2", 0, &[("first", 1), ("prev", 1), ("last", 1)]),
            ("1", 1, &[("first", 1), ("last", 1)]),
            ("1", 3, &[("first", 1), ("next", 2), ("last", 3)]),
            ("2", 3, &[("first", 1), ("prev", 1), ("next", 3), ("last", 3)]),
            ("3", 3, &[("first", 1), ("prev", 2), ("last", 3)]),
            ("9", 3, &[("first", 1), ("prev", 3), ("last", 3)]),
        ] {
            let query = parse(&[&query[..], &[("page", page)]].concat()).unwrap();
            let links = query.links(&catalog_id, total_pages).unwrap();
            let expected = expected.iter().map(|(relation, page)| {
                format!("<{path}&page={page}&page_size=20>; rel=\"{relation}\"")
            });
            assert_eq!(links.to_str().unwrap(), expected.collect::<Vec<_>>().join(", "));
        }
    }

    #[test]
    fn numbers_have_limits() {
        for (name, good, bad) in [
            ("page", ["1", "2147483647"], ["0", "2147483648"]),
            ("page_size", ["1", "100"], ["0", "101"]),
        ] {
            for value in good {
                assert!(parse(&[(name, value)]).is_ok(), "{name}={value}");
            }
            for value in bad.into_iter().chain(["", "-1", "+1", "1.0", " 1", "x", "4294967297"]) {
                assert!(parse(&[(name, value)]).is_err(), "{name}={value}");
            }
        }
    }
}
