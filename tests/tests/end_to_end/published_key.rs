//! The published key that signs the tokens of `local`: the functions do not trust it if a store is
//! on another machine.

use local::function::FunctionName;
use tests::{api::Problem, stack::TestStack};

#[tokio::test]
async fn the_published_key_is_dropped_where_a_store_is_not_local() {
    // An address for documentation, which no server has: https://www.rfc-editor.org/rfc/rfc5737
    let environment = [("AWS_ENDPOINT_URL_S3", Some("https://192.0.2.1"))];
    let stack = TestStack::start_with(&environment).await;
    let response = stack.api().get("/v1/catalogs/missing/customizations/x").await;
    response.assert_problem(&Problem::UNAVAILABLE);
    let cause = stack.logged_cause_of(&response);
    assert!(cause.contains("no RSA key of 2048 to 8192 bits for RS256 signatures"), "{cause}");
    let log = stack.log(FunctionName::ReadCustomizations);
    assert!(log.contains("dropped the published key of local tokens"), "{log}");
}
