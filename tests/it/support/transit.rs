//! A transit engine on loopback that answers as OpenBao 2.7.2 does, status and words, and fails as it is told.
//!
//! It seals nothing: its ciphertexts hold what is to be given back, and which key, version and context they are for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub const TOKEN: &str = "s.CANARYtransittoken";

/// Listens until it is dropped.
pub struct FakeTransit {
    pub url: String,
    engine: Shared,
    running: tokio::task::JoinHandle<()>,
}

type Shared = Arc<Mutex<Engine>>;

struct Engine {
    mode: Mode,
    token: String,
    keys: BTreeMap<String, Key>,
    made: u32,
    calls: Vec<String>,
}

#[derive(Clone)]
struct Key {
    /// Another key of the same name is another key.
    id: u32,
    version: u32,
    min_decryption_version: u32,
    derived: bool,
    deletion_allowed: bool,
}

/// What it does when asked.
#[derive(Clone, Default)]
pub enum Mode {
    /// What it should.
    #[default]
    Up,
    /// 503, as the real one when it is sealed.
    Sealed,
    /// This status with these words.
    Says(u16, String),
    /// 200 with a page.
    Page,
    /// 200 with more than anybody wants to read.
    Huge,
    /// 302 to somewhere else.
    Redirect,
    /// Nothing at all.
    Silence,
}

impl FakeTransit {
    /// With a key `patchbay`.
    pub async fn start() -> Self {
        let fake = Self::empty().await;
        fake.make_key("patchbay", true);
        fake
    }

    /// With no key.
    pub async fn empty() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let state = Engine { mode: Mode::Up, token: TOKEN.into(), keys: BTreeMap::new(), made: 0, calls: Vec::new() };
        let engine = Arc::new(Mutex::new(state));
        let router = Router::new().route("/v1/transit/{*rest}", any(answer)).with_state(engine.clone());
        let running = tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { url, engine, running }
    }

    pub fn be(&self, mode: Mode) {
        self.lock().mode = mode;
    }

    /// From now on another token is good.
    pub fn expect_token(&self, token: &str) {
        self.lock().token = token.to_owned();
    }

    pub fn make_key(&self, name: &str, derived: bool) {
        self.lock().make_key(name, derived);
    }

    pub fn delete_key(&self, name: &str) {
        self.lock().keys.remove(name).expect("key");
    }

    pub fn has_key(&self, name: &str) -> bool {
        self.lock().keys.contains_key(name)
    }

    pub fn rotate(&self, name: &str) {
        self.lock().keys.get_mut(name).expect("key").version += 1;
    }

    /// Older versions open nothing any more.
    pub fn set_min_decryption_version(&self, name: &str, version: u32) {
        self.lock().keys.get_mut(name).expect("key").min_decryption_version = version;
    }

    /// What was asked since the last time, `decrypt/patchbay` style.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().calls)
    }

    /// The settings that lead to it.
    pub fn settings(&self) -> [(&'static str, &str); 3] {
        [("keys.provider", "transit"), ("keys.transit_url", &self.url), ("keys.transit_token", TOKEN)]
    }

    fn lock(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().expect("lock")
    }
}

impl Drop for FakeTransit {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn answer(
    State(engine): State<Shared>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: String,
) -> Response {
    let mode = {
        let mut state = engine.lock().expect("lock");
        state.calls.push(path.clone());
        state.mode.clone()
    };
    match mode {
        Mode::Up => {
            let given = headers.get("x-vault-token").and_then(|token| token.to_str().ok());
            let question = serde_json::from_str(&body).unwrap_or_default();
            let mut state = engine.lock().expect("lock");
            if given != Some(&*state.token) {
                return refusal(403, "permission denied");
            }
            state.answer(&method, &path, &question).unwrap_or_else(|(status, words)| refusal(status, &words))
        }
        Mode::Sealed => refusal(503, "Vault is sealed"),
        Mode::Says(status, words) => refusal(status, &words),
        Mode::Page => ([(header::CONTENT_TYPE, "text/html")], "<html>Sign in</html>").into_response(),
        Mode::Huge => json_text(200, format!("{{\"data\": {{\"plaintext\": \"{}\"}}}}", "A".repeat(100_000))),
        Mode::Redirect => (StatusCode::FOUND, [(header::LOCATION, "http://127.0.0.1:1/")]).into_response(),
        Mode::Silence => std::future::pending().await,
    }
}

type Outcome<T> = Result<T, (u16, String)>;

impl Engine {
    fn make_key(&mut self, name: &str, derived: bool) {
        self.made += 1;
        let key = Key { id: self.made, version: 1, min_decryption_version: 1, derived, deletion_allowed: false };
        self.keys.entry(name.to_owned()).or_insert(key);
    }

    fn answer(&mut self, method: &Method, path: &str, question: &Value) -> Outcome<Response> {
        let parts: Vec<_> = path.split('/').collect();
        match (method.as_str(), &*parts) {
            ("POST", ["encrypt", name]) => {
                if !self.keys.contains_key(*name) {
                    if !name.starts_with("patchbay-") {
                        return Err((403, "1 error occurred:\n\t* permission denied\n\n".into()));
                    }
                    self.make_key(name, true);
                }
                let sealed = self.seal(name, question, &question["plaintext"])?;
                Ok(data(json!({ "ciphertext": sealed })))
            }
            ("POST", ["decrypt", name]) => Ok(data(json!({"plaintext": self.open(name, question)?}))),
            ("POST", ["rewrap", name]) => {
                let plain = self.open(name, question)?;
                let sealed = self.seal(name, question, &plain)?;
                Ok(data(json!({ "ciphertext": sealed })))
            }
            ("POST", ["hmac", name]) => {
                let key = self.key(name)?;
                let version = question["key_version"].as_u64().expect("version");
                if version > u64::from(key.version) {
                    return Err(bad(&format!("key version does not exist; latest key version is {}", key.version)));
                }
                let digest = STANDARD.encode(format!("{}-{version}", key.id));
                Ok(data(json!({"hmac": format!("vault:v{version}:{digest}")})))
            }
            ("POST", ["keys", name, "config"]) => {
                let absent = bad(&format!("no existing key named {name} could be found"));
                self.keys.get_mut(*name).ok_or(absent)?.deletion_allowed =
                    question["deletion_allowed"].as_bool().expect("switch");
                Ok(data(json!({ "name": name })))
            }
            ("DELETE", ["keys", name]) => {
                if !self.key(name)?.deletion_allowed {
                    let words = format!("error deleting policy {name}: deletion is not allowed for this key");
                    return Err(bad(&words));
                }
                self.keys.remove(*name);
                Ok(StatusCode::NO_CONTENT.into_response())
            }
            _ => Err((404, "1 error occurred:\n\t* unsupported path\n\n".into())),
        }
    }

    fn key(&self, name: &str) -> Outcome<&Key> {
        self.keys.get(name).ok_or_else(|| bad("encryption key not found"))
    }

    /// What the key derives itself from; nothing where it does not.
    fn context<'a>(key: &Key, question: &'a Value) -> Outcome<&'a str> {
        match question["context"].as_str() {
            _ if !key.derived => Ok(""),
            None | Some("") => Err(bad(
                "missing 'context' for key derivation; the key was created using a derived key, which means additional, \
                 per-request information must be included in order to perform operations with the key",
            )),
            Some(context) => Ok(context),
        }
    }

    fn seal(&self, name: &str, question: &Value, plain: &Value) -> Outcome<String> {
        let key = self.key(name)?;
        let context = Self::context(key, question)?;
        let sealed = json!({"key": key.id, "version": key.version, "context": context, "plain": plain}).to_string();
        Ok(format!("vault:v{}:{}", key.version, STANDARD.encode(sealed)))
    }

    fn open(&self, name: &str, question: &Value) -> Outcome<Value> {
        let key = self.key(name)?;
        let context = Self::context(key, question)?;
        let sealed = question["ciphertext"].as_str().and_then(|text| text.strip_prefix("vault:v"));
        let (version, sealed) =
            sealed.and_then(|text| text.split_once(':')).ok_or(bad("invalid ciphertext: no prefix"))?;
        let version: u32 =
            version.parse().map_err(|_| bad("invalid ciphertext: version number could not be decoded"))?;
        if version > key.version {
            return Err(bad("invalid ciphertext: version is too new"));
        }
        if version < key.min_decryption_version {
            return Err(bad("ciphertext or signature version is disallowed by policy (too old)"));
        }
        let sealed = STANDARD.decode(sealed).map_err(|_| bad("invalid ciphertext: could not decode base64"))?;
        let sealed: Value = serde_json::from_slice(&sealed).map_err(|_| bad("invalid ciphertext length"))?;
        let is_meant = sealed["key"] == key.id && sealed["version"] == version && sealed["context"] == context;
        if is_meant { Ok(sealed["plain"].clone()) } else { Err(bad("cipher: message authentication failed")) }
    }
}

fn bad(words: &str) -> (u16, String) {
    (400, words.to_owned())
}

fn data(data: Value) -> Response {
    json_text(200, json!({"request_id": "1", "data": data, "warnings": null, "auth": null}).to_string())
}

fn refusal(status: u16, words: &str) -> Response {
    json_text(status, json!({"errors": [words]}).to_string())
}

fn json_text(status: u16, text: String) -> Response {
    let status = StatusCode::from_u16(status).expect("status");
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}
