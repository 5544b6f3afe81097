//! Responses as JSON. The library's own way would escape the finished JSON that [`plan`](super::plan) leaves in them.

use async_graphql::{Response, Value};
use serde::Serialize;

/// The body of an answer. A refused request has no `data`: nothing ran.
pub(super) fn to_json(response: &Response, refused: bool) -> Vec<u8> {
    let mut json = Vec::with_capacity(capacity(&response.data));
    json.push(b'{');
    if !response.errors.is_empty() {
        json.extend_from_slice(b"\"errors\":");
        write(&response.errors, &mut json);
    }
    if !refused {
        if !response.errors.is_empty() {
            json.push(b',');
        }
        json.extend_from_slice(b"\"data\":");
        write_data(&response.data, &mut json);
    }
    json.push(b'}');
    json
}

/// Room for the finished parts, which are most of an answer that has any, and for what stands around them.
fn capacity(data: &Value) -> usize {
    let Value::Object(fields) = data else { return 0 };
    let finished = fields.values().map(|value| if let Value::Binary(json) = value { json.len() } else { 0 });
    finished.sum::<usize>() + 256
}

/// Only fields of the root are ever finished JSON.
fn write_data(data: &Value, json: &mut Vec<u8>) {
    let Value::Object(fields) = data else { return write(data, json) };
    json.push(b'{');
    for (at, (key, value)) in fields.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        write(key, json);
        json.push(b':');
        match value {
            Value::Binary(finished) => json.extend_from_slice(finished),
            other => write(other, json),
        }
    }
    json.push(b'}');
}

/// Appends a value as JSON.
pub(super) fn write(value: &impl Serialize, json: &mut Vec<u8>) {
    // Into memory, and no map here has keys other than texts: nothing is left that could fail.
    serde_json::to_writer(json, value).expect("a value that is JSON");
}
