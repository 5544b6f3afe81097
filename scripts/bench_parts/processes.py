"""What is started, what it costs, and how it ends."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 30
# What a person has set for a server of their own is not meant for these.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PATCHBAY_")}


def need_programs():
    """Ends with what to install when something is missing."""
    missing = [package for package, there in [("wrk", shutil.which("wrk")), ("postgresql", postgres_folder())] if not there]
    if missing:
        sys.exit(f"missing: apt-get install {' '.join(missing)}")


def postgres_folder():
    """Where the newest PostgreSQL keeps its programs."""
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0))
    if found := shutil.which("initdb"):
        folders.insert(0, pathlib.Path(found).resolve().parent)
    complete = [folder for folder in folders if all((folder / name).exists() for name in ["initdb", "postgres", "psql"])]
    return complete[-1] if complete else None


def stat(pid):
    """The fields of /proc/PID/stat after the name: index 1 is the parent, 11 to 14 the times."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()


def cpu_seconds(pid):
    """User and system time of a process, of its ended children, and of its living ones.

    PostgreSQL works in a child per connection; when one ends, its time moves to the parent's ended children."""
    ticks = sum(map(int, stat(pid)[11:15]))
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = stat(path.name)
            if fields[1] == str(pid):
                ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


def run_sql(url, sql):
    """Runs statements; returns what they print, a row to a line."""
    psql = [str(postgres_folder() / "psql"), "-qXAt", "-v", "ON_ERROR_STOP=1", url]
    return subprocess.run(psql, input=sql, check=True, capture_output=True, text=True).stdout


class Process:
    """Something with a process and an HTTP address. `label` is what reports call it."""

    label = ""
    command = []
    process = url = None
    # Made so far by wrk, so that the next ones go on with other accounts.
    requests = 0

    def __init__(self, log):
        self.log = log

    def start(self):
        """Returns the seconds until it was ready."""
        started = time.perf_counter()
        with open(self.log, "ab") as log:
            # In a session of its own: Ctrl-C reaches this script alone, which then stops what it started.
            self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=log, text=True, env=ENVIRONMENT, start_new_session=True)
        for line in self.process.stdout:
            if found := re.match(r"\s*(?:REST\s+)?(http://127\.0\.0\.1:\d+)(?:/api/v1)?\s*$", line):
                self.url = found.group(1)
                return time.perf_counter() - started
        sys.exit(f"{self.label} did not start:\n{pathlib.Path(self.log).read_text()[-2000:]}")

    def stop(self):
        if self.process:
            end(self.process, signal.SIGTERM)
            self.process.stdout.close()
            self.process = None

    def memory(self, key):
        """MiB that are resident now (VmRSS) or were at most (VmHWM)."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{key}:\s+(\d+) kB", status).group(1)) / 1024

    def connect(self):
        return http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)

    def call(self, account, method, path, body=None, connection=None):
        """Headers and JSON of a 200."""
        connection = connection or self.connect()
        headers = {"X-Account-ID": account, "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"{self.label}: {method} {path} answered {answer.status}: {text.decode()[:300]}")
        return answer.headers, json.loads(text)


class Server(Process):
    """Patchbay on one of its engines."""

    def __init__(self, label, binary, folder, database_url, settings):
        super().__init__(f"{folder}/log")
        self.label, self.folder, self.has_database = label, folder, bool(database_url)
        self.command = [str(binary), "--listen", "127.0.0.1:0", "--data-dir", folder, "--set", "log.level=warn"]
        if database_url:
            ring = f"{folder}/keyring.json"
            subprocess.run([str(binary), "keys", "generate", "--out", ring], check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
            self.command += ["--database-url", database_url, "--set", f"keys.keyring_file={ring}"]
        self.command += [part for setting in settings for part in ("--set", setting)]


class Floor(Process):
    """The rows floor."""

    label, has_database = "floor", True

    def __init__(self, binary, folder, database_url):
        super().__init__(f"{folder}/floor.log")
        self.command = [str(binary), database_url]


class Postgres:
    """A cluster in a folder of its own, with the durability that PostgreSQL has by default."""

    def __init__(self):
        programs = postgres_folder()
        self.folder = tempfile.mkdtemp(prefix="patchbay-bench-postgres-")
        self.psql = str(programs / "psql")
        # PostgreSQL refuses to run as root.
        self.user = "postgres" if os.getuid() == 0 else None
        self.process = None
        try:
            self.start(programs)
        except BaseException:
            self.stop()
            raise

    def start(self, programs):
        if self.user:
            shutil.chown(self.folder, self.user)
        data, self.port = f"{self.folder}/data", free_port()
        initdb = [str(programs / "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=self.user, cwd="/")
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        command = [str(programs / "postgres"), "-D", data, *(part for setting in settings for part in ("-c", setting))]
        with open(f"{self.folder}/log", "wb") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, user=self.user, cwd="/", start_new_session=True)
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        deadline = time.monotonic() + 60
        while subprocess.run([self.psql, "-qXc", "", self.url], capture_output=True).returncode:
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit(f"PostgreSQL did not start:\n{pathlib.Path(self.folder, 'log').read_text()}")
            time.sleep(0.1)
        self.version = self.run("SHOW server_version").strip()

    def run(self, sql):
        return run_sql(self.url, sql)

    def settle(self):
        """What would otherwise be done in the background while something is measured."""
        self.run("VACUUM ANALYZE;\nCHECKPOINT;")

    def stop(self):
        if self.process:
            # Fast shutdown: does not wait for clients to leave.
            end(self.process, signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)


class Bench:
    """Starts things at their first use and stops all of them at the end."""

    def __init__(self, binary, floor_binary, settings):
        self.binary, self.floor_binary, self.settings = binary, floor_binary, settings
        self.started = contextlib.ExitStack()
        self.cluster = None

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="patchbay-bench-")
        self.started.callback(shutil.rmtree, self.folder, ignore_errors=True)
        kind = subprocess.run(["df", "--output=fstype", self.folder], capture_output=True, text=True).stdout.split()[-1]
        self.file_system = f"{kind}, where a commit waits for nothing: set TMPDIR to a disk" if kind == "tmpfs" else kind
        return self

    def __exit__(self, *error):
        return self.started.__exit__(*error)

    def postgres(self):
        if not self.cluster:
            self.cluster = Postgres()
            self.started.callback(self.cluster.stop)
        return self.cluster

    def server(self, label, database_url=None, binary=None):
        """On PostgreSQL, on a SQLite file, or on another database; of this build, or of another binary."""
        folder = f"{self.folder}/{label}"
        os.mkdir(folder)
        if label == "PostgreSQL":
            database_url = self.postgres().url
        server = Server(label, binary or self.binary, folder, database_url, self.settings)
        self.started.callback(server.stop)
        return server

    def floor(self):
        floor = Floor(self.floor_binary, self.folder, self.postgres().url)
        self.started.callback(floor.stop)
        return floor


def end(process, how):
    process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
