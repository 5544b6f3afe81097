"""Operations, and what each costs under wrk."""

import contextlib
import dataclasses
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from .processes import cpu_seconds
from .seed import INSTALL, INSTALLED

CONNECTIONS = 16
WARM_UP_SECONDS = 1
# From one request's account to the next; a prime, so that every account has its turn.
STRIDE = 7919
LIST = "/api/v1/integrations"
ONE = f"{LIST}/{INSTALLED}"
NODES = "nodes { id name displayName category status installedAt }"
QUERY = f"{{ integrations(first: 200) {{ {NODES} totalCount categoryCounts {{ category count }} }} }}"


@dataclasses.dataclass
class Operation:
    """`goal` is the most that the server on PostgreSQL may cost, as a multiple of what the floor costs."""

    key: str
    label: str
    goal: float | None
    method: str
    path: str
    body: object = None
    not_modified: bool = False


OPERATIONS = [
    Operation("list", "list, REST", 0.6, "GET", LIST),
    Operation("list_304", "list, REST, answered 304 (floor: 200)", 0.2, "GET", LIST, not_modified=True),
    Operation("list_graphql", "list, GraphQL, 6 fields + counts", 1.2, "POST", "/graphql", {"query": QUERY}),
    Operation("category", "one category, REST", 0.8, "GET", f"{LIST}?category=payments"),
    Operation("one", "one, REST", 1.0, "GET", ONE),
    Operation("install", "install with 2 secrets, REST", 1.3, "POST", f"{ONE}/install", INSTALL),
    Operation("health", "health (no database)", None, "GET", "/healthz"),
]

# Each account's request is put together once; wrk is not measured, but it takes from the same cores.
SCRIPT = """
local account, requests, tags = %(start)d, {}, %(tags)s
wrong = 0
request = function()
  account = (account + %(stride)d) %% %(accounts)d
  if not requests[account] then
    local headers = {["X-Account-ID"] = "account-" .. account, ["Content-Type"] = "application/json"}
    if tags then headers["If-None-Match"] = tags[account] end
    requests[account] = wrk.format("%(method)s", "%(path)s", headers, %(body)s)
  end
  return requests[account]
end
"""
# Only where it matters: wrk counts a 200 as good as a 304.
COUNT_STATUS = """
local threads = {}
setup = function(thread) table.insert(threads, thread) end
response = function(status) if status ~= %d then wrong = wrong + 1 end end
done = function() for _, thread in ipairs(threads) do print("Wrong status: " .. thread:get("wrong")) end end
"""


def measure(operation, visits, postgres, arguments):
    """For each visit its figures, one per round."""
    results = {name: [] for name, _ in visits}
    tags = {}
    if operation.not_modified:
        tags = {server: etags(server, operation, arguments.accounts) for server in {server for _, server in visits} if server.label != "floor"}
    for _ in range(arguments.rounds):
        for name, server in visits:
            load(server, operation, arguments.accounts, WARM_UP_SECONDS, tags.get(server))
            results[name].append(visit(server, operation, postgres, arguments.accounts, arguments.seconds, tags.get(server)))
    return results


def visit(server, operation, postgres, accounts, seconds, tags=None):
    """Figures of one run: CPU in ms per request, latencies in ms."""
    before = cpu_seconds(server.process.pid), cpu_seconds(postgres.process.pid)
    figures = load(server, operation, accounts, seconds, tags)
    after = cpu_seconds(server.process.pid), cpu_seconds(postgres.process.pid)
    own, database = ((after[i] - before[i]) * 1000 / figures["requests"] for i in (0, 1))
    database = database if server.has_database else 0.0
    return {**figures, "server_ms": own, "database_ms": database, "total_ms": own + database}


def load(server, operation, accounts, seconds, tags=None):
    """Runs wrk once."""
    settings = {"start": server.requests * STRIDE % accounts, "stride": STRIDE, "accounts": accounts,
                "method": operation.method, "path": operation.path,
                "tags": "{" + ",".join(f"[{n}]={json.dumps(tag)}" for n, tag in enumerate(tags)) + "}" if tags else "nil",
                "body": json.dumps(json.dumps(operation.body)) if operation.body else "nil"}
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % settings + (COUNT_STATUS % 304 if tags else ""))
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", script.name, server.url]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures = read(text)
    server.requests += figures["requests"]
    if not figures["requests"]:
        sys.exit(f"{server.label} answered nothing: {operation.label}\n{text}")
    return figures


def read(text):
    """wrk's report."""
    number = lambda pattern: sum(float(found) for found in re.findall(pattern, text))
    milliseconds = lambda percent: in_milliseconds(re.search(rf"^\s+{percent}%\s+(\S+)", text, re.MULTILINE).group(1))
    failed = number(r"Non-2xx or 3xx responses: (\d+)") + number(r"Wrong status: (\d+)")
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failed += sum(map(int, errors.groups())) if errors else 0
    return {"requests": int(number(r"(\d+) requests in")), "requests_per_second": number(r"Requests/sec:\s+([\d.]+)"),
            "p50_ms": milliseconds(50), "p99_ms": milliseconds(99), "failed": int(failed)}


def in_milliseconds(text):
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]


def etags(server, operation, accounts):
    """The tag of each account's answer."""
    with contextlib.closing(server.connect()) as connection:
        return [server.call(f"account-{n}", operation.method, operation.path, connection=connection)[0]["ETag"] for n in range(accounts)]


def check_answers(floor, on_postgres, on_sqlite, accounts):
    """Ends unless the floor answers what the server answers; SQLite has other times, and the floor's install a later one."""
    drop = lambda *names: lambda value: without(value, names)
    for number in sorted({0, accounts // 2, accounts - 1}):
        account = f"account-{number}"
        for operation in OPERATIONS:
            if operation.key == "health":
                continue
            ask = lambda server: server.call(account, operation.method, operation.path, operation.body)[1]
            later = drop("updated_at") if operation.key == "install" else drop()
            timeless = drop("updated_at", "created_at", "installed_at", "installedAt")
            ours, floors = ask(on_postgres), ask(floor)
            for other, found in [("floor", difference(later(floors), later(ours))), ("SQLite", difference(timeless(ask(on_sqlite)), timeless(ours)))]:
                if found:
                    sys.exit(f"{other} answers something else than PostgreSQL: {operation.label}, {account}, {found}")


def difference(one, other, place=""):
    """Where the first difference is, and what stands there; None when there is none."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        parts = [(key, one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        parts = [(number, *pair) for number, pair in enumerate(zip(one, other))]
    elif isinstance(one, dict) and isinstance(other, dict):
        return f"{place or '/'}: only one has {', '.join(sorted(one.keys() ^ other.keys()))}"
    else:
        return None if one == other else f"{place or '/'}: {json.dumps(one)[:200]} and {json.dumps(other)[:200]}"
    return next((found for key, left, right in parts if (found := difference(left, right, f"{place}/{key}"))), None)


def without(value, names):
    """The JSON value without these keys, wherever they are."""
    if isinstance(value, dict):
        return {key: without(inner, names) for key, inner in value.items() if key not in names}
    return [without(inner, names) for inner in value] if isinstance(value, list) else value
