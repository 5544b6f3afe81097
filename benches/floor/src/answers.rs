//! The routes.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use aes_gcm::aead::{Aead, Generate};
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce};
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_postgres::types::ToSql;

use crate::database::Databases;
use crate::rows::{Item, Node, in_order};

type Answer = Result<Response, Failed>;

pub(crate) struct Floor {
    databases: Databases,
    cipher: Aes256Gcm,
}

impl Floor {
    pub(crate) async fn connect(url: &str) -> Result<Self, tokio_postgres::Error> {
        let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from([7; 32]));
        Ok(Self { databases: Databases::connect(url).await?, cipher })
    }

    /// Nonce, ciphertext, tag.
    fn seal(&self, plain: &str) -> Result<Vec<u8>, &'static str> {
        let nonce = Nonce::try_generate().map_err(|_| "no randomness")?;
        let sealed = self.cipher.encrypt(&nonce, plain.as_bytes()).map_err(|_| "not sealed")?;
        Ok([&nonce[..], &sealed].concat())
    }
}

#[derive(Deserialize)]
pub(crate) struct Wanted {
    category: Option<String>,
}

#[derive(Serialize)]
struct List<'a> {
    integrations: Vec<Item<'a>>,
    category_counts: BTreeMap<&'a str, i64>,
    status_counts: StatusCounts,
    total: usize,
}

#[derive(Serialize)]
struct StatusCounts {
    available: usize,
    installed: usize,
}

impl<'a> List<'a> {
    fn new(mut integrations: Vec<Item<'a>>, category_counts: BTreeMap<&'a str, i64>) -> Self {
        integrations.sort_unstable_by(|a, b| in_order(a.place(), b.place()));
        let total = integrations.len();
        let installed = integrations.iter().filter(|item| item.is_installed()).count();
        let status_counts = StatusCounts { available: total - installed, installed };
        Self { integrations, category_counts, status_counts, total }
    }
}

pub(crate) async fn list(State(floor): State<Arc<Floor>>, Query(wanted): Query<Wanted>, headers: HeaderMap) -> Answer {
    let (database, account) = (floor.databases.next(), account(&headers)?);
    let Some(category) = wanted.category else {
        let rows = database.client.query(&database.list, &[&account]).await?;
        let items = rows.iter().map(Item::read).collect::<Result<Vec<_>, _>>()?;
        let category_counts = counts(items.iter().map(|item| item.category));
        return answer(&List::new(items, category_counts));
    };
    let of_category: [&(dyn ToSql + Sync); 2] = [&account, &category];
    let (rows, counts) = tokio::try_join!(
        database.client.query(&database.category, &of_category),
        database.client.query(&database.counts, &[]),
    )?;
    let items = rows.iter().map(Item::read).collect::<Result<Vec<_>, _>>()?;
    let category_counts = counts.iter().map(|row| (row.get(0), row.get(1))).collect();
    answer(&List::new(items, category_counts))
}

pub(crate) async fn one(State(floor): State<Arc<Floor>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    let database = floor.databases.next();
    let row = database.client.query_one(&database.one, &[&account(&headers)?, &name]).await?;
    answer(&Item::read(&row)?)
}

#[derive(Serialize)]
struct Data<'a> {
    data: Integrations<'a>,
}

#[derive(Serialize)]
struct Integrations<'a> {
    integrations: Connection<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection<'a> {
    nodes: Vec<Node<'a>>,
    total_count: usize,
    category_counts: Vec<CategoryCount<'a>>,
}

#[derive(Serialize)]
struct CategoryCount<'a> {
    category: &'a str,
    count: i64,
}

/// Most nodes that the document asks for.
const FIRST: usize = 200;

/// Answers the one document that `scripts/bench` sends, whatever is sent.
pub(crate) async fn graphql(State(floor): State<Arc<Floor>>, headers: HeaderMap, _body: Bytes) -> Answer {
    let database = floor.databases.next();
    let rows = database.client.query(&database.graphql, &[&account(&headers)?]).await?;
    let mut nodes: Vec<_> = rows.iter().map(Node::read).collect();
    nodes.sort_unstable_by(|a, b| in_order(a.place(), b.place()));
    let counts = counts(nodes.iter().map(|node| node.category));
    let category_counts = counts.into_iter().map(|(category, count)| CategoryCount { category, count }).collect();
    let total_count = nodes.len();
    nodes.truncate(FIRST);
    let integrations = Connection { nodes, total_count, category_counts };
    answer(&Data { data: Integrations { integrations } })
}

#[derive(Deserialize)]
struct Supplied<'a> {
    #[serde(borrow)]
    params: &'a RawValue,
    #[serde(borrow)]
    secrets: BTreeMap<&'a str, &'a RawValue>,
}

#[derive(Serialize)]
struct Changed<'a> {
    integration: Item<'a>,
    changed: bool,
    unknown_fields: [&'a str; 0],
    ignored_fields: [&'a str; 0],
}

pub(crate) async fn install(
    State(floor): State<Arc<Floor>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let supplied: Supplied<'_> = serde_json::from_slice(&body)?;
    let names: Vec<&str> = supplied.secrets.keys().copied().collect();
    let sealed = supplied.secrets.values().map(|value| floor.seal(value.get())).collect::<Result<Vec<_>, _>>()?;
    let database = floor.databases.next();
    let row = database
        .client
        .query_one(&database.install, &[&account(&headers)?, &name, &supplied.params.get(), &names, &sealed])
        .await?;
    let integration = Item::read(&row)?;
    answer(&Changed { integration, changed: true, unknown_fields: [], ignored_fields: [] })
}

fn account(headers: &HeaderMap) -> Result<&str, Failed> {
    Ok(headers.get("x-account-id").ok_or("no account")?.to_str()?)
}

fn counts<'a>(categories: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, i64> {
    let mut counts = BTreeMap::new();
    for category in categories {
        *counts.entry(category).or_insert(0) += 1;
    }
    counts
}

fn answer(value: &impl Serialize) -> Answer {
    Ok(([(header::CONTENT_TYPE, "application/json")], serde_json::to_vec(value)?).into_response())
}

pub(crate) struct Failed(Box<dyn Error + Send + Sync>);

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}
