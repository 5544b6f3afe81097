//! Looking at the rows, and at what is sealed in them, behind the server's back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use entity::{account_key, account_revision, installation, installation_secret, integration};
use patchbay::domain::{AccountId, ActorKind, Call, IntegrationId, SecretName};
use patchbay::vault::{CacheSettings, DataKey, Keyring, LOCAL, Local, SecretPlace, Vault, WrappedKey, counter_of};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::Value;

use super::World;

impl World {
    /// Every row of the account in every tenant table, as text to compare.
    pub async fn rows_of(&self, account: &str) -> String {
        let db = self.connect().await;
        let installations = installation::Entity::find()
            .filter(installation::Column::AccountId.eq(account))
            .order_by_asc(installation::Column::IntegrationId)
            .all(&db)
            .await
            .expect("installations");
        let revision = account_revision::Entity::find_by_id(account).one(&db).await.expect("revision");
        db.close().await.expect("closed");
        let (secrets, keys) = (self.secrets_of(account).await, self.keys_of(account).await);
        format!("{installations:#?}\n{revision:#?}\n{secrets:#?}\n{keys:#?}")
    }

    /// The sealed rows of the account, by integration and name.
    pub async fn secrets_of(&self, account: &str) -> Vec<installation_secret::Model> {
        let db = self.connect().await;
        let rows = installation_secret::Entity::find()
            .filter(installation_secret::Column::AccountId.eq(account))
            .order_by_asc(installation_secret::Column::IntegrationId)
            .order_by_asc(installation_secret::Column::Name)
            .all(&db)
            .await
            .expect("secrets");
        db.close().await.expect("closed");
        rows
    }

    /// The wrapped data keys of the account.
    pub async fn keys_of(&self, account: &str) -> Vec<account_key::Model> {
        let db = self.connect().await;
        let rows = account_key::Entity::find()
            .filter(account_key::Column::AccountId.eq(account))
            .order_by_asc(account_key::Column::KeyId)
            .all(&db)
            .await
            .expect("keys");
        db.close().await.expect("closed");
        rows
    }

    /// The rows of the shared catalog, by name.
    pub async fn catalog_rows(&self) -> Vec<integration::Model> {
        let db = self.connect().await;
        let rows = integration::Entity::find().order_by_asc(integration::Column::Name).all(&db).await.expect("catalog");
        db.close().await.expect("closed");
        rows
    }

    /// Runs a statement that both databases understand.
    pub async fn sql(&self, statement: &str) {
        let db = self.connect().await;
        db.execute_unprepared(statement).await.unwrap_or_else(|e| panic!("{e}: {statement}"));
        db.close().await.expect("closed");
    }

    /// A vault over the key ring of this world.
    pub fn vault(&self) -> Vault {
        vault(Keyring::read(&self.folder.path().join("keyring.json")).expect("key ring"))
    }

    /// The account's only data key, unwrapped.
    pub async fn data_key_of(&self, account: &str) -> Arc<DataKey> {
        let keys = self.keys_of(account).await;
        assert_eq!(keys.len(), 1, "one data key of {account}");
        self.vault().data_key(&account_id(account), &wrapped(&keys[0])).await.expect("unwrapped")
    }

    /// Every secret of the account, opened, by the integration's id and the secret's name.
    pub async fn open_secrets_of(&self, account: &str) -> BTreeMap<(String, String), Value> {
        let rows = self.secrets_of(account).await;
        if rows.is_empty() {
            return BTreeMap::new();
        }
        let key = self.data_key_of(account).await;
        let open = |row: &installation_secret::Model| {
            let opened = open(&key, row).unwrap_or_else(|| panic!("{} does not open", row.name));
            ((row.integration_id.to_string(), row.name.clone()), opened)
        };
        rows.iter().map(open).collect()
    }
}

/// A vault over a key ring that is known to be the right one.
pub fn vault(ring: Keyring) -> Vault {
    let vault = Vault::new(vec![Arc::new(Local::new(ring))], CacheSettings { entries: 0, ttl: Duration::ZERO });
    vault.trust(LOCAL);
    vault
}

/// The value of a row at the place that the row names; `None` when it does not open there.
pub fn open(key: &DataKey, row: &installation_secret::Model) -> Option<Value> {
    let place = SecretPlace {
        account: &account_id(&row.account_id),
        integration: IntegrationId(row.integration_id),
        connection: &row.connection,
        name: &SecretName::parse(&row.name).expect("name"),
        counter: counter_of(&row.sealed),
    };
    let plain = key.open(&place, &row.sealed).ok()?;
    Some(serde_json::from_slice(plain.expose()).expect("JSON"))
}

/// A stored data key, as the vault takes it.
pub fn wrapped(row: &account_key::Model) -> WrappedKey {
    WrappedKey {
        key_id: u32::try_from(row.key_id).expect("u32"),
        provider: row.provider.clone(),
        kek_ref: row.kek_ref.clone(),
        bytes: row.wrapped.clone(),
    }
}

pub fn account_id(text: &str) -> AccountId {
    AccountId::parse(text).expect("account")
}

/// On behalf of the test itself, with every right.
pub fn call() -> Call {
    Call::trusted(ActorKind::System, "test")
}
