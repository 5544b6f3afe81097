//! The tenant wall: tenant rows are read and written through a handle that knows its account.
//!
//! No method takes an account id; there is no way to ask for another account's rows. A handle cannot be forged, nor
//! an account passed to a read:
//! ```compile_fail,E0451
//! # fn f(store: patchbay::store::Store, account: patchbay::domain::AccountId) {
//! let forged = patchbay::store::TenantStore { store, account };
//! # }
//! ```
//! ```compile_fail,E0061
//! # async fn f(tenant: patchbay::store::TenantStore, other: patchbay::domain::AccountId) {
//! let rows = tenant.installations(&other).await;
//! # }
//! ```
//! ```compile_fail,E0308
//! # use patchbay::domain::{Plain, SecretChange, SecretName, Sealed};
//! # fn f(name: SecretName, plain: Plain) {
//! let change: SecretChange<Sealed> = SecretChange { name, value: Some(plain) };
//! # }
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, DeleteMany, EntityName, EntityTrait, Insert,
    InsertMany, QueryFilter, QueryResult, Select, Statement, UpdateMany, Value,
};

use super::{Receipt, Store};
use crate::domain::AccountId;

/// A table whose rows belong to accounts.
pub(super) trait TenantOwned: EntityTrait {
    /// The column that says whose row it is.
    const ACCOUNT: Self::Column;
}

/// A tenant table whose rows may be deleted by whom they belong to. The audit log is none.
pub(super) trait Erasable: TenantOwned {}

/// A tenant table of which single columns are changed. The audit log is none.
pub(super) trait Amendable: TenantOwned {}

macro_rules! tenant_owned {
    ($($table:ident),+) => {$(
        impl TenantOwned for ::entity::$table::Entity {
            const ACCOUNT: Self::Column = ::entity::$table::Column::AccountId;
        }
    )+

        /// The names of all of them.
        pub(super) fn tenant_tables() -> Vec<&'static str> {
            vec![$(::entity::$table::Entity.table_name()),+]
        }
    };
}

tenant_owned!(
    account_revision,
    installation,
    installation_secret,
    account_key,
    audit_event,
    own_integration,
    idempotency_key
);

impl Amendable for ::entity::account_key::Entity {}
impl Amendable for ::entity::account_revision::Entity {}
impl Amendable for ::entity::installation::Entity {}
impl Amendable for ::entity::installation_secret::Entity {}
impl Amendable for ::entity::own_integration::Entity {}

impl Erasable for ::entity::installation::Entity {}
impl Erasable for ::entity::installation_secret::Entity {}
impl Erasable for ::entity::own_integration::Entity {}
impl Erasable for ::entity::idempotency_key::Entity {}

/// One account's part of the database.
#[derive(Clone)]
pub struct TenantStore {
    pub(super) store: Store,
    account: AccountId,
    /// Written with the next change.
    receipt: Option<Arc<Receipt>>,
}

#[expect(clippy::disallowed_methods, reason = "the one place that builds tenant statements, each with its account")]
impl TenantStore {
    pub(super) fn new(store: Store, account: AccountId) -> Self {
        Self { store, account, receipt: None }
    }

    /// Whose part this is.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The same handle, with a receipt that is written in the transaction of the next change.
    pub fn carrying(&self, receipt: Receipt) -> Self {
        Self { receipt: Some(Arc::new(receipt)), ..self.clone() }
    }

    pub(super) fn carried_receipt(&self) -> Option<&Receipt> {
        self.receipt.as_deref()
    }

    pub(super) fn select<E: TenantOwned>(&self) -> Select<E> {
        E::find().filter(E::ACCOUNT.eq(self.account.as_str()))
    }

    pub(super) fn insert<A>(&self, row: A) -> Insert<A>
    where
        A: ActiveModelTrait,
        A::Entity: TenantOwned,
    {
        Insert::one(self.owned(row))
    }

    pub(super) fn update<E: Amendable>(&self) -> UpdateMany<E> {
        E::update_many().filter(E::ACCOUNT.eq(self.account.as_str()))
    }

    pub(super) fn delete<E: Erasable>(&self) -> DeleteMany<E> {
        E::delete_many().filter(E::ACCOUNT.eq(self.account.as_str()))
    }

    /// Runs a statement written out by hand, for the hot paths: its text is made once. The account is `$1`.
    pub(super) async fn query(
        &self,
        on: &impl ConnectionTrait,
        sql: &'static str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let values = std::iter::once(Value::from(self.account.as_str())).chain(values);
        on.query_all_raw(Statement::from_sql_and_values(on.get_database_backend(), sql, values)).await
    }

    fn owned<A>(&self, mut row: A) -> A
    where
        A: ActiveModelTrait,
        A::Entity: TenantOwned,
    {
        row.set(<A::Entity as TenantOwned>::ACCOUNT, self.account.as_str().into());
        row
    }
}

/// Rows of several accounts in one statement, each under the account of its own handle.
#[expect(clippy::disallowed_methods, reason = "each row gets its account here")]
pub(super) fn insert_for_each<'a, A>(rows: impl IntoIterator<Item = (&'a TenantStore, A)>) -> InsertMany<A>
where
    A: ActiveModelTrait,
    A::Entity: TenantOwned,
{
    Insert::many(rows.into_iter().map(|(tenant, row)| tenant.owned(row)))
}

/// The revisions of these accounts, where they have one: numbers alone, so that requests of several accounts can share a
/// statement. Each is handed to the handle that asked, by `revisions` and `writer`.
#[expect(clippy::disallowed_methods, reason = "names the accounts that asked")]
pub(super) async fn revisions_of(
    on: &impl ConnectionTrait,
    accounts: &[&AccountId],
) -> Result<HashMap<AccountId, i64>, DbErr> {
    let accounts = accounts.iter().map(|account| account.as_str());
    let backend = on.get_database_backend();
    // One text whatever the number of accounts, so that it is prepared once.
    let (sql, asked) = match backend {
        DbBackend::Sqlite => (
            r#"SELECT "account_id", "revision" FROM json_each($1) AS "asked"
                CROSS JOIN "account_revisions" ON "account_id" = "asked"."value""#,
            Value::from(serde_json::Value::from_iter(accounts)),
        ),
        _ => (
            r#"SELECT "account_id", "revision" FROM "account_revisions" WHERE "account_id" = ANY($1)"#,
            Value::from(accounts.map(str::to_owned).collect::<Vec<_>>()),
        ),
    };
    let rows = on.query_all_raw(Statement::from_sql_and_values(backend, sql, [asked])).await?;
    let revision = |row: &QueryResult| {
        let account = AccountId::parse(&row.try_get_by_index::<String>(0)?);
        let account = account.ok_or_else(|| DbErr::Type("account_revisions.account_id is malformed".into()))?;
        Ok((account, row.try_get_by_index(1)?))
    };
    rows.iter().map(revision).collect()
}
