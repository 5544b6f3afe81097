//! Redirects of paths with a slash at the end.

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// Redirects a path with one slash at the end to the path without it. Method, body and query stay as they are. Returns
/// `None` for any other path, and for one that a browser reads as the address of another host.
pub fn strip_trailing_slash(uri: &Uri) -> Option<Response> {
    let path = uri.path().strip_suffix('/').filter(|path| is_local(path) && !path.ends_with('/'))?;
    let location = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let location = HeaderValue::from_str(&location).ok()?;
    Some((StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response())
}

fn is_local(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| !rest.starts_with(['/', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(uri: &str) -> Option<String> {
        let response = strip_trailing_slash(&uri.parse().expect("a URI"))?;
        Some(response.headers()[header::LOCATION].to_str().expect("ASCII").to_owned())
    }

    #[test]
    fn one_trailing_slash_is_stripped_and_the_query_stays() {
        for (uri, expected) in [
            ("/a/", Some("/a")),
            ("/a/b/?c=/d/", Some("/a/b?c=/d/")),
            ("http://evil.example/a/", Some("/a")),
            ("/", None),
            ("/a", None),
            ("/a?b/", None),
            ("/a//", None),
            ("//", None),
            ("//evil.example/", None),
        ] {
            assert_eq!(location(uri).as_deref(), expected, "{uri}");
        }
        assert!(!is_local("/\\evil.example"));
    }
}
