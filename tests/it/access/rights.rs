//! Rights of an API key that are changed in the database, behind the server's back.

use chrono::{TimeDelta, Utc};
use entity::api_key;
use patchbay::service::MadeKey;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use super::asking::{PATH, WAYS, Way, create, revoke};
use super::tokens::provider_world;
use super::{bearer, builder, holder, key, key_until, world};
use crate::support::World;

/// A replica that has not seen any key yet.
async fn replica(world: &World) -> World {
    builder().beside(world).await
}

async fn change(world: &World, key: &MadeKey, set: &str) {
    world.sql(&format!("UPDATE api_keys SET {set} WHERE public_id = '{}'", key.key.public_id)).await;
}

/// What `GET /api-keys` answers to the holder of the key.
async fn answer_to(world: &World, key: &MadeKey) -> (u16, String) {
    let answer = holder(world, key, Some("acme")).get(PATH).await;
    (answer.status.as_u16(), if answer.status == 200 { String::new() } else { answer.text() })
}

fn invalid() -> (u16, String) {
    (401, "Invalid credentials".to_owned())
}

fn in_force() -> (u16, String) {
    (200, String::new())
}

/// Deletes the note that older keys were adopted.
pub async fn delete_adoption_note(world: &World) {
    let empty = if world.database.is_postgres() { "''" } else { "x''" };
    world.sql(&format!("UPDATE key_checks SET wrapped = {empty} WHERE provider = 'pepper'")).await;
}

#[tokio::test]
async fn changed_rights_of_a_key_open_nothing() {
    let world = world().await;
    let other = key(&world, &["admin"], &[]).await;
    let other_mac = format!("(SELECT rights_mac FROM api_keys WHERE public_id = '{}')", other.key.public_id);
    let soon = Utc::now() + TimeDelta::hours(1);
    for set in [
        "scopes = '[\"admin\"]'",
        "scopes = '[\"keys:read\", \"secrets:read\"]'",
        "accounts = NULL, only_account = ''",
        "accounts = '[\"acme\", \"globex\"]', only_account = ''",
        "expires_at = NULL",
        "rate_per_minute = 1000000",
        "rights_mac = NULL",
        "scopes = '[\"admin\"]', rights_mac = NULL",
        &format!("scopes = '[\"admin\"]', accounts = NULL, only_account = '', rights_mac = {other_mac}"),
    ] {
        let made = key_until(&world, &["keys:read"], &["acme"], Some(soon)).await;
        assert_eq!(answer_to(&replica(&world).await, &made).await, in_force(), "{set}");
        change(&world, &made, set).await;
        let replica = replica(&world).await;
        assert_eq!(answer_to(&replica, &made).await, invalid(), "{set}");
        let metrics = replica.nobody().get("/metrics").await.text();
        assert!(metrics.contains("patchbay_api_keys_not_authentic_total 1"), "{set}: {metrics}");
        world.sql(&format!("DELETE FROM api_keys WHERE public_id = '{}'", made.key.public_id)).await;
    }
    assert_eq!(answer_to(&replica(&world).await, &other).await, in_force(), "one that nobody changed");
}

#[tokio::test]
async fn deleted_revocation_does_not_restore_a_key() {
    let world = world().await;
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    for way in WAYS {
        let made = key(&world, &["keys:read"], &["acme"]).await;
        revoke(&admin, way, &made.key.public_id).await.expect("revoked");
        assert_eq!(answer_to(&replica(&world).await, &made).await, (401, "Revoked credentials".to_owned()));
        for set in ["revoked_at = NULL, revoked_by = NULL", "revoked_at = NULL, rights_mac = NULL"] {
            change(&world, &made, set).await;
            assert_eq!(answer_to(&replica(&world).await, &made).await, invalid(), "{set}");
        }
    }
}

#[tokio::test]
async fn key_of_an_older_version_is_signed_at_the_first_start() {
    let world = world().await;
    let older = key(&world, &["keys:read"], &["acme"]).await;
    change(&world, &older, "rights_mac = NULL").await;
    delete_adoption_note(&world).await;
    let refusing = builder().set(&[("auth.adopt_unsigned_keys", "false")]).beside(&world).await;
    assert_eq!(answer_to(&refusing, &older).await, invalid(), "the operator turned adoption off");
    let first = replica(&world).await;
    assert_eq!(answer_to(&first, &older).await, in_force());
    // One that an older replica makes while the roll-out goes on.
    let later = key(&world, &["keys:read"], &["acme"]).await;
    change(&world, &later, "rights_mac = NULL").await;
    assert_eq!(answer_to(&first, &later).await, in_force());
    // Both are signed now.
    for key in [&older, &later] {
        assert_eq!(
            answer_to(&builder().set(&[("auth.adopt_unsigned_keys", "false")]).beside(&world).await, key).await,
            in_force()
        );
        change(&world, key, "scopes = '[\"admin\"]'").await;
        assert_eq!(answer_to(&replica(&world).await, key).await, invalid());
    }
}

/// A literal of these bytes.
fn literal(world: &World, bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if world.database.is_postgres() { format!("'\\x{hex}'") } else { format!("x'{hex}'") }
}

async fn code_of(world: &World, key: &MadeKey) -> Vec<u8> {
    let db = world.connect().await;
    let row = api_key::Entity::find_by_id(key.key.id).one(&db).await.expect("read").expect("a row");
    db.close().await.expect("closed");
    row.rights_mac.expect("a code")
}

/// Runs a statement in place of each update of a code. In it, `OLD` is the row.
async fn replace_updates_of_codes(world: &World, statement: &str) {
    let statements = if world.database.is_postgres() {
        vec![
            format!(
                "CREATE OR REPLACE FUNCTION overtake() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF pg_trigger_depth() > 1 THEN RETURN NEW; END IF; {statement}; RETURN NULL; END $$"
            ),
            "DROP TRIGGER IF EXISTS overtake ON api_keys".to_owned(),
            "CREATE TRIGGER overtake BEFORE UPDATE OF rights_mac ON api_keys FOR EACH ROW EXECUTE FUNCTION overtake()"
                .to_owned(),
        ]
    } else {
        vec![
            "DROP TRIGGER IF EXISTS overtake".to_owned(),
            format!(
                "CREATE TRIGGER overtake BEFORE UPDATE OF rights_mac ON api_keys \
                 BEGIN {statement}; SELECT RAISE(IGNORE); END"
            ),
        ]
    };
    for statement in statements {
        world.sql(&statement).await;
    }
}

#[tokio::test]
async fn row_that_changes_during_its_adoption_is_read_again() {
    let world = world().await;
    let mut made = vec![key(&world, &["keys:read"], &["acme"]).await];
    delete_adoption_note(&world).await;
    let replica = replica(&world).await;
    for _ in 1..4 {
        made.push(key(&world, &["keys:read"], &["acme"]).await);
    }
    let code = code_of(&world, &made[0]).await;
    for key in &made {
        change(&world, key, "rights_mac = NULL").await;
    }
    let update = |set: &str| format!("UPDATE api_keys SET {set} WHERE id = OLD.id");
    let signed = update(&format!("rights_mac = {}", literal(&world, &code)));
    let changed = update(&format!("scopes = '[\"admin\"]', rights_mac = {}", literal(&world, &code)));
    let revoked = update(&format!("revoked_at = created_at, rights_mac = {}", literal(&world, &[])));
    let deleted = "DELETE FROM api_keys WHERE id = OLD.id".to_owned();
    for (key, (statement, answer)) in made.iter().zip([
        (signed, in_force()),
        (changed, invalid()),
        (revoked, (401, "Revoked credentials".to_owned())),
        (deleted, invalid()),
    ]) {
        replace_updates_of_codes(&world, &statement).await;
        assert_eq!(answer_to(&replica, key).await, answer, "{statement}");
    }
}

#[tokio::test]
async fn unsigned_key_in_a_new_database_opens_nothing() {
    let world = world().await;
    let made = key(&world, &["keys:read"], &["acme"]).await;
    change(&world, &made, "rights_mac = NULL").await;
    assert_eq!(answer_to(&replica(&world).await, &made).await, invalid());
}

#[tokio::test]
async fn changed_rights_fail_the_standing_check() {
    let world = world().await;
    let made = key(&world, &["keys:read"], &["acme"]).await;
    let services = world.app.services();
    let principal = services.authenticate(made.secret.expose()).await.expect("in force");
    change(&world, &made, "scopes = '[\"admin\"]'").await;
    crate::support::eventually("it is refused", std::time::Duration::from_secs(5), async || {
        services.check_standing(&principal).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn key_revokes_no_key_with_scopes_that_it_lacks() {
    let world = world().await;
    let writer = holder(&world, &key(&world, &["keys:write", "catalog:read"], &["acme"]).await, None);
    let admin = key(&world, &["admin"], &["acme"]).await;
    let reader = key(&world, &["catalog:read"], &["acme"]).await;
    let lacking = "The credentials lack the scope admin, so they cannot revoke a key that has it".to_owned();
    for way in WAYS {
        let refused = revoke(&writer, way, &admin.key.public_id).await;
        assert_eq!(refused, Err(("forbidden".to_owned(), vec![lacking.clone()])));
        assert_eq!(answer_to(&replica(&world).await, &admin).await, in_force());
        // One of its own kind, also twice.
        revoke(&writer, way, &reader.key.public_id).await.expect("revoked");
    }
    // A key may end itself.
    let own = key(&world, &["keys:write"], &["acme"]).await;
    revoke(&holder(&world, &own, None), Way::Rest, &own.key.public_id).await.expect("revoked");
}

#[tokio::test]
async fn rate_of_a_key_is_bounded_by_its_maker() {
    let limits = [("limits.rate", "true"), ("limits.requests_per_minute", "500")];
    let world = builder().set(&limits).start().await;
    let operator = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    let account = holder(&world, &key(&world, &["admin"], &["acme"]).await, None);
    let wish = |rate: Value| json!({"name": "x", "scopes": ["keys:write"], "rate_per_minute": rate});
    let refused = |most: u32| {
        let sentence = format!(
            "The credentials may give a key at most {most} requests a minute: a higher rate is the operator's to give"
        );
        Err(("forbidden".to_owned(), vec![sentence]))
    };
    for way in WAYS {
        for (client, rate, expected) in [
            (&operator, json!(100_000), Ok(json!(100_000))),
            (&operator, Value::Null, Ok(Value::Null)),
            (&account, json!(500), Ok(json!(500))),
            (&account, json!(1), Ok(json!(1))),
            (&account, Value::Null, Ok(Value::Null)),
            (&account, json!(501), refused(500)),
        ] {
            let made = create(client, way, &wish(rate.clone())).await;
            assert_eq!(made.map(|made| made["api_key"]["rate_per_minute"].clone()), expected, "{rate}");
        }
        for rate in [json!(0), json!(1_000_001)] {
            let problem = vec!["/rate_per_minute must be 1 to 1000000".to_owned()];
            assert_eq!(create(&operator, way, &wish(rate)).await, Err(("api_key_invalid".to_owned(), problem)));
        }
        // A maker with a lower rate gives no more than that.
        let slow = create(&operator, way, &wish(json!(20))).await.expect("made");
        let slow = bearer(&world, slow["key"].as_str().expect("key"), None);
        let made = create(&slow, way, &wish(Value::Null)).await.expect("made");
        assert_eq!(made["api_key"]["rate_per_minute"], 20);
        assert_eq!(create(&slow, way, &wish(json!(21))).await, refused(20));
    }
}

#[tokio::test]
async fn key_made_with_a_token_has_an_end() {
    let (world, token) = provider_world(&[("auth.max_key_days", "30")], "keys:write catalog:read").await;
    let client = bearer(&world, &token, Some("acme"));
    let wish = |end: Value| json!({"name": "x", "scopes": ["catalog:read"], "expires_at": end});
    let days = |days: i64| Utc::now() + TimeDelta::days(days);
    for way in WAYS {
        let made = create(&client, way, &wish(Value::Null)).await.expect("made");
        let end =
            made["api_key"]["expires_at"].as_str().expect("an end").parse::<chrono::DateTime<Utc>>().expect("time");
        assert!(days(29) < end && end <= days(30), "{end}");
        create(&client, way, &wish(json!(days(29)))).await.expect("made");
        let problem = "/expires_at must be at most 30 days ahead for a key that is made with a token".to_owned();
        let refused = create(&client, way, &wish(json!(days(31)))).await;
        assert_eq!(refused, Err(("api_key_invalid".to_owned(), vec![problem])));
    }
    let (world, token) = provider_world(&[("auth.max_key_days", "0")], "keys:write catalog:read").await;
    let made = create(&bearer(&world, &token, Some("acme")), Way::Rest, &wish(Value::Null)).await.expect("made");
    assert_eq!(made["api_key"]["expires_at"], Value::Null);
}

#[tokio::test]
async fn ended_keys_are_deleted_after_the_retention() {
    let world = world().await;
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    let keys = world.app.services().api_keys();
    let mut ended = Vec::new();
    for set in ["revoked_at = created_at", "expires_at = created_at"] {
        ended.push(key(&world, &["keys:read"], &["acme"]).await);
        change(&world, ended.last().expect("a key"), set).await;
    }
    let kept = key_until(&world, &["keys:read"], &["acme"], Some(Utc::now() + TimeDelta::days(1))).await;
    let newest = key(&world, &["keys:read"], &["acme"]).await;
    change(&world, &newest, "revoked_at = created_at").await;
    assert_eq!(keys.tidy(None).await.expect("tidied"), 0);
    assert_eq!(keys.tidy(Some(Utc::now() - TimeDelta::hours(1))).await.expect("tidied"), 0);
    assert_eq!(keys.tidy(Some(Utc::now())).await.expect("tidied"), 2);
    for gone in &ended {
        assert!(revoke(&admin, Way::Rest, &gone.key.public_id).await.is_err());
    }
    for there in [&kept, &newest] {
        revoke(&admin, Way::Rest, &there.key.public_id).await.expect("there");
    }
}
