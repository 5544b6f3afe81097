"""HTTP/2 by hand (RFC 9113), as much as an attacker needs: a connection whose streams are opened and never ended."""

import contextlib
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS, PING = 1, 4, 6
ACK, END_HEADERS = 1, 4
TIMEOUT_SECONDS = 30


class Streams:
    """One connection. It reads nothing but what it must to keep going."""

    def __init__(self, url):
        host, port = url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), TIMEOUT_SECONDS)
        self.next_id = 1
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))

    def open(self, path):
        """Sends HEADERS without END_STREAM."""
        fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"), ("content-type", "application/json")]
        self.socket.sendall(frame(HEADERS, END_HEADERS, self.next_id, b"".join(literal(*field) for field in fields)))
        self.next_id += 2

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()


def frame(kind, flags, stream, payload):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def literal(name, value):
    """A field that no table remembers (RFC 7541, section 6.2.2); short names and values alone."""
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
