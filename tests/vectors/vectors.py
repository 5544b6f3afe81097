#!/usr/bin/env python3
"""Both formats once more, written from docs/vault.md and sharing no code with the vault. Needs the package `cryptography`.

    vectors.py make                  writes format_v1.json and format_v2.json, beside this script
    vectors.py check                 makes them again, compares, opens all that must open, and is refused by the rest
    vectors.py open --data-dir DIR   opens every key check, data key and secret of an embedded database, with its key ring

`open` prints numbers and places, never values, and ends with 1 when anything does not open.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import sqlite3
import sys
import uuid
from collections import Counter

import cryptography
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FILES = {version: pathlib.Path(__file__).with_name(f"format_v{version}.json") for version in (1, 2)}
MAGIC, VERSION, AES_256_GCM, FLAGS = 0xB1, 1, 1, 0
WITH_COUNTER = 2
HEADERS, NONCE_BYTES, TAG = {VERSION: 20, WITH_COUNTER: 28}, 12, 16
SECRET, DATA_KEY, CHECK = b"patchbay.secret.v1", b"patchbay.dek.v1", b"patchbay.check.v1"
CHECK_TEXT = b"patchbay key check"


# ---- the format ----

class Refused(Exception):
    """Bytes that do not open; the text is the reason."""


def lp(part):
    return len(part).to_bytes(4, "big") + part


def context(*parts):
    return b"".join(lp(part) for part in parts)


def of_secret(place):
    integration = uuid.UUID(place["integration"]).bytes
    return context(SECRET, place["account"].encode(), integration, place["connection"].encode(), place["name"].encode())


def of_data_key(account, key_id):
    return context(DATA_KEY, account.encode(), key_id.to_bytes(4, "big"))


def of_check(key_id):
    return context(CHECK, f"local:{key_id}".encode())


def header(key_id, nonce, start=(MAGIC, VERSION, AES_256_GCM, FLAGS), counter=None):
    return bytes(start) + key_id.to_bytes(4, "big") + (b"" if counter is None else counter.to_bytes(8, "big")) + nonce


def counted(key_id, nonce, counter):
    return header(key_id, nonce, (MAGIC, WITH_COUNTER, AES_256_GCM, FLAGS), counter)


def seal(key, head, bound_to, plain):
    return head + AESGCM(key).encrypt(head[-NONCE_BYTES:], plain, head + bound_to)


def parse(sealed):
    """The key id, the counter if there is one, and the length of the header."""
    if len(sealed) < HEADERS[VERSION] + TAG:
        raise Refused("truncated")
    expected = [("magic", {MAGIC}), ("version", HEADERS), ("algorithm", {AES_256_GCM}), ("flags", {FLAGS})]
    for byte, (reason, known) in zip(sealed, expected):
        if byte not in known:
            raise Refused(reason)
    size = HEADERS[sealed[1]]
    if len(sealed) < size + TAG:
        raise Refused("truncated")
    counter = int.from_bytes(sealed[8:16], "big") if sealed[1] == WITH_COUNTER else None
    return int.from_bytes(sealed[4:8], "big"), counter, size


def unseal(key, key_id, bound_to, sealed, counter=None):
    found_id, found_counter, size = parse(sealed)
    if found_id != key_id:
        raise Refused("key_id")
    if found_counter != counter:
        raise Refused("counter")
    head, ciphertext = sealed[:size], sealed[size:]
    try:
        return AESGCM(key).decrypt(head[-NONCE_BYTES:], ciphertext, head + bound_to)
    except InvalidTag:
        raise Refused("refused") from None


def fingerprint(key):
    return hashlib.sha256(CHECK + key).digest()[:8].hex()


# ---- the vectors ----

KEY = bytes(range(32))
NONCE = bytes(range(0xA0, 0xAC))
KNOWN = {"account": "acme", "integration": "c5c44806-6981-5408-a812-edbd36c0eef2", "connection": "default", "name": "api_key"}


def fresh(label, size):
    """Bytes that look random and are the same each time."""
    return hashlib.sha256(label.encode()).digest()[:size]


def secret(comment, plaintext, key=None, nonce=None, key_id=1, times=1, counter=None, **elsewhere):
    key, nonce = key or fresh(f"{comment}: key", 32), nonce or fresh(f"{comment}: nonce", 12)
    place = {**KNOWN, **elsewhere}
    head = header(key_id, nonce) if counter is None else counted(key_id, nonce, counter)
    sealed = seal(key, head, of_secret(place), plaintext.encode() * times)
    # A long one is not written out.
    bytes_or_digest = {"sealed": sealed.hex()} if times == 1 else {"sealed_sha256": hashlib.sha256(sealed).hexdigest()}
    place |= {} if counter is None else {"counter": counter}
    return {"comment": comment, "key": key.hex(), "key_id": key_id, "nonce": nonce.hex(), **place,
            "plaintext": plaintext, "times": times, **bytes_or_digest}


def secrets():
    return [
        secret("the known answer of the design", '"sk_test_123"', KEY, NONCE),
        secret("the shortest: an empty text in its quotes", '""'),
        secret("a number", "0", name="n"),
        secret("letters beyond ASCII, and one beyond the basic plane", '"ключ 🔑 ä\\u0000"'),
        secret("nested JSON", '{"b":[null,{"deep":[1,2.5,"x"]}],"a":true}', name="service-account.json"),
        secret("64 KiB: a number of so many digits", "7", times=65_536),
        secret("another connection", '"value"', connection="second"),
        secret("the longest account and name", '"value"', account="a" * 63, name="n" * 128),
        secret("another integration", '"value"', integration="00000000-0000-0000-0000-000000000000"),
        secret("a later generation", '"value"', key_id=2),
        secret("the last generation", '"value"', key_id=0xFFFF_FFFF),
    ]


def data_key(account, key_id, provider_key_id):
    label = f"{account} {key_id} {provider_key_id}"
    provider_key, key, nonce = fresh(f"{label}: provider key", 32), fresh(f"{label}: key", 32), fresh(f"{label}: nonce", 12)
    wrapped = seal(provider_key, header(provider_key_id, nonce), of_data_key(account, key_id), key)
    return {"provider_key": provider_key.hex(), "provider_key_id": provider_key_id, "nonce": nonce.hex(), "account": account,
            "key_id": key_id, "key": key.hex(), "wrapped": wrapped.hex()}


def check(provider_key_id):
    provider_key, nonce = fresh(f"{provider_key_id}: provider key", 32), fresh(f"{provider_key_id}: nonce", 12)
    sealed = seal(provider_key, header(provider_key_id, nonce), of_check(provider_key_id), CHECK_TEXT)
    return {"provider_key": provider_key.hex(), "provider_key_id": provider_key_id, "nonce": nonce.hex(),
            "fingerprint": fingerprint(provider_key), "sealed": sealed.hex()}


def refusals():
    """Bytes that must not open as the known answer, under its key and at its place, each with the one right reason."""
    plain = b'"sk_test_123"'
    whole = seal(KEY, header(1, NONCE), of_secret(KNOWN), plain)

    def case(comment, reason, sealed):
        return {"comment": comment, "reason": reason, "sealed": sealed.hex()}

    def moved(comment, bound_to):
        return case(comment, "refused", seal(KEY, header(1, NONCE), bound_to, plain))

    def headed(comment, reason, start, key_id=1):
        # Sealed like this on purpose: the tag is right, so the header alone is the reason.
        return case(comment, reason, seal(KEY, header(key_id, NONCE, start), of_secret(KNOWN), plain))

    def flipped(comment, reason, at, bit=0):
        return case(f"a bit flipped: {comment}", reason, whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1:])

    return [
        moved("of another account", of_secret({**KNOWN, "account": "acme2"})),
        moved("of another integration", of_secret({**KNOWN, "integration": "757d62b3-ea6f-5328-a6f9-fcd3487a8624"})),
        moved("of another connection", of_secret({**KNOWN, "connection": "second"})),
        moved("of another name", of_secret({**KNOWN, "name": "webhook_secret"})),
        moved("the same letters, cut elsewhere", of_secret({**KNOWN, "connection": "defaultapi_", "name": "key"})),
        moved("sealed as a data key", of_data_key("acme", 1)),
        moved("sealed as a key check", of_check(1)),
        moved("bound to nothing but its header", b""),
        headed("unknown magic", "magic", (0xB2, 1, 1, 0)),
        headed("format version 0", "version", (0xB1, 0, 1, 0)),
        headed("format version 3", "version", (0xB1, 3, 1, 0)),
        case("format 2, which has a counter", "counter", seal(KEY, counted(1, NONCE, 1), of_secret(KNOWN), plain)),
        headed("no algorithm", "algorithm", (0xB1, 1, 0, 0)),
        headed("a reserved algorithm", "algorithm", (0xB1, 1, 2, 0)),
        headed("the lowest flag", "flags", (0xB1, 1, 1, 1)),
        headed("the highest flag", "flags", (0xB1, 1, 1, 0x80)),
        headed("another key id", "key_id", (0xB1, 1, 1, 0), 2),
        *(case(f"cut to {length} bytes", "truncated", whole[:length]) for length in [0, 1, 4, 8, 19, 20, 21, 35]),
        case("cut to header and tag", "refused", whole[:36]),
        case("the last byte cut off", "refused", whole[:-1]),
        case("a byte more", "refused", whole + b"\0"),
        flipped("magic", "magic", 0, 7),
        flipped("version", "version", 1),
        flipped("algorithm", "algorithm", 2, 1),
        flipped("flags", "flags", 3, 4),
        flipped("first of the key id", "key_id", 4, 7),
        flipped("last of the key id", "key_id", 7),
        flipped("first of the nonce", "refused", 8, 7),
        flipped("last of the nonce", "refused", 19),
        flipped("first of the ciphertext", "refused", 20, 7),
        flipped("last of the ciphertext", "refused", len(whole) - TAG - 1),
        flipped("first of the tag", "refused", len(whole) - TAG, 7),
        flipped("last of the tag", "refused", len(whole) - 1),
    ]


COUNTER = 1_795_541_808_268_149


def secrets_with_counter():
    return [
        secret("the known answer of format 1, with a counter", '"sk_test_123"', KEY, NONCE, counter=COUNTER),
        secret("the shortest: an empty text in its quotes", '""', counter=1),
        secret("the lowest counter", '"value"', counter=0),
        secret("the highest counter", '"value"', counter=2**64 - 1),
        secret("64 KiB: a number of so many digits", "7", times=65_536, counter=COUNTER),
        secret("another connection", '"value"', connection="second", counter=COUNTER),
        secret("the last generation", '"value"', key_id=0xFFFF_FFFF, counter=COUNTER),
    ]


def refusals_with_counter():
    """Bytes that must not open as the known answer with its counter."""
    plain = b'"sk_test_123"'
    whole = seal(KEY, counted(1, NONCE, COUNTER), of_secret(KNOWN), plain)

    def case(comment, reason, sealed):
        return {"comment": comment, "reason": reason, "sealed": sealed.hex()}

    def flipped(comment, reason, at, bit=0):
        return case(f"a bit flipped: {comment}", reason, whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1:])

    return [
        case("an earlier value", "counter", seal(KEY, counted(1, NONCE, COUNTER - 1), of_secret(KNOWN), plain)),
        case("a later value", "counter", seal(KEY, counted(1, NONCE, COUNTER + 1), of_secret(KNOWN), plain)),
        case("the known answer of format 1", "counter", seal(KEY, header(1, NONCE), of_secret(KNOWN), plain)),
        case("an earlier value under the right counter", "refused",
             counted(1, NONCE, COUNTER) + seal(KEY, counted(1, NONCE, COUNTER - 1), of_secret(KNOWN), plain)[28:]),
        case("of another name", "refused",
             seal(KEY, counted(1, NONCE, COUNTER), of_secret({**KNOWN, "name": "webhook_secret"}), plain)),
        case("another key id", "key_id", seal(KEY, counted(2, NONCE, COUNTER), of_secret(KNOWN), plain)),
        *(case(f"cut to {length} bytes", "truncated", whole[:length]) for length in [0, 8, 16, 28, 36, 43]),
        case("cut to header and tag", "refused", whole[:44]),
        case("a byte more", "refused", whole + b"\0"),
        flipped("version", "version", 1),
        flipped("flags", "flags", 3, 4),
        flipped("first of the counter", "counter", 8, 7),
        flipped("last of the counter", "counter", 15),
        flipped("first of the nonce", "refused", 16, 7),
        flipped("last of the nonce", "refused", 27),
        flipped("first of the ciphertext", "refused", 28, 7),
        flipped("last of the tag", "refused", len(whole) - 1),
    ]


def vectors(version):
    if version == WITH_COUNTER:
        return {"secrets": secrets_with_counter(), "refusals": refusals_with_counter()}
    return {
        "secrets": secrets(),
        "data_keys": [data_key("acme", 1, 1), data_key("acme", 2, 1), data_key("a" * 63, 0xFFFF_FFFF, 7)],
        "checks": [check(1), check(0xFFFF_FFFF)],
        "refusals": refusals(),
    }


def make():
    for version, file in FILES.items():
        made_with = f"tests/vectors/vectors.py, Python cryptography {cryptography.__version__}, AESGCM"
        made = {"made_with": made_with, **vectors(version)}
        file.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


def check_files():
    for version, file in FILES.items():
        check_file(version, json.loads(file.read_text()))


def check_file(version, found):
    assert {**found, "made_with": ""} == {"made_with": "", **vectors(version)}, "made again, the vectors are others"
    for case in found["secrets"]:
        if "sealed" in case:
            key, sealed = bytes.fromhex(case["key"]), bytes.fromhex(case["sealed"])
            plain = unseal(key, case["key_id"], of_secret(case), sealed, case.get("counter"))
            assert plain.decode() == case["plaintext"], case["comment"]
    for case in found.get("data_keys", []):
        bound_to = of_data_key(case["account"], case["key_id"])
        key = unseal(bytes.fromhex(case["provider_key"]), case["provider_key_id"], bound_to, bytes.fromhex(case["wrapped"]))
        assert key.hex() == case["key"]
    for case in found.get("checks", []):
        bound_to = of_check(case["provider_key_id"])
        assert unseal(bytes.fromhex(case["provider_key"]), case["provider_key_id"], bound_to, bytes.fromhex(case["sealed"])) == CHECK_TEXT
    for case in found["refusals"]:
        try:
            unseal(KEY, 1, of_secret(KNOWN), bytes.fromhex(case["sealed"]), COUNTER if version == WITH_COUNTER else None)
        except Refused as reason:
            assert str(reason) == case["reason"], f"{case['comment']}: {reason}"
        else:
            raise AssertionError(f"it opened: {case['comment']}")
    print(version, {what: len(cases) for what, cases in found.items() if what != "made_with"})


# ---- a database that a server wrote ----

class Database:
    """An embedded database and its key ring; whatever does not open is told and counted."""

    def __init__(self, folder):
        ring = json.loads((folder / "keyring.json").read_text())
        self.provider_keys = {item["id"]: base64.b64decode(item["key"]) for item in ring["keys"]}
        self.rows = sqlite3.connect(f"{(folder / 'patchbay.db').resolve().as_uri()}?mode=ro", uri=True)
        self.rows.row_factory = sqlite3.Row
        self.opened, self.failed = Counter(), Counter()

    def attempt(self, kind, place, work):
        try:
            result = work()
            self.opened[kind] += 1
            return result
        except (Refused, KeyError, ValueError, AssertionError) as reason:
            self.failed[kind] += 1
            # Which kind of failure; the text of a library's error may quote what it was given.
            print(f"{kind} {place}: {reason if isinstance(reason, Refused) else type(reason).__name__}", file=sys.stderr)
            return None

    def open_all(self):
        for row in self.rows.execute("SELECT * FROM key_checks WHERE provider = 'local'"):
            self.attempt("key checks", row["kek_ref"], lambda row=row: self.check(row))
        keys = {}
        for row in self.rows.execute("SELECT * FROM account_keys WHERE state <> 'destroyed'"):
            place = (row["account_id"], row["key_id"])
            keys[place] = self.attempt("data keys", place, lambda row=row: self.unwrap(row))
        counters = {
            (row["account_id"], row["integration_id"], row["connection"]): json.loads(row["secret_counters"])
            for row in self.rows.execute("SELECT * FROM installations")
        }
        for row in self.rows.execute("SELECT * FROM installation_secrets"):
            counter = counters[row["account_id"], row["integration_id"], row["connection"]].get(row["name"])
            integration = uuid.UUID(bytes=row["integration_id"])
            place = {"account": row["account_id"], "integration": str(integration), "connection": row["connection"], "name": row["name"]}
            self.attempt("secrets", list(place.values()), lambda row=row, place=place, counter=counter: self.open(row, place, keys, counter))
        print(json.dumps({"opened": self.opened, "failed": self.failed}))
        return not self.failed and all(self.opened[kind] for kind in ["key checks", "data keys", "secrets"])

    def check(self, row):
        key_id = int(row["kek_ref"].removeprefix("local:"))
        key = self.provider_keys[key_id]
        assert fingerprint(key) == row["fingerprint"]
        assert unseal(key, key_id, of_check(key_id), row["wrapped"]) == CHECK_TEXT

    def unwrap(self, row):
        key_id = int(row["kek_ref"].removeprefix("local:"))
        key = unseal(self.provider_keys[key_id], key_id, of_data_key(row["account_id"], row["key_id"]), row["wrapped"])
        assert len(key) == 32
        return key

    def open(self, row, place, keys, counter):
        key = keys[row["account_id"], row["key_id"]]
        assert key is not None
        plain = unseal(key, row["key_id"], of_secret(place), row["sealed"], counter)
        assert json.loads(plain) is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make")
    commands.add_parser("check")
    commands.add_parser("open").add_argument("--data-dir", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    match arguments.command:
        case "make":
            make()
        case "check":
            check_files()
        case "open":
            sys.exit(0 if Database(arguments.data_dir).open_all() else 1)


if __name__ == "__main__":
    main()
