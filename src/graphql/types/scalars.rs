//! Scalars.

use std::borrow::Cow;

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::Utc;
use serde::{Serialize, Serializer};
use serde_json::Map;

use crate::edge::Moment;

/// Any JSON object. Numbers are exact up to 2^64 − 1.
#[derive(Serialize)]
pub(in crate::graphql) struct JsonObject<'a>(pub(in crate::graphql) Cow<'a, Map<String, serde_json::Value>>);

/// Any JSON object. Numbers are exact up to 2^64 − 1.
#[Scalar(name = "JSONObject")]
impl<'a> ScalarType for JsonObject<'a> {
    fn parse(value: Value) -> InputValueResult<Self> {
        // No message quotes what was supplied: it may be a secret.
        if has_enum(&value) {
            return Err(InputValueError::custom("text in a JSON object must stand in quotes"));
        }
        match value.into_json() {
            Ok(serde_json::Value::Object(object)) => Ok(Self(Cow::Owned(object))),
            _ => Err(InputValueError::custom("must be a JSON object")),
        }
    }

    /// Asked by the validator, so that a wrong value refuses the request before any of its mutations ran.
    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::Object(_)) && !has_enum(value)
    }

    fn to_value(&self) -> Value {
        Value::from_json(serde_json::Value::Object(self.0.clone().into_owned())).unwrap_or_default()
    }
}

/// A word without quotes is an enum value to GraphQL, and would silently become text.
fn has_enum(value: &Value) -> bool {
    match value {
        Value::Enum(_) => true,
        Value::List(items) => items.iter().any(has_enum),
        Value::Object(fields) => fields.values().any(has_enum),
        _ => false,
    }
}

/// A moment, RFC 3339 in UTC with `Z`.
pub(in crate::graphql) struct DateTime(pub(in crate::graphql) chrono::DateTime<Utc>);

/// A moment, RFC 3339 in UTC with `Z`.
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => match text.parse() {
                Ok(moment) => Ok(Self(moment)),
                Err(_) => Err(InputValueError::custom("must be a moment like 2026-11-24T12:00:00Z")),
            },
            _ => Err(InputValueError::custom("must be a moment like 2026-11-24T12:00:00Z")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(Moment::of(self.0).as_str().to_owned())
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Moment::of(self.0).as_str())
    }
}
