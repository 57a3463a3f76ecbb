//! Audiences: if `CSP_AUDIENCES` is set, `aud` or `azp` of a token must hold one of them.

use local::csp::Token;
use serde_json::{Value, json};
use tests::{api::Problem, stack::TestStack};

/// The path of a missing catalog: a valid token gets a 404.
const PATH: &str = "/v1/catalogs/missing/customizations/x";

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    let environment = [("CSP_AUDIENCES", Some("catalog, customizations"))];
    let stack = TestStack::start_with(&environment).await;
    let before = stack.contents().await;
    for (aud, azp, is_accepted) in [
        (json!("customizations"), Value::Null, true),
        (json!(["other", "catalog"]), Value::Null, true),
        (json!("other"), json!("catalog"), true),
        (Value::Null, json!("customizations"), true),
        (Value::Null, Value::Null, false),
        (json!("other"), json!("other"), false),
        (json!("catalog, customizations"), Value::Null, false),
        (json!([]), json!(""), false),
        (json!({"catalog": "catalog"}), json!(["catalog"]), false),
        (json!([["catalog"]]), json!(7), false),
    ] {
        let token = Token::default().claim("aud", aud.clone()).claim("azp", azp.clone());
        let response = stack.api_with(token).get(PATH).await;
        if is_accepted {
            response.assert_problem(&Problem::CATALOG_NOT_FOUND);
        } else {
            response.assert_problem(&Problem::UNAUTHENTICATED);
            assert_eq!(
                stack.logged_cause_of(&response),
                "the token is for another audience",
                "{aud} {azp}"
            );
        }
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn without_configured_audiences_a_token_for_any_audience_is_accepted() {
    let stack = TestStack::start_with(&[("CSP_AUDIENCES", Some(""))]).await;
    for aud in [Value::Null, json!("other"), json!(["other"])] {
        let response = stack.api_with(Token::default().claim("aud", aud)).get(PATH).await;
        response.assert_problem(&Problem::CATALOG_NOT_FOUND);
    }
}
