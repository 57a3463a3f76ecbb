//! Lists: pages, filters, links, entity tags and limits.

use http::Method;
use local::csp::Token;
use serde_json::{Value, json};
use tests::{
    api::{Api, Problem, Response},
    form::Form,
    stack::{DEBIAN, OTHER_CATALOG, OTHER_ORGANIZATION, SAMPLE_CATALOG, TestStack},
};

/// The identifiers of a list's items.
fn ids(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// Creates `count` global customizations. Returns their identifiers, newest first.
async fn create(api: &Api, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(api.create(Form::upload()).await.id());
    }
    ids.reverse();
    ids
}

/// The target of the link with this relation.
fn link(response: &Response, relation: &str) -> Option<String> {
    let relation = format!("; rel=\"{relation}\"");
    let links = response.header("link").split(", ");
    let mut targets = links.filter_map(|link| link.strip_suffix(&*relation));
    let target = targets.next()?.strip_prefix('<')?.strip_suffix('>')?;
    assert_eq!(targets.next(), None, "a relation has one target");
    Some(target.to_owned())
}

#[tokio::test]
async fn an_item_is_what_a_create_returns_and_what_has_changed_since() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let first = api.create(Form::kafka()).await.json();
    let second = api.create(Form::upload()).await.json();
    let expected = json!({
        "page": 1, "page_size": 20, "total_size": 2, "total_pages": 1, "items": [second, first],
    });
    let response = api.list("").await;
    assert_eq!(response.json(), expected);
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("cache-control"), "private, no-cache");

    let id = second["id"].as_str().unwrap();
    api.update(id, Form::new().text("name", "n")).await.assert_no_content();
    api.remove(id).await.assert_no_content();
    let item = api.list("").await.json()["items"][0].clone();
    let mut expected = second.clone();
    expected["name"] = json!("n");
    expected["status"] = json!("DELETED");
    for field in ["updated_by", "removed_by"] {
        expected[field] = json!("johndoe");
    }
    for field in ["updated_at", "removed_at"] {
        expected[field] = item[field].clone();
    }
    assert_eq!(item, expected);
}

#[tokio::test]
async fn pages_have_exact_limits() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let empty = api.list("page=3").await;
    let expected = json!({
        "page": 3, "page_size": 20, "total_size": 0, "total_pages": 0, "items": [],
    });
    assert_eq!(empty.json(), expected);
    let mut all: Vec<String> = Vec::new();
    // An empty list, one customization, a full page, and one customization more.
    for (created, pages) in [(0, 0), (1, 1), (2, 1), (1, 2)] {
        all.splice(0..0, create(&api, created).await);
        for page in 1..=pages + 2 {
            let list = api.list(&format!("page={page}&page_size=3")).await.json();
            let expected: Vec<_> = all.iter().skip((page - 1) * 3).take(3).cloned().collect();
            assert_eq!(ids(&list), expected, "page {page} of {}", all.len());
            assert_eq!(list["total_size"], all.len());
            assert_eq!(list["total_pages"], pages);
            assert_eq!((&list["page"], &list["page_size"]), (&json!(page), &json!(3)));
        }
    }
    let far = api.list("page=2147483647&page_size=100").await.json();
    assert_eq!((ids(&far), &far["total_size"]), (vec![], &json!(4)));
}

#[tokio::test]
async fn links_lead_through_all_pages_and_keep_the_parameters() {
    let stack = TestStack::start().await;
    let api = stack.api();
    api.create(Form::kafka()).await.id();
    let global = create(&api, 5).await;
    let first = api.list("global=true&page_size=2").await;
    let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations?global=true");
    let expected = format!(
        "<{path}&page=1&page_size=2>; rel=\"first\", <{path}&page=2&page_size=2>; rel=\"next\", \
         <{path}&page=3&page_size=2>; rel=\"last\""
    );
    assert_eq!(first.header("link"), expected);
    let (mut found, mut page) = (ids(&first.json()), first);
    while let Some(next) = link(&page, "next") {
        let previous = page.body.clone();
        page = api.get(&next).await;
        found.extend(ids(&page.json()));
        let before = api.get(&link(&page, "prev").unwrap()).await;
        assert_eq!(before.body, previous);
    }
    assert_eq!(found, global);
    assert_eq!(api.get(&link(&page, "last").unwrap()).await.body, page.body);
    let past_the_end = api.list("global=true&page_size=2&page=9").await;
    assert_eq!(link(&past_the_end, "prev"), link(&page, "last"));
    assert_eq!(link(&past_the_end, "next"), None);
}

#[tokio::test]
async fn filters_select_by_the_customizations_own_filter() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let create = async |filter: Value| api.create(Form::upload().filter(filter)).await.id();
    let global = create(json!({})).await;
    let product = create(json!({"product_key": "apache_kafka"})).await;
    let branch = create(json!({"product_key": "apache_kafka", "branch": "2"})).await;
    let image = create(json!({"base_image_id": DEBIAN})).await;
    let kafka = api.create(Form::kafka()).await.id();
    api.remove(&product).await.assert_no_content();
    for (query, expected) in [
        ("", vec![&kafka, &image, &branch, &product, &global]),
        ("product_key=apache_kafka", vec![&kafka, &branch, &product]),
        ("branch=2", vec![&kafka, &branch]),
        (&format!("base_image_id={DEBIAN}"), vec![&kafka, &image]),
        (&format!("base_image_id={DEBIAN}&product_key=apache_kafka&branch=2"), vec![&kafka]),
        ("global=true", vec![&global]),
        ("global=false", vec![&kafka, &image, &branch, &product]),
        ("global=true&branch=2", vec![]),
        ("active=true", vec![&kafka, &image, &branch, &global]),
        ("active=false", vec![&kafka, &image, &branch, &product, &global]),
        ("active=true&product_key=apache_kafka", vec![&kafka, &branch]),
        ("product_key=unknown", vec![]),
        ("product_key=Apache_Kafka", vec![]),
    ] {
        let list = api.list(query).await.json();
        let expected: Vec<_> = expected.into_iter().cloned().collect();
        assert_eq!(ids(&list), expected, "{query}");
        assert_eq!(list["total_size"], expected.len(), "{query}");
        let second = api.list(&format!("{query}&page_size=1&page=2")).await.json();
        assert_eq!(ids(&second), expected.iter().skip(1).take(1).cloned().collect::<Vec<_>>());
        assert_eq!(second["total_pages"], expected.len());
    }
}

#[tokio::test]
async fn an_invalid_parameter_is_a_violation() {
    const UNKNOWN: &str = "is unknown; a list has product_key, base_image_id, branch, active, \
                           global, page and page_size, each optional";
    const TWICE: &str = "is given more than once; give it once";
    const BOOLEAN: &str = "must be true or false";
    const PAGE: &str = "must be a number from 1 to 2147483647";
    const PAGE_SIZE: &str = "must be a number from 1 to 100";
    const ID: &str = "must be 1 to 128 characters of at most 252 bytes, none of them `#`, `/`, \
                      `\\`, `%` or a control character";

    let stack = TestStack::start().await;
    let api = stack.api();
    let before = stack.contents().await;
    for (query, violations) in [
        ("color=red", vec![("color", UNKNOWN)]),
        ("Page=1", vec![("Page", UNKNOWN)]),
        ("page=1&page=1", vec![("page", TWICE)]),
        ("page=0", vec![("page", PAGE)]),
        ("page=", vec![("page", PAGE)]),
        ("page=2147483648", vec![("page", PAGE)]),
        ("page=-1", vec![("page", PAGE)]),
        ("page=1.5", vec![("page", PAGE)]),
        ("page=%2B1", vec![("page", PAGE)]),
        ("page_size=0", vec![("page_size", PAGE_SIZE)]),
        ("page_size=101", vec![("page_size", PAGE_SIZE)]),
        ("active=1", vec![("active", BOOLEAN)]),
        ("active=TRUE", vec![("active", BOOLEAN)]),
        ("global=", vec![("global", BOOLEAN)]),
        ("branch=", vec![("branch", ID)]),
        ("product_key=a%23b", vec![("product_key", ID)]),
        ("base_image_id=a%2Fb", vec![("base_image_id", ID)]),
        (
            "active=x&global=x&page=x&page_size=x",
            vec![
                ("active", BOOLEAN),
                ("global", BOOLEAN),
                ("page", PAGE),
                ("page_size", PAGE_SIZE),
            ],
        ),
        ("%1B%5B2J=1", vec![("\\u{1b}[2J", UNKNOWN)]),
    ] {
        api.list(query).await.assert_problem(&Problem::violations(violations));
    }
    // The catalog is checked first.
    let path = format!("/v1/catalogs/{OTHER_CATALOG}/customizations?color=red");
    api.get(&path).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
    let anonymous = api.headers(&[]);
    anonymous.list("color=red").await.assert_problem(&Problem::UNAUTHENTICATED);
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn an_unchanged_list_is_a_304() {
    let stack = TestStack::start().await;
    let api = stack.api();
    create(&api, 3).await;
    let first = api.list("page_size=2").await;
    let conditional = api.header("if-none-match", first.header("etag"));
    let unchanged = conditional.list("page_size=2").await;
    assert_eq!((unchanged.status, &unchanged.body[..]), (304, &b""[..]));
    assert_eq!(unchanged.header("etag"), first.header("etag"));
    assert_eq!(conditional.list("page_size=3").await.status, 200);
    create(&api, 1).await;
    assert_eq!(conditional.list("page_size=2").await.status, 200);
}

#[tokio::test]
async fn a_list_holds_the_own_catalog_only() {
    let stack = TestStack::start().await;
    create(&stack.api(), 2).await;
    let other = stack.api_with(Token::default().organization(OTHER_ORGANIZATION));
    let created = other.create_in(OTHER_CATALOG, Form::upload()).await.id();
    let path = format!("/v1/catalogs/{OTHER_CATALOG}/customizations");
    assert_eq!(ids(&other.get(&path).await.json()), [created]);
    stack.api().get(&path).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
    other.list("").await.assert_problem(&Problem::CATALOG_NOT_FOUND);
    // Only the methods of the contract exist.
    stack.api().send(Method::DELETE, &path, Vec::new()).await.assert_problem(&Problem::NOT_FOUND);
}
