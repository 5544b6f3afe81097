//! What proves the caller decides who may name the account: `connection_init` in every combination of modes.

use patchbay::domain::{Reference, Supplied};
use serde_json::{Value, json};

use crate::graphql::socket::{PROTOCOL, Said, Socket};
use crate::support::provider::Provider;
use crate::support::signer::Signer;
use crate::support::{GATEWAY_TOKEN, PEPPER, Served, World, account_id, call, make_key};

const MODES: [&str; 4] = ["open", "gateway", "api_key", "jwt"];
const INIT_REFUSED: u16 = 4403;
const UNAUTHORIZED: u16 = 4401;

/// A kind of proof that a client sends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Proof {
    Nothing,
    Gateway,
    Key,
    Token,
}

/// A server and credentials that cover `acme` and `globex`.
struct House {
    modes: Vec<&'static str>,
    served: Served,
    key: String,
    token: String,
}

/// A socket's upgrade and its first message.
#[derive(Clone, Copy, Debug)]
struct Case {
    by_header: Proof,
    by_init: Proof,
    header_account: Option<&'static str>,
}

impl House {
    fn has(&self, mode: &str) -> bool {
        self.modes.contains(&mode)
    }

    fn text(&self, proof: Proof) -> Option<String> {
        match proof {
            Proof::Key => Some(format!("Bearer {}", self.key)),
            Proof::Token => Some(format!("Bearer {}", self.token)),
            Proof::Nothing | Proof::Gateway => None,
        }
    }

    /// The answer to `connection_init`: an account, or a close code.
    async fn ask(&self, case: Case, init: &Value) -> Result<Value, u16> {
        let authorization = self.text(case.by_header);
        let mut headers = vec![PROTOCOL];
        headers.extend(authorization.iter().map(|text| ("authorization", text.as_str())));
        headers.extend((case.by_header == Proof::Gateway).then_some(("x-gateway-token", GATEWAY_TOKEN)));
        headers.extend(case.header_account.map(|account| ("x-account-id", account)));
        let address = self.served.address.to_string();
        let mut socket = match Socket::open_at(&address, &headers).await {
            Ok(socket) => socket,
            Err(refused) => return Err(refused.status),
        };
        let mut init = init.clone();
        if let Some(text) = self.text(case.by_init) {
            init["Authorization"] = json!(text);
        }
        socket.send(&json!({"type": "connection_init", "payload": init})).await;
        match socket.next().await {
            Said::Closed(code, _) => Err(code),
            Said::Json(said) => {
                assert_eq!(said["type"], "connection_ack");
                let answer = socket.answer("{ integration(by: {name: \"stripe\"}) { params } }").await;
                Ok(answer["data"]["integration"]["params"]["account"].clone())
            }
        }
    }

    /// The rule, written out case by case. `None` stands for a case whose upgrade fails.
    fn expected(&self, case: Case, init_account: Option<&str>) -> Option<Result<&'static str, u16>> {
        let is_taken = |proof| match proof {
            Proof::Key => self.has("api_key"),
            Proof::Token => self.has("jwt"),
            Proof::Gateway => self.has("gateway"),
            Proof::Nothing => false,
        };
        let has_bearer = self.has("api_key") || self.has("jwt");
        let is_bearer = |proof| has_bearer && matches!(proof, Proof::Key | Proof::Token);
        if is_bearer(case.by_header) && !is_taken(case.by_header) {
            return None;
        }
        if is_bearer(case.by_init) && !is_taken(case.by_init) {
            return Some(Err(UNAUTHORIZED));
        }
        let is_proven = is_taken(case.by_header) || is_taken(case.by_init) || self.has("open");
        if !is_proven {
            return Some(Err(UNAUTHORIZED));
        }
        let named = match (case.header_account, init_account) {
            (header, None) => header,
            (Some(header), Some(init)) if header == init => Some(header),
            (Some(_), Some(_)) if is_taken(case.by_header) => return Some(Err(INIT_REFUSED)),
            (None, Some(_))
                if is_taken(Proof::Gateway) && case.by_header == Proof::Gateway && !is_taken(case.by_init) =>
            {
                return Some(Err(INIT_REFUSED));
            }
            (_, init) => init,
        };
        Some(match named {
            Some("acme") => Ok("acme"),
            Some(_) => Ok("globex"),
            None => Err(INIT_REFUSED),
        })
    }
}

async fn house(modes: Vec<&'static str>, provider: &Provider, signer: &Signer) -> (World, House) {
    let world = World::with(&[
        ("auth.mode", &modes.join(",")),
        ("auth.gateway_token", GATEWAY_TOKEN),
        ("auth.pepper", PEPPER),
        ("auth.issuers", &json!([provider.settings(&json!({}))]).to_string()),
        ("limits.rate", "false"),
    ])
    .await;
    for account in ["acme", "globex"] {
        let supplied = Supplied::new(json!({"account": account}).as_object().cloned(), None).expect("supplied");
        let tenant = world.app.services().tenant(account_id(account), call());
        tenant.install(&Reference::parse("stripe"), supplied, None).await.unwrap_or_else(|e| panic!("{e:?}"));
    }
    let key = make_key(&world.app, &["installations:read"], &["acme", "globex"], None).await;
    let claims = json!({"org": {"id": ["acme", "globex"]}, "scope": "installations:read"});
    let token = signer.sign(&provider.claims(&claims));
    let served = world.serve().await;
    (world, House { modes, served, key: key.secret.expose().to_owned(), token })
}

/// Every proof of the upgrade, with a credential in `connection_init` or none, with an account on the upgrade or none.
fn cases() -> impl Iterator<Item = Case> {
    let proofs = [Proof::Nothing, Proof::Gateway, Proof::Key, Proof::Token];
    let pairs = proofs.into_iter().flat_map(|by_header| {
        let by_init = [Proof::Nothing, Proof::Key, Proof::Token].into_iter();
        // Two credentials at once have a test of their own.
        let by_init =
            by_init.filter(move |init| *init == Proof::Nothing || !matches!(by_header, Proof::Key | Proof::Token));
        by_init.map(move |by_init| (by_header, by_init))
    });
    pairs.flat_map(|(by_header, by_init)| {
        [None, Some("acme")].map(|header_account| Case { by_header, by_init, header_account })
    })
}

#[tokio::test]
async fn init_names_account_only_where_the_proof_allows_it() {
    let signer = Signer::new("usual", "EdDSA");
    let provider = Provider::start(&[&signer]).await;
    for subset in 1..1_u32 << MODES.len() {
        let modes = (0..MODES.len()).filter(|bit| subset & (1 << bit) != 0).map(|bit| MODES[bit]).collect();
        let (_world, house) = house(modes, &provider, &signer).await;
        for case in cases() {
            for init_account in [None, Some("acme"), Some("globex")] {
                let init = init_account.map_or(json!({}), |account| json!({"x-ACCOUNT-id": account}));
                let answer = house.ask(case, &init).await;
                let claim = format!("{:?} {case:?} {init}", house.modes);
                match house.expected(case, init_account) {
                    None => assert_eq!(answer, Err(401), "{claim}"),
                    Some(expected) => assert_eq!(answer, expected.map(Value::from), "{claim}"),
                }
            }
        }
        house.served.stop().await;
    }
}

#[tokio::test]
async fn init_repeats_the_gateway_headers_and_adds_none() {
    let signer = Signer::new("usual", "EdDSA");
    let provider = Provider::start(&[&signer]).await;
    let (_world, house) = house(vec!["gateway"], &provider, &signer).await;
    let headers = [PROTOCOL, ("x-gateway-token", GATEWAY_TOKEN), ("x-account-id", "acme"), ("x-actor-id", "zoe")];
    for (init, code) in [
        (json!({}), None),
        (json!({"X-Account-ID": "acme", "X-Actor-ID": "zoe", "Authorization": "Bearer other"}), None),
        (json!({"X-Account-ID": "globex"}), Some(INIT_REFUSED)),
        (json!({"X-Account-ID": "acme", "x-account-id": "globex"}), Some(INIT_REFUSED)),
        (json!({"X-Account-ID": "acme", "x-account-id": "acme"}), Some(INIT_REFUSED)),
        (json!({"X-Account-ID": ["acme"]}), Some(INIT_REFUSED)),
        (json!({"X-Account-ID": ""}), Some(INIT_REFUSED)),
        (json!({"X-Actor-ID": "root"}), Some(INIT_REFUSED)),
        (json!({"X-Actor-ID": "zoe", "x-actor-id": "root"}), Some(INIT_REFUSED)),
        (json!({"X-Actor-ID": null}), Some(INIT_REFUSED)),
        (json!({"X-Gateway-Token": GATEWAY_TOKEN}), Some(INIT_REFUSED)),
    ] {
        let mut socket = Socket::open_at(&house.served.address.to_string(), &headers).await.expect("upgraded");
        socket.send(&json!({"type": "connection_init", "payload": init})).await;
        match (socket.next().await, code) {
            (Said::Json(said), None) => assert_eq!(said["type"], "connection_ack", "{init}"),
            (Said::Closed(told, reason), Some(code)) => assert_eq!(told, code, "{init}: {reason}"),
            (said, _) => panic!("{init}: {said:?}"),
        }
    }
}

#[tokio::test]
async fn init_with_another_credential_than_the_upgrade_is_refused() {
    let signer = Signer::new("usual", "EdDSA");
    let provider = Provider::start(&[&signer]).await;
    let (_world, house) = house(vec!["api_key", "jwt"], &provider, &signer).await;
    for (by_header, by_init, is_taken) in [
        (Proof::Key, Proof::Key, true),
        (Proof::Token, Proof::Token, true),
        (Proof::Key, Proof::Token, false),
        (Proof::Token, Proof::Key, false),
    ] {
        let answer = house.ask(Case { by_header, by_init, header_account: Some("acme") }, &json!({})).await;
        assert_eq!(answer, if is_taken { Ok(json!("acme")) } else { Err(UNAUTHORIZED) });
    }
    let twice = json!({"authorization": format!("Bearer {}", house.key), "AUTHORIZATION": "Bearer x"});
    let case = Case { by_header: Proof::Nothing, by_init: Proof::Nothing, header_account: Some("acme") };
    assert_eq!(house.ask(case, &twice).await, Err(UNAUTHORIZED));
}
