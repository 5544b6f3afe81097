#!/usr/bin/env python3
"""Writes through the server while its PostgreSQL fails over: nothing acknowledged is lost, and nobody waits for long.

Starts three nodes, each with PostgreSQL, Patroni and a member of etcd, and HAProxy, all on loopback and as deploy/patroni says (synchronous,
strict), and the server in front of them. Clients install and uninstall entries with secrets for many accounts and remember
each acknowledged write. Meanwhile, one case after the other:

  switchover     another node is told to take over
  node           all that runs on the primary's node is killed (SIGKILL); the node comes back later
  database       the primary's PostgreSQL alone is killed
  rolling        all three nodes are stopped and started, the primary last, after it handed over
  alone          both stand-bys are killed: until one is back writes wait, and none is acknowledged
  stalled        replication is cut off for some seconds, then the primary's node is killed
  asynchronous   the same with synchronous_mode off: what it then loses is counted, not judged (the contrast)

After each case a fresh server lists everything, and reads the secrets back. A case fails when an acknowledged write is not
there, when params and secrets of an entry disagree, when there was no acknowledged write for longer than promised, or when
a client saw anything but 2xx and 503 with Retry-After (or 504, while the primary is alone).

Needs Debian's packages patroni, python3-etcd, etcd-server, haproxy and postgresql. Everything it starts is stopped and
removed, however it ends. Ends with 1 when a case failed."""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# The parts lie beside it; nothing is written among them.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from failover import processes, writers  # noqa: E402
from failover.cluster import Cluster  # noqa: E402
from failover.processes import Failure, wait_until  # noqa: E402

SHORT = ["switchover", "node"]
# Seconds without an acknowledged write that are promised, per time that something goes away.
PROMISED = {"switchover": 5, "node": 30, "database": 10, "rolling": 5, "alone": 30, "stalled": 30, "asynchronous": None}
# How long replication is cut off before the node dies, and how long there is no stand-by; a promise is about what comes after.
STALL_SECONDS = ALONE_SECONDS = 4
# After that nothing is on its way to a client any more.
LAST_ANSWERS_SECONDS = 1
# How long a node stays away after the others did without it.
AWAY_SECONDS = 3
RESUME_SECONDS = 60
PROGRAMS = {"patroni": "patroni", "etcd": "etcd-server", "haproxy": "haproxy"}
# What a person has set for a server of their own is not meant for this one.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PATCHBAY_")}


class Server:
    """Patchbay in front of the cluster. The address of the database goes by the environment: it holds a password."""

    def __init__(self, binary, folder, database_url):
        self.binary, self.folder, self.starts = str(binary), pathlib.Path(folder), 0
        self.ring = self.folder / "keyring.json"
        self.env = ENVIRONMENT | {"PATCHBAY_DATABASE_URL": database_url, "PATCHBAY_KEYS__KEYRING_FILE": str(self.ring)}

    def prepare(self):
        for command in (["keys", "generate", "--out", str(self.ring)], ["migrate"]):
            ran = subprocess.run([self.binary, *command], env=self.env, cwd=self.folder, capture_output=True, text=True)
            if ran.returncode:
                raise Failure(f"patchbay {command[0]}: {ran.stdout}{ran.stderr}")

    def start(self):
        self.starts += 1
        self.log = self.folder / f"server-{self.starts}.log"
        self.process = processes.start([self.binary, "serve", "--listen", "127.0.0.1:0", "--set", "log.format=json",
                                        "--set", "log.level=warn", "--set", "secrets.read_back=true"], self.log, self.env)
        self.url = wait_until("the server listens", 30, self.announced)

    def announced(self):
        if self.process.poll() is not None:
            raise Failure(f"the server ended:\n{self.log.read_text()}")
        found = re.search(r'"rest":"(http://127\.0\.0\.1:\d+)/api/v1"', self.log.read_text())
        return found and found.group(1)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(processes.STOP_SECONDS)

    def complaints(self):
        """What it logged, by how often."""
        found = collections.Counter()
        for line in self.log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                fields = entry.get("fields", entry)
                found[" | ".join(str(fields[name]) for name in ("message", "cause", "error") if name in fields)[:300]] += 1
        return dict(found.most_common(20))


class Cases:
    """What is done to the cluster. Each returns when the cluster is whole again."""

    def __init__(self, cluster, load):
        self.cluster, self.load = cluster, load

    def switchover(self):
        self.hand_over(self.cluster.primary())
        self.cluster.wait_until_whole()

    def node(self):
        lost = self.cluster.primary()
        self.cluster.lose(lost)
        self.wait_for_writes()
        # Stays away for a while: the others must do without it.
        time.sleep(AWAY_SECONDS)
        self.cluster.bring_back(lost)
        self.cluster.wait_until_whole()

    def database(self):
        self.cluster.primary().kill_database()
        self.wait_for_writes()
        self.cluster.wait_until_whole()

    def rolling(self):
        for node in self.cluster.standbys():
            self.restart(node)
        old = self.cluster.primary()
        self.hand_over(old)
        self.cluster.wait_until_whole()
        self.restart(old)

    def alone(self):
        lost = self.cluster.standbys()
        for node in lost:
            # Not the members of etcd: without those nobody would be primary.
            node.kill()
        since = time.monotonic() + LAST_ANSWERS_SECONDS
        time.sleep(ALONE_SECONDS)
        if acknowledged := [answer for answer in self.load.answers(since) if answer.status == 200]:
            raise Failure(f"{len(acknowledged)} writes were acknowledged that are at one place alone")
        for node in lost:
            node.start()
        self.cluster.wait_until_whole()

    def stalled(self):
        lost = self.cluster.primary()
        lost.stall_replication()
        time.sleep(STALL_SECONDS)
        self.cluster.lose(lost)
        self.wait_for_writes()
        self.cluster.bring_back(lost)
        self.cluster.wait_until_whole()

    def asynchronous(self):
        self.stalled()

    def restart(self, node):
        node.stop()
        node.start()
        self.cluster.wait_until_whole()

    def hand_over(self, old):
        standbys = self.cluster.standbys()
        # Only a synchronous one may.
        status, body = old.ask("POST", "/switchover", {"leader": old.name, "candidate": standbys[-1].name})
        if status != 200:
            raise Failure(f"no switch-over: {body}")

    def wait_for_writes(self):
        since = time.monotonic()
        wait_until("writes are acknowledged again", RESUME_SECONDS, lambda: self.load.last_acknowledged() > since + 0.5)


def run_case(name, cluster, server, arguments):
    """One case under load, and its figures."""
    cluster.configure(is_synchronous=name != "asynchronous")
    cluster.wait_until_whole()
    server.start()
    with writers.Writers(name, server.url, arguments.writers) as load:
        time.sleep(arguments.settle)
        begun = time.monotonic()
        getattr(Cases(cluster, load), name)()
        time.sleep(arguments.settle)
        ended = time.monotonic()
    server.stop()
    complaints = server.complaints()
    # One that remembers nothing.
    server.start()
    looked_at, lost, torn = writers.compare(load, server.url)
    server.stop()
    answers = load.answers()
    gap, at = writers.longest_gap(answers, begun, ended)
    promised = PROMISED[name] and PROMISED[name] + {"stalled": STALL_SECONDS, "alone": ALONE_SECONDS}.get(name, 0)
    return {
        "case": name, "acknowledged": load.acknowledged(), "looked_at": looked_at, "lost": len(lost), "torn": len(torn),
        "longest_gap_s": round(gap, 2), "gap_begins_s": round(at, 2), "promised_gap_s": promised, "seconds": round(ended - begun, 1),
        "statuses": {str(status): count for status, count in collections.Counter(answer.status for answer in answers).items()},
        "slowest_answer_s": round(max(answer.seconds for answer in answers), 2),
        "slowest_refusal_s": round(max((answer.seconds for answer in answers if answer.status != 200), default=0), 2),
        "server_log": complaints, "failures": failures(name, answers, lost, torn, gap, promised and promised * arguments.slack),
    }


def failures(name, answers, lost, torn, gap, promised):
    """What a case promised and did not keep."""
    broken = collections.Counter((answer.status, answer.retry_after, answer.text) for answer in answers if not is_promised(name, answer))
    found = [f"{count} times the answer was {status} (Retry-After: {after}): {text}" for (status, after, text), count in broken.most_common(10)]
    found += [f"torn: {entry}" for entry in torn]
    if name != "asynchronous":
        found += [f"lost: {entry}" for entry in lost]
    if promised and gap > promised:
        found.append(f"no write was acknowledged for {gap:.1f} s, the most is {promised:g} s")
    return found


def is_promised(name, answer):
    waited = name == "alone" and answer.status == 504
    return waited or answer.status == 200 or (answer.status == 503 and answer.retry_after is not None)


def show(figures):
    promised = f" (promised {figures['promised_gap_s']} s)" if figures["promised_gap_s"] else ""
    print(f"{figures['case']:<13} {figures['acknowledged']} acknowledged, {figures['lost']} lost, {figures['torn']} torn; "
          f"longest gap {figures['longest_gap_s']} s{promised}; answers {figures['statuses']}; slowest refusal {figures['slowest_refusal_s']} s", flush=True)
    for failure in figures["failures"][:10]:
        print(f"  FAILED {failure}", flush=True)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path, help="the patchbay to test")
    parser.add_argument("--long", action="store_true", help=f"every case; otherwise {' and '.join(SHORT)}")
    parser.add_argument("--case", action="append", choices=PROMISED, help="this one alone; may be repeated")
    parser.add_argument("--stand", action="store_true", help="no case: print the address of a database in the cluster, and stand until told to end")
    parser.add_argument("--writers", type=int, default=4, metavar="N", help="clients that write all the time (default 4)")
    parser.add_argument("--slack", type=float, default=1, metavar="N", help="on a busy machine: gaps may be N times as long (default 1)")
    parser.add_argument("--settle", type=float, default=3, metavar="SECONDS", help="under load before and after each case (default 3)")
    parser.add_argument("--limit", type=int, metavar="SECONDS", help="gives up after that (default 150; with --long or --case 600, with --stand 3600)")
    parser.add_argument("--logs", type=pathlib.Path, metavar="FOLDER", help="keep what everything wrote there")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every figure here, too")
    arguments = parser.parse_args()
    if not (1 <= arguments.writers <= 64 and 0 <= arguments.settle <= 60 and 1 <= arguments.slack <= 10):
        parser.error("1 to 64 writers, 0 to 60 seconds to settle, a slack of 1 to 10")
    arguments.cases = arguments.case or (list(PROMISED) if arguments.long else SHORT)
    usual = 3600 if arguments.stand else 600 if arguments.long or arguments.case else 150
    arguments.limit = arguments.limit or round(usual * arguments.slack)
    return arguments


def versions():
    """First lines of what the programs say of themselves."""
    asked = {"patroni": "--version", "etcd": "--version", "haproxy": "-v"}
    commands = [[processes.program(name), option] for name, option in asked.items()]
    commands.append([processes.postgres_folder() / "postgres", "--version"])
    return [subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0] for command in commands]


def need_programs():
    missing = [package for name, package in PROGRAMS.items() if not processes.program(name)]
    if not processes.postgres_folder():
        missing.append("postgresql")
    if missing:
        sys.exit(f"missing: apt-get install {' '.join(missing)} python3-etcd")


def end_on(number, _):
    sys.exit(f"ended by {signal.Signals(number).name}" + (": it took too long" if number == signal.SIGALRM else ""))


def main():
    arguments = read_arguments()
    need_programs()
    for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM]:
        signal.signal(number, end_on)
    signal.alarm(arguments.limit)
    binary = arguments.binary.resolve()
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.getuid() == 0 else None
    folder = tempfile.mkdtemp(prefix="patchbay-patroni-")
    os.chmod(folder, 0o755)
    results = []
    try:
        cluster = Cluster(folder, user)
        try:
            cluster.start()
            if arguments.stand:
                print(cluster.url, flush=True)
                signal.pause()
            server = Server(binary, folder, cluster.url)
            server.prepare()
            for name in arguments.cases:
                results.append(run_case(name, cluster, server, arguments))
                show(results[-1])
        except Failure as failure:
            sys.exit(f"{cluster.logs()}\n{failure}")
    finally:
        signal.alarm(0)
        for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
            signal.signal(number, signal.SIG_IGN)
        processes.end_all(folder)
        if arguments.logs:
            arguments.logs.mkdir(parents=True, exist_ok=True)
            for log in pathlib.Path(folder).glob("*.log"):
                shutil.copy(log, arguments.logs)
        shutil.rmtree(folder)
        if arguments.json:
            arguments.json.write_text(json.dumps({"versions": versions(), "cases": results}, indent=1) + "\n")
    if any(result["failures"] for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
