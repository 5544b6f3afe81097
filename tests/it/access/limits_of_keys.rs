//! How many keys there may be, also when several are made at once.

use entity::api_key;
use futures_util::future::join_all;
use sea_orm::{EntityTrait, Set};
use serde_json::json;
use uuid::Uuid;

use super::asking::{Way, create, revoke};
use super::{builder, holder, key, world};
use crate::support::World;

/// Puts so many keys of an account into the table.
async fn fill(world: &World, account: &str, count: usize) {
    let row = |n: usize| api_key::ActiveModel {
        id: Set(Uuid::now_v7()),
        public_id: Set(format!("{n:08}")),
        digest: Set(vec![0; 32]),
        name: Set("filler".into()),
        scopes: Set(json!(["keys:read"])),
        accounts: Set(Some(json!([account]))),
        only_account: Set(account.into()),
        created_at: Set(chrono::Utc::now()),
        created_by: Set("test".into()),
        expires_at: Set(None),
        last_used_at: Set(None),
        revoked_at: Set(None),
        revoked_by: Set(None),
        rights_mac: Set(None),
        rate_per_minute: Set(None),
    };
    let db = world.connect().await;
    api_key::Entity::insert_many((0..count).map(row)).exec_without_returning(&db).await.expect("filled");
    db.close().await.expect("closed");
}

#[tokio::test]
async fn an_account_has_at_most_a_thousand_keys_in_force_also_when_many_are_made_at_once() {
    let world = world().await;
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    fill(&world, "acme", 998).await;
    let wish = json!({"name": "x", "scopes": ["keys:read"]});
    let made = join_all((0..6).map(|_| create(&admin, Way::Rest, &wish))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 2, "{made:?}");
    let sentence = "/accounts have 1000 keys in force, the most there may be: revoke one first".to_owned();
    let full = Err(("api_key_invalid".to_owned(), vec![sentence]));
    for way in [Way::Rest, Way::Graphql] {
        assert_eq!(create(&admin, way, &wish).await, full);
        let other = json!({"name": "x", "scopes": ["keys:read"], "accounts": ["globex"]});
        create(&admin, way, &other).await.expect("another account is not full");
        let several = json!({"name": "x", "scopes": ["keys:read"], "accounts": ["globex", "acme"]});
        create(&admin, way, &several).await.expect("nor are all together");
    }
    revoke(&admin, Way::Rest, "00000007").await.expect("revoked");
    create(&admin, Way::Rest, &wish).await.expect("there is room again");
    world.sql("UPDATE api_keys SET expires_at = created_at WHERE public_id = '00000008'").await;
    create(&admin, Way::Rest, &wish).await.expect("one that expired makes room, too");
    assert_eq!(create(&admin, Way::Rest, &wish).await, full);
}

#[tokio::test]
async fn keys_revoked_by_several_at_once_are_revoked_once() {
    let world = world().await;
    let admin = holder(&world, &key(&world, &["admin"], &[]).await, Some("acme"));
    let made = key(&world, &["admin"], &["acme"]).await;
    let revoked = join_all((0..8).map(|_| revoke(&admin, Way::Rest, &made.key.public_id))).await;
    assert!(revoked.iter().all(|one| one.is_ok() && *one == revoked[0]), "{revoked:?}");
}

#[tokio::test]
async fn of_many_first_starts_at_once_on_two_replicas_one_gets_a_key() {
    let world = world().await;
    let replica = builder().beside(&world).await;
    let starts = [&world, &replica].into_iter().cycle().take(16);
    let made = join_all(starts.map(|world| world.app.services().api_keys().create_first())).await;
    let made = made.into_iter().filter_map(|made| made.unwrap_or_else(|error| panic!("{error:?}")));
    assert_eq!(made.count(), 1);
}
