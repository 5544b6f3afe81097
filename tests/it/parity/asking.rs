//! The three ways to ask.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Method;
use patchbay::domain::{AuthKind, CatalogFilter, Cursor, Integration, Page as DomainPage, Reference, Status, Supplied};
use patchbay::edge::Failure;
use patchbay::error::Error;
use patchbay::service::Outcome;
use serde_json::{Map, Value, json};

use super::{Filter, Page, Question, Reply, WHOLE, invalid, refused};
use crate::support::{Answer, World, account_id, call};

const FIELDS: &str = "id name displayName description category tags iconUrl docsUrl homepageUrl authKinds status \
    installedAt params secretNames missingFields paramsSchema secretsSchema isCustom createdAt updatedAt";

pub(super) async fn rest(world: &World, account: &str, question: &Question) -> Reply {
    let client = world.account(account).header("accept", "application/problem+json");
    let answer = match question {
        Question::List(filter, page) => client.get(&list_path(filter, page)).await,
        Question::Show(id) => client.get(&format!("/api/v1/integrations/{id}")).await,
        Question::Install(id, params, secrets) => {
            let body = json!({"params": params, "secrets": secrets});
            client.post(&format!("/api/v1/integrations/{id}/install"), &body).await
        }
        Question::Uninstall(id) => {
            client.send(Method::POST, &format!("/api/v1/integrations/{id}/uninstall"), Body::empty()).await
        }
    };
    if answer.status.is_success() {
        let mut json = answer.json();
        if let Question::List(_, page) = question
            && page.limit.is_none()
            && page.cursor.is_none()
        {
            // A page was not asked for, so there is no next one; GraphQL says so in so many words.
            json["next_cursor"] = Value::Null;
        }
        return json;
    }
    let problem = answer.json();
    let fields = problem["errors"].as_array().expect("errors");
    if fields.is_empty() {
        return refused(problem["code"].as_str().expect("code"), problem["detail"].as_str().expect("detail"));
    }
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    invalid(fields.iter().map(|f| part_and_name(text(&f["pointer"]), text(&f["detail"]))).collect())
}

fn list_path(filter: &Filter, page: &Page) -> String {
    let mut query = form_urlencoded::Serializer::new(String::from("include=schemas&"));
    for (name, value) in [("category", filter.category), ("status", filter.status), ("search", filter.search)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    if let Some(limit) = page.limit {
        query.append_pair("limit", &limit.to_string());
    }
    if let Some(cursor) = &page.cursor {
        query.append_pair("cursor", cursor);
    }
    format!("/api/v1/integrations?{}", query.finish())
}

pub(super) async fn graphql(world: &World, account: &str, question: &Question) -> Reply {
    let (document, variables) = match question {
        Question::List(filter, page) => (
            format!(
                "query($category: String, $status: IntegrationStatus, $search: String, $first: Int, $after: String) {{
                    answer: integrations(category: $category, status: $status, search: $search, first: $first, after: $after) {{
                        nodes {{ {FIELDS} }} totalCount categoryCounts {{ category count }}
                        pageInfo {{ hasNextPage endCursor }} }} }}"
            ),
            json!({
                "category": filter.category, "search": filter.search, "after": page.cursor,
                "status": filter.status.map(str::to_uppercase),
                "first": page.limit.or(page.cursor.is_none().then_some(WHOLE)),
            }),
        ),
        Question::Show(id) => (
            format!("query($by: IntegrationRef!) {{ answer: integration(by: $by) {{ {FIELDS} }} }}"),
            json!({"by": reference(id)}),
        ),
        Question::Install(id, params, secrets) => (
            mutation("installIntegration", "InstallIntegrationInput"),
            json!({"input": {"integration": reference(id), "params": params, "secrets": secrets}}),
        ),
        Question::Uninstall(id) => (
            mutation("uninstallIntegration", "UninstallIntegrationInput"),
            json!({"input": {"integration": reference(id)}}),
        ),
    };
    of_graphql(question, &world.account(account).graphql(&document, variables).await)
}

fn mutation(field: &str, input: &str) -> String {
    format!(
        "mutation($input: {input}!) {{ answer: {field}(input: $input) {{
            changed integration {{ {FIELDS} }} userErrors {{ message field code }} }} }}"
    )
}

fn reference(id: &str) -> Value {
    if id.len() == 36 && id.contains('-') { json!({ "id": id }) } else { json!({ "name": id }) }
}

fn of_graphql(question: &Question, answer: &Answer) -> Reply {
    let mut json = answer.json();
    if let Some(error) = json.get("errors").map(|errors| &errors[0]) {
        let code = error["extensions"]["code"].as_str().expect("code");
        return refused(code, error["message"].as_str().expect("message"));
    }
    let answer = json["data"]["answer"].take();
    match question {
        Question::Show(_) if answer.is_null() => refused("integration_not_found", "Integration not found"),
        Question::Show(_) => snake(answer),
        Question::List(..) => {
            let counts = answer["categoryCounts"].as_array().expect("counts").iter();
            let counts: Map<_, _> =
                counts.map(|c| (c["category"].as_str().expect("category").to_owned(), c["count"].clone())).collect();
            let page = &answer["pageInfo"];
            let next = if page["hasNextPage"] == true { page["endCursor"].clone() } else { Value::Null };
            let nodes: Value = answer["nodes"].as_array().expect("nodes").iter().cloned().map(snake).collect();
            json!({"integrations": nodes, "category_counts": counts, "total": answer["totalCount"], "next_cursor": next})
        }
        Question::Install(..) | Question::Uninstall(..) => {
            let errors = answer["userErrors"].as_array().expect("userErrors");
            match errors.first() {
                None => json!({"integration": snake(answer["integration"].clone()), "changed": answer["changed"]}),
                Some(error) if error["code"] == "INTEGRATION_NOT_FOUND" => {
                    refused("integration_not_found", error["message"].as_str().expect("message"))
                }
                Some(_) => invalid(errors.iter().map(user_error).collect()),
            }
        }
    }
}

fn user_error(error: &Value) -> (String, String, String) {
    let path: Vec<_> = error["field"].as_array().expect("field").iter().map(|s| s.as_str().expect("text")).collect();
    assert_eq!(path[0], "input");
    let code = error["code"].as_str().expect("code").to_lowercase();
    assert_eq!(code, format!("{}_invalid", path[1]), "{error}");
    part_and_name(format!("/{}", path[1..].join("/")), error["message"].as_str().expect("message").to_owned())
}

fn part_and_name(pointer: String, message: String) -> (String, String, String) {
    let (part, name) = pointer.trim_start_matches('/').split_once('/').unwrap_or((pointer.trim_start_matches('/'), ""));
    (part.to_owned(), name.to_owned(), message)
}

/// An integration in the words of REST. What it holds itself keeps its own words.
fn snake(integration: Value) -> Value {
    let Value::Object(fields) = integration else { panic!("no integration: {integration}") };
    let pairs = fields.into_iter().map(|(name, value)| {
        let value = match name.as_str() {
            "status" => value.as_str().expect("status").to_lowercase().into(),
            "authKinds" => {
                value.as_array().expect("kinds").iter().map(|k| k.as_str().expect("kind").to_lowercase()).collect()
            }
            _ => value,
        };
        let name = name.chars().fold(String::new(), |mut name, c| {
            if c.is_ascii_uppercase() {
                name.push('_');
            }
            name.push(c.to_ascii_lowercase());
            name
        });
        (name, value)
    });
    Value::Object(pairs.collect())
}

pub(super) async fn service(world: &World, account: &str, question: &Question) -> Reply {
    match ask_service(world, account, question).await {
        Ok(reply) => reply,
        Err(Error::Invalid(problems)) => invalid(
            problems.into_iter().map(|p| (p.part.as_str().to_owned(), p.name.unwrap_or_default(), p.message)).collect(),
        ),
        Err(error) => {
            let failure = Failure::from(error);
            refused(failure.code(), &failure.message())
        }
    }
}

async fn ask_service(world: &World, account: &str, question: &Question) -> Result<Reply, Error> {
    let tenant = world.app.services().tenant(account_id(account), call());
    match question {
        Question::List(filter, page) => {
            let status = filter.status.map(|status| match status {
                "available" => Status::Available,
                "installed" => Status::Installed,
                other => panic!("no status {other}"),
            });
            let (category, search) = (filter.category.map(Into::into), filter.search.map(Into::into));
            let listing = tenant.list(CatalogFilter { category, status, search }).await?;
            let slice = listing.page(&match (page.limit, &page.cursor) {
                (None, None) => DomainPage::All,
                (limit, cursor) => DomainPage::First {
                    limit: usize::try_from(limit.unwrap_or(50)).expect("in range"),
                    after: cursor.clone().map(Cursor),
                    before: None,
                },
            })?;
            let next = slice.items.last().filter(|_| slice.has_next).map(|last| listing.cursor(last).0);
            Ok(json!({
                "integrations": slice.items.iter().map(of_domain).collect::<Vec<_>>(),
                "category_counts": listing.category_counts().collect::<BTreeMap<_, _>>(), "total": listing.total(), "next_cursor": next,
            }))
        }
        Question::Show(id) => Ok(of_domain(&tenant.integration(&Reference::parse(id)).await?)),
        Question::Install(id, params, secrets) => {
            let object = |value: &Option<Value>| value.as_ref().map(|v| v.as_object().expect("object").clone());
            let supplied = Supplied::new(object(params), object(secrets))?;
            tenant.install(&Reference::parse(id), supplied).await.map(of_outcome)
        }
        Question::Uninstall(id) => tenant.uninstall(&Reference::parse(id)).await.map(of_outcome),
    }
}

fn of_outcome(outcome: Outcome) -> Reply {
    json!({"integration": of_domain(&outcome.integration), "changed": outcome.changed})
}

fn of_domain(integration: &Integration) -> Value {
    let entry = &integration.entry;
    json!({
        "id": entry.id.to_string(),
        "name": entry.name,
        "display_name": entry.display_name,
        "description": entry.description,
        "category": entry.category,
        "tags": entry.tags,
        "icon_url": entry.icon_url,
        "docs_url": entry.docs_url,
        "homepage_url": entry.homepage_url,
        "auth_kinds": entry.auth_kinds.iter().map(wire_name).collect::<Vec<_>>(),
        "status": match integration.status() { Status::Available => "available", Status::Installed => "installed" },
        "installed_at": integration.installed_at(),
        "params": integration.params().to_map(),
        "secret_names": integration.secret_names(),
        "missing_fields": integration.missing_fields(),
        "params_schema": entry.params_schema,
        "secrets_schema": entry.secrets_schema,
        "is_custom": false,
        "created_at": entry.created_at,
        "updated_at": integration.updated_at(),
    })
}

fn wire_name(kind: &AuthKind) -> &'static str {
    AuthKind::ALL.iter().find(|(known, _)| known == kind).expect("named").1
}
