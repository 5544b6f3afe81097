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

use sea_orm::{ActiveModelTrait, ColumnTrait, DeleteMany, EntityTrait, Insert, QueryFilter, Select, UpdateMany};

use super::Store;
use crate::domain::AccountId;

/// A table whose rows belong to accounts.
pub(super) trait TenantOwned: EntityTrait {
    /// The column that says whose row it is.
    const ACCOUNT: Self::Column;
}

macro_rules! tenant_owned {
    ($($table:ident),+) => {$(
        impl TenantOwned for ::entity::$table::Entity {
            const ACCOUNT: Self::Column = ::entity::$table::Column::AccountId;
        }
    )+};
}

tenant_owned!(account_revision, installation, installation_secret, account_key);

/// One account's part of the database.
#[derive(Clone)]
pub struct TenantStore {
    pub(super) store: Store,
    account: AccountId,
}

#[expect(clippy::disallowed_methods, reason = "the one place that builds tenant statements, each with its account")]
impl TenantStore {
    pub(super) fn new(store: Store, account: AccountId) -> Self {
        Self { store, account }
    }

    /// Whose part this is.
    pub fn account(&self) -> &AccountId {
        &self.account
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

    pub(super) fn insert_many<A>(&self, rows: impl IntoIterator<Item = A>) -> sea_orm::InsertMany<A>
    where
        A: ActiveModelTrait,
        A::Entity: TenantOwned,
    {
        Insert::many(rows.into_iter().map(|row| self.owned(row)))
    }

    pub(super) fn delete<E: TenantOwned>(&self) -> DeleteMany<E> {
        E::delete_many().filter(E::ACCOUNT.eq(self.account.as_str()))
    }

    pub(super) fn update<E: TenantOwned>(&self) -> UpdateMany<E> {
        E::update_many().filter(E::ACCOUNT.eq(self.account.as_str()))
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
