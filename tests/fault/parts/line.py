"""One kept connection to a server: cheap for whoever sends, and exact about how it ended."""

import contextlib
import dataclasses
import json
import select
import socket
import time

# Longer than the server ever takes.
PATIENCE_SECONDS = 30


class Refused(OSError):
    """Nobody took the connection."""


class Cut(OSError):
    """The connection ended before an answer was whole. `was_kept` is true where it had carried answers before."""

    def __init__(self, why, was_kept):
        super().__init__(why)
        self.was_kept = was_kept


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes
    # When the request was sent, and how long the answer took.
    sent: float
    seconds: float

    def json(self):
        return json.loads(self.body)


class Line:
    """Requests one after the other, as HTTP/1.1 has it; connects when it has to."""

    def __init__(self, url):
        host, port = url.removeprefix("http://").split(":")
        self.address = (host, int(port))
        self.socket = self.reader = None
        self.answered = 0

    def ask(self, account, method, path, body=None, headers=()):
        text = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(text)}", *headers]
        if account is not None:
            lines.append(f"X-Account-ID: {account}")
        if body is not None:
            lines.append("Content-Type: application/json")
        return self.send("\r\n".join([*lines, "", ""]).encode() + text)

    def send(self, request):
        """Sends bytes that are a whole request."""
        if self.socket and self.was_closed():
            self.close()
        if not self.socket:
            self.connect()
        sent = time.perf_counter()
        try:
            self.socket.sendall(request)
            return self.read(sent)
        except (OSError, ValueError) as error:
            was_kept = self.answered > 0
            self.close()
            raise Cut(repr(error), was_kept) from error

    def connect(self):
        try:
            self.socket = socket.create_connection(self.address, PATIENCE_SECONDS)
        except OSError as error:
            raise Refused(str(error)) from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")
        self.answered = 0

    def was_closed(self):
        """Whether the server has said that it takes no more, as clients look before they send."""
        # Nothing is to come before it is asked for, but the end.
        return bool(select.select([self.socket], [], [], 0)[0])

    def read(self, sent):
        status = int(self.whole_line().split()[1])
        headers = {}
        while line := self.whole_line().strip():
            name, _, value = line.partition(b":")
            headers[name.decode().lower()] = value.strip().decode()
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join(iter(self.chunk, b""))
        else:
            body = self.whole(int(headers.get("content-length", 0)))
        self.answered += 1
        answer = Answer(status, headers, body, sent, time.perf_counter() - sent)
        if headers.get("connection") == "close":
            self.close()
        return answer

    def chunk(self):
        data = self.whole(int(self.whole_line(), 16) + 2)
        return data[:-2]

    def whole_line(self):
        line = self.reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("ended early")
        return line

    def whole(self, length):
        data = self.reader.read(length)
        if len(data) < length:
            raise ConnectionResetError("ended early")
        return data

    def close(self):
        with contextlib.suppress(OSError):
            if self.reader:
                self.reader.close()
            if self.socket:
                self.socket.close()
        self.socket = self.reader = None
        self.answered = 0
