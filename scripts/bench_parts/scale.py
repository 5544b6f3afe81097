"""Whether cost stays flat: with many accounts, and with a large catalog."""

import sys

from . import seed
from .load import LIST, OPERATIONS, WARM_UP_SECONDS, Operation, load, visit
from .report import median

ACCOUNTS = [1, 1_000, 100_000]
CATALOG = 10_000
PAGE = 50
# Accounts that the pages walk over.
FEW = 1_000
LISTS = [operation for operation in OPERATIONS if operation.key in ("list", "list_graphql")]
PAGES = [
    Operation("page", f"a page of {PAGE}, REST", None, "GET", f"{LIST}?limit={PAGE}"),
    Operation("whole", "the whole list, REST", None, "GET", LIST),
    Operation("page_graphql", f"a page of {PAGE}, GraphQL, 6 fields", None, "POST", "/graphql",
              {"query": f"{{ integrations(first: {PAGE}) {{ nodes {{ id name displayName category status installedAt }} }} }}"}),
]

# With the copies below every entry has the word, so that a search for it is as large as one can be.
FINDS = [
    Operation("list_page", f"a page of {PAGE} with counts", None, "GET", f"{LIST}?limit={PAGE}"),
    Operation("search", "search that all have, by relevance", None, "GET", f"{LIST}?search=stripe&order=relevance&limit={PAGE}"),
    Operation("search_few", "search that few have", None, "GET", f"{LIST}?search=helpdesk&limit={PAGE}"),
    Operation("near", "search that forgives a letter", None, "GET", f"{LIST}?search=strpie&order=relevance&limit={PAGE}"),
    Operation("narrow", "category, status and kind of authentication", None, "GET",
              f"{LIST}?category=payments&status=available&auth_kind=bearer&limit={PAGE}"),
    Operation("newest", "by time of installation", None, "GET", f"{LIST}?order=installed_at&limit={PAGE}"),
    Operation("find_graphql", "the search over GraphQL, with all counts", None, "POST", "/graphql",
              {"query": f"{{ integrations(first: {PAGE}, search: \"stripe\", orderBy: RELEVANCE) {{ nodes {{ id name displayName status }} "
                        "totalCount categoryCounts { category count } statusCounts { status count } } }"}),
]

# Copies of one entry under other names. Marked as edited, or loading the built-in catalog would look at them.
SYNTHETIC = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}),
copied AS (SELECT * FROM integrations WHERE name = '{name}')
INSERT INTO integrations (id, name, definition, state, default_revision, modified_from_default, created_at, updated_at)
SELECT {id}, {text}, definition, state, default_revision, {true}, created_at, updated_at FROM copied, numbers"""
DIALECTS = {
    "PostgreSQL": {"id": "gen_random_uuid()", "text": "'x' || lpad(n::text, 5, '0')", "true": "true"},
    "SQLite": {"id": "randomblob(16)", "text": "printf('x%05d', n)", "true": "1"},
}


def run(bench, arguments):
    postgres, servers = bench.postgres(), [bench.server("PostgreSQL"), bench.server("SQLite")]
    results = {}

    def restart(work):
        """Does the work with the servers stopped."""
        for server in servers:
            server.stop()
            work(server)
            server.start()
        postgres.settle()

    def measure(operations, where, accounts):
        for operation in operations:
            visits = results.setdefault(operation.key, {})
            for _ in range(arguments.rounds):
                for server in servers:
                    load(server, operation, accounts, WARM_UP_SECONDS)
                    figures = visit(server, operation, postgres, accounts, arguments.seconds)
                    visits.setdefault(f"{server.label}, {where}", []).append(figures)
            print(f"{operation.label}, {where}: measured", file=sys.stderr, flush=True)

    restart(lambda server: seed.first_account(server, arguments.installed))
    there = 1
    for accounts in ACCOUNTS:
        restart(lambda server: seed.more_accounts(server, postgres, there, accounts))
        there = accounts
        measure(LISTS, f"{accounts:,} accounts", accounts)
    entries = len(seed.catalog(servers[0]))
    measure(PAGES, f"{entries:,} entries", FEW)
    restart(lambda server: grow_catalog(server, postgres, CATALOG - entries))
    measure(PAGES, f"{CATALOG:,} entries", FEW)
    return {"operations": results, "entries": [entries, CATALOG]}


def find(bench, arguments):
    """Lists, searches and counts of 1,000 accounts in a catalog of 10,000 entries."""
    postgres, servers = bench.postgres(), [bench.server("PostgreSQL"), bench.server("SQLite")]
    results = {}
    for server in servers:
        seed.accounts(server, postgres, FEW, arguments.installed)
        server.start()
        entries = len(seed.catalog(server))
        server.stop()
        grow_catalog(server, postgres, CATALOG - entries)
        server.start()
    postgres.settle()
    for operation in FINDS:
        for server in servers:
            load(server, operation, FEW, WARM_UP_SECONDS)
            visits = [visit(server, operation, postgres, FEW, arguments.seconds) for _ in range(arguments.rounds)]
            results.setdefault(operation.key, {})[server.label] = visits
        print(f"{operation.label}: measured", file=sys.stderr, flush=True)
    return {"operations": results}


def show_find(result):
    run, results = result["run"], result["operations"]
    print(f"\nMedians of {run['rounds']} rounds of {run['seconds']} s; {run['cores']} cores; PostgreSQL {run['postgres']}; databases on {run['file_system']}.")
    print(f"\n{CATALOG:,} entries, {FEW:,} accounts walked over: CPU of the server in ms per request (goal: 5), of server and database together.\n")
    print("| operation | SQLite, server | PostgreSQL, server | with the database |\n|---|---:|---:|---:|")
    for operation in FINDS:
        figures = results[operation.key]
        own = [median(figures[engine], "server_ms") for engine in ("SQLite", "PostgreSQL")]
        print(f"| {operation.label} | {own[0]:.2f} | {own[1]:.2f} | {median(figures['PostgreSQL'], 'total_ms'):.2f} |")


def grow_catalog(server, postgres, count):
    seed.run(server, postgres, SYNTHETIC.format(count=count, name=seed.INSTALLED, **DIALECTS[server.label]))
    seed.run(server, postgres, "UPDATE catalog_revisions SET revision = revision + 1")


def show(result):
    run, results = result["run"], result["operations"]
    print(f"\nMedians of {run['rounds']} rounds of {run['seconds']} s; {run['cores']} cores; PostgreSQL {run['postgres']}; databases on {run['file_system']}.")
    print(f"\nCPU of server and database in ms per request; each account has {run['installed']} installations.\n")
    print(f"| operation | engine | {' | '.join(f'{n:,} accounts' for n in ACCOUNTS)} | last to first |\n|---|---|{'---:|' * (len(ACCOUNTS) + 1)}")
    for operation in LISTS:
        for engine in DIALECTS:
            cells = [median(results[operation.key][f"{engine}, {n:,} accounts"], "total_ms") for n in ACCOUNTS]
            print(f"| {operation.label} | {engine} | {' | '.join(f'{cell:.3f}' for cell in cells)} | {cells[-1] / cells[0]:.2f} |")
    small, large = result["entries"]
    print(f"\nCPU of server and database in µs per listed entry, {FEW:,} accounts walked over.\n")
    print(f"| operation | engine | catalog of {small:,} | catalog of {large:,} | last to first |\n|---|---|---:|---:|---:|")
    for operation in PAGES:
        for engine in DIALECTS:
            cells = []
            for entries in [small, large]:
                listed = entries if operation.key == "whole" else min(entries, PAGE)
                cells.append(median(results[operation.key][f"{engine}, {entries:,} entries"], "total_ms") * 1000 / listed)
            print(f"| {operation.label} | {engine} | {cells[0]:.2f} | {cells[1]:.2f} | {cells[1] / cells[0]:.2f} |")
