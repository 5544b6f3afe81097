//! The statements, and the connections they are prepared on.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_postgres::{Client, Error, NoTls, Statement};

/// Fixed and shared: a request takes the next one in turn and does not wait for the answers to earlier requests (the
/// protocol is pipelined), so there is no pool to check out from. As many as the server opens by default.
const CONNECTIONS: usize = 16;

macro_rules! summary {
    () => {
        "c.id, c.name, c.display_name, c.description, c.category, c.tags, c.icon_url, c.docs_url, c.homepage_url,
         c.auth_kinds, c.required, c.created_at, c.updated_at, i.params, i.secret_names, i.installed_at, i.updated_at,
         c.credentials_url, c.state, c.differs_from_default"
    };
}

/// The account belongs to the ON clause: in WHERE it would turn the outer join into an inner one.
macro_rules! joined {
    ($columns:expr, $where:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM floor_integrations c LEFT JOIN installations i
             ON i.integration_id = c.id AND i.account_id = $1 AND i.connection = 'default'",
            $where
        )
    };
}

const LIST: &str = joined!(summary!(), "");
const CATEGORY: &str = joined!(summary!(), " WHERE c.category = $2");
const COUNTS: &str = "SELECT category, count(*) FROM floor_integrations GROUP BY category";
const GRAPHQL: &str = joined!("c.id, c.name, c.display_name, c.category, i.installed_at", "");
const ONE: &str = joined!(concat!(summary!(), ", c.params_schema, c.secrets_schema, c.fields"), " WHERE c.name = $2");
/// The row, its secrets and the answer in one statement, so in one transaction and one round trip.
const INSTALL: &str = concat!(
    "WITH entry AS (SELECT * FROM floor_integrations WHERE name = $2),
    installed AS (
        INSERT INTO installations (account_id, integration_id, connection, params, secret_names, installed_at,
                                   revision, created_at, updated_at)
        SELECT $1, id, 'default', $3::text::jsonb, to_jsonb($4::text[]), now(), 1, now(), now() FROM entry
        ON CONFLICT (account_id, integration_id, connection) DO UPDATE
        SET params = excluded.params, secret_names = excluded.secret_names, updated_at = excluded.updated_at,
            installed_at = COALESCE(installations.installed_at, excluded.installed_at)
        RETURNING integration_id, params, secret_names, installed_at, updated_at),
    stored AS (
        INSERT INTO installation_secrets (account_id, integration_id, connection, name, sealed, key_id,
                                          created_at, updated_at)
        SELECT $1, integration_id, 'default', secret.name, secret.sealed, 1, now(), now()
        FROM installed, unnest($4::text[], $5::bytea[]) AS secret (name, sealed)
        ON CONFLICT (account_id, integration_id, connection, name) DO UPDATE
        SET sealed = excluded.sealed, key_id = excluded.key_id, updated_at = excluded.updated_at)
    SELECT ",
    summary!(),
    ", c.params_schema, c.secrets_schema, c.fields FROM entry c, installed i"
);

/// One connection with every statement prepared.
pub(crate) struct Database {
    pub(crate) client: Client,
    pub(crate) list: Statement,
    pub(crate) category: Statement,
    pub(crate) counts: Statement,
    pub(crate) graphql: Statement,
    pub(crate) one: Statement,
    pub(crate) install: Statement,
}

/// All connections.
pub(crate) struct Databases {
    all: Vec<Database>,
    taken: AtomicUsize,
}

impl Databases {
    pub(crate) async fn connect(url: &str) -> Result<Self, Error> {
        let mut all = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            all.push(Database {
                list: client.prepare(LIST).await?,
                category: client.prepare(CATEGORY).await?,
                counts: client.prepare(COUNTS).await?,
                graphql: client.prepare(GRAPHQL).await?,
                one: client.prepare(ONE).await?,
                install: client.prepare(INSTALL).await?,
                client,
            });
        }
        Ok(Self { all, taken: AtomicUsize::new(0) })
    }

    pub(crate) fn next(&self) -> &Database {
        &self.all[self.taken.fetch_add(1, Ordering::Relaxed) % self.all.len()]
    }
}
