#!/usr/bin/env python3
"""Moves an SQLite file with awkward contents into PostgreSQL and asks the server on either for the same things.

usage: tests/deploy/move.py PATCHBAY_BINARY postgres://user@host:port

Makes a database of its own on that server, and drops it. Python's standard library and psql.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

MOVE = Path(__file__).resolve().parents[2] / "deploy" / "move-to-postgres"
DEADLINE = 30
# What COPY, JSON and SQL have words for, in texts, names and secrets; numbers at the end of what JSON can say.
ENTRY = {
    "name": "acme_billing", "display_name": "Äcme \\ \"B\"", "description": "next \\n \\. 'end' \\\\", "category": "accounting",
    "auth": [{"kind": "api_key", "placements": [{"in": "body", "body_name": "key", "field": "api_key"}]}],
    "secrets": [{"name": "api_key", "label": "API key", "type": "string", "required": True}],
}
PARAMS = {"odd": "\\N \\. \t \n \r é 🦀 \\", "big": 18446744073709551615, "small": 1.5e-7, "deep": {"a": [1, None, True, ""]}}
EDIT = "Ours \\N of a \\ kind."
SECRET = "x\\y\u0000z\n"
ASKED = [
    ("GET", "integrations"), ("GET", "integrations/acme_billing"), ("GET", "integrations/acme_billing/definition"), ("GET", "integrations/stripe"),
    ("GET", "events"), ("GET", "api-keys"), ("POST", "integrations/acme_billing/secrets/read"),
]
SETTINGS = ["--set", "secrets.read_back=true", "--set", "auth.mode=open,api_key", "--set", "limits.rate=false"]


def main(binary, postgres):
    binary = Path(binary).resolve()
    with tempfile.TemporaryDirectory() as folder, database(postgres) as url:
        data = Path(folder) / "data"
        file = data / "patchbay.db"
        target = os.environ | {
            "PATCHBAY_DATABASE_URL": url, "PATCHBAY_KEYRING_FILE": str(data / "keyring.json"), "PATCHBAY_AUTH_PEPPER_FILE": str(data / "pepper"),
        }
        with server(binary, ["--data-dir", str(data)], os.environ) as address:
            fill(address)
            edited = edit_catalog(binary, data, Path(folder) / "stripe.json")
            until(lambda: EDIT in json.loads(call(address, "GET", "integrations/stripe"))["description"], "the server does not see an edit")
            key = run([binary, "api-keys", "create", "--data-dir", data, "--name", "op \\N", "--scope", "admin", "--account", "acme"]).stdout.strip()
            refused(url, file, "is in use")
            # Reading secrets back leaves events: asked once before, so that both sides know of as many.
            call(address, *ASKED[-1])
            before = [call(address, method, path) for method, path in ASKED[:-1]]
        refused(url, file, "has no schema")
        run([binary, "migrate"], target)
        print(run([MOVE, file], target).stdout.splitlines()[-1])
        refused(url, file, "is not empty")
        opened = run([binary, "keys", "verify"], target).stdout
        check("2 secrets of 1 account opened, 0 not" in opened, f"keys verify says: {opened}")
        check(differences(binary, [], target) == edited, "the edits of the shared catalog are others")
        with server(binary, [], target) as address:
            after = [call(address, method, path) for method, path in ASKED[:-1]]
            for (method, path), was, there in zip(ASKED, before, after):
                at = next((at for at, pair in enumerate(zip(was, there)) if pair[0] != pair[1]), min(len(was), len(there)))
                check(was == there, f"{method} {path} was …{was[max(0, at - 60):at + 60]}… and is …{there[max(0, at - 60):at + 60]}…")
            secret = json.loads(call(address, *ASKED[-1]))["secrets"]["api_key"]
            check(secret == SECRET, "a secret is another one")
            call(address, "GET", "integrations", headers={"Authorization": f"Bearer {key}"})
            wrong = call(address, "GET", "integrations", headers={"Authorization": f"Bearer {key[:-1]}?"}, expected=401)
            check(wrong == "Invalid credentials", wrong)
            changed = json.loads(call(address, "POST", "integrations/stripe/install", {"secrets": {"api_key": "sk_test_example_0001"}}))
            check(changed["changed"], "nothing can be changed after the move")
    print(f"{len(ASKED)} answers are the same on both")


def fill(address):
    call(address, "POST", "integrations", ENTRY, expected=201)
    call(address, "POST", "integrations/acme_billing/install", {"params": PARAMS, "secrets": {"api_key": SECRET}})
    call(address, "POST", "integrations/stripe/install", {"secrets": {"api_key": "sk_test_example_0000"}})
    call(address, "POST", "integrations/stripe/uninstall")


def edit_catalog(binary, data, file):
    """An entry of the shared catalog as an operator wants it; what then differs from the built-in ones."""
    of_file = ["--data-dir", data]
    entry = json.loads(run([binary, "catalog", "export", "stripe", "--format", "json", *of_file]).stdout)
    file.write_text(json.dumps(entry | {"description": EDIT}))
    run([binary, "catalog", "import", file, *of_file])
    return differences(binary, of_file, os.environ)


def differences(binary, arguments, environment):
    said = subprocess.run([binary, "catalog", "diff", *arguments], env=environment, cwd="/", capture_output=True, text=True, timeout=DEADLINE).stdout
    check("stripe" in said, f"catalog diff does not tell of an edit: {said}")
    return said


def refused(url, file, words):
    done = subprocess.run([MOVE, file], env=os.environ | {"PATCHBAY_DATABASE_URL": url}, capture_output=True, text=True, timeout=DEADLINE)
    check(done.returncode == 1 and words in done.stderr, f"not refused because it {words}: {done.returncode} {done.stderr}")


def call(address, method, path, body=None, headers=None, expected=200):
    content = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{address}/api/v1/{path}", content, {"X-Account-ID": "acme", **(headers or {})}, method=method)
    if content:
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    check(status == expected, f"{method} {path}: {status} {text[:300]}")
    return text


@contextmanager
def server(binary, arguments, environment):
    """A running server; its address. Asked to stop, it ends with 0."""
    command = [binary, "--listen", "127.0.0.1:0", *SETTINGS, *arguments]
    process = subprocess.Popen(command, env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        end = time.monotonic() + DEADLINE
        for line in process.stdout:
            if found := re.search(r"(http://\S+)/graphql$", line.rstrip()):
                break
            check(time.monotonic() < end, "the server says nothing of its address")
        else:
            sys.exit("error: the server did not start")
        yield found[1]
        process.terminate()
        check(process.wait(DEADLINE) == 0, "the server did not end with 0")
    finally:
        process.kill()
        process.wait()


@contextmanager
def database(postgres):
    name = f"patchbay_move_{os.getpid()}"
    run(["psql", "-qX", f"{postgres}/postgres", "-c", f"CREATE DATABASE {name}"])
    try:
        yield f"{postgres}/{name}"
    finally:
        run(["psql", "-qX", f"{postgres}/postgres", "-c", f"DROP DATABASE {name} WITH (FORCE)"])


def run(command, environment=None):
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=DEADLINE)
    check(done.returncode == 0, f"{command[0]} {command[1]}: {done.stderr}")
    return done


def until(holds, sentence):
    end = time.monotonic() + DEADLINE
    while not holds():
        check(time.monotonic() < end, sentence)
        time.sleep(0.1)


def check(holds, sentence):
    if not holds:
        sys.exit(f"error: {sentence}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
