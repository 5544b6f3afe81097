//! Tokens of identity providers: who is let in with one, over both transports.

mod keys;
mod refused;
mod taken;

use serde_json::{Value, json};

use crate::support::provider::Provider;
use crate::support::signer::Signer;
use crate::support::{Answer, PEPPER, World};

const QUERY: &str = "{ integrations(first: 1) { totalCount } }";
const LIST: &str = "/api/v1/integrations";

/// A world that takes tokens of these providers.
async fn world(issuers: &[Value]) -> World {
    let issuers = json!(issuers).to_string();
    World::with(&[("auth.mode", "jwt"), ("auth.issuers", &issuers), ("limits.rate", "false")]).await
}

/// A world that takes tokens of this provider, which is asked for its keys directly.
async fn world_of(provider: &Provider) -> World {
    world(&[provider.settings(&json!({"jwks_url": format!("{}/jwks", provider.url)}))]).await
}

/// A world with a pepper that takes a provider's tokens, and one with these scopes for `acme`.
pub async fn provider_world(settings: &[(&str, &str)], scopes: &str) -> (World, String) {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let issuers = json!([provider.settings(&json!({"jwks_url": format!("{}/jwks", provider.url)}))]).to_string();
    let world = World::builder()
        .set(&[("auth.mode", "jwt"), ("auth.issuers", &issuers), ("auth.pepper", PEPPER), ("limits.rate", "false")])
        .set(settings)
        .start()
        .await;
    let token = signer.sign(&provider.claims(&json!({"scope": scopes})));
    // The provider's keys are cached from here on.
    rest(&world, &token, Some("acme")).await;
    (world, token)
}

async fn rest(world: &World, token: &str, account: Option<&str>) -> Answer {
    let client = account.map_or_else(|| world.nobody(), |account| world.account(account));
    client.header("authorization", format!("Bearer {token}")).get(LIST).await
}

async fn graphql(world: &World, token: &str, account: Option<&str>) -> Answer {
    let client = account.map_or_else(|| world.nobody(), |account| world.account(account));
    client.header("authorization", format!("Bearer {token}")).graphql(QUERY, json!({})).await
}

/// The token is taken for the account, by both transports.
async fn assert_taken(world: &World, token: &str, account: Option<&str>, claim: &str) {
    let answer = rest(world, token, account).await;
    assert_eq!(answer.status, 200, "{claim}: {}", answer.text());
    let answer = graphql(world, token, account).await;
    assert!(answer.status == 200 && answer.json().get("errors").is_none(), "{claim}: {}", answer.text());
}

/// Both transports refuse the token, with this status, these codes and this sentence.
async fn assert_refused(world: &World, token: &str, refusal: &Refusal, claim: &str) {
    let Refusal { status, code, graphql_code, sentence } = *refusal;
    let answer = rest(world, token, Some("acme")).await;
    assert_eq!((answer.status.as_u16(), answer.error_code(), &*answer.text()), (status, code, sentence), "{claim}");
    let retry = answer.header("retry-after").map(str::to_owned);
    assert_eq!(retry.is_some(), status == 503, "{claim}");
    let answer = graphql(world, token, Some("acme")).await;
    let told = answer.json()["errors"][0]["message"].clone();
    assert_eq!(
        (answer.status.as_u16(), &*answer.graphql_code(), told),
        (status, graphql_code, json!(sentence)),
        "{claim}"
    );
    assert_eq!(answer.header("retry-after").map(str::to_owned), retry, "{claim}");
}

struct Refusal {
    status: u16,
    code: &'static str,
    graphql_code: &'static str,
    sentence: &'static str,
}

const INVALID: Refusal =
    Refusal { status: 401, code: "unauthenticated", graphql_code: "UNAUTHENTICATED", sentence: "Invalid credentials" };
const ACCOUNT_CLAIM: Refusal = Refusal {
    status: 401,
    code: "unauthenticated",
    graphql_code: "UNAUTHENTICATED",
    sentence: "Invalid account in the token: the claim /org/id must be an account id (1 to 63 characters a-z, 0-9, _ and \
               -, the first a letter or digit) or a list",
};
const EXPIRED: Refusal =
    Refusal { status: 401, code: "unauthenticated", graphql_code: "UNAUTHENTICATED", sentence: "Expired credentials" };
const NO_ACCOUNT: Refusal = Refusal {
    status: 403,
    code: "forbidden",
    graphql_code: "FORBIDDEN",
    sentence: "The credentials are not for this account",
};
const UNAVAILABLE: Refusal = Refusal {
    status: 503,
    code: "identity_unavailable",
    graphql_code: "INTERNAL",
    sentence: "Identity provider unavailable",
};
