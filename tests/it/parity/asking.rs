//! The three ways to ask.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Method;
use patchbay::domain::{
    AuthKind, CatalogOrder, CatalogQuery, Cursor, FormField, Integration, Page as DomainPage, Part, Reference,
    SearchText, Status, Supplied,
};
use patchbay::edge::Failure;
use patchbay::error::Error;
use patchbay::service::{Done, Outcome};
use serde_json::{Map, Value, json};

use super::{Filter, Page, Question, Reply, invalid, refused};
use crate::support::{Answer, World, account_id, call};

const FIELDS: &str = "id name displayName description category tags iconUrl docsUrl homepageUrl authKinds status \
    credentialsUrl installedAt params secretNames missingFields paramsSchema secretsSchema isCustom state differsFromDefault createdAt updatedAt \
    fields { name part secret label help type format pattern enum default example required order multiline appliesTo docsUrl }";
/// A page that may be asked for with all of that.
const PIECE: i64 = 100;

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
        if matches!(question, Question::Install(..)) {
            // GraphQL refuses what its schema does not have.
            let ignored = json.as_object_mut().and_then(|answer| answer.remove("ignored_fields"));
            assert_eq!(ignored, Some(json!([])));
        } else if matches!(question, Question::Uninstall(..)) {
            json["unknown_fields"] = json!([]);
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
    for (name, value) in [
        ("category", filter.category),
        ("status", filter.status),
        ("search", filter.search),
        ("tag", filter.tag),
        ("auth_kind", filter.auth_kind),
        ("order", filter.order),
    ] {
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

/// The whole list is more than a page: it is asked for page by page.
pub(super) async fn graphql(world: &World, account: &str, question: &Question) -> Reply {
    let Question::List(filter, page @ Page { limit: None, cursor: None }) = question else {
        return graphql_once(world, account, question).await;
    };
    let mut page = Page { limit: Some(PIECE), ..page.clone() };
    let mut whole = graphql_once(world, account, &Question::List(*filter, page.clone())).await;
    while let Some(next) = whole.get("next_cursor").and_then(Value::as_str) {
        page.cursor = Some(next.to_owned());
        let mut more = graphql_once(world, account, &Question::List(*filter, page.clone())).await;
        let items = more["integrations"].as_array_mut().expect("a page").drain(..).collect::<Vec<_>>();
        whole["integrations"].as_array_mut().expect("a page").extend(items);
        whole["next_cursor"] = more["next_cursor"].take();
    }
    whole
}

async fn graphql_once(world: &World, account: &str, question: &Question) -> Reply {
    let (document, variables) = match question {
        Question::List(filter, page) => (
            // More than a page may have is refused for the size alone, whatever is asked for.
            list_document(if page.limit > Some(PIECE) { "name" } else { FIELDS }),
            json!({
                "category": filter.category, "search": filter.search, "after": page.cursor, "tag": filter.tag,
                "status": filter.status.map(str::to_uppercase), "authKind": filter.auth_kind.map(str::to_uppercase),
                "order": filter.order.map(str::to_uppercase), "first": page.limit,
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

fn list_document(fields: &str) -> String {
    format!(
        "query($category: String, $status: IntegrationStatus, $search: String, $first: Int, $after: String,
               $tag: String, $authKind: AuthKind, $order: IntegrationOrder) {{
            answer: integrations(category: $category, status: $status, search: $search, first: $first, after: $after,
                                 tag: $tag, authKind: $authKind, orderBy: $order) {{
                nodes {{ {fields} }} totalCount categoryCounts {{ category count }} statusCounts {{ status count }}
                pageInfo {{ hasNextPage endCursor }} }} }}"
    )
}

fn mutation(field: &str, input: &str) -> String {
    let names = if field == "installIntegration" { "unknownFields" } else { "" };
    format!(
        "mutation($input: {input}!) {{ answer: {field}(input: $input) {{
            changed {names} integration {{ {FIELDS} }} userErrors {{ message field code }} }} }}"
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
            let statuses = answer["statusCounts"].as_array().expect("counts").iter();
            let statuses: Map<_, _> = statuses.map(|c| (lower(&c["status"]), c["count"].clone())).collect();
            let page = &answer["pageInfo"];
            let next = if page["hasNextPage"] == true { page["endCursor"].clone() } else { Value::Null };
            let nodes: Value = answer["nodes"].as_array().expect("nodes").iter().cloned().map(snake).collect();
            json!({"integrations": nodes, "category_counts": counts, "status_counts": statuses,
                   "total": answer["totalCount"], "next_cursor": next})
        }
        Question::Install(..) | Question::Uninstall(..) => {
            let errors = answer["userErrors"].as_array().expect("userErrors");
            match errors.first() {
                None => json!({
                    "integration": snake(answer["integration"].clone()), "changed": answer["changed"],
                    "unknown_fields": answer.get("unknownFields").unwrap_or(&json!([])),
                }),
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

/// A value of an enum in the words of REST.
fn lower(value: &Value) -> String {
    value.as_str().expect("a word").to_lowercase()
}

/// An integration, or a field of one, in the words of REST. What it holds itself keeps its own words.
fn snake(integration: Value) -> Value {
    let Value::Object(fields) = integration else { panic!("no integration: {integration}") };
    let pairs = fields.into_iter().map(|(name, value)| {
        let value = match name.as_str() {
            "status" | "state" | "part" | "type" => lower(&value).into(),
            "authKinds" | "appliesTo" => value.as_array().expect("kinds").iter().map(lower).collect(),
            "fields" => value.as_array().expect("fields").iter().cloned().map(snake).collect(),
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
            let [category, tag] = [filter.category, filter.tag].map(|text| text.map(Into::into));
            let search = filter.search.map_or(Ok(None), SearchText::parse)?;
            let auth_kind = filter.auth_kind.map(|name| AuthKind::parse(name).expect("a kind"));
            let order = filter.order.map(|name| CatalogOrder::parse(name).expect("an order")).unwrap_or_default();
            let listing = tenant.list(CatalogQuery { category, status, search, tag, auth_kind, order }).await?;
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
                "category_counts": listing.category_counts().collect::<BTreeMap<_, _>>(),
                "status_counts": listing.status_counts().map(|(status, count)| (status_name(status), count)).into_iter()
                    .collect::<BTreeMap<_, _>>(),
                "total": listing.total(), "next_cursor": next,
            }))
        }
        Question::Show(id) => Ok(of_domain(&tenant.integration(&Reference::parse(id)).await?)),
        Question::Install(id, params, secrets) => {
            let object = |value: &Option<Value>| value.as_ref().map(|v| v.as_object().expect("object").clone());
            let supplied = Supplied::new(object(params), object(secrets))?;
            tenant.install(&Reference::parse(id), supplied, None).await.map(of_outcome)
        }
        Question::Uninstall(id) => tenant.uninstall(&Reference::parse(id), None).await.map(of_outcome),
    }
}

fn of_outcome(Done { what: outcome, .. }: Done<Outcome>) -> Reply {
    let Outcome { integration, changed, unknown_fields } = &outcome;
    json!({"integration": of_domain(integration), "changed": changed, "unknown_fields": unknown_fields})
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
        "auth_kinds": entry.auth_kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "credentials_url": entry.credentials_url,
        "status": status_name(integration.status()),
        "installed_at": integration.installed_at(),
        "params": integration.params().to_map(),
        "secret_names": integration.secret_names(),
        "missing_fields": integration.missing_fields(),
        "params_schema": entry.params_schema,
        "secrets_schema": entry.secrets_schema,
        "fields": entry.fields.iter().map(of_field).collect::<Vec<_>>(),
        "is_custom": entry.is_custom,
        "state": entry.state.as_str(),
        "differs_from_default": entry.differs_from_default,
        "created_at": entry.created_at,
        "updated_at": integration.updated_at(),
    })
}

fn of_field(field: &FormField) -> Value {
    json!({
        "name": field.name, "part": field.part.as_str(), "secret": field.part == Part::Secrets, "label": field.label,
        "help": field.help, "type": field.kind.as_str(), "format": field.format, "pattern": field.pattern, "enum": field.choices,
        "default": field.default, "example": field.example, "required": field.required, "order": field.order,
        "multiline": field.multiline, "applies_to": field.applies_to.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "docs_url": field.docs_url,
    })
}

fn status_name(status: Status) -> &'static str {
    match status {
        Status::Available => "available",
        Status::Installed => "installed",
    }
}
