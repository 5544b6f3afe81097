//! Fetches small JSON documents from identity providers.

use std::path::Path;

use hyper::header::{ACCEPT, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use serde::de::DeserializeOwned;

use crate::outbound::Outbound;

/// The largest document, in bytes.
const LARGEST: usize = 256 * 1024;
/// Asked every few minutes: a connection kept till then would be closed by the other side.
const MOST_IDLE: usize = 0;

pub(super) struct Client(Outbound);

impl Client {
    /// Trusts the public certificate authorities, or those in the file alone.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        Outbound::new(ca_file, MOST_IDLE).map(Self)
    }

    /// The document there.
    ///
    /// # Errors
    /// A sentence for the log.
    pub(super) async fn get<T: DeserializeOwned>(&self, uri: &Uri) -> Result<T, String> {
        let request = Request::get(uri)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "patchbay")
            .body(Default::default())
            .map_err(|error| error.to_string())?;
        let (status, body) = self.0.send(request, LARGEST).await.map_err(|fault| format!("{uri}: {fault}"))?;
        if status != StatusCode::OK {
            return Err(format!("{uri} answers {status}, not 200 (redirects are not followed)"));
        }
        serde_json::from_slice(&body).map_err(|error| format!("{uri}: not the document that belongs there: {error}"))
    }
}
