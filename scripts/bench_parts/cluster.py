"""One PostgreSQL, and three of them under Patroni: steps 2 and 3 of docs/operations.md, beside each other in one run."""

import pathlib
import signal
import subprocess
import sys

from . import seed
from .load import OPERATIONS, WARM_UP_SECONDS, load
from .processes import ENVIRONMENT, end, run_sql
from .report import median

PATRONI = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fault" / "patroni.py"
OF_STEPS = [operation for operation in OPERATIONS if operation.key in ("list", "one", "install")]


class Patroni:
    """Three nodes with etcd and HAProxy, as deploy/patroni says: each commit waits for the disk of a second one."""

    def __init__(self, binary, folder):
        with open(f"{folder}/patroni.log", "wb") as log:
            self.process = subprocess.Popen([str(PATRONI), str(binary), "--stand"], stdout=subprocess.PIPE, stderr=log, text=True,
                                            env=ENVIRONMENT, start_new_session=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            sys.exit(f"the cluster did not start:\n{pathlib.Path(folder, 'patroni.log').read_text()[-3000:]}")

    def run(self, sql):
        """On the primary."""
        return run_sql(self.url, sql)

    def settle(self):
        self.run("VACUUM ANALYZE;")

    def stop(self):
        end(self.process, signal.SIGTERM)
        self.process.stdout.close()


def run(bench, arguments):
    """Lists and installs on both, in turns."""
    patroni = Patroni(bench.binary, bench.folder)
    bench.started.callback(patroni.stop)
    alone, under = bench.server("PostgreSQL"), bench.server("Patroni", patroni.url)
    for server, database in [(alone, bench.postgres()), (under, patroni)]:
        seed.accounts(server, database, arguments.accounts, arguments.installed)
        server.start()
        seed.first_secrets(server, arguments.accounts)
        database.settle()
    results = {}
    for operation in OF_STEPS:
        visits = results[operation.key] = {server.label: [] for server in (alone, under)}
        for _ in range(arguments.rounds):
            for server in (alone, under):
                load(server, operation, arguments.accounts, WARM_UP_SECONDS)
                visits[server.label].append(load(server, operation, arguments.accounts, arguments.seconds))
        print(f"{operation.label}: measured", file=sys.stderr, flush=True)
    return {"operations": results}


def show(result):
    run, results = result["run"], result["operations"]
    print(f"\n{run['accounts']:,} accounts with {run['installed']} installations each, all of which are walked over; medians of {run['rounds']} rounds of {run['seconds']} s; {run['cores']} cores "
          f"for everything, all three nodes among it; PostgreSQL {run['postgres']}; databases on {run['file_system']}.")
    print("\n| operation | one PostgreSQL: requests/s | p50 ms | p99 ms | three under Patroni: requests/s | p50 ms | p99 ms | of one |\n|---|---:|---:|---:|---:|---:|---:|---:|")
    for operation in OF_STEPS:
        visits = results[operation.key]
        cells = [f"{median(visits[label], 'requests_per_second'):,.0f} | {median(visits[label], 'p50_ms'):.2f} | {median(visits[label], 'p99_ms'):.2f}" for label in ("PostgreSQL", "Patroni")]
        one, three = (median(visits[label], "requests_per_second") for label in ("PostgreSQL", "Patroni"))
        print(f"| {operation.label} | {' | '.join(cells)} | {three / one:.2f} |")
