//! An integration as the account sees it.

use std::borrow::Cow;

use async_graphql::resolver_utils::EnumType;
use async_graphql::{Enum, ID, Interface, Object, OneofObject};
use serde::{Serialize, Serializer};

use super::field::IntegrationField;
use super::{DateTime, JsonObject};
use crate::domain::{self, Reference};
use crate::graphql::plan::{AtHand, Plan, Writer, now};

/// Belongs to the pair of account and integration.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(in crate::graphql) enum IntegrationStatus {
    /// Not installed.
    Available,
    /// Installed.
    Installed,
}

/// How a provider wants to be authenticated to.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::AuthKind")]
pub(in crate::graphql) enum AuthKind {
    /// A fixed secret in a header or query under the provider's own name.
    ApiKey,
    /// `Authorization` with `Bearer` or another word.
    Bearer,
    /// User and password.
    Basic,
    /// Id and secret exchanged for a token, no person involved.
    #[graphql(name = "OAUTH2_CLIENT_CREDENTIALS")]
    Oauth2ClientCredentials,
    /// The redirect flow.
    #[graphql(name = "OAUTH2_CODE")]
    Oauth2Code,
    /// A key file signs a token.
    ServiceAccountJwt,
    /// Every request is signed.
    RequestSignature,
    /// AWS Signature Version 4.
    #[graphql(name = "AWS_SIGV4")]
    AwsSigv4,
    /// Log in, then use what came back.
    TwoStep,
    /// An MCP server with OAuth discovery.
    McpOauth,
    /// A public API.
    None,
}

/// Whether an entry is still offered.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::EntryState")]
pub(in crate::graphql) enum IntegrationState {
    /// It is.
    Active,
    /// Not to be installed anew; still readable and uninstallable.
    Deprecated,
}

/// Orders of the catalog. Each ends with display name, without case, and id.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::CatalogOrder")]
pub(in crate::graphql) enum IntegrationOrder {
    /// By category.
    Category,
    /// By name.
    Name,
    /// By display name.
    DisplayName,
    /// What was installed last comes first, what is not installed last.
    InstalledAt,
    /// What a search means most likely comes first; without a search, by display name.
    Relevance,
}

/// Names an integration: exactly one of its id and its name.
#[derive(OneofObject)]
pub(in crate::graphql) enum IntegrationRef {
    /// Its UUID, in any case.
    Id(ID),
    /// Its name, such as `stripe`.
    Name(String),
}

/// Anything with an id of its own.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The same for every account and on every deployment."))]
pub(in crate::graphql) enum Node {
    /// An integration.
    Integration(Integration),
}

/// A catalog entry as the account sees it.
pub(in crate::graphql) struct Integration(pub(in crate::graphql) domain::Integration);

/// A catalog entry as the account sees it.
#[Object]
impl Integration {
    /// The same for every account and on every deployment.
    async fn id(&self) -> ID {
        ID(self.0.entry.id.to_string())
    }

    /// snake_case, unique, never reused.
    async fn name(&self) -> &str {
        &self.0.entry.name
    }

    /// As the provider writes it.
    async fn display_name(&self) -> &str {
        &self.0.entry.display_name
    }

    /// One sentence.
    async fn description(&self) -> &str {
        &self.0.entry.description
    }

    /// One of 24 categories.
    async fn category(&self) -> &str {
        &self.0.entry.category
    }

    /// Words to find it by.
    async fn tags(&self) -> &[String] {
        &self.0.entry.tags
    }

    /// An icon, where the operator supplies one.
    async fn icon_url(&self) -> Option<&str> {
        self.0.entry.icon_url.as_deref()
    }

    /// The provider's API documentation.
    async fn docs_url(&self) -> Option<&str> {
        self.0.entry.docs_url.as_deref()
    }

    /// The provider's site.
    async fn homepage_url(&self) -> Option<&str> {
        self.0.entry.homepage_url.as_deref()
    }

    /// Where a person makes the credentials.
    async fn credentials_url(&self) -> Option<&str> {
        self.0.entry.credentials_url.as_deref()
    }

    /// Ways to authenticate to the provider.
    async fn auth_kinds(&self) -> Vec<AuthKind> {
        self.0.entry.auth_kinds.iter().map(|kind| (*kind).into()).collect()
    }

    /// Of this account.
    async fn status(&self) -> IntegrationStatus {
        self.0.status().into()
    }

    /// Set while installed.
    async fn installed_at(&self) -> Option<DateTime> {
        self.0.installed_at().map(DateTime)
    }

    /// What the account stored, kept through an uninstall; `{}` when nothing.
    async fn params(&self) -> JsonObject<'_> {
        JsonObject(Cow::Owned(self.0.params().to_map()))
    }

    /// Names of the stored secrets, sorted; never a value.
    async fn secret_names(&self) -> &[String] {
        self.0.secret_names()
    }

    /// Required fields not supplied yet, `secrets.api_key` style.
    async fn missing_fields(&self) -> Vec<String> {
        self.0.missing_fields()
    }

    /// JSON Schema 2020-12 of `params`.
    async fn params_schema(&self) -> JsonObject<'_> {
        object(&self.0.entry.params_schema)
    }

    /// JSON Schema 2020-12 of `secrets`.
    async fn secrets_schema(&self) -> JsonObject<'_> {
        object(&self.0.entry.secrets_schema)
    }

    /// The same as a list, in the order of a form.
    async fn fields(&self) -> Vec<IntegrationField<'_>> {
        self.0.entry.fields.iter().map(IntegrationField).collect()
    }

    /// Owned by this account alone.
    async fn is_custom(&self) -> bool {
        self.0.entry.is_custom
    }

    /// Whether the entry is still offered.
    async fn state(&self) -> IntegrationState {
        self.0.entry.state.into()
    }

    /// A built-in entry that the operator edited.
    async fn differs_from_default(&self) -> bool {
        self.0.entry.differs_from_default
    }

    /// When the entry came into the catalog.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.entry.created_at)
    }

    /// The later of the last changes of entry and installation.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at())
    }
}

impl AtHand for Integration {
    fn write(&self, field: &str, below: &Plan, to: &mut Writer<'_>) {
        let ctx = to.context;
        match field {
            "id" => to.leaf(&now(self.id(ctx))),
            "name" => to.leaf(&now(self.name(ctx))),
            "displayName" => to.leaf(&now(self.display_name(ctx))),
            "description" => to.leaf(&now(self.description(ctx))),
            "category" => to.leaf(&now(self.category(ctx))),
            "tags" => to.leaf(&now(self.tags(ctx))),
            "iconUrl" => to.leaf(&now(self.icon_url(ctx))),
            "docsUrl" => to.leaf(&now(self.docs_url(ctx))),
            "homepageUrl" => to.leaf(&now(self.homepage_url(ctx))),
            "credentialsUrl" => to.leaf(&now(self.credentials_url(ctx))),
            "authKinds" => to.leaf(&now(self.auth_kinds(ctx))),
            "status" => to.leaf(&now(self.status(ctx))),
            "installedAt" => to.leaf(&now(self.installed_at(ctx))),
            "params" => to.leaf(&now(self.params(ctx))),
            "secretNames" => to.leaf(&now(self.secret_names(ctx))),
            "missingFields" => to.leaf(&now(self.missing_fields(ctx))),
            "paramsSchema" => to.leaf(&now(self.params_schema(ctx))),
            "secretsSchema" => to.leaf(&now(self.secrets_schema(ctx))),
            "fields" => to.list(&now(self.fields(ctx)), below),
            "isCustom" => to.leaf(&now(self.is_custom(ctx))),
            "state" => to.leaf(&now(self.state(ctx))),
            "differsFromDefault" => to.leaf(&now(self.differs_from_default(ctx))),
            "createdAt" => to.leaf(&now(self.created_at(ctx))),
            "updatedAt" => to.leaf(&now(self.updated_at(ctx))),
            _ => to.leaf(&()),
        }
    }
}

/// Schemas are generated as objects.
fn object(schema: &serde_json::Value) -> JsonObject<'_> {
    JsonObject(schema.as_object().map_or_else(Cow::default, Cow::Borrowed))
}

impl Serialize for IntegrationStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        word(self).serialize(serializer)
    }
}

impl Serialize for IntegrationState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        word(self).serialize(serializer)
    }
}

impl Serialize for AuthKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        word(self).serialize(serializer)
    }
}

/// A value of an enum as the schema names it.
pub(super) fn word<T: EnumType>(value: &T) -> Option<&'static str> {
    T::items().iter().find(|item| item.value == *value).map(|item| item.name)
}

impl From<IntegrationRef> for Reference {
    fn from(reference: IntegrationRef) -> Self {
        match reference {
            // What is not a UUID is an id that nobody has; no name holds this character.
            IntegrationRef::Id(id) => Self::parse_id(&id).unwrap_or_else(|| Self::Name("\0".into())),
            IntegrationRef::Name(name) => Self::Name(name),
        }
    }
}

impl From<domain::integration::Status> for IntegrationStatus {
    fn from(status: domain::integration::Status) -> Self {
        match status {
            domain::integration::Status::Available => Self::Available,
            domain::integration::Status::Installed => Self::Installed,
        }
    }
}

impl From<IntegrationStatus> for domain::integration::Status {
    fn from(status: IntegrationStatus) -> Self {
        match status {
            IntegrationStatus::Available => Self::Available,
            IntegrationStatus::Installed => Self::Installed,
        }
    }
}
