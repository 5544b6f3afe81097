//! Making, listing and revoking keys in both ways, in the words of REST.

use serde_json::{Map, Value, json};

use crate::support::{Answer, Client};

pub const PATH: &str = "/api/v1/api-keys";
const FIELDS: &str = "id publicId name scopes accounts allAccounts createdAt createdBy expiresAt lastUsedAt revokedAt \
    revokedBy ratePerMinute";

/// One of the two interfaces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    Rest,
    Graphql,
}

pub const WAYS: [Way; 2] = [Way::Rest, Way::Graphql];

/// The code, in the letters of REST, and one sentence per problem.
pub type Refused = (String, Vec<String>);

pub async fn create(client: &Client, way: Way, wish: &Value) -> Result<Value, Refused> {
    match way {
        Way::Rest => of_rest(&client.clone().header("accept", "application/problem+json").post(PATH, wish).await),
        Way::Graphql => {
            let document = format!(
                "mutation($input: CreateApiKeyInput!) {{ answer: createApiKey(input: $input) {{
                    apiKey {{ {FIELDS} }} key userErrors {{ message field code }} }} }}"
            );
            of_graphql(client.graphql(&document, json!({"input": camel(wish.clone())})).await)
        }
    }
}

pub async fn revoke(client: &Client, way: Way, id: &str) -> Result<Value, Refused> {
    match way {
        Way::Rest => {
            let client = client.clone().header("accept", "application/problem+json");
            of_rest(&client.post(&format!("{PATH}/{id}/revoke"), &json!(null)).await)
        }
        Way::Graphql => {
            let document = format!(
                "mutation($input: RevokeApiKeyInput!) {{ answer: revokeApiKey(input: $input) {{
                    apiKey {{ {FIELDS} }} userErrors {{ message field code }} }} }}"
            );
            of_graphql(client.graphql(&document, json!({"input": {"id": id}})).await)
        }
    }
}

/// A page, with `next_cursor`.
pub async fn list(client: &Client, way: Way, limit: Option<i64>, cursor: Option<&str>) -> Result<Value, Refused> {
    match way {
        Way::Rest => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            limit.map(|limit| query.append_pair("limit", &limit.to_string()));
            cursor.map(|cursor| query.append_pair("cursor", cursor));
            let client = client.clone().header("accept", "application/problem+json");
            of_rest(&client.get(&format!("{PATH}?{}", query.finish())).await)
        }
        Way::Graphql => {
            let document = format!(
                "query($first: Int, $after: String) {{ answer: apiKeys(first: $first, after: $after) {{
                    nodes {{ {FIELDS} }} edges {{ cursor node {{ id }} }} pageInfo {{ hasNextPage hasPreviousPage endCursor }} }} }}"
            );
            let page = of_graphql(client.graphql(&document, json!({"first": limit, "after": cursor})).await)?;
            assert_eq!(page["page_info"]["has_previous_page"], cursor.is_some());
            let ids = |list: &Value, id: fn(&Value) -> Value| -> Vec<Value> {
                list.as_array().expect("list").iter().map(id).collect()
            };
            assert_eq!(ids(&page["nodes"], |n| n["id"].clone()), ids(&page["edges"], |e| e["node"]["id"].clone()));
            let has_next = page["page_info"]["has_next_page"] == true;
            let next = if has_next { page["page_info"]["end_cursor"].clone() } else { Value::Null };
            Ok(json!({"api_keys": page["nodes"], "next_cursor": next}))
        }
    }
}

/// The names of all keys that a client can see, page by page.
pub async fn names(client: &Client, way: Way, limit: i64) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = list(client, way, Some(limit), cursor.as_deref()).await.expect("a page");
        let keys = page["api_keys"].as_array().expect("list");
        assert!(keys.len() as i64 <= limit);
        names.extend(keys.iter().map(|key| key["name"].as_str().expect("name").to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return names,
        }
    }
}

fn of_rest(answer: &Answer) -> Result<Value, Refused> {
    let json = answer.json();
    if answer.status.is_success() {
        return Ok(json);
    }
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let problems = json["errors"].as_array().expect("errors");
    let sentences = match problems.is_empty() {
        true => vec![text(&json["detail"])],
        false => problems.iter().map(|p| text(&p["pointer"]) + " " + &text(&p["detail"])).collect(),
    };
    Err((text(&json["code"]), sentences))
}

fn of_graphql(answer: Answer) -> Result<Value, Refused> {
    let mut json = answer.json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    if let Some(error) = json.get("errors").map(|errors| &errors[0]) {
        return Err((text(&error["extensions"]["code"]).to_lowercase(), vec![text(&error["message"])]));
    }
    let mut answer = json["data"]["answer"].take();
    let problems = answer.as_object_mut().and_then(|answer| answer.remove("userErrors"));
    let problems: Vec<_> = problems.iter().flat_map(|p| p.as_array().expect("list")).cloned().collect();
    let Some(first) = problems.first() else { return Ok(snake(answer)) };
    assert_eq!(answer["apiKey"], Value::Null);
    let code = text(&first["code"]).to_lowercase();
    let sentences = problems.iter().map(|problem| {
        assert_eq!(problem["field"][0], "input");
        let field = snake_word(&text(&problem["field"][1]));
        let message = text(&problem["message"]);
        if code == "api_key_not_found" { message } else { format!("/{field} {message}") }
    });
    let sentences = sentences.collect();
    Err((code, sentences))
}

fn snake(value: Value) -> Value {
    renamed(value, snake_word)
}

fn camel(value: Value) -> Value {
    renamed(value, |word| match word {
        "expires_at" => "expiresAt".into(),
        "all_accounts" => "allAccounts".into(),
        "rate_per_minute" => "ratePerMinute".into(),
        word => word.into(),
    })
}

fn renamed(value: Value, rename: fn(&str) -> String) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| renamed(item, rename)).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (rename(&name), renamed(value, rename)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn snake_word(word: &str) -> String {
    let letters = word.chars().flat_map(|c| {
        let underscore = c.is_ascii_uppercase().then_some('_');
        underscore.into_iter().chain([c.to_ascii_lowercase()])
    });
    letters.collect()
}
