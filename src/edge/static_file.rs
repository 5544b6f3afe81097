//! Files that never change while the server runs: compressed once, with an ETag.

use std::io::{self, Write};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use super::NoCompression;

/// Bytes of the digest in an ETag.
const TAG_BYTES: usize = 16;

/// A file with its headers. It is compressed at the first request that takes gzip, on the blocking pool.
pub struct StaticFile {
    content: Bytes,
    content_type: HeaderValue,
    cache_control: HeaderValue,
    tag: OnceCell<HeaderValue>,
    /// `None` for content that compression does not make smaller.
    gzip: OnceCell<Option<Bytes>>,
}

impl StaticFile {
    /// A file of this content.
    pub fn new(content: impl Into<Bytes>, content_type: HeaderValue, cache_control: &'static str) -> Self {
        Self {
            content: content.into(),
            content_type,
            cache_control: HeaderValue::from_static(cache_control),
            tag: OnceCell::new(),
            gzip: OnceCell::new(),
        }
    }

    /// Answers a GET or HEAD with these headers: 304 where the client has the content.
    pub async fn respond(&self, request: &HeaderMap) -> Response {
        let tag = self.tag.get_or_init(async || tag_of(self.content.clone()).await).await.clone();
        let headers = [
            (header::ETAG, tag.clone()),
            (header::CACHE_CONTROL, self.cache_control.clone()),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
        ];
        if has_tag(request, &tag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        let gzip = if takes_gzip(request) { self.gzip().await } else { None };
        let is_compressed = gzip.is_some();
        let mut response = (headers, gzip.unwrap_or_else(|| self.content.clone())).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, self.content_type.clone());
        if is_compressed {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response.extensions_mut().insert(NoCompression);
        response
    }

    async fn gzip(&self) -> Option<Bytes> {
        let compress = async || {
            let content = self.content.clone();
            // A failure of the task leaves the file uncompressed.
            spawn_blocking(move || compress(&content)).await.ok()?.ok()
        };
        self.gzip.get_or_init(compress).await.clone().filter(|gzip| gzip.len() < self.content.len())
    }
}

/// A weak tag (RFC 9110, section 8.8.1): the content is the same with and without compression.
async fn tag_of(content: Bytes) -> HeaderValue {
    let digest = spawn_blocking(move || Sha256::digest(&content)).await;
    let tag = digest.ok().map(|digest| format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(&digest[..TAG_BYTES])));
    tag.and_then(|tag| HeaderValue::try_from(tag).ok()).unwrap_or_else(|| HeaderValue::from_static("W/\"\""))
}

fn compress(content: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content)?;
    encoder.finish().map(Bytes::from)
}

fn has_tag(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let given = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut given = given.flat_map(|value| value.split(',')).map(str::trim);
    let opaque = |tag: &str| tag.trim_start_matches("W/").to_owned();
    let own = tag.to_str().map(opaque).unwrap_or_default();
    given.any(|one| one == "*" || opaque(one) == own)
}

/// Whether a client takes gzip (RFC 9110, section 12.5.3).
fn takes_gzip(request: &HeaderMap) -> bool {
    let quality = |wanted: &str| {
        let values = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let mut codings = values.flat_map(|value| value.split(','));
        codings.find_map(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let is_wanted = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
            let quality = parts.find_map(|part| part.strip_prefix("q=")).and_then(|q| q.parse::<f32>().ok());
            is_wanted.then(|| quality.unwrap_or(1.0))
        })
    };
    quality("gzip").or_else(|| quality("*")).is_some_and(|quality| quality > 0.0)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use http_body_util::BodyExt;

    use super::*;

    async fn ask(file: &StaticFile, headers: &[(header::HeaderName, &'static str)]) -> (Response<()>, Vec<u8>) {
        let request = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        let (parts, body) = file.respond(&request).await.into_parts();
        let body = body.collect().await.expect("a body").to_bytes().to_vec();
        (Response::from_parts(parts, ()), body)
    }

    #[tokio::test]
    async fn file_is_compressed_once_and_only_for_clients_that_take_it() {
        let text = "compressible ".repeat(200);
        let file = StaticFile::new(text.clone(), HeaderValue::from_static("text/plain"), "no-cache");
        for accepted in ["", "identity", "gzip;q=0", "br", "*;q=0"] {
            let (response, body) = ask(&file, &[(header::ACCEPT_ENCODING, accepted)]).await;
            assert_eq!(
                (response.headers().get(header::CONTENT_ENCODING), body),
                (None, text.clone().into()),
                "{accepted}"
            );
        }
        assert!(file.gzip.get().is_none());
        for accepted in ["gzip", "br, GZIP;q=0.5", "*"] {
            let (response, body) = ask(&file, &[(header::ACCEPT_ENCODING, accepted)]).await;
            assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip", "{accepted}");
            let mut plain = String::new();
            GzDecoder::new(&*body).read_to_string(&mut plain).expect("gzip");
            assert_eq!(plain, text);
        }
        let random = StaticFile::new(Sha256::digest("x").to_vec(), HeaderValue::from_static("font/woff2"), "no-cache");
        let (response, _) = ask(&random, &[(header::ACCEPT_ENCODING, "gzip")]).await;
        assert_eq!(response.headers().get(header::CONTENT_ENCODING), None, "it would be larger");
    }

    #[tokio::test]
    async fn content_that_the_client_has_is_not_sent() {
        let file = StaticFile::new("text", HeaderValue::from_static("text/plain"), "no-cache");
        let (response, _) = ask(&file, &[]).await;
        let tag = response.headers()[header::ETAG].clone();
        let strong = tag.to_str().expect("text").trim_start_matches("W/").to_owned();
        for given in
            [tag.to_str().expect("text").to_owned(), strong.clone(), format!("\"other\", {strong}"), "*".into()]
        {
            let request =
                [(header::IF_NONE_MATCH, HeaderValue::try_from(given).expect("a header"))].into_iter().collect();
            assert_eq!(file.respond(&request).await.status(), StatusCode::NOT_MODIFIED);
        }
        let (response, body) = ask(&file, &[(header::IF_NONE_MATCH, "\"other\"")]).await;
        assert_eq!((response.status(), &*body), (StatusCode::OK, &b"text"[..]));
    }
}
