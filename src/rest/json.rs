//! Reading JSON that a client sent, strictly, and without quoting it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::domain::limits::SECRETS_PER_INSTALLATION;
use crate::domain::{Supplied, reported_names};
use crate::edge::check_json;
use crate::error::{Error, Result};

/// The content of a body, and the names of its members that the route does not read.
#[derive(Default)]
pub(super) struct Read<T> {
    pub(super) content: T,
    /// Sorted; as [`reported_names`] bounds them.
    pub(super) ignored_fields: Vec<String>,
}

/// The body of an install: nothing, `null`, or an object with `params` and `secrets`.
///
/// # Errors
/// [`Error::BadInput`] when it is not JSON, or of another shape; those of [`check_json`].
pub(super) fn supplied(body: &[u8]) -> Result<Read<Supplied>> {
    let Some(mut object) = optional_object(body)? else { return Ok(Read::default()) };
    let content = Supplied::new(part(&mut object, "params")?, part(&mut object, "secrets")?)?;
    Ok(Read { content, ignored_fields: reported_names(object.keys()) })
}

/// The body of a reading of secrets: nothing, `null`, or an object that may have `names`; `None` means all.
///
/// # Errors
/// [`Error::BadInput`] when it is not JSON, of another shape, or names too many; those of [`check_json`].
pub(super) fn names(body: &[u8]) -> Result<Read<Option<Vec<String>>>> {
    let Some(mut object) = optional_object(body)? else { return Ok(Read::default()) };
    let names = object.remove("names").unwrap_or_default();
    let names: Option<Vec<String>> =
        serde_json::from_value(names).map_err(|_| Error::bad_input("names must be a list of strings"))?;
    match names {
        Some(names) if names.len() > SECRETS_PER_INSTALLATION => {
            Err(Error::bad_input(format!("names may hold at most {SECRETS_PER_INSTALLATION} names")))
        }
        content => Ok(Read { content, ignored_fields: reported_names(object.keys()) }),
    }
}

/// The body of a request that is an object, whatever is in it.
///
/// # Errors
/// [`Error::BadInput`] when it is not JSON, or no object; those of [`check_json`].
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>> {
    match parse(body)? {
        Value::Object(object) => Ok(object),
        _ => Err(Error::bad_input("The request body must be a JSON object")),
    }
}

/// The body of a request of this shape.
///
/// # Errors
/// [`Error::BadInput`] when it is not JSON, or of another shape; those of [`check_json`].
pub(super) fn body<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let shape = "The request body must be a JSON object whose fields have the documented types";
    serde_json::from_value(parse(body)?).map_err(|_| Error::bad_input(shape))
}

/// The JSON text of an answer.
///
/// # Errors
/// [`Error::Internal`], never seen.
pub(super) fn text(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::Internal { cause: e.to_string() })
}

/// `None` for an empty body and for `null`.
fn optional_object(body: &[u8]) -> Result<Option<Map<String, Value>>> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    match parse(body)? {
        Value::Null => Ok(None),
        Value::Object(object) => Ok(Some(object)),
        _ => Err(Error::bad_input("The request body must be a JSON object")),
    }
}

fn part(object: &mut Map<String, Value>, name: &'static str) -> Result<Option<Map<String, Value>>> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(part)) => Ok(Some(part)),
        Some(_) => Err(Error::bad_input(format!("{name} must be a JSON object"))),
    }
}

fn parse(body: &[u8]) -> Result<Value> {
    check_json(body)?;
    // The library's text quotes what it read, and that may be a secret: keep the place alone.
    serde_json::from_slice(body)
        .map_err(|e| Error::bad_input(format!("Malformed JSON at line {} column {}", e.line(), e.column())))
}
