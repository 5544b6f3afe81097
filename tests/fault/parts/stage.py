"""A script from its arguments to its exit code: whatever it starts is stopped and removed, however it ends."""

import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid

from bench_parts.processes import ENVIRONMENT, Postgres, Server, postgres_folder, run_sql

from . import ROOT
from .judge import Judge

ENGINES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


class Stage:
    """Servers and databases, for as long as the script runs."""

    def __init__(self, arguments):
        self.binary, self.cluster_url = arguments.binary, arguments.postgres
        self.stack = contextlib.ExitStack()
        self.cluster = None

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="patchbay-fault-"))
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        return self

    def __exit__(self, *error):
        return self.stack.__exit__(*error)

    def new_folder(self):
        return pathlib.Path(tempfile.mkdtemp(dir=self.folder))

    def own_cluster(self):
        """A PostgreSQL that this script may stop and kill."""
        cluster = Postgres()
        self.stack.callback(cluster.stop)
        return cluster

    def database(self):
        """The URL of a new, empty database on PostgreSQL."""
        if not self.cluster_url:
            self.cluster_url = self.own_cluster().url
        name = f"fault_{uuid.uuid4().hex}"
        self.sql(self.cluster_url, f"CREATE DATABASE {name}")
        self.stack.callback(self.sql, self.cluster_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        return f"{self.cluster_url.rsplit('/', 1)[0]}/{name}"

    sql = staticmethod(run_sql)

    def server(self, engine, settings=(), url=None, folder=None):
        """Not started yet. Without a URL on a database of its own."""
        if engine == "postgres" and not url:
            url = self.database()
        server = Server(ENGINES[engine], self.binary, str(folder or self.new_folder()), url, list(settings))
        self.stack.callback(server.stop)
        server.database_url = url
        return server

    def replica(self, first):
        """Another server on the same database and key ring."""
        other = Server.__new__(Server)
        other.__dict__.update(first.__dict__, process=None, url=None, log=f"{first.folder}/log-{uuid.uuid4().hex}")
        self.stack.callback(other.stop)
        return other


def run(script, description, play, more=lambda parser: None):
    """Reads the arguments, has `play(stage, arguments, judge)` judge, and ends the process."""
    parser = argparse.ArgumentParser(prog=f"tests/fault/{script}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="whether it still works, in well under a minute; leaves judgements of time to the long run")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "debug" / "patchbay", metavar="FILE", help="this patchbay (default: target/debug/patchbay)")
    parser.add_argument("--only", choices=list(ENGINES), help="this database alone, where the script is for both")
    parser.add_argument("--postgres", metavar="URL", help="make databases on this server, instead of one that is started and thrown away")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every promise with its figure here, too")
    more(parser)
    arguments = parser.parse_args()
    arguments.binary = arguments.binary.resolve()
    if not os.access(arguments.binary, os.X_OK):
        parser.error(f"{arguments.binary} is not there: build it with cargo build, or name one with --binary")
    if arguments.only != "sqlite" and not postgres_folder():
        parser.error("PostgreSQL is missing: apt-get install postgresql, or say --only sqlite")
    arguments.engines = [arguments.only] if arguments.only else list(ENGINES)
    # Both end it through the clean-up, in the background too.
    for number in [signal.SIGINT, signal.SIGTERM]:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    judge = Judge(script)
    with Stage(arguments) as stage:
        play(stage, arguments, judge)
    if arguments.json:
        judge.write(arguments.json)
    sys.exit(1 if judge.broken() else 0)


def command(server, *words):
    """`patchbay` on the server's database, beside it."""
    listen = server.command.index("--listen")
    return subprocess.run([server.command[0], *words, *server.command[listen + 2:]], capture_output=True, text=True, env=ENVIRONMENT, timeout=600)


def together(works):
    """Runs each in a thread of its own until all have ended; the first failure is everybody's."""
    failures = []

    def one(work):
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=one, args=[work], daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
