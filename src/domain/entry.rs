//! A catalog entry: what an integration is, asks for and how a call to it is made.

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::field::FormField;
use super::words::words;

/// Names the namespace of built-in ids; it never changes, or every deployment's ids would.
const NAMESPACE: Uuid = Uuid::from_u128(0xd4c2bc5a_e42b_5539_8166_3dbaddd01bd1);

/// The 24 categories: a closed list with a single choice, so that counts add up.
pub const CATEGORIES: [&str; 24] = [
    "accounting",
    "ai",
    "analytics",
    "calendar",
    "cms",
    "commerce",
    "communication",
    "crm",
    "databases",
    "design",
    "developer_tools",
    "documents",
    "finance",
    "hr",
    "identity",
    "it_operations",
    "marketing",
    "payments",
    "productivity",
    "social",
    "storage",
    "support",
    "surveys",
    "telephony",
];

/// An integration's id, the same on every deployment for built-in entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntegrationId(pub Uuid);

impl IntegrationId {
    /// The id of a built-in entry: UUIDv5 of its name (RFC 9562, section 5.5).
    pub fn of_builtin(name: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

impl fmt::Display for IntegrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

words! {
    /// How a provider wants to be authenticated to.
    AuthKind {
        /// A fixed secret in a header or query under the provider's own name.
        ApiKey = "api_key",
        /// `Authorization` with `Bearer` or another word.
        Bearer = "bearer",
        /// User and password.
        Basic = "basic",
        /// Id and secret exchanged for a token, no person involved.
        Oauth2ClientCredentials = "oauth2_client_credentials",
        /// The redirect flow.
        Oauth2Code = "oauth2_code",
        /// A key file signs a token.
        ServiceAccountJwt = "service_account_jwt",
        /// Every request is signed.
        RequestSignature = "request_signature",
        /// AWS Signature Version 4.
        AwsSigv4 = "aws_sigv4",
        /// Log in, then use what came back.
        TwoStep = "two_step",
        /// An MCP server with OAuth discovery.
        McpOauth = "mcp_oauth",
        /// A public API.
        None = "none",
    }
}

words! {
    /// Whether an entry is still offered.
    EntryState {
        /// Offered.
        Active = "active",
        /// Not to be installed anew; still readable and uninstallable.
        Deprecated = "deprecated",
    }
}

/// One catalog entry, immutable once loaded.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id.
    pub id: IntegrationId,
    /// snake_case, unique.
    pub name: String,
    /// As the provider writes it.
    pub display_name: String,
    /// One sentence.
    pub description: String,
    /// One of [`CATEGORIES`].
    pub category: String,
    /// Free words to find it by.
    pub tags: Vec<String>,
    /// Only set where an operator supplies icon files.
    pub icon_url: Option<String>,
    /// The provider's API documentation.
    pub docs_url: Option<String>,
    /// The provider's site.
    pub homepage_url: Option<String>,
    /// Where a person makes the credentials.
    pub credentials_url: Option<String>,
    /// In the entry's order, without repetition.
    pub auth_kinds: Vec<AuthKind>,
    /// What an installation asks for, in the order of a form.
    pub fields: Vec<FormField>,
    /// JSON Schema 2020-12 of `params`.
    pub params_schema: Value,
    /// JSON Schema 2020-12 of `secrets`.
    pub secrets_schema: Value,
    /// Still offered or not.
    pub state: EntryState,
    /// Owned by one account, which alone sees it.
    pub is_custom: bool,
    /// A built-in entry that an operator edited.
    pub differs_from_default: bool,
    /// When the entry was first loaded.
    pub created_at: DateTime<Utc>,
    /// When the entry last changed.
    pub updated_at: DateTime<Utc>,
}

impl Entry {
    /// The form's field of this name.
    pub fn field(&self, part: Part, name: &str) -> Option<&FormField> {
        self.fields.iter().find(|field| field.part == part && field.name == name)
    }
}

/// The two halves of what an account supplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Plain values.
    Params,
    /// Sealed values.
    Secrets,
}

impl Part {
    /// The part's wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Secrets => "secrets",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builtin_ids_never_move() {
        assert_eq!(IntegrationId::of_builtin("stripe").to_string(), "c5c44806-6981-5408-a812-edbd36c0eef2");
        assert_eq!(IntegrationId::of_builtin("shopify").to_string(), "0bddc65a-3912-5abc-9192-4e8b5c4acf7a");
        assert_eq!(NAMESPACE, Uuid::new_v5(&Uuid::nil(), b"patchbay/integration"));
    }
}
