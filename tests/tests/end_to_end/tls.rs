//! TLS between the functions and their dependencies, as in production.

use std::path::PathBuf;

use tests::{api::Problem, form::Form, stack::TestStack};
use tls_proxy::{Authority, Certificate, TlsProxy};

/// A stack whose functions reach its stores and its JWKS endpoint by TLS.
struct TlsStack {
    stack: TestStack,
    s3: TlsProxy,
    _others: [TlsProxy; 2],
}

/// The certificates of DynamoDB, S3 and the JWKS endpoint.
type Certificates = [Certificate; 3];

const VALID: Certificates = [Certificate::Valid; 3];

impl TlsStack {
    /// Starts a stack whose functions trust `trusted`, and reach the stores of `stores` by
    /// certificates of `authority`.
    async fn start(
        stores: &TestStack,
        authority: &Authority,
        trusted: &Authority,
        certificates: Certificates,
    ) -> Self {
        let environment = stores.stack().environment().clone();
        let proxy = async |name: &str, certificate| {
            let url = environment.get(name).expect("the stores are configured");
            let upstream = url.trim_start_matches("http://").trim_end_matches('/');
            TlsProxy::start(upstream, authority, certificate).await.expect("a proxy starts")
        };
        let dynamodb = proxy("AWS_ENDPOINT_URL_DYNAMODB", certificates[0]).await;
        let s3 = proxy("AWS_ENDPOINT_URL_S3", certificates[1]).await;
        let jwks = proxy("CSP_JWKS_URL", certificates[2]).await;
        let roots: PathBuf = stores.directory().join("ca.pem");
        std::fs::write(&roots, trusted.pem()).unwrap();
        let stack = TestStack::start_with(&[
            ("AWS_ENDPOINT_URL_DYNAMODB", Some(dynamodb.url())),
            ("AWS_ENDPOINT_URL_S3", Some(s3.url())),
            ("CSP_JWKS_URL", Some(jwks.url())),
            ("SSL_CERT_FILE", roots.to_str()),
        ])
        .await;
        Self { stack, s3, _others: [dynamodb, jwks] }
    }
}

#[tokio::test]
async fn every_operation_works_over_tls() {
    let authority = Authority::new().unwrap();
    let stores = TestStack::start().await;
    let tls = TlsStack::start(&stores, &authority, &authority, VALID).await;
    let TlsStack { stack, s3, .. } = &tls;
    let api = stack.api();
    let created = api.header("idempotency-key", "k").create(Form::kafka()).await;
    assert_eq!(created.status, 201, "{:?}", created.body);
    let read = api.customization(&created.id()).await;
    assert_eq!(read.status, 200, "{:?}", read.body);
    let file = api.get(created.json()["artifact"]["url"].as_str().unwrap()).await.json();
    let link = file["url"].as_str().unwrap();
    assert!(link.starts_with(s3.url()), "{link}");
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_is_a_503_with_its_cause_in_the_log() {
    const EXPIRED: &str = "invalid peer certificate: certificate expired";
    const WRONG_HOST: &str = "invalid peer certificate: certificate not valid for name";
    const UNTRUSTED: &str = "invalid peer certificate: UnknownIssuer";
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    let stores = TestStack::start().await;
    let before = stores.contents().await;
    for (dependency, operation) in
        [(0, "batch get items"), (1, "put object"), (2, "the JWKS endpoint does not respond")]
    {
        for (certificate, trusted, cause) in [
            (Certificate::Expired, &authority, EXPIRED),
            (Certificate::WrongHost, &authority, WRONG_HOST),
            (Certificate::Valid, &stranger, UNTRUSTED),
        ] {
            println!("{operation}: {cause}");
            let mut certificates = VALID;
            certificates[dependency] = certificate;
            let tls = TlsStack::start(&stores, &authority, trusted, certificates).await;
            let answer = tls.stack.api().create(Form::upload()).await;
            answer.assert_problem(&Problem::UNAVAILABLE);
            let logged = tls.stack.logged_cause_of(&answer);
            assert!(logged.contains(cause), "{logged}");
            if trusted.pem() == authority.pem() {
                assert!(logged.contains(operation), "{logged}");
            }
            assert_eq!(stores.contents().await, before);
        }
    }
}
