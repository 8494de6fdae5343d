"""`make serve`: a local Prefect server with every deployment and a worker, until Ctrl-C.

The server listens on loopback only and asks for a password, which is made once and kept in
a file that only its owner can read. Everything it writes is under REGENT_HOME.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from data.store.connection import Ledger
from execution.errors import ConfigInvalid, TradingError
from tasks import wiring
from tasks.caretaker import Caretaker

HOST = "127.0.0.1"
PORT = 4200
POOL = "regent"
PROJECT = Path(__file__).parents[1]  # where prefect.yaml and prefect.toml are
START_TIMEOUT_S = 180
STOP_GRACE_S = 10
LEDGER_TIMEOUT_S = 2  # runs go first: what we look after can wait
TAIL_LINES = 25


class ServingFailed(TradingError):
    """The server, the deployments or the worker did not come up; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A Prefect server of this installation; `pid` leads its own process group."""

    pid: int
    port: int
    process: subprocess.Popen[bytes] | None = None  # when it is ours

    @property
    def alive(self) -> bool:
        """Whether its process is there; our own is, dead or not, until it is polled."""
        return _alive(self.pid) if self.process is None else self.process.poll() is None

    @property
    def ui_url(self) -> str:
        """What a person opens."""
        return f"http://{HOST}:{self.port}"

    @property
    def api_url(self) -> str:
        """What clients talk to."""
        return f"{self.ui_url}/api"


def running_server(home: Path) -> Server | None:
    """The server that `make serve` started and that still answers to our password."""
    try:
        found = json.loads((home / "serve.json").read_text())
        server = Server(pid=found["pid"], port=found["port"])
        password = (home / "prefect" / "auth").read_text()
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return server if _answers(server.port, password) else None


def client_environment(home: Path) -> dict[str, str]:
    """What a process must be told to talk to the running server; empty without one.

    To be set before prefect is imported.
    """
    server = running_server(home)
    return _client_settings(home, server.port) if server else {}


def serve(home: Path, port: int) -> None:
    """Start, or reuse, the server; deploy; work until interrupted; stop what was started."""
    for name in ("logs", "prefect"):
        (home / name).mkdir(parents=True, exist_ok=True)
    (home / "prefect").chmod(0o700)
    with ExitStack() as stack:
        server = running_server(home)
        if server is None:
            server = stack.enter_context(_server(home, port))
            print(f"server: {server.ui_url}", flush=True)
        else:
            print(f"server: {server.ui_url} (reused: process {server.pid} goes on after us)")
        settings = _client_settings(home, server.port)
        deploy(home, settings)
        log = home / "logs" / "worker.log"
        worker = stack.enter_context(_process(["worker", "start", "--pool", POOL], settings, log))
        stack.callback(_stop_runs, worker)
        print(
            f"ready: open {server.ui_url} and sign in with the line in {home}/prefect/auth\n"
            "       Deployments > dry-run > Run starts a cycle; Ctrl-C stops worker and server",
            flush=True,
        )
        caretaker = Caretaker(Ledger(wiring.settings().ledger_path, timeout_s=LEDGER_TIMEOUT_S))
        while worker.poll() is None:
            if not server.alive:
                raise ServingFailed(_failure("the server ended", home / "logs" / "server.log"))
            caretaker.look()
            time.sleep(0.5)
        raise ServingFailed(_failure("the worker ended", log))


def deploy(home: Path, settings: Mapping[str, str]) -> None:
    """Create the work pool and every deployment of prefect.yaml, anew or again."""
    log = home / "logs" / "deploy.log"
    log.unlink(missing_ok=True)
    for command in (
        ["work-pool", "create", POOL, "--type", "process", "--overwrite"],
        ["--no-prompt", "deploy", "--all"],
    ):
        with log.open("a") as out:
            ended = subprocess.run(  # noqa: S603 - our own arguments
                _prefect(command),
                env={**wiring.environment(), **settings},
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if ended.returncode:
            raise ServingFailed(_failure(f"`prefect {' '.join(command)}` failed", log))
    print("deployed: all of prefect.yaml", flush=True)


@contextmanager
def _server(home: Path, port: int) -> Iterator[Server]:
    """Start a server and wait until it answers; it is stopped at the end."""
    _require_free(port)
    password = _password(home)
    log = home / "logs" / "server.log"
    settings = _client_settings(home, port) | {
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_API_AUTH_STRING": password,
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port}",
    }
    note = home / "serve.json"
    with _process(["server", "start"], settings, log) as process:
        server = Server(pid=process.pid, port=port, process=process)
        print("server: starting, about ten seconds", flush=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _answers(port, password):
            if process.poll() is not None:
                raise ServingFailed(_failure("the server did not start", log))
            if time.monotonic() > deadline:
                raise ServingFailed(_failure(f"no answer after {START_TIMEOUT_S} s", log))
            time.sleep(0.25)
        found = {"pid": server.pid, "port": port, "api_url": server.api_url}
        _write(note, json.dumps(found | {"ui_url": server.ui_url}))
        try:
            yield server
        finally:
            note.unlink(missing_ok=True)


@contextmanager
def _process(
    command: list[str], settings: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a prefect command into a log file; at the end stop it and all that it started.

    In a session of its own, so that Ctrl-C comes to us alone and we decide the order.
    """
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            _prefect(command),
            env={**wiring.environment(), **settings},
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        print(f"stopping the {command[0]}", flush=True)
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, then insist. Its group is ours to kill: we made it."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_GRACE_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _stop_runs(worker: subprocess.Popen[bytes]) -> None:
    """End the worker's runs, each in time to tell the server so.

    The worker would kill them outright, and a run that had waited for an approval would go
    on looking as if it did.
    """
    try:
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=", "-o", "ppid="],  # noqa: S607 - wherever it is
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return  # a system without ps: the worker's own way it is
    rows = [[int(number) for number in line.split()] for line in listed.stdout.splitlines()]
    runs = [pid for pid, parent in rows if parent == worker.pid]
    for pid in runs:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_GRACE_S
    while any(map(_alive, runs)) and time.monotonic() < deadline:
        time.sleep(0.1)


def _client_settings(home: Path, port: int) -> dict[str, str]:
    return {
        "REGENT_HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_API_AUTH_STRING": _password(home),
        "DO_NOT_TRACK": "1",
    }


def _password(home: Path) -> str:
    """The server's `regent:<token>`, made at first sight; never printed."""
    path = home / "prefect" / "auth"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, f"regent:{secrets.token_urlsafe(24)}")
    password = path.read_text().strip()
    if not password.startswith("regent:") or len(password) < 20:
        raise ConfigInvalid(f"{path}: is not `regent:` and a token; remove the file")
    return password


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and for the owner's eyes only."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600, exist_ok=False)
    fresh.write_text(text)
    fresh.replace(path)


def _answers(port: int, password: str) -> bool:
    """Whether a Prefect server is there that knows the password."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    token = base64.b64encode(password.encode()).decode()
    try:
        connection.request("GET", "/api/admin/version", headers={"Authorization": f"Basic {token}"})
        with connection.getresponse() as answer:
            return answer.status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _require_free(port: int) -> None:
    if not 0 < port < 1 << 16:
        raise ConfigInvalid(f"port {port}: use 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigInvalid(
                f"port {port} on {HOST}: {error.strerror}; stop what is there, or choose "
                "another with `make serve PORT=4201`"
            ) from None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _prefect(command: list[str]) -> list[str]:
    return [sys.executable, "-m", "prefect", *command]


def _failure(what: str, log: Path) -> str:
    """What went wrong, with the end of its log."""
    tail = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    return "\n".join([f"{what}; the end of {log}:", *(f"  {line}" for line in tail)])


def main() -> int:
    """Read the arguments, serve, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m flows.serving", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT, help="of the server and its UI")
    parser.add_argument("--deploy", action="store_true", help="only deploy, to the running server")
    arguments = parser.parse_args()
    home = wiring.settings().home.absolute()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        if not arguments.deploy:
            serve(home, arguments.port)
        elif settings := client_environment(home):
            deploy(home, settings)
        else:
            raise ConfigInvalid(f"no server of {home} is running; start one with `make serve`")
    except KeyboardInterrupt:
        print("stopped")
    except TradingError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
