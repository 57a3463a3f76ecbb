//! TLS connections from the functions to the stores and the JWKS endpoint, as in production.

use std::path::PathBuf;

use tests::{api::Problem, form::Form, stack::TestStack};
use tls_proxy::{Authority, Certificate, TlsProxy};

/// A stack whose functions reach the stores and the JWKS endpoint of another stack over TLS.
struct TlsStack {
    stack: TestStack,
    s3: TlsProxy,
    _dynamodb_and_jwks: [TlsProxy; 2],
}

/// The certificates of DynamoDB, S3 and the JWKS endpoint.
type Certificates = [Certificate; 3];

const VALID: Certificates = [Certificate::Valid; 3];

impl TlsStack {
    /// Starts a stack whose functions trust the authority `trusted`. `authority` issues the
    /// certificates of the proxies in front of the dependencies of `stores`.
    async fn start(
        stores: &TestStack,
        authority: &Authority,
        trusted: &Authority,
        certificates: Certificates,
    ) -> Self {
        let environment = stores.stack().environment().clone();
        let proxy = async |name: &str, certificate| {
            let url = environment.get(name).expect("the dependency is configured");
            let upstream = url.trim_start_matches("http://").trim_end_matches('/');
            TlsProxy::start(upstream, authority, certificate).await.expect("the proxy starts")
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
        Self { stack, s3, _dynamodb_and_jwks: [dynamodb, jwks] }
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
async fn an_invalid_certificate_is_a_503_and_its_cause_is_logged() {
    const EXPIRED: &str = "invalid peer certificate: certificate expired";
    const WRONG_HOST: &str = "invalid peer certificate: certificate not valid for name";
    const UNTRUSTED: &str = "invalid peer certificate: UnknownIssuer";
    let (authority, other_authority) = (Authority::new().unwrap(), Authority::new().unwrap());
    let stores = TestStack::start().await;
    let before = stores.contents().await;
    for (dependency, operation) in
        [(0, "batch get items"), (1, "put object"), (2, "the JWKS endpoint does not respond")]
    {
        for (certificate, trusted, cause) in [
            (Certificate::Expired, &authority, EXPIRED),
            (Certificate::WrongHost, &authority, WRONG_HOST),
            (Certificate::Valid, &other_authority, UNTRUSTED),
        ] {
            println!("{operation}: {cause}");
            let mut certificates = VALID;
            certificates[dependency] = certificate;
            let tls = TlsStack::start(&stores, &authority, trusted, certificates).await;
            let response = tls.stack.api().create(Form::upload()).await;
            response.assert_problem(&Problem::UNAVAILABLE);
            let logged = tls.stack.logged_cause_of(&response);
            assert!(logged.contains(cause), "{logged}");
            if trusted.pem() == authority.pem() {
                assert!(logged.contains(operation), "{logged}");
            }
            assert_eq!(stores.contents().await, before);
        }
    }
}
