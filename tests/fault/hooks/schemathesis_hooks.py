"""What a schema cannot say about a request, for Schemathesis: a value is replaced where the server must refuse it."""

import uuid

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers or {}
    if headers.get("Idempotency-Key"):
        # A key names one request: a second request needs another key.
        headers["Idempotency-Key"] = str(uuid.uuid4())
    if isinstance(case.body, dict) and isinstance(case.body.get("expires_at"), str) and case.body["expires_at"][:4] < "2027":
        # The end of an API key lies in the future.
        case.body["expires_at"] = "2099" + case.body["expires_at"][4:]


@schemathesis.hook
def filter_case(context, case):
    # A cursor is opaque: the server refuses one that it did not make.
    return not (case.query or {}).get("cursor")
