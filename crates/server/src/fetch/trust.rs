//! https: whose certificates are believed.

use std::io;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::network::Pipe;

/// Makes TLS connections, or says why it cannot.
#[derive(Clone)]
pub(super) struct Trust(Result<TlsConnector, String>);

impl Trust {
    /// What this system trusts, read now; the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name other certificates.
    pub(super) fn of_the_system() -> Self {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Systems keep a few that nobody can read; what matters is that there are some.
        let (trusted, _unread) = roots.add_parsable_certificates(found.certs);
        if trusted == 0 {
            tracing::warn!(errors = ?found.errors, "no certificate that this system trusts: pictures come over http only");
            return Self(Err("this server trusts no certificates".to_owned()));
        }
        Self::of(roots)
    }

    /// These.
    pub(super) fn of(roots: RootCertStore) -> Self {
        // Named, so that no other part of the program decides which one it is.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(|error| error.to_string());
        let config = config.map(|config| config.with_root_certificates(roots).with_no_client_auth());
        Self(config.map(|config| TlsConnector::from(Arc::new(config))))
    }

    /// Shakes hands with `host`.
    ///
    /// # Errors
    /// What went wrong, or that the host is not who it should be.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub(super) async fn over(&self, pipe: Box<dyn Pipe>, host: &str) -> Result<Box<dyn Pipe>, String> {
        let connector = self.0.as_ref().map_err(String::clone)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let shaken = connector.connect(name, pipe).await;
        let pipe = shaken.map_err(|error: io::Error| format!("the host could not prove who it is: {error}"))?;
        Ok(Box::new(pipe))
    }
}
