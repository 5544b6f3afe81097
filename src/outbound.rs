//! HTTP to other services: identity providers and key services. Follows no redirect, uses no proxy, and takes no answer
//! that is larger than the caller allows. How long a call may take is the caller's to say.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that was idle for longer may have been closed by something in between without a word.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A client for one service.
pub struct Outbound(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Outbound {
    /// Trusts the public certificate authorities, or those in the file alone. At most `most_idle` connections are kept
    /// for later calls.
    ///
    /// # Errors
    /// A sentence for the operator when the file holds no certificates.
    pub fn new(ca_file: Option<&Path>, most_idle: usize) -> Result<Self, String> {
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
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let mut client = legacy::Client::builder(TokioExecutor::new());
        Ok(Self(client.pool_max_idle_per_host(most_idle).pool_idle_timeout(IDLE_TIMEOUT).build(connector)))
    }

    /// The answer, of at most `most_bytes`.
    ///
    /// # Errors
    /// A sentence for the log when there is none.
    pub async fn send(&self, request: Request<Full<Bytes>>, most_bytes: usize) -> Result<(StatusCode, Bytes), String> {
        let response = self.0.request(request).await.map_err(|error| chain(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), most_bytes).collect().await;
        let body = body.map_err(|error| format!("{error} ({most_bytes} bytes are the most)"))?;
        Ok((status, body.to_bytes()))
    }
}

/// The URL of a service: with a host, and without a user name.
///
/// # Errors
/// What is wrong with it, to be read behind its name.
pub fn service_url(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|_| "must be a URL such as https://id.example.com")?;
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match uri.scheme_str() {
        Some("https" | "http") if !has_user && uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        Some("https" | "http") => Err("must be a URL with a host and no user name".into()),
        _ => Err("must start with https://".into()),
    }
}

/// Whether what is sent there can be read on the way: unencrypted, and beyond this machine.
pub fn is_exposed(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    uri.scheme_str() != Some("https") && !is_loopback
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
