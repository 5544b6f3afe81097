//! An identity provider on loopback that answers as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::signer::Signer;

/// Listens until it is dropped.
pub struct Provider {
    pub url: String,
    answers: Answers,
    running: tokio::task::JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Answers {
    discovery: Arc<Mutex<Answer>>,
    keys: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
}

/// What it says when asked.
#[derive(Clone, Default)]
pub enum Answer {
    /// 503.
    #[default]
    Down,
    /// 200 with this text.
    Text(String),
    /// 302 to here.
    Redirect(String),
    /// 200 with this text, after a notification.
    Held(Arc<Notify>, String),
    /// Nothing at all.
    Silence,
}

impl Provider {
    /// One that publishes these keys, and where they are.
    pub async fn start(signers: &[&Signer]) -> Self {
        let provider = Self::down().await;
        provider.publish(signers);
        provider
    }

    /// One that answers nothing but 503.
    pub async fn down() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let answers = Answers::default();
        let router = router(answers.clone());
        let running = tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { url, answers, running }
    }

    /// What it answers when asked for keys.
    pub fn say(&self, answer: Answer) {
        *self.answers.keys.lock().expect("lock") = answer;
    }

    /// What it answers when asked where the keys are.
    pub fn discover(&self, answer: Answer) {
        *self.answers.discovery.lock().expect("lock") = answer;
    }

    pub fn publish(&self, signers: &[&Signer]) {
        self.publish_keys(signers.iter().map(|signer| signer.jwk()).collect());
    }

    pub fn publish_keys(&self, keys: Vec<Value>) {
        self.say(Answer::Text(json!({"keys": keys}).to_string()));
        let discovery = json!({"issuer": self.url, "jwks_uri": format!("{}/jwks", self.url)});
        self.discover(Answer::Text(discovery.to_string()));
    }

    /// How often it was asked for keys.
    pub fn asked(&self) -> usize {
        self.answers.asked.load(Ordering::SeqCst)
    }

    /// As `auth.issuers` has it, with these fields changed.
    pub fn settings(&self, changed: &Value) -> Value {
        let mut settings = json!({
            "issuer": self.url, "audience": ["patchbay"], "account_claim": "org.id",
            "algorithms": super::signer::ALGORITHMS,
        });
        for (name, value) in changed.as_object().expect("object") {
            settings[name] = value.clone();
        }
        settings
    }

    /// Claims of a token for an hour.
    pub fn claims(&self, changed: &Value) -> Value {
        let now = chrono::Utc::now().timestamp();
        let mut claims = json!({
            "iss": self.url, "aud": "patchbay", "sub": "robot", "iat": now, "exp": now + 3600,
            "org": {"id": "acme"}, "scope": "openid installations:read",
        });
        for (name, value) in changed.as_object().expect("object") {
            match value {
                Value::Null => drop(claims.as_object_mut().expect("object").remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Also for a listener of another kind.
fn router(answers: Answers) -> Router {
    Router::new()
        .route(
            "/.well-known/openid-configuration",
            get(async |State(answers): State<Answers>| {
                let answer = answers.discovery.lock().expect("lock").clone();
                answer.response().await
            }),
        )
        .route(
            "/jwks",
            get(async |State(answers): State<Answers>| {
                answers.asked.fetch_add(1, Ordering::SeqCst);
                let answer = answers.keys.lock().expect("lock").clone();
                answer.response().await
            }),
        )
        .with_state(answers)
}

impl Answer {
    async fn response(self) -> Response {
        match self {
            Self::Down => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Self::Text(text) => json_text(text),
            Self::Held(release, text) => {
                release.notified().await;
                json_text(text)
            }
            Self::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
            Self::Silence => std::future::pending().await,
        }
    }
}

fn json_text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
