//! Making, listing and revoking keys: the same rules in both ways.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::asking::{PATH, WAYS, Way, create, list, names, revoke};
use super::{bearer, holder, key, key_until, world};
use crate::support::World;

fn wish(name: &str, scopes: &[&str]) -> Value {
    json!({"name": name, "scopes": scopes})
}

fn refused(code: &str, sentence: &str) -> Result<Value, (String, Vec<String>)> {
    Err((code.to_owned(), vec![sentence.to_owned()]))
}

fn not_found() -> Result<Value, (String, Vec<String>)> {
    refused("api_key_not_found", "API key not found")
}

#[tokio::test]
async fn a_key_is_made_shown_once_used_listed_and_revoked() {
    for way in WAYS {
        let world = world().await;
        let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
        let end = "2099-01-31T00:00:00Z";
        let wanted = json!({"name": " worker ", "scopes": ["installations:read", "keys:read"], "expires_at": end});
        let made = create(&admin, way, &wanted).await.expect("made");
        let (text, made) = (made["key"].as_str().expect("key").to_owned(), made["api_key"].clone());
        assert_eq!(made["name"], "worker");
        assert_eq!(made["scopes"], json!(["installations:read", "keys:read"]));
        assert_eq!((&made["accounts"], &made["all_accounts"]), (&json!(["acme"]), &json!(false)));
        assert_eq!(made["expires_at"], end);
        assert!(made["created_by"].as_str().is_some_and(|by| by.starts_with("api_key:")), "{made}");
        for field in ["last_used_at", "revoked_at", "revoked_by"] {
            assert_eq!(made[field], Value::Null, "{field}");
        }
        // The account goes without saying: the key has but one.
        let worker = bearer(&world, &text, None);
        worker.get("/api/v1/integrations/stripe").await.ok();
        let listed = list(&worker, way, None, None).await.expect("listed");
        assert_eq!(listed["api_keys"].as_array().map(Vec::len), Some(1), "the admin's own key is for more accounts");
        assert_eq!(listed["api_keys"][0]["id"], made["id"]);
        assert_eq!(listed["next_cursor"], Value::Null);
        assert!(!listed.to_string().contains(&text[17..]), "the secret is listed");
        let revoked = revoke(&admin, way, made["public_id"].as_str().expect("id")).await.expect("revoked");
        assert!(revoked["api_key"]["revoked_at"].is_string() && revoked["api_key"]["revoked_by"].is_string());
        worker.get(PATH).await.assert_refused(401, "unauthenticated", "Revoked credentials");
        // Again, and by the other id: it stays as it is.
        assert_eq!(revoke(&admin, way, made["id"].as_str().expect("id")).await, Ok(revoked));
    }
}

#[tokio::test]
async fn a_new_key_is_never_kept_by_a_cache_and_answered_with_201() {
    let world = world().await;
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    let made = admin.post(PATH, &wish("x", &["admin"])).await;
    assert_eq!((made.status.as_u16(), made.header("cache-control")), (201, Some("no-store")));
    assert_eq!(made.headers.get_all("cache-control").iter().count(), 1);
}

#[tokio::test]
async fn a_key_gives_no_more_than_it_has() {
    let world = world().await;
    let soon = Utc::now() + TimeDelta::hours(1);
    let limited = key_until(&world, &["keys:write", "installations:read"], &["acme", "globex"], Some(soon)).await;
    let limited = holder(&world, &limited, Some("acme"));
    let (before, after) = (soon - TimeDelta::seconds(1), soon + TimeDelta::seconds(1));
    let with = |part: Value| {
        let mut wish = json!({"name": "x", "scopes": ["installations:read"], "expires_at": before});
        wish.as_object_mut().expect("object").extend(part.as_object().expect("object").clone());
        wish
    };
    let lacks = |scope: &str| format!("The credentials lack the scope {scope}, so they cannot give it to a key");
    const ACCOUNTS: &str = "The credentials do not cover all accounts of the key";
    const EXPIRY: &str = "A key cannot outlive the key that makes it";
    for (part, sentence) in [
        (json!({"scopes": ["installations:read", "secrets:read"]}), lacks("secrets:read")),
        (json!({"scopes": ["admin"]}), lacks("admin")),
        (json!({"accounts": ["acme", "initech"]}), ACCOUNTS.into()),
        (json!({"all_accounts": true}), ACCOUNTS.into()),
        (json!({"expires_at": after}), EXPIRY.into()),
        (json!({"expires_at": null}), EXPIRY.into()),
    ] {
        for way in WAYS {
            assert_eq!(create(&limited, way, &with(part.clone())).await, refused("forbidden", &sentence), "{part}");
        }
    }
    for part in [json!({}), json!({"accounts": ["globex", "acme"]}), json!({"expires_at": soon})] {
        for way in WAYS {
            create(&limited, way, &with(part.clone())).await.unwrap_or_else(|e| panic!("{part}: {e:?}"));
        }
    }
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    let everything = json!({"name": "x", "scopes": ["admin"], "all_accounts": true});
    for way in WAYS {
        assert_eq!(create(&admin, way, &everything).await.expect("made")["api_key"]["all_accounts"], true);
    }
}

#[tokio::test]
async fn every_operation_needs_its_scope() {
    let world = world().await;
    let lacking = |scope: &str| refused("forbidden", &format!("The credentials lack the scope {scope}"));
    let reader = holder(&world, &key(&world, &["keys:read"], &["acme"]).await, None);
    let writer = holder(&world, &key(&world, &["keys:write"], &["acme"]).await, None);
    for way in WAYS {
        assert_eq!(create(&reader, way, &wish("x", &["keys:read"])).await, lacking("keys:write"));
        assert_eq!(revoke(&reader, way, "12345678").await, lacking("keys:write"));
        assert_eq!(list(&writer, way, None, None).await, lacking("keys:read"));
        list(&reader, way, None, None).await.expect("listed");
        create(&writer, way, &wish("x", &["keys:write"])).await.expect("made");
    }
}

#[tokio::test]
async fn a_wish_that_cannot_be_granted_is_told_field_by_field_and_makes_nothing() {
    let world = world().await;
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    const NAME: &str = "/name must have 1 to 100 characters, none of them a control, direction or zero-width character";
    const SCOPES: &str = "/scopes must be one or more of catalog:read, catalog:write, installations:read, \
        installations:write, secrets:read, secrets:purge, audit:read, keys:read, keys:write, admin";
    const ACCOUNTS: &str = "/accounts must be 1 to 100 well-formed account ids";
    const EXPIRES: &str = "/expires_at must lie in the future, before the year 10000";
    let many: Vec<_> = (0..101).map(|n| format!("a{n}")).collect();
    for (wanted, problems) in [
        (
            json!({"name": "", "scopes": [], "accounts": [], "expires_at": "2020-01-01T00:00:00Z"}),
            vec![NAME, SCOPES, ACCOUNTS, EXPIRES],
        ),
        (json!({"name": "x".repeat(101), "scopes": ["CANARY"]}), vec![NAME, SCOPES]),
        (json!({"name": "a\u{0}b", "scopes": ["admin"]}), vec![NAME]),
        (json!({"name": "x", "scopes": ["admin"], "accounts": many}), vec![ACCOUNTS]),
        (json!({"name": "x", "scopes": ["admin"], "accounts": ["CANARY"]}), vec![ACCOUNTS]),
        (json!({"name": "x", "scopes": ["admin"], "accounts": ["_operator"]}), vec![ACCOUNTS]),
    ] {
        let expected = Err(("api_key_invalid".to_owned(), problems.iter().map(|p| (*p).to_owned()).collect()));
        for way in WAYS {
            assert_eq!(create(&admin, way, &wanted).await, expected, "{wanted}");
        }
    }
    let both = json!({"name": "x", "scopes": ["admin"], "accounts": ["acme"], "all_accounts": true});
    for way in WAYS {
        let expected = refused("bad_user_input", "Give either a list of accounts or all accounts");
        assert_eq!(create(&admin, way, &both).await, expected);
    }
    for body in ["", "null", "[]", "{}", "{\"name\": 1}", "{\"name\": \"x\", \"scopes\": \"CANARY\"}", "CANARY"] {
        let answer = admin.post_text(PATH, body).await;
        assert_eq!((answer.status.as_u16(), answer.error_code()), (400, "bad_user_input"), "{body}");
        assert!(!answer.text().contains("CANARY"));
    }
    let large = admin.post(PATH, &wish(&"x".repeat(300_000), &["admin"])).await;
    assert_eq!(large.status, 413);
    let plain = admin.clone().header("content-type", "text/plain").post_text(PATH, "{}").await;
    assert_eq!(plain.status, 415);
    assert_eq!(names(&admin, Way::Rest, 50).await, ["a key of the tests"]);
}

/// A furnished world: keys by name, and who sees them.
async fn populated() -> World {
    let world = world().await;
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    for (name, accounts) in [
        ("a", json!(["acme"])),
        ("g", json!(["globex"])),
        ("ag", json!(["acme", "globex"])),
        ("agi", json!(["acme", "globex", "initech"])),
        ("i", json!(["initech"])),
    ] {
        let wanted = json!({"name": name, "scopes": ["keys:read", "keys:write"], "accounts": accounts});
        create(&admin, Way::Rest, &wanted).await.expect("made");
    }
    world
}

#[tokio::test]
async fn a_key_is_visible_to_those_who_may_act_for_all_its_accounts_and_does_not_exist_for_others() {
    let world = populated().await;
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    let mut ids = std::collections::BTreeMap::new();
    for account in ["acme", "globex", "initech"] {
        let admin = bearer(&world, &text_of(&world, &["admin"], &[]).await, Some(account));
        let page = list(&admin, Way::Rest, Some(200), None).await.expect("page");
        for key in page["api_keys"].as_array().expect("list") {
            let text = |field: &str| key[field].as_str().expect("text").to_owned();
            ids.insert(text("name"), (text("id"), text("public_id")));
            // Those of the tests themselves have one name.
        }
    }
    for (accounts, asks_as, sees) in [
        (&["acme"][..], "acme", &["a"][..]),
        (&["globex"], "globex", &["g"]),
        (&["acme", "globex"], "acme", &["a", "ag"]),
        (&["acme", "globex"], "globex", &["g", "ag"]),
        (&["acme", "globex", "initech"], "initech", &["agi", "i"]),
        (&["umbrella"], "umbrella", &[]),
    ] {
        let text = text_of(&world, &["keys:read", "keys:write"], accounts).await;
        let client = bearer(&world, &text, Some(asks_as));
        for way in WAYS {
            for limit in [1, 50] {
                let mut seen = names(&client, way, limit).await;
                // Those that these very tests ask with are there, too.
                seen.retain(|name| name != "a key of the tests");
                seen.sort_unstable();
                let mut expected = sees.to_vec();
                expected.sort_unstable();
                assert_eq!(seen, expected, "{accounts:?} as {asks_as}");
            }
            for (name, (id, public_id)) in ids.iter().filter(|(name, _)| !sees.contains(&name.as_str())) {
                for id in [id, public_id] {
                    assert_eq!(revoke(&client, way, id).await, not_found(), "{accounts:?} as {asks_as}: {name}");
                }
            }
        }
    }
    // Nobody revoked anything.
    let page = list(&admin, Way::Rest, Some(200), None).await.expect("page");
    assert!(page["api_keys"].as_array().expect("list").iter().all(|key| key["revoked_at"].is_null()));
}

async fn text_of(world: &World, scopes: &[&str], accounts: &[&str]) -> String {
    key(world, scopes, accounts).await.secret.expose().to_owned()
}

#[tokio::test]
async fn what_names_no_key_is_answered_like_a_key_that_never_was() {
    let world = world().await;
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    let never = ["0193a5c0-7b1e-7c3a-9d52-0d6f6f0e7a11", "12345678"];
    let malformed = ["1234567", "123456789", "%00", "a'b", "0193a5c07b1e7c3a9d520d6f6f0e7a11", "..", "%F0%9F%92%A9"];
    for id in never.into_iter().chain(malformed) {
        assert_eq!(revoke(&admin, Way::Rest, id).await, not_found(), "{id}");
        assert_eq!(revoke(&admin, Way::Graphql, id).await, not_found(), "{id}");
    }
    assert_eq!(revoke(&admin, Way::Rest, "%FF").await, not_found());
    assert_eq!(revoke(&admin, Way::Rest, &"x".repeat(5_000)).await, not_found());
}

#[tokio::test]
async fn pages_follow_each_other_newest_first_and_keep_to_their_account() {
    let world = world().await;
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    for n in 0..7 {
        create(&admin, Way::Rest, &wish(&format!("{n}"), &["admin"])).await.expect("made");
    }
    let client = holder(&world, &key(&world, &["keys:read"], &["acme"]).await, None);
    let other = holder(&world, &key(&world, &["keys:read"], &["globex"]).await, None);
    for way in WAYS {
        for limit in [1, 3, 7, 8, 200] {
            let seen = names(&client, way, limit).await;
            assert_eq!(seen, ["a key of the tests", "6", "5", "4", "3", "2", "1", "0"], "{limit}");
        }
        let page = list(&client, way, Some(2), None).await.expect("page");
        let cursor = page["next_cursor"].as_str().expect("more").to_owned();
        for (client, limit, cursor) in [
            (&client, Some(0), None),
            (&client, Some(201), None),
            (&client, Some(-1), None),
            (&client, None, Some("")),
            (&client, None, Some("bm9ib2R5")),
            (&other, None, Some(cursor.as_str())),
        ] {
            let (code, _) = list(client, way, limit, cursor).await.expect_err("refused");
            assert_eq!(code, "bad_user_input", "{limit:?} {cursor:?}");
        }
    }
}

#[tokio::test]
async fn both_ways_show_the_same_list() {
    let world = populated().await;
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    let expected = list(&admin, Way::Rest, None, None).await.expect("listed");
    let mut graphql = list(&admin, Way::Graphql, None, None).await.expect("listed");
    assert_eq!(graphql["api_keys"].as_array().map(Vec::len), Some(5));
    assert_eq!(graphql["api_keys"].take(), expected["api_keys"]);
}

#[tokio::test]
async fn in_mode_open_anyone_makes_keys_and_without_a_pepper_nobody() {
    let world = World::with(&[("auth.pepper", super::PEPPER)]).await;
    let anyone = world.account("acme");
    for way in WAYS {
        let made = create(&anyone, way, &wish("x", &["admin"])).await.expect("made");
        assert_eq!(made["api_key"]["created_by"], "anonymous");
    }
    let world = World::start().await;
    if world.database.is_postgres() {
        for way in WAYS {
            let expected = refused("forbidden", "This server keeps no API keys: auth.pepper is not set");
            assert_eq!(create(&world.account("acme"), way, &wish("x", &["admin"])).await, expected);
        }
    }
}
