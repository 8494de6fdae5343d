"""A channel that is a real HTTP server here: what it was sent, and how it behaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from execution.model.enums import Severity, Topic
from execution.model.identifiers import AccountId, RunId
from tasks import alerts as alerting
from tasks import wiring
from tasks.alerts import alert
from tasks.delivery import finish_deliveries

ACCOUNT = AccountId("paper/binance/main")
RUN = RunId("0f8fad5b-d9cb-469f-a165-70867728950e")
SECRET = "s3cr3t-t0ken"

# A process that alerts as a run would; what it is told comes as arguments.
ALERTING = """
import sys, time
from tasks.alerts import alert
from execution.model.enums import Severity, Topic
who, count, then = sys.argv[1], int(sys.argv[2]), sys.argv[3]
for i in range(count):
    alert("paper/binance/main", "run-of-" + who, Severity.CRITICAL, Topic.BREAKER, f"{who}-{i}.")
    if then == "die":
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass
class Channel:
    """One server; `status` and `delay_s` are how it answers from now on."""

    port: int
    status: int = 200
    delay_s: float = 0.0
    arrived: list[tuple[float, str, str]] = field(default_factory=list)  # when, title, text
    refused: int = 0

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/{SECRET}"

    @property
    def patient_url(self) -> str:
        """The same, for somebody who waits half a minute for an answer, not four seconds."""
        return f"{self.url}?rto=30"

    @property
    def texts(self) -> list[str]:
        return [text for _, _, text in self.arrived]

    def wait(self, until: Callable[[Channel], bool], timeout_s: float = 60) -> None:
        """Wait until it has been sent something; fail with what there is instead."""
        deadline = time.monotonic() + timeout_s
        while not until(self):
            assert time.monotonic() < deadline, self.arrived
            time.sleep(0.01)


@contextmanager
def open_channel(port: int = 0) -> Iterator[Channel]:
    """A channel that answers until the end of the block; afterwards its port is closed."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(channel.delay_s)
            if channel.status == 200:
                channel.arrived.append((time.time(), message["title"], message["message"]))
            else:
                channel.refused += 1
            self.send_response(channel.status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            """A client that has gone is no matter."""

    server = Server(("127.0.0.1", port), Handler)
    channel = Channel(port=server.server_address[1])
    serving = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    serving.start()
    try:
        yield channel
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


@contextmanager
def installation(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation of its own, whose couriers end with the block."""
    monkeypatch.setenv("REGENT_HOME", str(home))
    monkeypatch.setattr(alerting, "_last", ())
    try:
        yield
    finally:
        finish_deliveries(0.0, 0.0)


def configure(monkeypatch: pytest.MonkeyPatch, folder: Path, *channels: dict[str, object]) -> None:
    """Name these channels in a private file."""
    path = folder / "alerts.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(channels))
    monkeypatch.setenv("REGENT_ALERTS", str(path))


def tell(text: str, severity: Severity = Severity.CRITICAL) -> None:
    """Alert as a run would."""
    alert(ACCOUNT, RUN, severity, Topic.BREAKER, text)


def undelivered(name: str) -> list[str]:
    """The texts that a channel still lacks."""
    (channel,) = [c for c in alerting.channels() if c.name == name]
    with wiring.open_ledger().reading() as books:
        return [a.text for a in books.deliveries.undelivered(channel.subscription)]


# Eight of them, forked from one that has loaded everything and has no thread yet.
MANY = """
import os, sys
import apprise
from tasks.alerts import alert
from execution.model.enums import Severity, Topic
children = []
for n in range(int(sys.argv[1])):
    if not (child := os.fork()):
        for i in range(int(sys.argv[2])):
            text = f"p{n}-{i}."
            alert("paper/binance/main", f"run-{n}", Severity.CRITICAL, Topic.BREAKER, text)
        sys.exit()
    children.append(child)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def alert_from_many(processes: int, count: int) -> int:
    """Have so many processes alert at once, so often each; returns the worst exit code."""
    command = [sys.executable, "-c", MANY, str(processes), str(count)]
    return subprocess.run(command, env=dict(os.environ), check=False, timeout=240).returncode


def start_alerting(who: str, count: int = 1, then: str = "end") -> subprocess.Popen[bytes]:
    """A process that alerts in this installation, and ends, or is killed after the first one."""
    return subprocess.Popen(
        [sys.executable, "-c", ALERTING, who, str(count), then], env=dict(os.environ)
    )
