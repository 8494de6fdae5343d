"""One request on the wire: whether it has left, and an end to it at the deadline.

Whether a byte was handed to a socket is noted where it happens. That, and no reading of
errors, tells "never sent" from "may have landed".
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

CONNECT_TIMEOUT_S = 3.0
POOL_SIZE = 16  # connections kept open

T = TypeVar("T")


class Wire:
    """One request's way out, shared by who asks and the thread that sends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._over = False
        self._sent = False

    def leave(self, sock: socket.socket) -> None:
        """Note that bytes are about to go; refuse that once the request was given up."""
        with self._lock:
            if self._over:
                raise TimeoutError("the deadline passed before the request was sent")
            self._sent, self._sock = True, sock

    def end(self) -> bool:
        """Give the request up, now and for ever; return whether it may have arrived."""
        with self._lock:
            self._over = True
            if self._sock is not None:
                # The plain socket's own: TLS must not be taken down under who is reading.
                with suppress(OSError):
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
            return self._sent


_wire: ContextVar[Wire] = ContextVar("wire")


def start(work: Callable[[], T], wire: Wire) -> Future[T]:
    """Run a request in a daemon thread of its own, on `wire`.

    One that hangs blocks neither the event loop nor the interpreter's exit.
    """
    future: Future[T] = Future()

    def run() -> None:
        _wire.set(wire)
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - who asked classifies whatever it was
            future.set_exception(error)
        else:
            future.set_result(result)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, name="alpaca-request", daemon=True).start()
    return future


class Adapter(HTTPAdapter):
    """Sends by connections that take note, once, and waits for each byte with a limit."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(pool_maxsize=POOL_SIZE, max_retries=0)
        self._timeout = (min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Take the library's pool, through a proxy or not, with our kind of connections."""
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        secure = isinstance(pool, HTTPSConnectionPool)
        pool.ConnectionCls = _SecureConnection if secure else _PlainConnection
        return pool

    def send(self, request: Any, **kwargs: Any) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Send with our timeouts: Alpaca's library gives none."""
        return super().send(request, **(kwargs | {"timeout": self._timeout}))


class _PlainConnection(HTTPConnection):
    def send(self, data: Any) -> None:  # noqa: ANN401
        _leave(self)
        super().send(data)


class _SecureConnection(HTTPSConnection):
    def send(self, data: Any) -> None:  # noqa: ANN401
        _leave(self)
        super().send(data)


def _leave(connection: HTTPConnection) -> None:
    if connection.sock is None:
        connection.connect()  # what fails here was never sent
    _wire.get().leave(connection.sock)
