"""Three PostgreSQL nodes under Patroni, with etcd and HAProxy, on loopback, run as deploy/patroni says."""

import http.client
import json
import os
import pathlib
import pwd
import signal
import subprocess

from .processes import Failure, descendants, free_ports, postgres_folder, program, send, start, titles, wait_until

TEMPLATES = pathlib.Path(__file__).resolve().parents[3] / "deploy" / "patroni"
NODES = 3
# For a cluster that lives for minutes, on loopback alone.
PASSWORD = "example-password"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
START_SECONDS = 60
REJOIN_SECONDS = 60
REST_SECONDS = 15


class Etcd:
    """One member of three; each lives on the machine of a node."""

    def __init__(self, name, folder, ports, user):
        self.name, self.user, self.process = name, user, None
        self.folder = own_folder(folder, f"etcd-{name}", user)
        self.log = pathlib.Path(folder, f"etcd-{name}.log")
        self.client, self.peer = (f"127.0.0.1:{port}" for port in ports)

    def start(self, members):
        cluster = ",".join(f"{member.name}=http://{member.peer}" for member in members)
        self.process = start(
            [program("etcd"), "--name", self.name, "--data-dir", self.folder / "data", "--listen-client-urls", f"http://{self.client}",
             "--advertise-client-urls", f"http://{self.client}", "--listen-peer-urls", f"http://{self.peer}",
             "--initial-advertise-peer-urls", f"http://{self.peer}", "--initial-cluster", cluster, "--log-level", "warn"],
            self.log, {"PATH": PATH}, self.user)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Node:
    """One PostgreSQL and the Patroni that leads it."""

    def __init__(self, name, folder, ports, etcd, user):
        self.name, self.user, self.process = name, user, None
        self.folder = own_folder(folder, name, user)
        self.port, self.rest = ports
        self.log = pathlib.Path(folder, f"{name}.log")
        self.env = {
            "PATH": PATH, "LANG": "C.UTF-8",
            "PATRONI_NAME": name,
            "PATRONI_ETCD3_HOSTS": ",".join(member.client for member in etcd),
            "PATRONI_RESTAPI_LISTEN": f"127.0.0.1:{self.rest}",
            "PATRONI_RESTAPI_CONNECT_ADDRESS": f"127.0.0.1:{self.rest}",
            "PATRONI_POSTGRESQL_LISTEN": f"127.0.0.1:{self.port}",
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"127.0.0.1:{self.port}",
            "PATRONI_POSTGRESQL_DATA_DIR": f"{self.folder}/data",
            "PATRONI_POSTGRESQL_BIN_DIR": str(postgres_folder()),
            "PATRONI_POSTGRESQL_PGPASS": f"{self.folder}/pgpass",
            "PATRONI_SUPERUSER_USERNAME": "postgres", "PATRONI_SUPERUSER_PASSWORD": PASSWORD,
            "PATRONI_REPLICATION_USERNAME": "replicator", "PATRONI_REPLICATION_PASSWORD": PASSWORD,
            "PATRONI_REWIND_USERNAME": "rewinder", "PATRONI_REWIND_PASSWORD": PASSWORD,
        }

    def start(self):
        self.process = start([program("patroni"), TEMPLATES / "patroni.yml"], self.log, self.env, self.user)

    def stop(self):
        """Patroni stops its PostgreSQL first."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(START_SECONDS)

    def postmaster(self):
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def kill_database(self):
        """PostgreSQL dies, Patroni lives."""
        postmaster = self.postmaster()
        send([postmaster, *descendants(postmaster)], signal.SIGKILL)

    def kill(self):
        """Patroni and PostgreSQL at once: nobody gets to say goodbye."""
        postmaster = self.postmaster()
        send([self.process.pid, postmaster, *descendants(self.process.pid), *descendants(postmaster)], signal.SIGKILL)
        self.process.wait()

    def stall_replication(self):
        """Nothing reaches the stand-bys any more, as over a network that is cut; clients notice nothing of it."""
        senders = [pid for pid, title in titles(descendants(self.postmaster())).items() if "walsender" in title]
        if not senders:
            raise Failure(f"{self.name} sends its log to nobody")
        send(senders, signal.SIGSTOP)

    def ask(self, method, path, body=None):
        """Status and body of Patroni's REST interface."""
        connection = http.client.HTTPConnection("127.0.0.1", self.rest, timeout=REST_SECONDS)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


class Cluster:
    """`url` is for Patchbay, by way of HAProxy."""

    def __init__(self, folder, user):
        self.folder, self.user = pathlib.Path(folder), user
        names = [f"node{n + 1}" for n in range(NODES)]
        self.port, *ports = free_ports(1 + 4 * NODES)
        of_etcd, of_nodes = ([ports[at:at + 2] for at in range(first, len(ports), 4)] for first in (0, 2))
        self.url = f"postgres://patchbay:{PASSWORD}@127.0.0.1:{self.port}/patchbay"
        # As in the template; changed with `configure`.
        self.wants_synchronous = True
        self.etcd = [Etcd(name, folder, pair, user) for name, pair in zip(names, of_etcd)]
        self.nodes = [Node(name, folder, pair, self.etcd, user) for name, pair in zip(names, of_nodes)]

    def start(self):
        for member in self.etcd:
            member.start(self.etcd)
        env = {"PATH": PATH, "DATABASE_LISTEN": f"127.0.0.1:{self.port}"}
        for n, node in enumerate(self.nodes, 1):
            env |= {f"NODE{n}_POSTGRES": f"127.0.0.1:{node.port}", f"NODE{n}_PATRONI_PORT": str(node.rest)}
        start([program("haproxy"), "-db", "-f", TEMPLATES / "haproxy.cfg"], self.folder / "haproxy.log", env, self.user)
        self.nodes[0].start()
        wait_until("the first node is primary", START_SECONDS, lambda: self.nodes[0].ask("GET", "/primary")[0] == 200)
        for node in self.nodes[1:]:
            node.start()
        self.wait_until_whole(START_SECONDS)
        # Strict from the first moment: even this waits for a stand-by.
        self.psql(f"CREATE ROLE patchbay LOGIN PASSWORD '{PASSWORD}'", "CREATE DATABASE patchbay OWNER patchbay")

    def lose(self, node):
        """The whole machine, and the member of etcd on it."""
        node.kill()
        self.etcd[self.nodes.index(node)].kill()

    def bring_back(self, node):
        self.etcd[self.nodes.index(node)].start(self.etcd)
        node.start()

    def psql(self, *statements):
        url = f"postgres://postgres:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        command = [postgres_folder() / "psql", "-qX", "-v", "ON_ERROR_STOP=1", url, *(part for sql in statements for part in ("-c", sql))]
        wait_until("the database answers through HAProxy", START_SECONDS,
                   lambda: subprocess.run(command[:5] + ["-c", ""], capture_output=True).returncode == 0)
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode:
            raise Failure(f"psql: {ran.stderr}")

    def members(self):
        """Name → role and state, as any node knows it."""
        for node in self.nodes:
            if node.process and node.process.poll() is None:
                try:
                    status, body = node.ask("GET", "/cluster")
                except OSError:
                    continue
                if status == 200:
                    return {member["name"]: (member["role"], member["state"]) for member in json.loads(body)["members"]}
        raise Failure("no node answers")

    def primary(self):
        """The node that HAProxy leads to; None while there is none."""
        for node in self.nodes:
            try:
                if node.process and node.process.poll() is None and node.ask("GET", "/primary")[0] == 200:
                    return node
            except OSError:
                continue
        return None

    def standbys(self):
        """Those that follow, synchronous ones last."""
        members = self.members()
        roles = {node: members.get(node.name, ("", ""))[0] for node in self.nodes}
        return sorted((node for node, role in roles.items() if role in ("replica", "sync_standby")), key=lambda node: roles[node])

    def configure(self, is_synchronous):
        """Synchronous and strict, or neither; for the whole cluster."""
        self.wants_synchronous = is_synchronous
        changed = {"synchronous_mode": is_synchronous, "synchronous_mode_strict": is_synchronous}
        status, body = self.primary().ask("PATCH", "/config", changed)
        if status != 200:
            raise Failure(f"Patroni takes no {changed}: {body}")

    def is_whole(self):
        members = self.members()
        follows = [role for role, state in members.values() if role != "leader" and state in ("running", "streaming")]
        is_synchronous = "sync_standby" in follows
        return len(follows) == NODES - 1 and self.primary() and is_synchronous == self.wants_synchronous

    def wait_until_whole(self, seconds=REJOIN_SECONDS):
        wait_until("one primary and two that follow", seconds, self.is_whole)

    def logs(self):
        """The last lines of everything, for when it fails."""
        return "\n".join(f"---- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in sorted(self.folder.glob("*.log")))


def own_folder(folder, name, user):
    """One in the folder that nobody but the user may look into."""
    made = pathlib.Path(folder, name)
    made.mkdir(mode=0o700)
    if user:
        entry = pwd.getpwnam(user)
        os.chown(made, entry.pw_uid, entry.pw_gid)
    return made
