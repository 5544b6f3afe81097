//! A catalog file as it is used. Keys that are not known here are passed over, so that a row of a newer version can be read;
//! whether a file has the right ones is the business of `shape`.

use chrono::{DateTime, NaiveDate, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::schema;
use crate::domain::entry::Part;
use crate::domain::{AuthKind, Entry, EntryState, FieldKind, FormField, IntegrationId};

/// One catalog entry as written in a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EntryFile {
    /// For editors.
    #[serde(rename = "$schema")]
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
    pub tags: Vec<String>,
    /// The provider's site.
    pub homepage_url: Option<String>,
    /// The provider's API documentation.
    pub docs_url: Option<String>,
    /// Where a key is made.
    pub credentials_url: Option<String>,
    /// Slug of an icon file that an operator may supply.
    pub icon: Option<String>,
    /// Grows with every change of the file.
    pub revision: i32,
    /// The day the facts were checked.
    pub checked_on: Option<NaiveDate>,
    /// Where each fact stands.
    pub sources: Vec<Source>,
    /// Domains of the provider's beside those of the pages above.
    pub sites: Vec<String>,
    /// One or more ways to authenticate.
    pub auth: Vec<AuthOption>,
    /// Plain fields.
    pub params: Vec<Field>,
    /// Sealed fields.
    pub secrets: Vec<Field>,
    /// How a call is made; absent for what does not speak HTTP.
    pub http: Option<Http>,
}

/// A page that supports a fact.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Source {
    /// Which fact.
    pub fact: String,
    /// On the provider's own site.
    pub url: String,
}

/// One way to authenticate.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AuthOption {
    /// Wire name of an [`AuthKind`].
    pub kind: String,
    /// Where each field goes in a request.
    pub placements: Vec<Placement>,
}

/// Where one field goes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// `header`, `query`, `basic_user`, `basic_password`, `body` or `path`.
    #[serde(rename = "in")]
    pub place: String,
    /// For `header`.
    pub header_name: Option<String>,
    /// For `query`.
    pub query_name: Option<String>,
    /// For `body`.
    pub body_name: Option<String>,
    /// Before the value.
    pub prefix: Option<String>,
    /// After the value.
    pub suffix: Option<String>,
    /// A param or secret.
    pub field: Option<String>,
    /// A fixed text instead.
    pub value: Option<String>,
}

/// A param or secret.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Field {
    /// The provider's own word in snake_case.
    pub name: String,
    /// For a form.
    pub label: String,
    /// Where to find the value.
    pub help: Option<String>,
    /// `string`, `integer`, `boolean` or `enum`.
    #[serde(rename = "type", deserialize_with = "field_kind")]
    pub kind: FieldKind,
    /// JSON Schema format.
    pub format: Option<String>,
    /// A linear-time regular expression.
    pub pattern: Option<String>,
    /// The choices of an `enum`.
    #[serde(rename = "enum")]
    pub choices: Vec<Value>,
    /// Taken when nothing is supplied.
    pub default: Option<Value>,
    /// Plainly fake.
    pub example: Option<Value>,
    /// Needed by every way to authenticate.
    pub required: bool,
    /// Place in a form; after those that have one when absent.
    pub order: Option<i32>,
    /// Why everybody may see a param that sounds like a secret.
    pub plain_because: Option<String>,
    /// Needs a text area.
    pub multiline: bool,
    /// Auth kinds that use it; all when empty.
    pub applies_to: Vec<String>,
    /// Where the provider explains it.
    pub docs_anchor: Option<String>,
}

/// How a call is made.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Http {
    /// Template over params.
    pub base_url: String,
    /// The only hosts a secret may go to.
    pub allowed_hosts: Vec<String>,
    /// A request that tells whether credentials work.
    pub verify: Verify,
}

/// A request that tells whether credentials work.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Verify {
    /// HTTP method.
    pub method: String,
    /// Template over params, below `base_url`.
    pub path: String,
    /// The status that means success.
    pub expect_status: u16,
    /// Of the body.
    pub content_type: Option<String>,
    /// A literal body.
    pub body: Option<String>,
    /// JSON pointer into the answer.
    pub ok_path: Option<String>,
    /// The value there that means success.
    pub ok_value: Option<Value>,
    /// JSON pointer to the connected account's id.
    pub account_id_path: Option<String>,
    /// JSON pointer to the connected account's name.
    pub account_label_path: Option<String>,
}

impl EntryFile {
    /// The entry as the services use it: one of the shared catalog, as it came with the binary.
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
            fields: self.form(),
            name: self.name,
            display_name: self.display_name,
            description: self.description,
            category: self.category,
            tags: self.tags,
            icon_url: None,
            docs_url: self.docs_url,
            homepage_url: self.homepage_url,
            credentials_url: self.credentials_url,
            state,
            is_custom: false,
            differs_from_default: false,
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
        fields.sort_by_key(|field| field.order.unwrap_or(i32::MAX));
        fields
    }

    /// All fields, in form order.
    fn form(&self) -> Vec<FormField> {
        let parts = [(Part::Params, &self.params), (Part::Secrets, &self.secrets)];
        let fields = parts.into_iter().flat_map(|(part, fields)| {
            fields.iter().map(move |field| field.to_form_field(part, self.header_of(&field.name)))
        });
        let mut fields: Vec<_> = fields.collect();
        fields.sort_by_key(|field| field.order);
        fields
    }

    /// The request header that carries this field in any of the ways to authenticate.
    pub(super) fn header_of(&self, field: &str) -> Option<String> {
        let mut placements = self.auth.iter().flat_map(|option| &option.placements);
        placements.find_map(|placement| match placement.place.as_str() {
            _ if placement.field.as_deref() != Some(field) => None,
            "header" => placement.header_name.clone(),
            "basic_user" | "basic_password" => Some("Authorization".to_owned()),
            _ => None,
        })
    }

    fn auth_kinds(&self) -> Vec<AuthKind> {
        let mut kinds = Vec::new();
        for kind in self.auth.iter().filter_map(|option| AuthKind::parse(&option.kind)) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }
}

impl Field {
    fn to_form_field(&self, part: Part, header: Option<String>) -> FormField {
        let field = self.clone();
        FormField {
            part,
            name: field.name,
            label: field.label,
            help: field.help,
            kind: field.kind,
            format: field.format,
            pattern: field.pattern,
            choices: field.choices,
            default: field.default,
            example: field.example,
            required: field.required,
            order: field.order.unwrap_or(i32::MAX),
            multiline: field.multiline,
            applies_to: field.applies_to.iter().filter_map(|kind| AuthKind::parse(kind)).collect(),
            docs_url: field.docs_anchor,
            header,
        }
    }
}

fn field_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FieldKind, D::Error> {
    let name = String::deserialize(deserializer)?;
    FieldKind::parse(&name).ok_or_else(|| D::Error::custom("a type that this version does not know"))
}
