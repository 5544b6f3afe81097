//! How the clients of a world prove who they are: in mode `open` not at all. With `TEST_AUTH_MODE` set to `gateway`,
//! `api_key` or `jwt`, a world whose test chose no mode is in that one, and its clients hold what it asks for.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use patchbay::app::App;
use patchbay::domain::{AccountId, ActorKind, ApiKeyWish, Call, WishedAccounts};
use patchbay::service::MadeKey;
use serde_json::json;
use tokio::sync::Mutex;

use super::provider::Provider;
use super::signer::Signer;

pub const PEPPER: &str = "test-pepper-test-pepper-test-pepper";
pub const GATEWAY_TOKEN: &str = "CANARY_gateway_token_of_32_characters";

/// What a token is good for that names no single account: there is no word for all of them.
const SEVERAL: [&str; 3] = ["acme", "globex", "stranger"];

/// What a world asks for.
pub enum Mode {
    Open,
    Gateway,
    ApiKey,
    Jwt { provider: Provider, signer: Box<Signer> },
}

impl Mode {
    pub async fn of_environment() -> Self {
        match std::env::var("TEST_AUTH_MODE").as_deref() {
            Err(_) | Ok("open") => Self::Open,
            Ok("gateway") => Self::Gateway,
            Ok("api_key") => Self::ApiKey,
            Ok("jwt") => {
                let signer = Box::new(Signer::new("usual", "EdDSA"));
                Self::Jwt { provider: Provider::start(&[&signer]).await, signer }
            }
            Ok(other) => panic!("TEST_AUTH_MODE={other}: allowed are open, gateway, api_key and jwt"),
        }
    }

    /// What a world in this mode is started with. Nobody's requests are counted.
    pub fn settings(&self) -> Vec<(String, String)> {
        let own = match self {
            Self::Open => return Vec::new(),
            Self::Gateway => vec![
                ("auth.mode", "gateway".to_owned()),
                ("auth.gateway_token", GATEWAY_TOKEN.to_owned()),
                ("auth.gateway_scopes", "admin".to_owned()),
            ],
            Self::ApiKey => vec![("auth.mode", "api_key".to_owned())],
            Self::Jwt { provider, .. } => vec![
                ("auth.mode", "jwt".to_owned()),
                ("auth.issuers", json!([provider.settings(&json!({}))]).to_string()),
            ],
        };
        let common = [("auth.pepper", PEPPER.to_owned()), ("limits.rate", "false".to_owned())];
        own.into_iter().chain(common).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Whether what a client holds is good for some accounts and not for others.
    pub fn binds(&self) -> bool {
        matches!(self, Self::ApiKey | Self::Jwt { .. })
    }
}

/// What the clients of one world hold, made at the first need.
pub struct Credentials {
    mode: Mode,
    app: App,
    made: Mutex<HashMap<Option<String>, String>>,
}

impl Credentials {
    pub fn new(mode: Mode, app: App) -> Self {
        Self { mode, app, made: Mutex::default() }
    }

    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// The header, with every right for this account, or for several when it is none.
    pub async fn of(&self, account: Option<&str>) -> Option<(&'static str, String)> {
        let account = account.filter(|account| AccountId::parse(account).is_some());
        match self.mode {
            Mode::Open => None,
            Mode::Gateway => Some(("x-gateway-token", GATEWAY_TOKEN.to_owned())),
            Mode::ApiKey | Mode::Jwt { .. } => {
                let mut made = self.made.lock().await;
                let key = account.map(str::to_owned);
                if !made.contains_key(&key) {
                    made.insert(key.clone(), self.make(account).await);
                }
                Some(("authorization", format!("Bearer {}", made[&key])))
            }
        }
    }

    async fn make(&self, account: Option<&str>) -> String {
        match &self.mode {
            Mode::Jwt { provider, signer } => {
                let accounts = account.map_or(json!(SEVERAL), |account| json!(account));
                signer.sign(&provider.claims(&json!({"org": {"id": accounts}, "scope": "patchbay:admin"})))
            }
            _ => make_key(&self.app, &["admin"], account.as_slice(), None).await.secret.expose().to_owned(),
        }
    }
}

/// A key made by the operator. Without accounts it is for all of them.
pub async fn make_key(app: &App, scopes: &[&str], accounts: &[&str], expires_at: Option<DateTime<Utc>>) -> MadeKey {
    let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let accounts = if accounts.is_empty() { WishedAccounts::All } else { WishedAccounts::Only(texts(accounts)) };
    let wish =
        ApiKeyWish { name: "a key of the tests".into(), scopes: texts(scopes), accounts, expires_at, rate: None };
    let operator = Call::trusted(ActorKind::Operator, "");
    let made = app.services().api_keys().create(&operator, None, wish).await;
    made.unwrap_or_else(|error| panic!("{error:?}"))
}
