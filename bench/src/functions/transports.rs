//! Plain HTTP and TLS: the functions are measured with both.

use local::{environment::Environment, stores::Stores};
use measure::Result;
use tls_proxy::{Authority, Certificate, TlsProxy};

/// Variables with the URLs of the dependencies of the functions.
const DEPENDENCIES: [&str; 3] =
    ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_S3", "CSP_JWKS_URL"];

/// A value for plain HTTP, and one for TLS.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Transports<T> {
    pub(super) plain: T,
    pub(super) tls: T,
}

impl<T: Copy> Transports<T> {
    /// The same value for both.
    pub(super) const fn both(value: T) -> Self {
        Self { plain: value, tls: value }
    }
}

impl<T> Transports<T> {
    pub(super) fn map<U>(self, mut convert: impl FnMut(T) -> U) -> Transports<U> {
        Transports { plain: convert(self.plain), tls: convert(self.tls) }
    }

    pub(super) fn try_map<U>(
        self,
        mut convert: impl FnMut(T) -> Result<U>,
    ) -> Result<Transports<U>> {
        Ok(Transports { plain: convert(self.plain)?, tls: convert(self.tls)? })
    }

    pub(super) fn as_ref(&self) -> Transports<&T> {
        Transports { plain: &self.plain, tls: &self.tls }
    }

    pub(super) fn as_mut(&mut self) -> Transports<&mut T> {
        Transports { plain: &mut self.plain, tls: &mut self.tls }
    }

    pub(super) fn zip<U>(self, other: Transports<U>) -> Transports<(T, U)> {
        Transports { plain: (self.plain, other.plain), tls: (self.tls, other.tls) }
    }
}

impl<T> IntoIterator for Transports<T> {
    type Item = T;
    type IntoIter = std::array::IntoIter<T, 2>;

    fn into_iter(self) -> Self::IntoIter {
        [self.plain, self.tls].into_iter()
    }
}

/// TLS-terminating proxies in front of the embedded stores and of the JWKS endpoint.
#[derive(Debug)]
pub(super) struct Proxies {
    /// Environment of functions that use the proxies.
    pub(super) environment: Environment,
    _proxies: Vec<TlsProxy>,
}

impl Proxies {
    pub(super) async fn start(stores: &Stores) -> Result<Self> {
        let authority = Authority::new()?;
        let roots = stores.data_dir().path().join("ca.pem");
        std::fs::write(&roots, authority.pem())?;
        let mut environment = stores.environment();
        environment.set("SSL_CERT_FILE", roots.to_string_lossy());
        let mut proxies = Vec::new();
        for name in DEPENDENCIES {
            let url = environment.get(name).and_then(|url| url.strip_prefix("http://"));
            let upstream = url.ok_or_else(|| format!("{name} is no URL of plain HTTP"))?;
            let upstream = upstream.trim_end_matches('/');
            let proxy = TlsProxy::start(upstream, &authority, Certificate::Valid).await?;
            environment.set(name, proxy.url());
            proxies.push(proxy);
        }
        Ok(Self { environment, _proxies: proxies })
    }
}
