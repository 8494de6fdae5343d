"""What several test folders share: one real Prefect server with one real worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from data.store.connection import Ledger

SERVING = "serving"  # the fixture, and the group of those who need it: the longest of all
START_TIMEOUT_S = 240
STOP_TIMEOUT_S = 90

# No example is wrong for being slow: the machine may be busy.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@dataclass(frozen=True)
class Serving:
    """A `make serve` that runs."""

    home: Path
    port: int
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def password(self) -> str:
        return (self.home / "prefect" / "auth").read_text()

    @property
    def clients(self) -> dict[str, str]:
        """What makes a process use this server, with books of its own; else it starts one."""
        from flows.serving import client_environment  # few tests need it, and it costs a second

        told = client_environment(self.home)
        return {name: value for name, value in told.items() if name.startswith("PREFECT_")}

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.home / "ledger.duckdb")

    def wait_ready(self) -> None:
        """Wait until it says that it is ready; fail with what it said instead."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while "ready:" not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.2)

    def stop(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_TIMEOUT_S)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def start_serving(home: Path, port: int, **environment: str) -> Iterator[Serving]:
    """Run `python -m flows.serving` as `make serve` does; it is stopped at the end."""
    home.mkdir(parents=True, exist_ok=True)
    output = home.with_name(f"{home.name}-{time.monotonic_ns()}.txt")
    with output.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.serving", "--port", str(port)],
            env={**os.environ, "REGENT_HOME": str(home), **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    serving = Serving(home=home, port=port, process=process, output=output)
    try:
        yield serving
    finally:
        if process.poll() is None:
            serving.stop()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a person draw other markets: `make bench ARGS="--seed 7"`."""
    parser.addoption("--seed", type=int, default=None, help="of simulated markets; default: fixed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what needs the session's server in one process, and what shares a module's set-up.

    Several processes begin with the long tests: none ends alone with one of them.
    """
    ranks: dict[str, int] = {}
    for item in items:
        group = _group(item)
        item.add_marker(pytest.mark.xdist_group(group))
        slow = item.get_closest_marker("slow") is not None
        ranks[group] = max(ranks.get(group, 0), 2 if group == SERVING else int(slow))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: -ranks[_group(item)])


def _group(item: pytest.Item) -> str:
    return SERVING if SERVING in getattr(item, "fixturenames", ()) else str(item.path)


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The server and worker of the whole session; its runs know the scripted venue."""
    home = tmp_path_factory.mktemp("serving") / "home"
    environment = {"REGENT_PLUGINS": "tests.scripted_plugin", "PREFECT_WORKER_QUERY_SECONDS": "0.5"}
    with start_serving(home, free_port(), **environment) as started:
        started.wait_ready()
        yield started
