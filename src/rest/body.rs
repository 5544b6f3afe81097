//! The wire shapes. None has a field that could hold a secret value.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::{FieldError, field_error};
use crate::{domain, service};

/// Belongs to the pair of account and integration.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Not installed.
    Available,
    /// Installed.
    Installed,
}

/// How a provider wants to be authenticated to.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AuthKind {
    /// A fixed secret in a header or query under the provider's own name.
    ApiKey,
    /// `Authorization` with `Bearer` or another word.
    Bearer,
    /// User and password.
    Basic,
    /// Id and secret exchanged for a token, no person involved.
    Oauth2ClientCredentials,
    /// The redirect flow.
    Oauth2Code,
    /// A key file signs a token.
    ServiceAccountJwt,
    /// Every request is signed.
    RequestSignature,
    /// AWS Signature Version 4.
    AwsSigv4,
    /// Log in, then use what came back.
    TwoStep,
    /// An MCP server with OAuth discovery.
    McpOauth,
    /// A public API.
    None,
}

/// Whether an entry is still offered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It is.
    Active,
    /// Not to be installed anew; still readable and uninstallable.
    Deprecated,
}

/// Orders of the catalog.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "describes the parameter in the document")]
pub(super) enum Order {
    /// By category.
    Category,
    /// By name.
    Name,
    /// By display name.
    DisplayName,
    /// What was installed last comes first, what is not installed last.
    InstalledAt,
    /// What a search means most likely comes first.
    Relevance,
}

/// The half of an installation that a field belongs to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    /// Plain; can be read back.
    Params,
    /// Sealed; never shown again.
    Secrets,
}

/// The type of a field's value.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum FieldKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// One of `enum`.
    Enum,
}

/// What a form has to know to ask for one value.
#[derive(Serialize, ToSchema)]
pub(super) struct FormField<'a> {
    /// Unique within the integration.
    #[schema(example = "api_key")]
    name: &'a str,
    /// Where the value goes.
    part: Part,
    /// The same, for a form: show no value, and mask what is typed.
    secret: bool,
    /// In the provider's words.
    #[schema(example = "Secret or restricted key")]
    label: &'a str,
    /// Where to find the value.
    #[schema(required = true)]
    help: Option<&'a str>,
    /// The type of the value.
    #[serde(rename = "type")]
    kind: FieldKind,
    /// `hostname`, `uri`, `email` or `uuid`.
    #[schema(required = true)]
    format: Option<&'a str>,
    /// A regular expression that a value matches.
    #[schema(required = true, example = "^(sk|rk)_")]
    pattern: Option<&'a str>,
    /// What may be chosen; empty unless the type is `enum`.
    #[serde(rename = "enum")]
    choices: &'a [Value],
    /// What applies when nothing is stored.
    #[schema(required = true)]
    default: Option<&'a Value>,
    /// A value that is plainly fake.
    #[schema(required = true)]
    example: Option<&'a Value>,
    /// An installation is incomplete without it.
    required: bool,
    /// Its place in the form, ascending.
    order: i32,
    /// Needs more than one line.
    multiline: bool,
    /// The ways to authenticate that use it; all of them when empty.
    applies_to: Vec<AuthKind>,
    /// Where the provider explains it.
    #[schema(required = true, format = "uri")]
    docs_url: Option<&'a str>,
}

/// A catalog entry as the account sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct Integration<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    /// JSON Schema 2020-12 of `params`.
    #[schema(value_type = BTreeMap<String, Value>, example = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": {"api_version": {"type": "string", "title": "API version"}},
        "required": [], "additionalProperties": true
    }))]
    params_schema: &'a Value,
    /// JSON Schema 2020-12 of `secrets`.
    #[schema(value_type = BTreeMap<String, Value>, example = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": {"api_key": {"type": "string", "title": "API key", "minLength": 1, "pattern": "\\S", "writeOnly": true}},
        "required": ["api_key"], "additionalProperties": true
    }))]
    secrets_schema: &'a Value,
    /// The same as a list, in the order of a form.
    fields: Vec<FormField<'a>>,
}

/// An item of a list: an integration whose schemas are there only with `include=schemas`.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes the answer in the document; it is written by `fragments`")]
pub(super) struct IntegrationItem<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    /// JSON Schema 2020-12 of `params`; only with `include=schemas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = BTreeMap<String, Value>, required = false)]
    params_schema: Option<&'a Value>,
    /// JSON Schema 2020-12 of `secrets`; only with `include=schemas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = BTreeMap<String, Value>, required = false)]
    secrets_schema: Option<&'a Value>,
    /// The same as a list, in the order of a form; only with `include=schemas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<FormField>, required = false)]
    fields: Option<Vec<FormField<'a>>>,
}

/// What is always told of an integration.
#[derive(Serialize, ToSchema)]
pub(super) struct Summary<'a> {
    /// The same for every account and on every deployment.
    #[schema(example = "c5c44806-6981-5408-a812-edbd36c0eef2")]
    id: Uuid,
    /// snake_case, unique, never reused.
    #[schema(example = "stripe", pattern = "^[a-z][a-z0-9_]{0,62}$")]
    name: &'a str,
    /// As the provider writes it.
    #[schema(example = "Stripe")]
    display_name: &'a str,
    /// One sentence.
    #[schema(example = "Online payments, subscriptions and invoices.")]
    description: &'a str,
    /// One of 24 categories.
    #[schema(example = "payments")]
    category: &'a str,
    /// Words to find it by.
    #[schema(example = json!(["cards", "billing"]))]
    tags: &'a [String],
    /// An icon, where the operator supplies one.
    #[schema(required = true, format = "uri")]
    icon_url: Option<&'a str>,
    /// The provider's API documentation.
    #[schema(required = true, format = "uri", example = "https://docs.stripe.com/api")]
    docs_url: Option<&'a str>,
    /// The provider's site.
    #[schema(required = true, format = "uri", example = "https://stripe.com")]
    homepage_url: Option<&'a str>,
    /// Where a person makes the credentials.
    #[schema(required = true, format = "uri", example = "https://dashboard.stripe.com/apikeys")]
    credentials_url: Option<&'a str>,
    /// Ways to authenticate to the provider.
    auth_kinds: Vec<AuthKind>,
    /// Of this account.
    status: Status,
    /// Set while installed.
    #[schema(required = true)]
    installed_at: Option<DateTime<Utc>>,
    /// What the account stored, kept through an uninstall; `{}` when nothing.
    #[schema(value_type = BTreeMap<String, Value>, example = json!({"api_version": "2025-09-30.clover"}))]
    params: Map<String, Value>,
    /// Names of the stored secrets, sorted; never a value.
    #[schema(example = json!(["api_key", "webhook_secret"]))]
    secret_names: &'a [String],
    /// Required fields not supplied yet.
    #[schema(example = json!(["secrets.api_key"]))]
    missing_fields: Vec<String>,
    /// Owned by this account alone.
    is_custom: bool,
    /// Whether the entry is still offered.
    state: State,
    /// A built-in entry that the operator edited.
    differs_from_default: bool,
    /// When the entry came into the catalog.
    created_at: DateTime<Utc>,
    /// The later of the last changes of entry and installation.
    updated_at: DateTime<Utc>,
}

/// A list of integrations.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes the answer in the document; it is written by `fragments`")]
pub(super) struct IntegrationList<'a> {
    /// In the order that was asked for.
    integrations: Vec<IntegrationItem<'a>>,
    /// Matches in each category as if `category` had not been given; categories without any are left out.
    #[schema(value_type = BTreeMap<String, u64>, example = json!({"payments": 3}))]
    category_counts: BTreeMap<&'a str, usize>,
    /// Matches with each status as if `status` had not been given.
    status_counts: StatusCounts,
    /// All matches, not only this page.
    #[schema(value_type = u64, example = 1)]
    total: usize,
    /// With `limit` or `cursor`: where the next page starts, `null` on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    next_cursor: Option<Option<&'a str>>,
}

/// How many match with each status.
#[derive(Serialize, ToSchema)]
pub(super) struct StatusCounts {
    /// Not installed.
    #[schema(value_type = u64, example = 1)]
    available: usize,
    /// Installed.
    #[schema(value_type = u64, example = 2)]
    installed: usize,
}

/// Result of an install.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes the answer in the document; it is written by `fragments`")]
pub(super) struct InstallResult<'a> {
    /// The integration after the install.
    integration: Integration<'a>,
    /// Whether anything was changed.
    changed: bool,
    #[serde(flatten)]
    names: ReportedNames<'a>,
}

/// Names that a request supplied and that may be misspelt: each at most 136 characters, at most 100 of a kind.
#[derive(Clone, Copy, Serialize, ToSchema)]
pub(super) struct ReportedNames<'a> {
    /// Supplied params and secrets that the entry's form lacks, `secrets.apikey` style. They are stored.
    #[schema(example = json!(["secrets.apikey"]), max_items = 100)]
    pub(super) unknown_fields: &'a [String],
    /// Members of the body that the operation does not read.
    #[schema(example = json!(["secret"]), max_items = 100)]
    pub(super) ignored_fields: &'a [String],
}

/// What came of an uninstall or purge.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes the answer in the document; it is written by `fragments`")]
pub(super) struct Changed<'a> {
    /// As it stands now.
    integration: Integration<'a>,
    /// Whether anything was changed.
    changed: bool,
}

/// A catalog entry in the vocabulary of the catalog files. `request_schemas` adds the published JSON Schema.
#[derive(ToSchema)]
#[schema(example = json!({
    "name": "acme_billing", "display_name": "Acme Billing", "description": "Our own invoices.", "category": "accounting",
    "auth": [{"kind": "bearer", "placements": [
        {"in": "header", "header_name": "Authorization", "prefix": "Bearer ", "field": "api_key"}]}],
    "secrets": [{"name": "api_key", "label": "API key", "type": "string", "required": true}]
}))]
pub(super) struct Definition {}

/// What an install would come to.
#[derive(Serialize, ToSchema)]
pub(super) struct Verdict {
    /// Whether it would be taken.
    valid: bool,
    /// One item per value that would be refused.
    errors: Vec<FieldError>,
    /// Required fields that would still be missing.
    #[schema(example = json!(["secrets.api_key"]))]
    missing_fields: Vec<String>,
    /// Supplied params and secrets that the entry's form lacks, `secrets.apikey` style. An install stores them.
    #[schema(example = json!(["secrets.apikey"]), max_items = 100)]
    unknown_fields: Vec<String>,
    /// Members of the body that the operation does not read.
    #[schema(example = json!(["secret"]), max_items = 100)]
    ignored_fields: Vec<String>,
}

/// What an install may supply. Server-set and unknown fields are ignored, and reported in `ignored_fields`.
#[derive(ToSchema)]
#[schema(example = json!({
    "params": {"api_version": "2025-09-30.clover"},
    "secrets": {"api_key": "sk_test_example_0000", "webhook_secret": "whsec_example_0000"}
}))]
#[allow(dead_code, reason = "describes the request in the document; it is read by `json::supplied`")]
pub(super) struct InstallBody {
    /// Replaces the stored params whole.
    #[schema(value_type = Option<BTreeMap<String, Value>>, required = false)]
    params: Option<Value>,
    /// Merged by name into the stored secrets; `null` removes a name.
    #[schema(value_type = Option<BTreeMap<String, Value>>, required = false)]
    secrets: Option<Value>,
}

/// Which secrets are wanted.
#[derive(ToSchema)]
#[schema(example = json!({"names": ["api_key"]}))]
#[allow(dead_code, reason = "describes the request in the document; it is read by `json::names`")]
pub(super) struct ReadBody {
    /// Names of stored secrets; absent or `null` means all of them.
    #[schema(value_type = Option<Vec<String>>, required = false, max_items = 64)]
    names: Option<Vec<String>>,
}

/// Stored secrets in the clear.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "integration": {"id": "c5c44806-6981-5408-a812-edbd36c0eef2", "name": "stripe"},
    "secrets": {"api_key": "sk_test_example_0000"},
    "ignored_fields": []
}))]
#[allow(dead_code, reason = "describes the answer in the document; it is written by `secrets`")]
pub(super) struct Secrets {
    /// Whose secrets they are.
    integration: Named,
    /// By name, each as it was supplied.
    #[schema(value_type = BTreeMap<String, Value>)]
    secrets: Value,
    /// Members of the body that the operation does not read; each at most 136 characters.
    #[schema(max_items = 100)]
    ignored_fields: Vec<String>,
}

/// Which integration.
#[derive(Serialize, ToSchema)]
pub(super) struct Named {
    /// The id.
    pub(super) id: Uuid,
    /// The name.
    pub(super) name: String,
}

/// MCP connections: none yet.
#[derive(Serialize, ToSchema)]
pub(super) struct McpConnectionList {
    /// Always empty for now.
    #[schema(value_type = Vec<Object>)]
    pub(super) mcp_connections: [(); 0],
    /// Always 0 for now.
    #[schema(example = 0)]
    pub(super) total: u64,
}

/// Native tools: none yet.
#[derive(Serialize, ToSchema)]
pub(super) struct NativeToolList {
    /// Always empty for now.
    #[schema(value_type = Vec<Object>)]
    pub(super) native_tools: [(); 0],
    /// Always 0 for now.
    #[schema(example = 0)]
    pub(super) total: u64,
}

impl<'a> Integration<'a> {
    pub(super) fn of(integration: &'a domain::Integration) -> Self {
        Self {
            summary: Summary::of(integration),
            params_schema: &integration.entry.params_schema,
            secrets_schema: &integration.entry.secrets_schema,
            fields: integration.entry.fields.iter().map(FormField::of).collect(),
        }
    }
}

impl<'a> Summary<'a> {
    fn of(integration: &'a domain::Integration) -> Self {
        let entry = &integration.entry;
        Self {
            id: entry.id.0,
            name: &entry.name,
            display_name: &entry.display_name,
            description: &entry.description,
            category: &entry.category,
            tags: &entry.tags,
            icon_url: entry.icon_url.as_deref(),
            docs_url: entry.docs_url.as_deref(),
            homepage_url: entry.homepage_url.as_deref(),
            credentials_url: entry.credentials_url.as_deref(),
            auth_kinds: entry.auth_kinds.iter().map(|kind| (*kind).into()).collect(),
            status: integration.status().into(),
            installed_at: integration.installed_at(),
            params: integration.params().to_map(),
            secret_names: integration.secret_names(),
            missing_fields: integration.missing_fields(),
            is_custom: entry.is_custom,
            state: entry.state.into(),
            differs_from_default: entry.differs_from_default,
            created_at: entry.created_at,
            updated_at: integration.updated_at(),
        }
    }
}

impl Verdict {
    pub(super) fn new(verdict: service::Verdict, ignored_fields: Vec<String>) -> Self {
        let service::Verdict { problems, missing_fields, unknown_fields } = verdict;
        let errors: Vec<_> = problems.iter().map(field_error).collect();
        Self { valid: errors.is_empty(), errors, missing_fields, unknown_fields, ignored_fields }
    }
}

impl<'a> FormField<'a> {
    fn of(field: &'a domain::FormField) -> Self {
        Self {
            name: &field.name,
            part: field.part.into(),
            secret: field.part == domain::Part::Secrets,
            label: &field.label,
            help: field.help.as_deref(),
            kind: field.kind.into(),
            format: field.format.as_deref(),
            pattern: field.pattern.as_deref(),
            choices: &field.choices,
            default: field.default.as_ref(),
            example: field.example.as_ref(),
            required: field.required,
            order: field.order,
            multiline: field.multiline,
            applies_to: field.applies_to.iter().map(|kind| (*kind).into()).collect(),
            docs_url: field.docs_url.as_deref(),
        }
    }
}

impl StatusCounts {
    pub(super) fn of(counts: [(domain::Status, usize); 2]) -> Self {
        let count = |wanted| counts.iter().filter(|(status, _)| *status == wanted).map(|(_, count)| count).sum();
        Self { available: count(domain::Status::Available), installed: count(domain::Status::Installed) }
    }
}

impl From<domain::EntryState> for State {
    fn from(state: domain::EntryState) -> Self {
        match state {
            domain::EntryState::Active => Self::Active,
            domain::EntryState::Deprecated => Self::Deprecated,
        }
    }
}

impl From<domain::Part> for Part {
    fn from(part: domain::Part) -> Self {
        match part {
            domain::Part::Params => Self::Params,
            domain::Part::Secrets => Self::Secrets,
        }
    }
}

impl From<domain::FieldKind> for FieldKind {
    fn from(kind: domain::FieldKind) -> Self {
        match kind {
            domain::FieldKind::String => Self::String,
            domain::FieldKind::Integer => Self::Integer,
            domain::FieldKind::Boolean => Self::Boolean,
            domain::FieldKind::Enum => Self::Enum,
        }
    }
}

impl From<domain::integration::Status> for Status {
    fn from(status: domain::integration::Status) -> Self {
        match status {
            domain::integration::Status::Available => Self::Available,
            domain::integration::Status::Installed => Self::Installed,
        }
    }
}

impl From<domain::AuthKind> for AuthKind {
    fn from(kind: domain::AuthKind) -> Self {
        match kind {
            domain::AuthKind::ApiKey => Self::ApiKey,
            domain::AuthKind::Bearer => Self::Bearer,
            domain::AuthKind::Basic => Self::Basic,
            domain::AuthKind::Oauth2ClientCredentials => Self::Oauth2ClientCredentials,
            domain::AuthKind::Oauth2Code => Self::Oauth2Code,
            domain::AuthKind::ServiceAccountJwt => Self::ServiceAccountJwt,
            domain::AuthKind::RequestSignature => Self::RequestSignature,
            domain::AuthKind::AwsSigv4 => Self::AwsSigv4,
            domain::AuthKind::TwoStep => Self::TwoStep,
            domain::AuthKind::McpOauth => Self::McpOauth,
            domain::AuthKind::None => Self::None,
        }
    }
}
