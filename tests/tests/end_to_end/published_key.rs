//! The published key that signs the tokens of `local`: it is worth nothing against stores that are
//! not on this machine.

use local::function::FunctionName;
use tests::{api::Problem, stack::TestStack};

#[tokio::test]
async fn the_published_key_is_dropped_where_a_store_is_not_local() {
    // Nobody answers there: https://www.rfc-editor.org/rfc/rfc5737
    let elsewhere = [("AWS_ENDPOINT_URL_S3", Some("https://192.0.2.1"))];
    let stack = TestStack::start_with(&elsewhere).await;
    let answer = stack.api().get("/v1/catalogs/nobodys/customizations/x").await;
    answer.assert_problem(&Problem::UNAVAILABLE);
    let cause = stack.logged_cause_of(&answer);
    assert!(cause.contains("no RSA key of 2048 to 8192 bits for RS256 signatures"), "{cause}");
    let log = stack.log(FunctionName::ReadCustomizations);
    assert!(log.contains("has the published key of local tokens; it is dropped"), "{log}");
}
