"""Clients that write all the time, remember what was acknowledged, and compare it with what the server has."""

import collections
import contextlib
import http.client
import json
import threading
import time

# Longer than the server lets a request take.
PATIENCE_SECONDS = 20
PAUSE_SECONDS = 0.01
# Shorter than any Retry-After: a gap is to be seen as long as it is, and no longer.
PAUSE_AFTER_FAILURE_SECONDS = 0.1
WRITES_OF_AN_ACCOUNT = 20
# They take any params and secrets.
ENTRIES = ["stripe", "slack", "github"]
UNINSTALLED = 0

Answer = collections.namedtuple("Answer", "at seconds status retry_after text")


class Record:
    """What an account's entry may be: as last acknowledged, or as anything tried since, whose outcome nobody told."""

    def __init__(self):
        self.acknowledged, self.tried = None, []

    def acknowledge(self, state):
        self.acknowledged, self.tried = state, []

    def allows(self, state):
        # What was never acknowledged may be there all the same, and may be not.
        return state == self.acknowledged or state in self.tried or (self.acknowledged is None and state == UNINSTALLED)


class Writer(threading.Thread):
    """Writes for accounts of its own, one write after the other."""

    def __init__(self, name, url, stop):
        super().__init__(daemon=True)
        self.label, self.url, self.stop = name, url, stop
        self.records, self.answers, self.count = {}, [], 0

    def run(self):
        connection = None
        while not self.stop.is_set():
            account = f"{self.label}-{self.count // WRITES_OF_AN_ACCOUNT}"
            entry = ENTRIES[self.count % len(ENTRIES)]
            self.count += 1
            # Every seventh takes the entry away again.
            state = UNINSTALLED if self.count % 7 == 0 else self.count
            record = self.records.setdefault((account, entry), Record())
            record.tried.append(state)
            connection = connection or connect(self.url)
            answer = write(connection, account, entry, state)
            self.answers.append(answer)
            if answer.status == 200:
                record.acknowledge(state)
                self.stop.wait(PAUSE_SECONDS)
                continue
            if answer.status is None:
                connection.close()
                connection = None
            # The same again would do, too; another one tells more.
            self.stop.wait(PAUSE_AFTER_FAILURE_SECONDS)


def connect(url):
    return http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE_SECONDS)


def write(connection, account, entry, state):
    path = f"/api/v1/integrations/{entry}/{'uninstall' if state == UNINSTALLED else 'install'}"
    body = None if state == UNINSTALLED else {"params": {"n": state}, "secrets": {"n": f"example-{state}"}}
    begun = time.monotonic()
    try:
        answer, text = ask(connection, account, "POST", path, body)
    except (OSError, http.client.HTTPException) as error:
        return Answer(time.monotonic(), time.monotonic() - begun, None, None, repr(error))
    done = time.monotonic()
    return Answer(done, done - begun, answer.status, answer.headers["Retry-After"], None if answer.status == 200 else text[:500])


def ask(connection, account, method, path, body=None):
    headers = {"X-Account-ID": account, "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    return answer, answer.read().decode()


class Writers:
    """Several at once. Everything they saw is in `answers`, in the order of time."""

    def __init__(self, label, url, count):
        self.stopping = threading.Event()
        self.writers = [Writer(f"{label}-{n}", url, self.stopping) for n in range(count)]

    def __enter__(self):
        for writer in self.writers:
            writer.start()
        return self

    def __exit__(self, *error):
        self.stopping.set()
        for writer in self.writers:
            writer.join()

    def answers(self, since=0.0):
        return sorted((answer for writer in self.writers for answer in list(writer.answers) if answer.at >= since), key=lambda answer: answer.at)

    def last_acknowledged(self):
        return max((answer.at for writer in self.writers for answer in writer.answers[-50:] if answer.status == 200), default=0.0)

    def acknowledged(self):
        return sum(answer.status == 200 for answer in self.answers())


def longest_gap(answers, begun, ended):
    """Seconds without an acknowledged write, and when in the window that began."""
    times = [begun, *(answer.at for answer in answers if answer.status == 200 and begun <= answer.at <= ended), ended]
    length, start = max((later - earlier, earlier) for earlier, later in zip(times, times[1:]))
    return length, start - begun


def compare(writers, url):
    """What the server has against what it acknowledged: entries looked at, those lost, those whose parts disagree."""
    lost, torn, looked_at = [], [], 0
    by_account = collections.defaultdict(dict)
    for writer in writers.writers:
        for (account, entry), record in writer.records.items():
            by_account[account][entry] = record
    with contextlib.closing(connect(url)) as connection:
        for account, records in by_account.items():
            listed = ask_well(connection, account, "GET", "/api/v1/integrations?status=installed")
            states = {entry["name"]: entry["params"]["n"] for entry in listed["integrations"]}
            for entry, record in records.items():
                looked_at += 1
                state = states.get(entry, UNINSTALLED)
                if not record.allows(state):
                    lost.append(f"{entry} of {account}: is {state}, was {record.acknowledged}, tried since: {record.tried}")
                if state != UNINSTALLED:
                    secrets = ask_well(connection, account, "POST", f"/api/v1/integrations/{entry}/secrets/read", {})["secrets"]
                    if secrets != {"n": f"example-{state}"}:
                        torn.append(f"{entry} of {account}: params say {state}, its secret does not")
    return looked_at, lost, torn


def ask_well(connection, account, method, path, body=None):
    answer, text = ask(connection, account, method, path, body)
    if answer.status != 200:
        raise OSError(f"{method} {path} for {account} answered {answer.status}: {text[:300]}")
    return json.loads(text)
