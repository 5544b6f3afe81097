//! Rows as JSON, without copies.

use std::cmp::Ordering;
use std::error::Error;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

/// An item of the list, or with schemas the whole integration.
#[derive(Serialize)]
pub(crate) struct Item<'a> {
    id: Uuid,
    name: &'a str,
    display_name: &'a str,
    description: &'a str,
    pub(crate) category: &'a str,
    tags: Vec<&'a str>,
    icon_url: Option<&'a str>,
    docs_url: Option<&'a str>,
    homepage_url: Option<&'a str>,
    credentials_url: Option<&'a str>,
    auth_kinds: Vec<&'a str>,
    status: &'static str,
    installed_at: Option<DateTime<Utc>>,
    params: &'a RawValue,
    secret_names: Vec<&'a str>,
    missing_fields: Vec<&'a str>,
    is_custom: bool,
    state: &'a str,
    differs_from_default: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a RawValue>,
}

/// The six fields that the list is asked for through GraphQL.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node<'a> {
    id: Uuid,
    name: &'a str,
    display_name: &'a str,
    pub(crate) category: &'a str,
    status: &'static str,
    installed_at: Option<DateTime<Utc>>,
}

/// The text of a `jsonb`, not taken apart.
struct JsonText<'a>(&'a str);

impl<'a> FromSql<'a> for JsonText<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        // The first byte is the version of the format.
        Ok(Self(std::str::from_utf8(&raw[1..])?))
    }

    fn accepts(wanted: &Type) -> bool {
        *wanted == Type::JSONB
    }
}

impl<'a> Item<'a> {
    pub(crate) fn read(row: &'a Row) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let params: Option<JsonText<'a>> = row.get(13);
        let params = params.map_or("{}", |json| json.0);
        let secret_names: Option<JsonText<'a>> = row.get(14);
        let secret_names: Vec<&str> = secret_names.map_or(Ok(Vec::new()), |json| serde_json::from_str(json.0))?;
        let mut missing_fields: Vec<&str> = row.get(10);
        if !missing_fields.is_empty() {
            let given: std::collections::HashMap<&str, serde::de::IgnoredAny> = serde_json::from_str(params)?;
            missing_fields.retain(|field| match field.split_once('.') {
                Some(("params", name)) => !given.contains_key(name),
                Some((_, name)) => !secret_names.contains(&name),
                None => true,
            });
        }
        let installed_at: Option<DateTime<Utc>> = row.get(15);
        let (changed, stored): (DateTime<Utc>, Option<DateTime<Utc>>) = (row.get(12), row.get(16));
        let written = |at: usize| match row.len() > at {
            true => serde_json::from_str(row.get(at)).map(Some),
            false => Ok(None),
        };
        Ok(Self {
            id: row.get(0),
            name: row.get(1),
            display_name: row.get(2),
            description: row.get(3),
            category: row.get(4),
            tags: row.get(5),
            icon_url: row.get(6),
            docs_url: row.get(7),
            homepage_url: row.get(8),
            credentials_url: row.get(17),
            auth_kinds: row.get(9),
            status: if installed_at.is_some() { "installed" } else { "available" },
            installed_at,
            params: serde_json::from_str(params)?,
            secret_names,
            missing_fields,
            is_custom: false,
            state: row.get(18),
            differs_from_default: row.get(19),
            created_at: row.get(11),
            updated_at: stored.map_or(changed, |stored| changed.max(stored)),
            params_schema: written(20)?,
            secrets_schema: written(21)?,
            fields: written(22)?,
        })
    }

    pub(crate) fn place(&self) -> (&str, &str, Uuid) {
        (self.category, self.display_name, self.id)
    }

    pub(crate) fn is_installed(&self) -> bool {
        self.installed_at.is_some()
    }
}

impl<'a> Node<'a> {
    pub(crate) fn read(row: &'a Row) -> Self {
        let installed_at: Option<DateTime<Utc>> = row.get(4);
        Self {
            id: row.get(0),
            name: row.get(1),
            display_name: row.get(2),
            category: row.get(3),
            status: if installed_at.is_some() { "INSTALLED" } else { "AVAILABLE" },
            installed_at,
        }
    }

    pub(crate) fn place(&self) -> (&str, &str, Uuid) {
        (self.category, self.display_name, self.id)
    }
}

/// Category, display name without case, id.
pub(crate) fn in_order(one: (&str, &str, Uuid), other: (&str, &str, Uuid)) -> Ordering {
    one.0.cmp(other.0).then_with(|| folded(one.1).cmp(folded(other.1))).then(one.2.cmp(&other.2))
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}
