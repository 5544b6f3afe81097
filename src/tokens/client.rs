//! Fetches small JSON documents from identity providers. Follows no redirect and uses no proxy.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The largest document, in bytes.
const LARGEST: usize = 256 * 1024;

pub(super) struct Client(legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl Client {
    /// Trusts the public certificate authorities, or those in the file alone.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        let roots = match ca_file {
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
            Some(path) => authorities(path).map_err(|fault| format!("ca_file {}: {fault}", path.display()))?,
        };
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        // Asked every few minutes: a connection kept till then would be closed by the other side.
        Ok(Self(legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)))
    }

    /// The document there.
    ///
    /// # Errors
    /// A sentence for the log.
    pub(super) async fn get<T: DeserializeOwned>(&self, uri: &Uri) -> Result<T, String> {
        let request = Request::get(uri)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "patchbay")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let response = self.0.request(request).await.map_err(|error| format!("{uri}: {}", chain(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(format!("{uri} answers {}, not 200 (redirects are not followed)", response.status()));
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| format!("{uri}: {error} ({LARGEST} bytes are the most)"))?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| format!("{uri}: not the document that belongs there: {error}"))
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() { Err("holds no certificate".into()) } else { Ok(roots) }
}

/// The error with what caused it: the outermost says only that connecting failed.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
