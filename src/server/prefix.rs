//! A server that a proxy offers under a path of its own, such as `/patchbay`.
//!
//! Requests come with the prefix or, where the proxy strips it, without; both are served. What leads back to this server in
//! an answer starts with the prefix.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderMap, HeaderValue, header};
use tower::ServiceExt;

/// Serves the router under a prefix and without it. An empty prefix changes nothing.
pub(super) fn nest(prefix: &str, router: Router) -> Router {
    if prefix.is_empty() {
        return router;
    }
    let prefix: Arc<str> = prefix.into();
    Router::new().fallback(move |mut request: Request| {
        let (prefix, router) = (prefix.clone(), router.clone());
        async move {
            strip_prefix(&prefix, request.uri_mut());
            let Ok(mut response) = router.oneshot(request).await;
            add_prefix(&prefix, response.headers_mut());
            response
        }
    })
}

/// Takes the prefix off a path that starts with it.
fn strip_prefix(prefix: &str, uri: &mut Uri) {
    let Some(rest) = uri.path_and_query().and_then(|path| path.as_str().strip_prefix(prefix)) else { return };
    let rest = match rest.as_bytes().first() {
        Some(b'/') => rest.to_owned(),
        None | Some(b'?') => format!("/{rest}"),
        Some(_) => return,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = rest.parse::<PathAndQuery>().ok();
    if let Ok(stripped) = Uri::from_parts(parts) {
        *uri = stripped;
    }
}

/// Puts the prefix before the paths that `Location` and `Link` name.
fn add_prefix(prefix: &str, headers: &mut HeaderMap) {
    for (name, start) in [(header::LOCATION, "/"), (header::LINK, "</")] {
        let Some(value) = headers.get(&name).and_then(|value| value.to_str().ok()) else { continue };
        let Some(rest) = value.strip_prefix(start).filter(|rest| !rest.starts_with('/')) else { continue };
        let opening = start.trim_end_matches('/');
        if let Ok(value) = HeaderValue::from_str(&format!("{opening}{prefix}/{rest}")) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_stripped_from_whole_segments_alone() {
        for (before, after) in [
            ("/patchbay", "/"),
            ("/patchbay/", "/"),
            ("/patchbay?a=b", "/?a=b"),
            ("/patchbay/api/v1/x?a=/patchbay/", "/api/v1/x?a=/patchbay/"),
            ("/patchbay/patchbay/x", "/patchbay/x"),
            ("/patchbayer/x", "/patchbayer/x"),
            ("/api/v1/x", "/api/v1/x"),
            ("http://a.example/patchbay/x", "http://a.example/x"),
        ] {
            let mut uri: Uri = before.parse().expect("a URI");
            strip_prefix("/patchbay", &mut uri);
            assert_eq!(uri, after, "{before}");
        }
    }

    #[test]
    fn own_paths_in_headers_get_the_prefix() {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::from_static("/docs/"));
        headers.insert(header::LINK, HeaderValue::from_static("</api/v1/x?cursor=a>; rel=\"next\""));
        add_prefix("/patchbay", &mut headers);
        assert_eq!(headers[header::LOCATION], "/patchbay/docs/");
        assert_eq!(headers[header::LINK], "</patchbay/api/v1/x?cursor=a>; rel=\"next\"");
        headers.insert(header::LOCATION, HeaderValue::from_static("https://a.example/"));
        add_prefix("/patchbay", &mut headers);
        assert_eq!(headers[header::LOCATION], "https://a.example/");
    }
}
