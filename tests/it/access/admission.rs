//! Who is let in: the holder of the whole text of a key, while it is in force.

use std::time::{Duration, Instant};

use entity::api_key;
use futures_util::future::join_all;
use patchbay::domain::ApiKeySecret;
use patchbay::service::MadeKey;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, TransactionTrait};
use serde_json::json;

use super::asking::{PATH, Way, revoke};
use super::rights::delete_adoption_note;
use super::{bearer, builder, holder, key, world};
use crate::support::{Answer, World, eventually, skip};

const STRIPE: &str = "/api/v1/integrations/stripe";
const LIST: &str = "/api/v1/integrations";

#[track_caller]
fn assert_unauthenticated(answer: &Answer, sentence: &str) {
    answer.assert_refused(401, "unauthenticated", sentence);
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(challenge.starts_with("Bearer "), "{challenge}");
}

/// Changes a key's row behind the server's back.
async fn meddle(world: &World, key: &MadeKey, set: &str) {
    world.sql(&format!("UPDATE api_keys SET {set} WHERE public_id = '{}'", key.key.public_id)).await;
}

async fn row(world: &World, key: &MadeKey) -> api_key::Model {
    let db = world.connect().await;
    let row = api_key::Entity::find().filter(api_key::Column::Id.eq(key.key.id)).one(&db).await.expect("read");
    db.close().await.expect("closed");
    row.expect("a row")
}

#[tokio::test]
async fn what_is_no_key_is_refused_in_the_same_words_without_asking_the_database() {
    let world = world().await;
    let good = key(&world, &["admin"], &["acme"]).await.secret.expose().to_owned();
    let mistyped = good.replace(&good[20..22], if &good[20..22] == "00" { "11" } else { "00" });
    for wrong in [
        "pb_live_",
        "pb_live_x",
        &good[..65],
        &format!("{good}0"),
        &mistyped,
        &good.to_uppercase(),
        "pb_test_00000000_0000000000000000000000000000000000000000000000000",
        &"x".repeat(10_000),
        &format!("pb_live_{}", "0".repeat(20_000)),
        "",
        " ",
    ] {
        let client = bearer(&world, wrong, Some("acme"));
        let (answer, statements) = world.statements_of(client.get(STRIPE)).await;
        assert_unauthenticated(&answer, "Invalid credentials");
        assert_eq!(statements, [""; 0], "{}", &wrong[..wrong.len().min(80)]);
        assert_eq!(client.graphql("{ nativeTools { totalCount } }", json!({})).await.graphql_code(), "UNAUTHENTICATED");
    }
    let twice = bearer(&world, &good, Some("acme")).header("authorization", format!("Bearer {good}"));
    assert_unauthenticated(&twice.get(STRIPE).await, "Invalid credentials");
    assert_unauthenticated(
        &world.account("acme").get(STRIPE).await,
        "Missing credentials: send an API key or a token as Authorization: Bearer, or come through the gateway",
    );
}

#[tokio::test]
async fn a_well_formed_key_that_nobody_made_is_refused_like_a_wrong_secret() {
    let world = world().await;
    let made = key(&world, &["admin"], &["acme"]).await;
    let stranger = ApiKeySecret::generate().expect("randomness");
    assert_unauthenticated(&bearer(&world, stranger.expose(), Some("acme")).get(STRIPE).await, "Invalid credentials");
    // A key of the right id with another secret, once it is revoked, too: only its holder learns that.
    let other = forged(&made);
    for set in ["revoked_at = NULL", "revoked_at = created_at", "expires_at = created_at"] {
        meddle(&world, &made, set).await;
        let replica = builder().beside(&world).await;
        assert_unauthenticated(&bearer(&replica, &other, Some("acme")).get(STRIPE).await, "Invalid credentials");
    }
}

/// Another secret with the id of this key and a checksum that fits.
fn forged(key: &MadeKey) -> String {
    use sha2::{Digest, Sha256};
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let text = format!("pb_live_{}_{}", key.key.public_id, "0".repeat(43));
    let digest = Sha256::digest(&text);
    let mut number = u64::from_be_bytes(digest[..8].try_into().expect("8 bytes"));
    let mut checksum = Vec::new();
    for _ in 0..6 {
        checksum.insert(0, ALPHABET[(number % 62) as usize]);
        number /= 62;
    }
    let forged = text + std::str::from_utf8(&checksum).expect("ASCII");
    assert!(ApiKeySecret::parse(&forged).is_some(), "the checksum is as documented");
    forged
}

#[tokio::test]
async fn a_key_opens_its_accounts_and_no_other() {
    let world = world().await;
    let one = key(&world, &["installations:read"], &["acme"]).await;
    let two = key(&world, &["installations:read"], &["acme", "globex"]).await;
    let all = key(&world, &["installations:read"], &[]).await;
    const NOT_FOR: &str = "The credentials are not for this account";
    for (key, account, expected) in [
        (&one, None, Ok(())),
        (&one, Some("acme"), Ok(())),
        (&one, Some("globex"), Err((403, "forbidden", NOT_FOR))),
        (&two, None, Err((400, "account_required", "Missing X-Account-ID header"))),
        (&two, Some("globex"), Ok(())),
        (&two, Some("initech"), Err((403, "forbidden", NOT_FOR))),
        (&all, None, Err((400, "account_required", "Missing X-Account-ID header"))),
        (&all, Some("initech"), Ok(())),
        (&one, Some("Not An Account"), Err((400, "account_invalid", "Invalid X-Account-ID header"))),
    ] {
        let client = holder(&world, key, account);
        let answer = client.get(STRIPE).await;
        let graphql = client.graphql("{ integration(by: {name: \"stripe\"}) { name } }", json!({})).await;
        match expected {
            Ok(()) => {
                answer.ok();
                assert_eq!(graphql.data()["integration"]["name"], "stripe");
            }
            Err((status, code, sentence)) => {
                answer.assert_refused(status, code, sentence);
                assert_eq!(graphql.graphql_code(), code.to_uppercase(), "{account:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_scope_that_is_lacking_is_named() {
    let world = world().await;
    let client = holder(&world, &key(&world, &["installations:read"], &["acme"]).await, None);
    let answer = client.post("/api/v1/integrations/stripe/install", &json!({})).await;
    answer.assert_refused(403, "forbidden", "The credentials lack the scope installations:write");
    client.get(STRIPE).await.ok();
}

#[tokio::test]
async fn an_expired_key_opens_nothing_and_only_its_holder_learns_why() {
    let world = world().await;
    let made = key(&world, &["admin"], &["acme"]).await;
    meddle(&world, &made, "expires_at = created_at").await;
    assert_unauthenticated(&holder(&world, &made, None).get(STRIPE).await, "Expired credentials");
    assert_unauthenticated(&bearer(&world, &forged(&made), None).get(STRIPE).await, "Invalid credentials");
}

#[tokio::test]
async fn a_scope_that_only_a_newer_version_knows_gives_no_right() {
    let world = world().await;
    let made = key(&world, &["installations:read"], &["acme"]).await;
    // As if a newer version had made the key, and signed it.
    meddle(&world, &made, "scopes = '[\"everything:new\"]', rights_mac = NULL").await;
    delete_adoption_note(&world).await;
    let answer = holder(&builder().beside(&world).await, &made, None).get(STRIPE).await;
    answer.assert_refused(403, "forbidden", "The credentials lack the scope installations:read");
}

#[tokio::test]
async fn a_row_that_somebody_broke_lets_nobody_in() {
    let world = world().await;
    for set in ["accounts = '[]'", "accounts = '[\"Bad\"]'", "accounts = '{}'", "scopes = '1'", "digest = name"] {
        let made = key(&world, &["admin"], &["acme"]).await;
        let set = if world.database.is_postgres() { set.replace("= name", "= ''::bytea") } else { set.to_owned() };
        meddle(&world, &made, &set).await;
        let answer = holder(&world, &made, Some("acme")).get(STRIPE).await;
        answer.assert_refused(500, "database_error", "Database error");
    }
}

#[tokio::test]
async fn a_revocation_holds_here_at_once_and_on_another_replica_within_a_second() {
    let world = world().await;
    let replica = builder().beside(&world).await;
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    let made = key(&world, &["admin"], &["acme"]).await;
    let (here, there) = (holder(&world, &made, None), holder(&replica, &made, None));
    here.get(STRIPE).await.ok();
    there.get(STRIPE).await.ok();
    revoke(&admin, Way::Rest, &made.key.public_id).await.expect("revoked");
    let revoked = Instant::now();
    assert_unauthenticated(&here.get(STRIPE).await, "Revoked credentials");
    eventually("the other replica refuses it", Duration::from_secs(1), async || there.get(STRIPE).await.status == 401)
        .await;
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
    assert_unauthenticated(&there.get(STRIPE).await, "Revoked credentials");
}

#[tokio::test]
async fn a_key_in_use_is_read_once_in_half_a_second_however_many_ask() {
    let world = world().await;
    let client = holder(&world, &key(&world, &["installations:read"], &["acme"]).await, None);
    let reads = |statements: &[String]| {
        statements.iter().filter(|s| s.contains("\"api_keys\"") && s.starts_with("SELECT")).count()
    };
    let started = Instant::now();
    let (answers, statements) = world.statements_of(join_all((0..50).map(|_| client.get(STRIPE)))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    // On a machine that is busy for longer it is read again.
    let periods = started.elapsed().as_millis() / 500 + 1;
    assert!(reads(&statements) as u128 <= periods, "{} in {periods} periods", reads(&statements));
    let (_, statements) = world
        .statements_of(async {
            tokio::time::sleep(Duration::from_millis(600)).await;
            client.get(STRIPE).await.ok();
        })
        .await;
    assert_eq!(reads(&statements), 1, "it is believed no longer");
}

#[tokio::test]
async fn while_the_database_is_away_nobody_is_let_in_and_nobody_is_told_that_a_key_is_wrong() {
    let world = world().await;
    let made = key(&world, &["admin"], &["acme"]).await;
    world.app.store().close().await;
    let stranger = ApiKeySecret::generate().expect("randomness");
    for text in [made.secret.expose(), &forged(&made), stranger.expose()] {
        for path in [LIST, PATH, "/api/v1/mcp-connections"] {
            let answer = bearer(&world, text, Some("acme")).get(path).await;
            answer.assert_refused(503, "database_unavailable", "Database unavailable");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
        let answer = bearer(&world, text, Some("acme")).graphql("{ __typename }", json!({})).await;
        assert_eq!((answer.status.as_u16(), &*answer.graphql_code()), (503, "DATABASE_ERROR"));
    }
    assert_unauthenticated(&bearer(&world, "pb_live_x", Some("acme")).get(LIST).await, "Invalid credentials");
}

#[tokio::test]
async fn a_failing_database_is_a_500_and_the_key_is_good_again_afterwards() {
    let world = world().await;
    let made = key(&world, &["admin"], &["acme"]).await;
    world.sql("ALTER TABLE api_keys RENAME TO hidden_away").await;
    holder(&world, &made, None).get(STRIPE).await.assert_refused(500, "database_error", "Database error");
    world.sql("ALTER TABLE hidden_away RENAME TO api_keys").await;
    eventually("its key is good again", Duration::from_secs(1), async || {
        holder(&world, &made, None).get(STRIPE).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn requests_of_one_key_that_wait_for_a_database_which_hangs_fail_together() {
    let settings = [("database.statement_timeout_ms", "1000")];
    let world = builder().set(&settings).start().await;
    if !world.database.is_postgres() {
        return skip("nobody can make readers of an SQLite file wait");
    }
    let made = key(&world, &["admin"], &["acme"]).await;
    let db = world.connect().await;
    let held = db.begin().await.expect("begun");
    held.execute_unprepared("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let client = holder(&world, &made, None);
    let started = Instant::now();
    let answers = join_all((0..40).map(|_| client.get(STRIPE))).await;
    assert!(started.elapsed() < Duration::from_secs(8), "one after the other: {:?}", started.elapsed());
    for answer in answers {
        answer.assert_refused(500, "database_error", "Database error");
    }
    held.rollback().await.expect("released");
    eventually("its key is good again", Duration::from_secs(2), async || client.get(STRIPE).await.status == 200).await;
}

#[tokio::test]
async fn the_last_use_is_noted_beside_the_requests_and_once_a_minute() {
    let world = world().await;
    let made = key(&world, &["installations:read"], &["acme"]).await;
    let client = holder(&world, &made, None);
    let noted = |statements: &[String]| {
        statements.iter().filter(|s| s.starts_with("UPDATE \"api_keys\" SET \"last_used_at\"")).count()
    };
    let ((), statements) = world
        .statements_of(async {
            join_all((0..20).map(|_| client.get(STRIPE))).await;
            eventually("its use is noted", Duration::from_secs(10), async || {
                row(&world, &made).await.last_used_at.is_some()
            })
            .await;
            let first = row(&world, &made).await.last_used_at;
            tokio::time::sleep(Duration::from_millis(600)).await;
            client.get(STRIPE).await.ok();
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            assert_eq!(row(&world, &made).await.last_used_at, first);
        })
        .await;
    assert_eq!(noted(&statements), 1);
    meddle(&world, &made, "last_used_at = '2026-01-01 00:00:00+00:00'").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    client.get(STRIPE).await.ok();
    eventually("a later use is noted", Duration::from_secs(10), async || {
        row(&world, &made).await.last_used_at.is_some_and(|at| at > made.key.created_at)
    })
    .await;
}

#[tokio::test]
async fn a_use_that_cannot_be_noted_fails_no_request() {
    let world = world().await;
    let made = key(&world, &["installations:read"], &["acme"]).await;
    let client = holder(&world, &made, None);
    client.get(STRIPE).await.ok();
    world.sql("ALTER TABLE api_keys RENAME COLUMN last_used_at TO hidden").await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    world.sql("ALTER TABLE api_keys RENAME COLUMN hidden TO last_used_at").await;
    client.get(STRIPE).await.ok();
    assert_eq!(row(&world, &made).await.last_used_at, None);
}

#[tokio::test]
async fn where_keys_are_not_taken_none_opens_anything() {
    let provider = r#"[{"issuer": "http://127.0.0.1:9", "audience": ["patchbay"], "account_claim": "org"}]"#;
    let settings = [("auth.mode", "jwt,open"), ("auth.issuers", provider), ("auth.pepper", super::PEPPER)];
    let world = World::with(&settings).await;
    let made = key(&world, &["admin"], &["acme"]).await;
    assert_unauthenticated(&holder(&world, &made, Some("acme")).get(STRIPE).await, "Invalid credentials");
}
