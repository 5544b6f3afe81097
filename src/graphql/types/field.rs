//! The form of an integration, field by field.

use async_graphql::{Enum, Object};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::integration::{AuthKind, word};
use crate::domain::{self, FormField};
use crate::graphql::plan::{AtHand, Plan, Writer, now};

/// The half of an installation that a field belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::Part")]
pub(in crate::graphql) enum FieldPart {
    /// Plain; can be read back.
    Params,
    /// Sealed; never shown again.
    Secrets,
}

/// The type of a field's value.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::FieldKind")]
pub(in crate::graphql) enum FieldType {
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
pub(in crate::graphql) struct IntegrationField<'a>(pub(super) &'a FormField);

/// What a form has to know to ask for one value.
#[Object]
impl IntegrationField<'_> {
    /// Unique within the integration.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Where the value goes.
    async fn part(&self) -> FieldPart {
        self.0.part.into()
    }

    /// The same, for a form: show no value, and mask what is typed.
    async fn secret(&self) -> bool {
        self.0.part == domain::Part::Secrets
    }

    /// In the provider's words.
    async fn label(&self) -> &str {
        &self.0.label
    }

    /// Where to find the value.
    async fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The type of the value.
    #[graphql(name = "type")]
    async fn kind(&self) -> FieldType {
        self.0.kind.into()
    }

    /// `hostname`, `uri`, `email` or `uuid`.
    async fn format(&self) -> Option<&str> {
        self.0.format.as_deref()
    }

    /// A regular expression that a value matches.
    async fn pattern(&self) -> Option<&str> {
        self.0.pattern.as_deref()
    }

    /// What may be chosen; empty unless the type is `ENUM`.
    #[graphql(name = "enum")]
    async fn choices(&self) -> &[Value] {
        &self.0.choices
    }

    /// What applies when nothing is stored.
    async fn default(&self) -> Option<&Value> {
        self.0.default.as_ref()
    }

    /// A value that is plainly fake.
    async fn example(&self) -> Option<&Value> {
        self.0.example.as_ref()
    }

    /// An installation is incomplete without it.
    async fn required(&self) -> bool {
        self.0.required
    }

    /// Its place in the form, ascending.
    async fn order(&self) -> i32 {
        self.0.order
    }

    /// Needs more than one line.
    async fn multiline(&self) -> bool {
        self.0.multiline
    }

    /// The ways to authenticate that use it; all of them when empty.
    async fn applies_to(&self) -> Vec<AuthKind> {
        self.0.applies_to.iter().map(|kind| (*kind).into()).collect()
    }

    /// Where the provider explains it.
    async fn docs_url(&self) -> Option<&str> {
        self.0.docs_url.as_deref()
    }
}

impl AtHand for IntegrationField<'_> {
    fn write(&self, field: &str, _: &Plan, to: &mut Writer<'_>) {
        let ctx = to.context;
        match field {
            "name" => to.leaf(&now(self.name(ctx))),
            "part" => to.leaf(&now(self.part(ctx))),
            "secret" => to.leaf(&now(self.secret(ctx))),
            "label" => to.leaf(&now(self.label(ctx))),
            "help" => to.leaf(&now(self.help(ctx))),
            "type" => to.leaf(&now(self.kind(ctx))),
            "format" => to.leaf(&now(self.format(ctx))),
            "pattern" => to.leaf(&now(self.pattern(ctx))),
            "enum" => to.leaf(&now(self.choices(ctx))),
            "default" => to.leaf(&now(self.default(ctx))),
            "example" => to.leaf(&now(self.example(ctx))),
            "required" => to.leaf(&now(self.required(ctx))),
            "order" => to.leaf(&now(self.order(ctx))),
            "multiline" => to.leaf(&now(self.multiline(ctx))),
            "appliesTo" => to.leaf(&now(self.applies_to(ctx))),
            "docsUrl" => to.leaf(&now(self.docs_url(ctx))),
            _ => to.leaf(&()),
        }
    }
}

impl Serialize for FieldPart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        word(self).serialize(serializer)
    }
}

impl Serialize for FieldType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        word(self).serialize(serializer)
    }
}
