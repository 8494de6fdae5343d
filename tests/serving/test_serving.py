"""`make serve`: who may talk to the server, and what is left when it ends."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from flows.serving import client_environment, running_server
from tests.conftest import Serving, free_port, start_serving
from tests.serving.api import Api
from tests.serving.live import LiveRun

pytestmark = pytest.mark.slow


def test_the_api_refuses_whoever_has_no_password(serving: Serving):
    answer = httpx.get(f"http://127.0.0.1:{serving.port}/api/admin/version")

    assert answer.status_code == 401


def test_the_api_refuses_a_post_without_a_csrf_token(serving: Serving, api: Api):
    """A page open in the operator's browser could otherwise post an approval."""
    answer = httpx.post(f"{api.http.base_url}flow_runs/filter", json={}, auth=api.http.auth)

    assert answer.status_code == 403
    assert "CSRF" in answer.text


def test_an_answer_needs_the_password_and_a_token(serving: Serving, api: Api):
    path = f"{api.http.base_url}flow_runs/{uuid4()}/resume"
    answer = {"run_input": {"decision": "approve"}}
    token = {name: api.http.headers[name] for name in ("Prefect-Csrf-Client", "Prefect-Csrf-Token")}

    assert httpx.post(path, json=answer, auth=api.http.auth).status_code == 403
    assert httpx.post(path, json=answer, headers=token).status_code == 401
    guessed = ("regent", "guessed")
    assert httpx.post(path, json=answer, headers=token, auth=guessed).status_code == 401


def test_another_page_is_not_told_that_it_may_post(serving: Serving, api: Api):
    """The browser asks before it posts; without the header it does not."""
    asks = {
        "Origin": "https://elsewhere.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }

    answer = api.http.options("/flow_runs/filter", headers=asks)

    assert "access-control-allow-origin" not in answer.headers


def test_only_the_servers_own_pages_may_read_its_answers(serving: Serving, api: Api):
    """Prefect's default is `*`: any page at all."""
    own = f"http://127.0.0.1:{serving.port}"

    allowed = {
        origin: api.http.get("/admin/version", headers={"Origin": origin}).headers.get(
            "access-control-allow-origin"
        )
        for origin in (own, "https://elsewhere.example")
    }

    assert allowed == {own: own, "https://elsewhere.example": None}


def test_the_server_listens_on_loopback_only(serving: Serving):
    listening = {
        host
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for host, port in _listening(Path(table))
        if port == serving.port
    }

    assert listening == {"0100007F"}  # 127.0.0.1, bytes reversed


def test_the_password_is_for_the_owners_eyes_and_never_printed(serving: Serving):
    path = serving.home / "prefect" / "auth"
    logs = [p.read_text() for p in (serving.home / "logs").iterdir()]

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(r"regent:\S{20,}", serving.password)
    assert all(
        serving.password not in text and serving.password.partition(":")[2] not in text
        for text in [serving.output.read_text(), *logs]
    )


def test_a_command_finds_the_server_and_how_to_sign_in(serving: Serving):
    found = running_server(serving.home)
    environment = client_environment(serving.home)

    assert found is not None
    assert found.api_url == environment["PREFECT_API_URL"]
    assert found.api_url == json.loads((serving.home / "serve.json").read_text())["api_url"]
    assert environment["PREFECT_API_AUTH_STRING"] == serving.password


def test_without_a_server_a_command_is_told_nothing(tmp_path: Path):
    assert client_environment(tmp_path) == {}


def test_a_note_of_a_server_that_is_gone_is_not_believed(tmp_path: Path):
    """After a power cut the note is still there; another program may have the port."""
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "auth").write_text("regent:not-a-real-password")
    note = {"pid": 1, "port": free_port(), "api_url": "", "ui_url": ""}
    (tmp_path / "serve.json").write_text(json.dumps(note))

    assert running_server(tmp_path) is None


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-m", "flows.serving", "--port", str(port)],
            env={**os.environ, "REGENT_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert ended.returncode == 2
    assert ended.stderr == (
        f"error: port {port} on 127.0.0.1: Address already in use; stop what is there, or "
        "choose another with `make serve PORT=4201`\n"
    )


def test_a_second_make_serve_reuses_the_server_and_leaves_it_running(serving: Serving):
    with start_serving(serving.home, free_port()) as second:
        second.wait_ready()
        exit_code = second.stop()

    assert exit_code == 0
    assert "reused" in second.output.read_text()
    assert running_server(serving.home) is not None


def test_ctrl_c_stops_a_waiting_run_the_worker_and_then_the_server(tmp_path: Path):
    """A run that is left as Paused would take an approval to which nobody listens."""
    with start_serving(
        tmp_path / "home", free_port(), REGENT_PLUGINS="tests.scripted_plugin"
    ) as own:
        own.wait_ready()
        server = running_server(own.home)
        with closing((api := Api(own)).http):
            live = LiveRun(own, api, tmp_path / "venue.jsonl")
            live.start("stopped")
        exit_code = own.stop()

    assert exit_code == 0
    assert server is not None
    lines = own.output.read_text().splitlines()
    assert lines[-3:] == ["stopping the worker", "stopping the server", "stopped"]
    assert not (own.home / "serve.json").exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(server.pid, 0)
    assert running_server(own.home) is None
    assert live.sent == []
    assert _last_state(own, live.run_id) == "CRASHED"


def _last_state(serving: Serving, run_id: str) -> str:
    """The state of a run in the server's database, when there is no server any more."""
    with closing(sqlite3.connect(serving.home / "prefect" / "prefect.db")) as con:
        rows = con.execute("SELECT state_type FROM flow_run WHERE id = ?", (run_id,))
        return str(rows.fetchone()[0])


def _listening(table: Path) -> list[tuple[str, int]]:
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    addresses = [row[1].split(":") for row in rows if row[3] == "0A"]
    return [(host, int(port, 16)) for host, port in addresses]
