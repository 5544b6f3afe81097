//! The shape of a catalog file. Unknown keys are refused: a misspelt key is a lost fact.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::schema;
use crate::domain::entry::{Part, RequiredField};
use crate::domain::{AuthKind, Entry, EntryState, IntegrationId};

/// One catalog entry as written in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryFile {
    /// For editors.
    #[serde(rename = "$schema", default)]
    pub schema: Option<String>,
    /// snake_case, never reused.
    pub name: String,
    /// As the provider writes it.
    pub display_name: String,
    /// One sentence of our own.
    pub description: String,
    /// One of the closed list.
    pub category: String,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The provider's site.
    pub homepage_url: String,
    /// The provider's API documentation.
    pub docs_url: String,
    /// Where a key is made.
    #[serde(default)]
    pub credentials_url: Option<String>,
    /// Slug of an icon file that an operator may supply.
    #[serde(default)]
    pub icon: Option<String>,
    /// Grows with every change of the file.
    pub revision: i32,
    /// The day the facts were checked.
    pub checked_on: NaiveDate,
    /// Where each fact stands.
    pub sources: Vec<Source>,
    /// One or more ways to authenticate.
    pub auth: Vec<AuthOption>,
    /// Plain fields.
    #[serde(default)]
    pub params: Vec<Field>,
    /// Sealed fields.
    #[serde(default)]
    pub secrets: Vec<Field>,
    /// How a call is made; absent for what does not speak HTTP.
    #[serde(default)]
    pub http: Option<Http>,
}

/// A page that supports a fact.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Which fact.
    pub fact: String,
    /// On the provider's own site.
    pub url: String,
}

/// One way to authenticate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthOption {
    /// Wire name of an [`AuthKind`].
    pub kind: String,
    /// Where each field goes in a request.
    #[serde(default)]
    pub placements: Vec<Placement>,
}

/// Where one field goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// `header`, `query`, `basic_user`, `basic_password`, `body` or `path`.
    #[serde(rename = "in")]
    pub place: String,
    /// For `header`.
    #[serde(default)]
    pub header_name: Option<String>,
    /// For `query`.
    #[serde(default)]
    pub query_name: Option<String>,
    /// For `body`.
    #[serde(default)]
    pub body_name: Option<String>,
    /// Before the value.
    #[serde(default)]
    pub prefix: Option<String>,
    /// After the value.
    #[serde(default)]
    pub suffix: Option<String>,
    /// A param or secret.
    #[serde(default)]
    pub field: Option<String>,
    /// A fixed text instead.
    #[serde(default)]
    pub value: Option<String>,
}

/// A param or secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The provider's own word in snake_case.
    pub name: String,
    /// For a form.
    pub label: String,
    /// Where to find the value.
    #[serde(default)]
    pub help: Option<String>,
    /// `string`, `integer`, `boolean` or `enum`.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// JSON Schema format.
    #[serde(default)]
    pub format: Option<String>,
    /// A linear-time regular expression.
    #[serde(default)]
    pub pattern: Option<String>,
    /// The choices of an `enum`.
    #[serde(rename = "enum", default)]
    pub choices: Vec<Value>,
    /// Taken when nothing is supplied.
    #[serde(default)]
    pub default: Option<Value>,
    /// Plainly fake.
    #[serde(default)]
    pub example: Option<Value>,
    /// Needed by every way to authenticate.
    #[serde(default)]
    pub required: bool,
    /// Place in a form.
    pub order: i32,
    /// Needs a text area.
    #[serde(default)]
    pub multiline: bool,
    /// Auth kinds that use it; all when empty.
    #[serde(default)]
    pub applies_to: Vec<String>,
    /// Where the provider explains it.
    #[serde(default)]
    pub docs_anchor: Option<String>,
}

/// The types a field can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// One of `enum`.
    Enum,
}

/// How a call is made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Template over params.
    pub base_url: String,
    /// The only hosts a secret may go to.
    pub allowed_hosts: Vec<String>,
    /// A request that tells whether credentials work.
    pub verify: Verify,
}

/// A request that tells whether credentials work.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// HTTP method.
    pub method: String,
    /// Template over params, below `base_url`.
    pub path: String,
    /// The status that means success.
    pub expect_status: u16,
    /// Of the body.
    #[serde(default)]
    pub content_type: Option<String>,
    /// A literal body.
    #[serde(default)]
    pub body: Option<String>,
    /// JSON pointer into the answer.
    #[serde(default)]
    pub ok_path: Option<String>,
    /// The value there that means success.
    #[serde(default)]
    pub ok_value: Option<Value>,
    /// JSON pointer to the connected account's id.
    #[serde(default)]
    pub account_id_path: Option<String>,
    /// JSON pointer to the connected account's name.
    #[serde(default)]
    pub account_label_path: Option<String>,
}

impl EntryFile {
    /// The entry as the services use it.
    pub fn into_entry(
        self,
        id: IntegrationId,
        state: EntryState,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
    ) -> Entry {
        Entry {
            id,
            params_schema: schema::of(&self, Part::Params),
            secrets_schema: schema::of(&self, Part::Secrets),
            auth_kinds: self.auth_kinds(),
            required: self.required(),
            name: self.name,
            display_name: self.display_name,
            description: self.description,
            category: self.category,
            tags: self.tags,
            icon_url: None,
            docs_url: Some(self.docs_url),
            homepage_url: Some(self.homepage_url),
            state,
            created_at,
            updated_at,
        }
    }

    /// The fields of one part, in form order.
    pub fn fields(&self, part: Part) -> Vec<&Field> {
        let fields = match part {
            Part::Params => &self.params,
            Part::Secrets => &self.secrets,
        };
        let mut fields: Vec<_> = fields.iter().collect();
        fields.sort_by_key(|field| field.order);
        fields
    }

    fn required(&self) -> Vec<RequiredField> {
        [Part::Params, Part::Secrets]
            .into_iter()
            .flat_map(|part| self.fields(part).into_iter().map(move |field| (part, field)))
            .filter(|(_, field)| field.required)
            .map(|(part, field)| RequiredField { part, name: field.name.clone() })
            .collect()
    }

    fn auth_kinds(&self) -> Vec<AuthKind> {
        let mut kinds = Vec::new();
        for option in &self.auth {
            let kind = AuthKind::ALL.iter().find(|(_, name)| *name == option.kind).map(|(kind, _)| *kind);
            kinds.extend(kind.filter(|kind| !kinds.contains(kind)));
        }
        kinds
    }
}
