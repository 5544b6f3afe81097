//! Requests through the real router, without a socket.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::Credentials;

/// The header of an answer to a request that was done before.
pub const REPLAYED: &str = "idempotency-replayed";

/// Acts for one account, or for none.
#[derive(Clone)]
pub struct Client {
    router: Router,
    headers: Vec<(String, Vec<u8>)>,
    /// What it proves itself with, and for which account.
    proof: Option<(Arc<Credentials>, Option<String>)>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new(router: Router, account: Option<&str>) -> Self {
        let headers = account.map(|account| ("x-account-id".to_owned(), account.into())).into_iter().collect();
        Self { router, headers, proof: None }
    }

    /// The same client, which proves that it may act for this account, or for several.
    pub fn proving(self, credentials: &Arc<Credentials>, account: Option<&str>) -> Self {
        Self { proof: Some((credentials.clone(), account.map(str::to_owned))), ..self }
    }

    /// The same client with one more header; a repeated one is sent twice.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Body::empty()).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let client = self.clone().header("content-type", "application/json");
        client.send(Method::POST, path, Body::from(body.to_string())).await
    }

    /// Posts text as JSON, which it may not be.
    pub async fn post_text(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.clone().header("content-type", "application/json").send(Method::POST, path, body.into()).await
    }

    pub async fn graphql(&self, query: &str, variables: Value) -> Answer {
        self.post("/graphql", &json!({"query": query, "variables": variables})).await
    }

    pub async fn send(&self, method: Method, path: &str, body: Body) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_slice());
        }
        if let Some((credentials, account)) = &self.proof
            && let Some((name, value)) = credentials.of(account.as_deref()).await
        {
            request = request.header(name, value);
        }
        let request = request.body(body).expect("request");
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("body").to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The JSON of a 200.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()
    }

    /// The data of a GraphQL answer without errors.
    pub fn data(&self) -> Value {
        let mut json = self.ok();
        assert_eq!(json.get("errors"), None, "{json}");
        json["data"].take()
    }

    /// The code of the first GraphQL error.
    pub fn graphql_code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no code: {}", self.text()))
            .to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The word for programs of a REST error.
    pub fn error_code(&self) -> &str {
        self.header("x-error-code").unwrap_or_default()
    }

    pub fn content_type(&self) -> &str {
        self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Asserts a refusal by REST: status, code for programs and sentence.
    pub fn assert_refused(&self, status: u16, code: &str, sentence: &str) {
        assert_eq!((self.status.as_u16(), self.error_code(), &*self.text()), (status, code, sentence));
        assert_eq!(self.content_type(), "text/plain; charset=utf-8");
    }
}
