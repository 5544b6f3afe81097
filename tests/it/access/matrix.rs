//! Every operation, in every mode, asked by someone in every position: what each is answered, as `docs/access.md` says.
//!
//! The table there is written by this test (`UPDATE_ACCESS=1`), and the rules above it are what the test expects.

use std::fs;
use std::path::Path;
use std::time::Duration;

use patchbay::domain::{Operation, Reference, Scope, Supplied};
use serde_json::json;

use super::samples::{Sample, verdict};
use super::{PEPPER, gateway, key};
use crate::graphql::socket::{PROTOCOL, Said, Socket};
use crate::support::provider::Provider;
use crate::support::signer::Signer;
use crate::support::{Client, Served, World, account_id, call};

const DOCUMENT: &str = "docs/access.md";
/// What stands around the table.
const MARKS: [&str; 2] = ["<!-- begin: written by a test -->\n", "<!-- end -->\n"];

/// In which position someone is who asks for `acme`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Position {
    Nobody,
    Forger,
    Stranger,
    Powerless,
    Expired,
    Revoked,
    Rightful,
}

const POSITIONS: [(Position, &str); 7] = [
    (Position::Nobody, "no credential"),
    (Position::Forger, "wrong credential"),
    (Position::Stranger, "wrong account"),
    (Position::Powerless, "missing scope"),
    (Position::Expired, "expired"),
    (Position::Revoked, "revoked"),
    (Position::Rightful, "right"),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Open,
    Gateway,
    ApiKey,
    Jwt,
}

const MODES: [(Mode, &str); 4] =
    [(Mode::Open, "open"), (Mode::Gateway, "gateway"), (Mode::ApiKey, "api_key"), (Mode::Jwt, "jwt")];

/// The rules in full: status and code, or `None` where a mode knows no such position.
fn expected(mode: Mode, position: Position, interface: &str) -> Option<(u16, &'static str)> {
    use Mode::{Gateway, Jwt, Open};
    use Position::{Expired, Forger, Nobody, Powerless, Revoked, Rightful, Stranger};
    let is_rest = interface == "REST";
    let unauthenticated = if is_rest { "unauthenticated" } else { "UNAUTHENTICATED" };
    let forbidden = if is_rest { "forbidden" } else { "FORBIDDEN" };
    match (mode, position, interface) {
        (Open, Nobody | Rightful, _) | (_, Rightful, _) => Some((200, "ok")),
        (Open, ..) | (Gateway, Stranger | Expired | Revoked, _) | (Jwt, Revoked, _) => None,
        // A document may ask for introspection alone: it is a field that is refused.
        (_, Nobody, "GraphQL") => Some((200, unauthenticated)),
        (_, Nobody, "socket") => Some((4401, "close")),
        (_, Nobody | Forger | Expired | Revoked, _) => Some((401, unauthenticated)),
        (_, Stranger, _) => Some((403, forbidden)),
        (_, Powerless, "GraphQL" | "socket") => Some((200, forbidden)),
        (_, Powerless, _) => Some((403, forbidden)),
    }
}

/// A server in one mode, and what is needed to stand before it in every position.
struct Gatehouse {
    mode: Mode,
    world: World,
    served: Served,
    provider: Provider,
    signer: Signer,
}

impl Gatehouse {
    /// In mode `gateway` the scopes are the mode's; elsewhere they are the credential's.
    async fn build(mode: Mode, scopes: &str) -> Self {
        let signer = Signer::new("a", "ES256");
        let provider = Provider::start(&[&signer]).await;
        let issuers = json!([provider.settings(&json!({"jwks_url": format!("{}/jwks", provider.url)}))]).to_string();
        let name = MODES.iter().find(|(known, _)| *known == mode).map_or("", |(_, name)| name);
        let world = World::builder()
            .set(&gateway::settings(scopes))
            .set(&[("auth.mode", name), ("auth.pepper", PEPPER), ("auth.issuers", &issuers)])
            .start()
            .await;
        let served = world.serve().await;
        Self { mode, world, served, provider, signer }
    }

    /// The headers of someone in this position who is to do something that needs the scope.
    async fn credentials(&self, position: Position, scope: Scope) -> Vec<(&'static str, String)> {
        let scopes = match position {
            Position::Powerless => others(scope),
            _ => vec![scope.as_str()],
        };
        let account = if position == Position::Stranger { "other" } else { "acme" };
        let token = match (self.mode, position) {
            (Mode::Open, _) | (_, Position::Nobody) => return Vec::new(),
            (Mode::Gateway, Position::Forger) => return vec![("x-gateway-token", "x".repeat(40))],
            (Mode::Gateway, _) => return vec![("x-gateway-token", gateway::TOKEN.to_owned())],
            (Mode::ApiKey, _) => self.key(position, &scopes, account).await,
            (Mode::Jwt, _) => self.token(position, &scopes, account),
        };
        vec![("authorization", format!("Bearer {token}"))]
    }

    async fn key(&self, position: Position, scopes: &[&str], account: &str) -> String {
        let made = key(&self.world, scopes, &[account]).await;
        let meddle = async |set: &str| {
            let id = &made.key.public_id;
            self.world.sql(&format!("UPDATE api_keys SET {set} WHERE public_id = '{id}'")).await;
        };
        match position {
            Position::Expired => meddle("expires_at = created_at").await,
            Position::Revoked => meddle("revoked_at = created_at").await,
            // Well formed, and of nobody.
            Position::Forger => return patchbay::domain::ApiKeySecret::generate().expect("made").expose().to_owned(),
            _ => {}
        }
        made.secret.expose().to_owned()
    }

    fn token(&self, position: Position, scopes: &[&str], account: &str) -> String {
        let long_ago = chrono::Utc::now().timestamp() - 3_600;
        let claims = match position {
            Position::Expired => json!({"exp": long_ago}),
            _ => json!({}),
        };
        let mut claims = self.provider.claims(&claims);
        claims["org"]["id"] = json!(account);
        let words: Vec<_> = scopes.iter().map(|scope| format!("patchbay:{scope}")).collect();
        claims["scope"] = json!(words.join(" "));
        match position {
            Position::Forger => Signer::new("a", "ES256").sign(&claims),
            _ => self.signer.sign(&claims),
        }
    }

    /// What the operations find: Stripe is installed, Slack stores something.
    async fn furnish(&self) {
        let acme = self.world.app.services().tenant(account_id("acme"), call());
        for name in ["stripe", "slack"] {
            let supplied = Supplied::new(json!({"a": 1}).as_object().cloned(), None).expect("supplied");
            acme.install(&Reference::parse(name), supplied, None).await.unwrap_or_else(|e| panic!("{e:?}"));
        }
    }

    /// What someone in this position is told.
    async fn ask(&self, position: Position, operation: Operation, sample: &Sample) -> (u16, String) {
        let headers = self.credentials(position, operation.scope()).await;
        if let Sample::Socket(query) = sample {
            return self.ask_over_socket(&headers, query).await;
        }
        let mut client = Client::new(self.world.router(), Some("acme"));
        for (name, value) in headers {
            client = client.header(name, value);
        }
        verdict(&sample.send(&client).await)
    }

    async fn ask_over_socket(&self, headers: &[(&'static str, String)], query: &str) -> (u16, String) {
        let mut all = vec![PROTOCOL, ("x-account-id", "acme")];
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        let mut socket = match Socket::open(&self.served, &all).await {
            Ok(socket) => socket,
            Err(refused) => {
                let code = refused.body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
                return (refused.status, code.to_owned());
            }
        };
        socket.send(&json!({"type": "connection_init"})).await;
        match socket.next().await {
            Said::Closed(code, _) => return (code, "close".into()),
            Said::Json(said) => assert_eq!(said["type"], "connection_ack"),
        }
        socket.subscribe("1", query).await;
        // A change made before the server has taken the subscription up is not told of: there is another one then.
        let said = loop {
            self.furnish().await;
            if let Some(said) = socket.try_next(Duration::from_millis(200)).await {
                break said;
            }
        };
        match said {
            Said::Json(said) => {
                let code = said["payload"][0]["extensions"]["code"].as_str();
                let code = code.or_else(|| said["payload"]["errors"][0]["extensions"]["code"].as_str());
                (200, code.unwrap_or("ok").to_owned())
            }
            Said::Closed(code, _) => (code, "close".into()),
        }
    }
}

/// All scopes but this one and `admin`.
fn others(scope: Scope) -> Vec<&'static str> {
    let others = Scope::ALL.iter().filter(|&&other| other != scope && other != Scope::Admin);
    others.map(|other| other.as_str()).collect()
}

/// The samples of an operation, with a key that there is to revoke.
async fn samples(house: &Gatehouse, operation: Operation) -> Vec<Sample> {
    let made = key(&house.world, &["keys:write"], &["acme"]).await;
    Sample::all_of(operation, &made.key.public_id)
}

async fn row(house: &Gatehouse, operation: Operation, at: usize) -> String {
    let mut cells = String::new();
    for (position, _) in POSITIONS {
        house.furnish().await;
        let sample = samples(house, operation).await.swap_remove(at);
        let interface = sample.interface();
        let Some(rule) = expected(house.mode, position, interface) else {
            cells.push_str(" – |");
            continue;
        };
        // The scopes of a gateway are the server's own.
        let powerless = (house.mode, position) == (Mode::Gateway, Position::Powerless);
        let other = if powerless {
            Some(Gatehouse::build(Mode::Gateway, &others(operation.scope()).join(",")).await)
        } else {
            None
        };
        let (status, code) = other.as_ref().unwrap_or(house).ask(position, operation, &sample).await;
        // One that makes something says so.
        let told = (if status == 201 { 200 } else { status }, code.as_str());
        assert_eq!(told, rule, "{operation:?} over {interface}, mode {:?}, {position:?}", house.mode);
        cells.push_str(&format!(" {status} {code} |"));
    }
    cells
}

#[tokio::test]
async fn every_operation_answers_everyone_as_documented() {
    let heads: Vec<_> = POSITIONS.iter().map(|(_, head)| *head).collect();
    let mut table = String::new();
    for (mode, name) in MODES {
        let house = Gatehouse::build(mode, "admin").await;
        table.push_str(&format!("\n### Mode `{name}`\n\n| operation | over | {} |\n", heads.join(" | ")));
        table.push_str(&format!("|---|---{}|\n", "|---".repeat(heads.len())));
        for &operation in Operation::ALL {
            for (at, sample) in samples(&house, operation).await.iter().enumerate() {
                let field = operation.graphql().split('.').next_back().unwrap_or_default();
                let called = if operation.rest().is_empty() { field } else { operation.rest() };
                let cells = row(&house, operation, at).await;
                table.push_str(&format!("| `{called}` (`{}`) | {} |{cells}\n", operation.scope(), sample.interface()));
            }
        }
    }
    compare(&table);
}

/// Fails when the document has another table; writes it when it is told to.
fn compare(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let text = fs::read_to_string(&path).expect(DOCUMENT);
    let (before, rest) = text.split_once(MARKS[0]).expect("a beginning");
    let (_, after) = rest.split_once(MARKS[1]).expect("an end");
    let wanted = format!("{before}{}{table}\n{}{after}", MARKS[0], MARKS[1]);
    if std::env::var_os("UPDATE_ACCESS").is_some() {
        return fs::write(&path, &wanted).expect("written");
    }
    assert!(text == wanted, "{DOCUMENT} is behind: run UPDATE_ACCESS=1 cargo nextest run matrix");
}

#[test]
fn every_scope_is_described_where_the_table_is() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT)).expect(DOCUMENT);
    for scope in Scope::ALL {
        let row = format!("| `{scope}` | {} |", scope.meaning());
        assert!(text.contains(&row), "{row} is not in {DOCUMENT}");
    }
}
