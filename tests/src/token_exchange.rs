//! A CSP that exchanges API tokens for access tokens.
//!
//! ```no_run
//! use tests::token_exchange::TokenExchange;
//!
//! # async fn example() {
//! let csp = TokenExchange::start("my-api-token").await;
//! println!("CSP_URL={}", csp.url());
//! assert_eq!(csp.exchanges(), 0);
//! # }
//! ```

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use local::csp::Token;
use serde_json::json;
use tokio::{net::TcpListener, task::AbortHandle};

/// The path of the exchange at the CSP.
const PATH: &str = "/csp/gateway/am/api/auth/api-tokens/authorize";

/// A running CSP. Dropping it stops it.
#[derive(Debug)]
pub struct TokenExchange {
    url: String,
    csp: Arc<Csp>,
    serving: AbortHandle,
}

#[derive(Debug)]
struct Csp {
    api_token: String,
    behaviour: Mutex<Behaviour>,
    exchanges: AtomicUsize,
}

/// The access tokens that the CSP issues.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The real lifetime, in seconds.
    pub lifetime: i64,
    /// The lifetime that the response states, in seconds.
    pub stated_lifetime: i64,
    /// The status of the response, in place of 200.
    pub failure: Option<(StatusCode, &'static str)>,
}

impl Drop for TokenExchange {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl TokenExchange {
    /// Starts a CSP that knows one API token, and issues access tokens of 30 minutes.
    pub async fn start(api_token: &str) -> Self {
        let behaviour = Behaviour { lifetime: 1800, stated_lifetime: 1800, failure: None };
        let csp = Arc::new(Csp {
            api_token: api_token.to_owned(),
            behaviour: Mutex::new(behaviour),
            exchanges: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route(PATH, post(exchange)).with_state(Arc::clone(&csp));
        let serving = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Self { url, csp, serving: serving.abort_handle() }
    }

    /// The URL of the CSP.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The number of access tokens that were issued.
    pub fn exchanges(&self) -> usize {
        self.csp.exchanges.load(Ordering::SeqCst)
    }

    /// Changes the behaviour for later requests.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        *self.csp.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }
}

async fn exchange(State(csp): State<Arc<Csp>>, body: Bytes) -> (StatusCode, String) {
    let behaviour = csp.behaviour.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((status, message)) = behaviour.failure {
        return (status, json!({ "message": message }).to_string());
    }
    let form: Vec<_> = form_urlencoded::parse(&body).into_owned().collect();
    if form != [("refresh_token".to_owned(), csp.api_token.clone())] {
        let message = "invalid_grant: Invalid refresh token";
        return (StatusCode::BAD_REQUEST, json!({ "message": message }).to_string());
    }
    csp.exchanges.fetch_add(1, Ordering::SeqCst);
    let token = Token::default().expires_in(behaviour.lifetime).sign().expect("it is signed");
    let body = json!({
        "access_token": token,
        "refresh_token": csp.api_token,
        "token_type": "bearer",
        "expires_in": behaviour.stated_lifetime,
        "scope": "openid",
    });
    (StatusCode::OK, body.to_string())
}
