"""This build and another binary in turns, each on a SQLite file of its own."""

import statistics
import sys

from . import seed
from .load import CONNECTIONS, OPERATIONS, WARM_UP_SECONDS, load, visit


def run(bench, arguments):
    postgres = bench.postgres()
    ours, other = bench.server("this build"), bench.server("the other", binary=arguments.against)
    for server in [ours, other]:
        seed.accounts(server, postgres, arguments.accounts, arguments.installed)
        server.start()
        seed.first_secrets(server, arguments.accounts)
    visits = [("this build", ours), ("the other", other), ("again", ours)]
    results = {}
    for operation in OPERATIONS:
        if operation.key not in arguments.only or operation.not_modified:
            continue
        figures = results[operation.key] = {name: [] for name, _ in visits}
        for number in range(arguments.rounds):
            # Each in turn is first, so that no place in a round favours one of them.
            for name, server in visits[number % 3:] + visits[:number % 3]:
                load(server, operation, arguments.accounts, WARM_UP_SECONDS)
                figures[name].append(visit(server, operation, postgres, arguments.accounts, arguments.seconds))
        print(f"{operation.label}: measured", file=sys.stderr, flush=True)
    return {"operations": results}


def show(result):
    run = result["run"]
    print(f"\n{run['accounts']:,} accounts with {run['installed']} installations each; SQLite on {run['file_system']}; {CONNECTIONS} connections; "
          f"{run['rounds']} rounds of {run['seconds']} s; {run['cores']} cores. CPU in ms per request, medians of the rounds; ratios are medians of "
          "the ratios in each round. *again* is the null control: this build against itself.\n")
    print("| operation | this build | the other | × the other | again |\n|---|---:|---:|---:|---:|")
    for operation in OPERATIONS:
        if visits := result["operations"].get(operation.key):
            ours, other, again = ([one["total_ms"] for one in visits[name]] for name in ["this build", "the other", "again"])
            ratio = lambda them: statistics.median(mine / theirs for mine, theirs in zip(ours, them))
            print(f"| {operation.label} | {statistics.median(ours):.3f} | {statistics.median(other):.3f} | {ratio(other):.2f} | {1 / ratio(again):.2f} |")
