"""Numbered writes, and what an account must have after each of them.

Each write carries its number in params, in the value of a secret and, as odd or even, in the name of another secret, so that
a part of one write beside a part of another shows."""

import contextlib
import random
import sqlite3
import sys

from .line import Line
from .stage import Stage

STRIPE = "/api/v1/integrations/stripe"
# Of servers that such writes are compared on.
SETTINGS = ["secrets.read_back=true", "limits.rate=false"]
# Every so many writes one is an uninstall.
UNINSTALL_EVERY = 5
CHANGES = "'installation.installed', 'installation.updated', 'installation.uninstalled'"


class Ledger:
    """The only one that writes to its accounts, so it knows what they have."""

    def __init__(self, name, accounts):
        self.random = random.Random(name)
        # The number of the last acknowledged write, by account.
        self.last = {f"{name}-{n}": -1 for n in range(accounts)}
        # Sent since the last comparison; and of these, not acknowledged.
        self.touched, self.unsure = set(), {}
        self.acknowledged, self.unfinished, self.wrong = 0, 0, []

    def write(self, line):
        """One more write; the answer, which was acknowledged if it is a 200."""
        account = self.random.choice(list(self.last))
        number = self.last[account] + 1
        self.touched.add(account)
        self.unsure[account] = number
        answer = line.ask(account, "POST", *request(number))
        if answer.status == 200:
            self.last[account] = number
            del self.unsure[account]
            self.acknowledged += 1
        return answer

    def compare(self, url, accounts=None):
        """What the accounts have, beside what they must have: those written to since the last time, or these."""
        line = Line(url)
        for account in accounts or self.touched:
            found, last, attempt = state(line, account), self.last[account], self.unsure.get(account)
            if found == expected(last):
                continue
            if attempt is not None and found == expected(attempt):
                self.unfinished += 1
                self.last[account] = attempt
            elif any(found == expected(earlier) for earlier in range(-1, last)):
                self.wrong.append(f"lost: {account} has {found} instead of write {last}")
            else:
                self.wrong.append(f"half a write: {account} has {found} after write {last}")
        self.touched, self.unsure = set(), {}
        line.close()


def is_uninstall(number):
    return number % UNINSTALL_EVERY == UNINSTALL_EVERY - 1


def request(number):
    if is_uninstall(number):
        return f"{STRIPE}/uninstall", {}
    here, gone = ("odd", "even") if number % 2 else ("even", "odd")
    return f"{STRIPE}/install", {"params": {"number": number}, "secrets": {"number": f"example-{number}", here: number, gone: None}}


def expected(number):
    """What an account has after this write: status, params, names, values."""
    if number < 0:
        return "available", {}, [], {}
    stored = number - 1 if is_uninstall(number) else number
    secrets = {"number": f"example-{stored}", "odd" if stored % 2 else "even": stored}
    if is_uninstall(number):
        return "available", {"number": stored}, sorted(secrets), {}
    return "installed", {"number": stored}, sorted(secrets), secrets


def state(line, account):
    shown, secrets = answered(line.ask(account, "GET", STRIPE)), {}
    # Those of what is not installed are kept, and not given out.
    if shown["status"] == "installed":
        secrets = answered(line.ask(account, "POST", f"{STRIPE}/secrets/read", {}))["secrets"]
    return shown["status"], shown["params"], shown["secret_names"], secrets


def answered(answer):
    if answer.status != 200:
        sys.exit(f"{answer.status}: {answer.body[:300]}")
    return answer.json()


def uneven(server, ledgers):
    """Accounts that do not have exactly one event for each change, and how many events there are."""
    sql = f"SELECT account_id, count(*) FROM audit_events WHERE action IN ({CHANGES}) GROUP BY account_id"
    if server.database_url:
        rows = [line.split("|") for line in Stage.sql(server.database_url, sql).splitlines()]
    else:
        with contextlib.closing(sqlite3.connect(f"{server.folder}/patchbay.db")) as database:
            rows = database.execute(sql).fetchall()
    there = {account: int(count) for account, count in rows}
    last = written(ledgers)
    return [f"{account}: {there.get(account, 0)} events of {number + 1} changes" for account, number in last.items() if there.get(account, 0) != number + 1], sum(there.values())


def written(ledgers):
    return {account: number for ledger in ledgers for account, number in ledger.last.items() if number >= 0}


def is_sound(server):
    """What SQLite says of its file."""
    with contextlib.closing(sqlite3.connect(f"{server.folder}/patchbay.db")) as database:
        return database.execute("PRAGMA integrity_check").fetchone()[0]
