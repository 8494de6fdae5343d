"""A server on this machine that reads a whole request and then does exactly what it is told."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


Script = Callable[[socket.socket, Request], None]


class RawServer:
    """Hands every request to `script`, which writes bytes as it likes; keeps them all."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.over = threading.Event()
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, method: str) -> int:
        return sum(request.method == method for request in self.requests)

    def close(self) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(10)
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while request := read_request(connection):
                    self.requests.append(request)
                    self.script(connection, request)
            except OSError:
                return  # the client is gone


def read_request(connection: socket.socket) -> Request | None:
    """One whole request; None where the client has closed."""
    text = b""
    while b"\r\n\r\n" not in text:
        more = connection.recv(65536)
        if not more:
            return None
        text += more
    head, _, body = text.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    method, target, _ = first.split(" ")
    parts = urlsplit(target)
    return Request(method, parts.path, dict(parse_qsl(parts.query)), headers, body)


def http(status: int, body: bytes | str = b"", *headers: str) -> bytes:
    """The bytes of a whole reply."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Because", f"Content-Length: {len(data)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + data


def reply(status: int, body: object, *headers: str) -> bytes:
    """The bytes of a reply in JSON."""
    return http(status, json.dumps(body), "Content-Type: application/json", *headers)


def always(data: bytes) -> Script:
    """The same bytes to every request."""
    return lambda connection, _: connection.sendall(data)


def then_close(data: bytes) -> Script:
    """These bytes, and no more of this connection."""

    def script(connection: socket.socket, _: Request) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return script


def reset(data: bytes = b"") -> Script:
    """These bytes, and the connection is torn down."""

    def script(connection: socket.socket, _: Request) -> None:
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return script


def trickle(server_over: threading.Event, head: bytes, drop: bytes) -> Script:
    """`head`, then one `drop` after the other for ever."""

    def script(connection: socket.socket, _: Request) -> None:
        connection.sendall(head)
        while not server_over.wait(0.05):
            connection.sendall(drop)

    return script
