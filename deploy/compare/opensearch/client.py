"""A connection to OpenSearch, kept open: little more than a socket, so that the driver takes little of the CPU that is measured."""

import json
import socket


class Failed(Exception):
    """OpenSearch did not answer with success."""


class Client:
    """One connection. Not for use by several threads."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.host = address
        self.socket = socket.create_connection((host, int(port)), timeout=600)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def ask(self, method, path, body=None):
        """Sends a request, with a body of JSON or of bytes that are newline-delimited JSON, and gives the answer."""
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        if body is None:
            body = b""
        elif not isinstance(body, bytes):
            body = json.dumps(body, separators=(",", ":")).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode() + body)
        status, answer = self._answer()
        if status >= 300:
            raise Failed(f"{method} {path}: {status} {answer[:600].decode(errors='replace')}")
        return json.loads(answer) if answer else None

    def _answer(self):
        got = self.rest
        while (end := got.find(b"\r\n\r\n")) < 0:
            got += self._more()
        head = got[:end].lower()
        at = head.find(b"content-length:")
        if at < 0:
            raise Failed("an answer without a length")
        body, length = end + 4, int(head[at + 15 :].split(b"\r\n", 1)[0])
        while len(got) < body + length:
            got += self._more()
        self.rest = got[body + length :]
        return int(head.split(b" ", 2)[1]), got[body : body + length]

    def _more(self):
        more = self.socket.recv(1 << 16)
        if not more:
            raise Failed("the connection was closed")
        return more
