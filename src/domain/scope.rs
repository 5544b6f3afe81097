//! What a credential may do, in words.

use std::fmt;

macro_rules! scopes {
    ($($(#[doc = $meaning:literal])+ $scope:ident = $word:literal),+ $(,)?) => {
        /// One thing that a credential may be allowed to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scope { $($(#[doc = $meaning])+ $scope),+ }

        impl Scope {
            /// Every scope, in the order in which they are shown.
            pub const ALL: &[Self] = &[$(Self::$scope),+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$scope => $word),+ }
            }

            /// What it allows, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$scope => concat!($($meaning),+).trim_ascii_start()),+ }
            }
        }
    };
}

scopes! {
    /// See what is offered beside integrations, and the caller's own limits.
    CatalogRead = "catalog:read",
    /// Change the catalog.
    CatalogWrite = "catalog:write",
    /// See integrations as the account has them: status, params, names of secrets.
    InstallationsRead = "installations:read",
    /// Install and uninstall.
    InstallationsWrite = "installations:write",
    /// Read stored secrets back.
    SecretsRead = "secrets:read",
    /// Erase what an installation stored, for good.
    SecretsPurge = "secrets:purge",
    /// Read the audit log.
    AuditRead = "audit:read",
    /// See API keys, without what proves them.
    KeysRead = "keys:read",
    /// Make and revoke API keys.
    KeysWrite = "keys:write",
    /// Everything.
    Admin = "admin",
}

impl Scope {
    /// The scope with this word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes. `admin` holds all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u16);

impl Scopes {
    /// No scope at all.
    pub const NONE: Self = Self(0);
    /// Every scope.
    pub const ADMIN: Self = Self(1 << Scope::Admin as u16);

    /// Whether the scope is held, by itself or through `admin`.
    pub fn allow(self, scope: Scope) -> bool {
        self.names(scope) || self.names(Scope::Admin)
    }

    /// The first scope of `wanted` that is not held.
    pub fn first_beyond(self, wanted: Self) -> Option<Scope> {
        wanted.iter().find(|&scope| !self.allow(scope))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes by name, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |&scope| self.names(scope))
    }

    fn names(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u16) != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_its_scope() {
        for &scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
            assert!(scope.meaning().ends_with('.') && !scope.meaning().starts_with(' '), "{scope}");
        }
        assert_eq!(Scope::parse("Admin"), None);
    }

    #[test]
    fn only_admin_holds_what_it_does_not_name() {
        for &held in Scope::ALL {
            for &asked in Scope::ALL {
                let allows = Scopes::from_iter([held]).allow(asked);
                assert_eq!(allows, held == asked || held == Scope::Admin, "{held} {asked}");
            }
        }
        assert!(Scope::ALL.iter().all(|&scope| !Scopes::NONE.allow(scope)));
    }

    #[test]
    fn nobody_but_admin_reaches_admin() {
        let all_but_admin: Scopes = Scope::ALL.iter().copied().filter(|&scope| scope != Scope::Admin).collect();
        assert_eq!(all_but_admin.first_beyond(Scopes::ADMIN), Some(Scope::Admin));
        assert_eq!(Scopes::ADMIN.first_beyond(all_but_admin), None);
    }
}
