"""A WebSocket that follows a subscription, with what RFC 6455 asks of a client and no more."""

import base64
import contextlib
import json
import os
import socket
import struct

PATIENCE_SECONDS = 30
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Socket:
    """Speaks graphql-transport-ws for one account."""

    def __init__(self, url, account):
        host, port = url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), PATIENCE_SECONDS)
        self.reader = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET /graphql/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                             f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\nX-Account-ID: {account}\r\n\r\n").encode())
        status = self.reader.readline()
        if b" 101 " not in status:
            raise OSError(f"no WebSocket: {status}")
        while self.reader.readline().strip():
            pass

    def subscribe(self, query):
        self.say({"type": "connection_init"})
        if self.hear()["type"] != "connection_ack":
            raise OSError("the connection was not acknowledged")
        self.say({"id": "1", "type": "subscribe", "payload": {"query": query}})

    def hear(self):
        """The next message; a number when the server closed with it, None when the connection just ended."""
        while True:
            head = self.reader.read(2)
            if len(head) < 2:
                return None
            length = head[1] & 127
            if length > 125:
                length = int.from_bytes(self.reader.read(2 if length == 126 else 8), "big")
            kind, data = head[0] & 15, self.reader.read(length)
            if kind == PING:
                self.frame(PONG, data)
            elif kind == CLOSE:
                return struct.unpack("!H", data[:2])[0] if len(data) >= 2 else 1005
            elif kind == TEXT:
                message = json.loads(data)
                if message["type"] != "ping":
                    return message
                self.say({"type": "pong"})

    def say(self, message):
        self.frame(TEXT, json.dumps(message).encode())

    def frame(self, kind, data):
        mask = os.urandom(4)
        length = bytes([128 | len(data)]) if len(data) < 126 else bytes([128 | 126]) + struct.pack("!H", len(data))
        self.socket.sendall(bytes([128 | kind]) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)))

    def close(self):
        # Ends whoever is hearing, too.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.reader.close()
        self.socket.close()
