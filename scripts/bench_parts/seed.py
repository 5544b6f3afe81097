"""Fills the databases.

One account installs through the API; the others get copies of its rows, by the same SQL on both engines. Sealed secrets
are not copied: they are bound to their account, and no list reads them."""

import concurrent.futures
import contextlib
import json
import sqlite3

# What the install operation sends.
INSTALLED = "stripe"
INSTALL = {"params": {}, "secrets": {"api_key": "sk_test_example_0000", "webhook_secret": "whsec_example_0000"}}
STRANGER = "nobody-yet"

# In the order of the key: an index of millions filled out of order takes minutes.
COPIES = """
WITH RECURSIVE numbers (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})
INSERT INTO {table} ({columns}) SELECT 'account-' || n, {rest} FROM {table}, numbers WHERE account_id = 'account-0'
ORDER BY 1, 2"""
COPIED = {
    "account_revisions": ["revision"],
    "installations": ["integration_id", "connection", "params", "secret_names", "installed_at", "revision", "created_at", "updated_at"],
}

FLOOR_TABLE = """
CREATE TABLE floor_integrations (
    id uuid PRIMARY KEY, name text UNIQUE NOT NULL, display_name text NOT NULL, description text NOT NULL, category text NOT NULL,
    tags text[] NOT NULL, icon_url text, docs_url text, homepage_url text, credentials_url text, auth_kinds text[] NOT NULL,
    required text[] NOT NULL, state text NOT NULL, differs_from_default boolean NOT NULL, params_schema text NOT NULL,
    secrets_schema text NOT NULL, fields text NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
CREATE INDEX ON floor_integrations (category);
INSERT INTO floor_integrations SELECT * FROM json_populate_recordset(NULL::floor_integrations, $floor$%s$floor$);"""


def accounts(server, postgres, count, installed):
    """Installs so many entries for each account, of which there were none; leaves the server stopped."""
    first_account(server, installed)
    more_accounts(server, postgres, 1, count)


def first_account(server, installed):
    server.start()
    for name, body in some(catalog(server), installed).items():
        server.call("account-0", "POST", f"/api/v1/integrations/{name}/install", body)
    server.stop()


def more_accounts(server, postgres, first, end):
    """Copies account-0 to the accounts from `first` up to before `end`."""
    if first < end:
        for table, columns in COPIED.items():
            rest = ", ".join(columns)
            run(server, postgres, COPIES.format(first=first, last=end - 1, table=table, columns="account_id, " + rest, rest=rest))


def run(server, postgres, sql):
    """One statement on the server's database, which may be running."""
    if server.has_database:
        postgres.run(sql)
        return
    with contextlib.closing(sqlite3.connect(f"{server.folder}/patchbay.db", timeout=30)) as database, database:
        for setting in ["cache_size = -262144", "temp_store = memory", "synchronous = off"]:
            database.execute(f"PRAGMA {setting}")
        # Returns to Python now and then, so that Ctrl-C need not wait for the end.
        database.set_progress_handler(lambda: None, 1_000_000)
        database.execute(sql)


def catalog(server):
    """All entries with their schemas, as an account sees them that installed nothing."""
    return server.call(STRANGER, "GET", "/api/v1/integrations?include=schemas")[1]["integrations"]


def some(entries, count):
    """So many of the catalog by name, from all over it, each with what its install supplies: the examples that its schemas give."""
    others = [entry for entry in entries if entry["name"] != INSTALLED]
    step = max(len(others) // max(count - 1, 1), 1)
    chosen = others[::step][:count - 1] + [entry for entry in entries if entry["name"] == INSTALLED]
    examples = lambda schema: {name: field["examples"][0] for name, field in schema["properties"].items() if field.get("examples")}
    return {entry["name"]: {"params": examples(entry["params_schema"]), "secrets": examples(entry["secrets_schema"])} for entry in chosen}


def first_secrets(server, count):
    """The install operation, once per account."""
    def some(numbers):
        with contextlib.closing(server.connect()) as connection:
            for n in numbers:
                server.call(f"account-{n}", "POST", f"/api/v1/integrations/{INSTALLED}/install", INSTALL, connection)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(some, [range(start, count, 8) for start in range(8)]))


def floor(server, postgres):
    """The catalog as flat rows for the floor: plain columns, schemas as text."""
    text = lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    rows = [{**entry, "required": entry["missing_fields"], "params_schema": text(entry["params_schema"]),
             "secrets_schema": text(entry["secrets_schema"]), "fields": text(entry["fields"])} for entry in catalog(server)]
    postgres.run(FLOOR_TABLE % json.dumps(rows))
