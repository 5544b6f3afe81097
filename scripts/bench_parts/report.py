"""Figures as Markdown, beside the goals."""

import statistics

from .load import CONNECTIONS, OPERATIONS

SQLITE_GOAL = 0.7
INSTALLS_GOAL = 3000
MEMORY_GOAL = 32
READY_GOAL = 0.1
NAMES = {"floor": "floor", "postgres": "PostgreSQL", "sqlite": "SQLite"}


def show(result):
    run = result["run"]
    print(f"\n{run['accounts']:,} accounts with {run['installed']} installations each, all of which are walked over; {CONNECTIONS} connections; "
          f"medians of {run['rounds']} rounds of {run['seconds']} s; {run['cores']} cores; PostgreSQL {run['postgres']}; "
          f"databases on {run['file_system']}{'; ' + ', '.join(run['settings']) if run['settings'] else ''}.")
    costs(result["operations"])
    rates(result["operations"])
    servers(result["servers"])
    if "install" in result["operations"]:
        installs = median(result["operations"]["install"]["sqlite"], "requests_per_second")
        print(f"\nDurable installs on SQLite: {installs:,.0f}/s, goal {INSTALLS_GOAL:,}: {verdict(installs >= INSTALLS_GOAL)}.")


def costs(results):
    print("\nCPU in ms per request. *again* is the null control: the server on PostgreSQL against itself.\n")
    print("| operation | floor: server | database | total | PostgreSQL: server | database | total | × floor | goal | | again | SQLite | × PostgreSQL | goal | |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|---|")
    for operation, visits in rows(results):
        floor, ours, again, sqlite = (median(visits[name], "total_ms") for name in ["floor", "postgres", "again", "sqlite"])
        parts = " | ".join(f"{median(visits[name], key):.3f}" for name in ["floor", "postgres"] for key in ["server_ms", "database_ms", "total_ms"])
        judged = operation.goal is not None
        goal = f"≤ {operation.goal} | {verdict(ours / floor <= operation.goal)}" if judged else " | "
        file_goal = f"≤ {SQLITE_GOAL} | {verdict(sqlite / ours <= SQLITE_GOAL)}" if judged else " | "
        print(f"| {operation.label} | {parts} | {ours / floor:.2f} | {goal} | {again / ours:.2f} | {sqlite:.3f} | {sqlite / ours:.2f} | {file_goal} |")


def rates(results):
    print("\nRequests per second, latency in ms (of this run on this machine; compare CPU instead).\n")
    print("| operation | " + " | ".join(f"{name}: requests/s | p50 | p99" for name in NAMES.values()) + " | failed |")
    print("|---|" + "---:|" * (3 * len(NAMES) + 1))
    for operation, visits in rows(results):
        cells = [f"{median(visits[name], 'requests_per_second'):,.0f} | {median(visits[name], 'p50_ms'):.2f} | {median(visits[name], 'p99_ms'):.2f}" for name in NAMES]
        failed = sum(one["failed"] for visit in visits.values() for one in visit)
        print(f"| {operation.label} | {' | '.join(cells)} | {failed} |")


def servers(found):
    print(f"\n| | ready, warm start (median of 5) | idle memory | peak memory | goals: ready ≤ {READY_GOAL} s, memory ≤ {MEMORY_GOAL} MiB |\n|---|---:|---:|---:|---|")
    for label, server in found.items():
        reached = server["ready_seconds"] <= READY_GOAL, server["peak_mib"] <= MEMORY_GOAL
        judged = "" if label == "floor" else f"{verdict(reached[0])}, {verdict(reached[1])}"
        print(f"| {label} | {server['ready_seconds'] * 1000:.0f} ms | {server['idle_mib']:.1f} MiB | {server['peak_mib']:.1f} MiB | {judged} |")


def failures(result):
    """A sentence for each operation of which a request failed."""
    found = []
    for name, visits in result["operations"].items():
        for visited, rounds in visits.items():
            if failed := sum(one["failed"] for one in rounds):
                found.append(f"{name} on {visited}: {failed} of {sum(one['requests'] for one in rounds):,}")
    return found


def rows(results):
    return [(operation, results[operation.key]) for operation in OPERATIONS if operation.key in results]


def median(rounds, key):
    return statistics.median(one[key] for one in rounds)


def verdict(reached):
    return "reached" if reached else "**not reached**"
