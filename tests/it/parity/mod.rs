//! The same question over REST, over GraphQL and to the services, and the same answer, compared as values.

mod asking;
mod reading;
mod refusing;
mod writing;

use serde_json::{Map, Value, json};

/// A question that all three ways can be asked.
#[derive(Clone, Debug)]
enum Question {
    List(Filter, Page),
    Show(&'static str),
    Install(&'static str, Option<Value>, Option<Value>),
    Uninstall(&'static str),
}

#[derive(Clone, Copy, Debug, Default)]
struct Filter {
    category: Option<&'static str>,
    status: Option<&'static str>,
    search: Option<&'static str>,
    tag: Option<&'static str>,
    auth_kind: Option<&'static str>,
    order: Option<&'static str>,
}

#[derive(Clone, Debug, Default)]
struct Page {
    limit: Option<i64>,
    cursor: Option<String>,
}

/// An answer in the words of REST. Moments are kept to the microsecond, in whatever form they came.
type Reply = Value;

fn refused(code: &str, message: &str) -> Reply {
    json!({"refused": code.to_lowercase(), "message": message})
}

fn invalid(mut problems: Vec<(String, String, String)>) -> Reply {
    problems.sort();
    json!({ "problems": problems })
}

/// Moments as numbers; of an installation just made, only whether there is one.
fn moments(value: Value, keep: bool) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| moments(item, keep)).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let is_moment = name.ends_with("_at");
                    let value = if is_moment { moment(value, keep) } else { moments(value, keep) };
                    (name, value)
                })
                .collect::<Map<_, _>>(),
        ),
        other => other,
    }
}

fn moment(value: Value, keep: bool) -> Value {
    let Value::String(text) = value else { return value };
    assert!(text.ends_with('Z'), "in UTC: {text}");
    let moment: chrono::DateTime<chrono::Utc> = text.parse().expect("RFC 3339");
    if keep { moment.timestamp_micros().into() } else { "set".into() }
}
