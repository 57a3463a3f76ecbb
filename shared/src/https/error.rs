//! Classification of connection errors for the AWS SDK, which retries I/O errors and timeouts.

use std::{error::Error, io};

use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::retry::ErrorKind;
use hyper_util::client::legacy;
use rustls::CertificateError;

/// Classifies an error of the HTTP client.
pub(super) fn classify(error: legacy::Error) -> ConnectorError {
    let is_io = |error: &(dyn Error + 'static)| source::<io::Error>(error).is_some();
    match source::<hyper::Error>(&error) {
        Some(hyper) if hyper.is_timeout() => ConnectorError::timeout(error.into()),
        Some(hyper) if hyper.is_user() => ConnectorError::user(error.into()),
        Some(hyper) if hyper.is_closed() || hyper.is_canceled() || is_io(hyper) => {
            ConnectorError::io(error.into())
        }
        // The server closed the connection before the end of the response, as S3 sometimes does.
        Some(hyper) if hyper.is_incomplete_message() => {
            ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
        }
        None if error.is_connect() || is_io(&error) => ConnectorError::io(error.into()),
        _ => ConnectorError::other(error.into(), None),
    }
}

/// Returns true if the server's certificate comes from a certificate authority that the trust store
/// does not have.
pub(super) fn is_unknown_issuer(error: &ConnectorError) -> bool {
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    source::<rustls::Error>(error).is_some_and(|error| *error == unknown)
}

/// The first error of the type `E` in the chain.
fn source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut error = Some(error);
    while let Some(current) = error {
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        // `source()` of an I/O error returns the source of the wrapped error, not the wrapped
        // error.
        let wrapped = current.downcast_ref().and_then(io::Error::get_ref);
        error = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => current.source(),
        };
    }
    None
}
