//! Middleware that protects loopback servers from web pages.
//!
//! Every web page in the developer's browser can send requests to a loopback port. Two attacks are
//! refused:
//!
//! - cross-origin requests: a page of another origin sends a request to 127.0.0.1.
//! - DNS rebinding: the attacker's own domain resolves to 127.0.0.1, so the browser treats the
//!   request as same-origin, and the page can read the response.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode, Uri,
        header::{HOST, ORIGIN},
        uri::Authority,
    },
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};

/// Host names that a request may name: those of the loopback interface, and configured ones.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts {
    configured: Arc<[String]>,
}

impl AllowedHosts {
    /// Names of the loopback interface, in the form of the `Host` header.
    const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

    fn contains(&self, host: &str) -> bool {
        Self::LOOPBACK
            .into_iter()
            .chain(self.configured.iter().map(String::as_str))
            .any(|allowed| allowed.eq_ignore_ascii_case(host))
    }

    /// Returns true if the request names at least one host, and only allowed ones.
    fn allow(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers
            .get_all(HOST)
            .iter()
            .map(|host| Authority::try_from(host.as_bytes()).ok())
            .chain(uri.authority().cloned().map(Some))
            .peekable();
        hosts.peek().is_some()
            && hosts.all(|host| host.is_some_and(|host| self.contains(host.host())))
    }
}

impl<S: Into<String>> FromIterator<S> for AllowedHosts {
    fn from_iter<I: IntoIterator<Item = S>>(configured: I) -> Self {
        Self { configured: configured.into_iter().map(Into::into).collect() }
    }
}

/// Refuses requests that name another host with 421. This prevents DNS rebinding.
pub(crate) fn refuse_foreign_hosts(router: Router, hosts: AllowedHosts) -> Router {
    async fn check(State(hosts): State<AllowedHosts>, request: Request, next: Next) -> Response {
        if hosts.allow(request.uri(), request.headers()) {
            return next.run(request).await;
        }
        let body = "the Host header must name 127.0.0.1, localhost or [::1]; to use the API under \
                    another name, start local with --allow-host NAME\n";
        (StatusCode::MISDIRECTED_REQUEST, body).into_response()
    }
    router.layer(from_fn_with_state(hosts, check))
}

/// Refuses cross-origin requests, including preflights, with 403. Browsers send the header `Origin`
/// with them; other clients do not.
pub(crate) fn refuse_cross_origin(router: Router) -> Router {
    async fn check(request: Request, next: Next) -> Response {
        if !request.headers().contains_key(ORIGIN) {
            return next.run(request).await;
        }
        let body = "this server refuses requests from web pages, which have an Origin header\n";
        (StatusCode::FORBIDDEN, body).into_response()
    }
    router.layer(from_fn(check))
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn allows(hosts: &AllowedHosts, uri: &'static str, host: &[&'static str]) -> bool {
        let headers = iter::repeat(HOST).zip(host.iter().map(|host| host.parse().unwrap()));
        hosts.allow(&Uri::from_static(uri), &headers.collect())
    }

    #[test]
    fn loopback_hosts_are_allowed_with_and_without_a_port() {
        for host in
            ["127.0.0.1", "127.0.0.1:9000", "localhost", "LOCALHOST:1", "[::1]", "[::1]:9000"]
        {
            assert!(allows(&AllowedHosts::default(), "/", &[host]), "{host}");
        }
        assert!(allows(&AllowedHosts::default(), "http://localhost/", &[]));
    }

    #[test]
    fn other_hosts_are_refused() {
        for hosts in [
            &["attacker.example"][..],
            &["attacker.example:9000"],
            &["127.0.0.1.attacker.example"],
            &["localhost.attacker.example"],
            &["attacker.example", "localhost"],
            &["localhost@attacker.example"],
            &["127.0.0.2"],
            &["::1"],
            &["a b"],
            &[""],
            &[],
        ] {
            assert!(!allows(&AllowedHosts::default(), "/", hosts), "{hosts:?}");
        }
        assert!(!allows(&AllowedHosts::default(), "http://attacker.example/", &["localhost"]));
    }

    #[test]
    fn a_configured_host_is_allowed_in_addition() {
        let hosts = AllowedHosts::from_iter(["build-machine"]);
        assert!(allows(&hosts, "/", &["build-machine:9000"]));
        assert!(allows(&hosts, "/", &["localhost"]));
        assert!(!allows(&hosts, "/", &["other-machine"]));
    }
}
