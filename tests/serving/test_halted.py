"""A halted account sends no new order, whichever way a run of it comes about, in any mode.

What counts is what the venue saw. Backtest has no venue: it is refused as not there.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from execution.errors import NotYetAvailable
from execution.model.enums import RunMode, TradingState
from execution.model.identifiers import AccountId, RunId
from execution.risk.limits import RiskLimits
from flows.trading import trading_cycle
from tasks import wiring
from tasks.config import RunConfig
from tasks.wiring import LIVE_CONFIRMATION
from tests.conftest import Serving
from tests.cycles import run_cycle
from tests.flows.commands import regent
from tests.serving.api import FINAL, TIMEOUT_S, Api

pytestmark = pytest.mark.slow

MODES = (RunMode.DRY_RUN, RunMode.PAPER, RunMode.LIVE)
ENVIRONMENT = {"REGENT_ALLOW_LIVE": "true", "REGENT_LIVE_CONFIRMATION": LIVE_CONFIRMATION}


def config_of(mode: RunMode, way: str) -> dict[str, Any]:
    """A run that wants to buy, on an account of its own."""
    config: dict[str, Any] = {"mode": mode.value, "account": f"halted-{way}"}
    if mode is RunMode.DRY_RUN:
        return {**config, "feed": "sample"}
    config |= {"venue": "scripted", "feed": "scripted", "monitor_s": 0}
    return {**config, "dry_run": False, "confirm_live": True} if mode is RunMode.LIVE else config


def account_of(mode: RunMode, way: str) -> AccountId:
    return RunConfig(**config_of(mode, way)).account_id


def halt(way: str) -> None:
    """Halt all three accounts of one way, and switch everything else on."""
    with wiring.open_ledger().transaction() as books:
        now = datetime.now(UTC)
        books.live_trading.set(True, "tester", now)
        for mode in MODES:
            account = account_of(mode, way)
            books.trading_state.set(account, TradingState.HALTED, "a test", "Ann", now)


def log_of(folder: Path, mode: RunMode, way: str) -> Path:
    return folder / f"{way}-{mode}.jsonl"


def require_nothing_sent(folder: Path, way: str, mode: RunMode, run_id: str) -> None:
    """Not at the venue, and not for want of a wish: each was denied for the halt."""
    account, log = account_of(mode, way), log_of(folder, mode, way)
    lines = log.read_text().splitlines() if log.exists() else []
    assert [line for line in map(json.loads, lines) if line["call"] == "submit"] == []
    with wiring.open_ledger().reading() as books:
        [[simulated]] = books.session.rows(
            "SELECT count(*) FROM simulated_orders WHERE account = ?", account
        )
        assert books.runs.find(run_id).account == account
        decided = books.risk_decisions.of(RunId(run_id))
        assert books.trading_state.get(account) is TradingState.HALTED
        assert books.orders.all(account) == ()
    assert simulated == 0
    denials = {d.verdict.facts for d in decided if not d.verdict.passed}
    assert "trading_state=halted reduce_only=False" in denials


def newest(mode: RunMode, way: str) -> str:
    """The last run of an account that only one way has run on."""
    with wiring.open_ledger().reading() as books:
        run = books.runs.latest(account_of(mode, way))
    assert run is not None
    return run.run_id


@pytest.fixture
def there(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> Serving:
    monkeypatch.setenv("REGENT_HOME", str(serving.home))
    return serving


def test_runs_on_a_schedule(there: Serving, api: Api, tmp_path: Path):
    """Each as soon as its deployment is there, and once: then the deployment goes."""
    halt("schedule")
    soon = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    made = {mode: schedule(api, mode, soon, tmp_path) for mode in MODES}
    for mode, deployment in made.items():
        try:
            run = wait_scheduled(api, deployment)
        finally:
            api.request("DELETE", f"/deployments/{deployment}").raise_for_status()
        assert run["state"]["type"] == "COMPLETED", (mode, run)
        require_nothing_sent(tmp_path, "schedule", mode, run["id"])


def test_runs_from_the_ui(there: Serving, api: Api, tmp_path: Path):
    halt("ui")
    started = {
        mode: api.start(f"trading-cycle/{mode}", config_of(mode, "ui"), env(tmp_path, mode, "ui"))
        for mode in MODES
    }
    for mode, run_id in started.items():
        assert api.wait(run_id)["state"]["type"] == "COMPLETED", api.logs(run_id)
        require_nothing_sent(tmp_path, "ui", mode, run_id)


def test_ad_hoc_runs_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REGENT_PLUGINS", "tests.scripted_plugin")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    halt("python")
    for mode in MODES:
        monkeypatch.setenv("SCRIPTED_VENUE_LOG", str(log_of(tmp_path, mode, "python")))
        run_cycle(RunConfig(**config_of(mode, "python")))
        require_nothing_sent(tmp_path, "python", mode, newest(mode, "python"))


def test_the_command(there: Serving, tmp_path: Path):
    """In live mode: it would be the dearest; the server of the session saves the start."""
    halt("command")
    path = tmp_path / "live.json"
    path.write_text(json.dumps(config_of(RunMode.LIVE, "command")))

    ended = regent(
        there.home,
        *("run", "--config", str(path)),
        REGENT_PLUGINS="tests.scripted_plugin",
        **env(tmp_path, RunMode.LIVE, "command"),
    )

    assert ended.code == 0, ended.err
    require_nothing_sent(tmp_path, "command", RunMode.LIVE, newest(RunMode.LIVE, "command"))


def test_a_backtest_is_not_there_yet():
    with pytest.raises(NotYetAvailable):
        trading_cycle.fn(RunConfig(mode=RunMode.BACKTEST, limits=RiskLimits()))


def env(folder: Path, mode: RunMode, way: str) -> dict[str, str]:
    return {**ENVIRONMENT, "SCRIPTED_VENUE_LOG": str(log_of(folder, mode, way))}


def schedule(api: Api, mode: RunMode, soon: str, folder: Path) -> str:
    """Deploy the mode's run as prefect.yaml does, to be started by the clock alone."""
    like = api.deployment(f"trading-cycle/{mode}")
    kept = ("flow_id", "entrypoint", "path", "pull_steps", "work_pool_name")
    made = api.post(
        "/deployments/",
        {
            **{key: like[key] for key in kept},
            "name": f"halted-{mode}",
            "parameters": {"config": config_of(mode, "schedule")},
            "parameter_openapi_schema": like["parameter_openapi_schema"],
            "job_variables": {"env": env(folder, mode, "schedule")},
            "schedules": [{"active": True, "schedule": {"interval": 60, "anchor_date": soon}}],
        },
    )
    return str(made["id"])


def wait_scheduled(api: Api, deployment: str) -> dict[str, Any]:
    """How the first run that nobody started has ended."""
    wanted = {
        "deployments": {"id": {"any_": [deployment]}},
        "flow_runs": {"state": {"type": {"any_": sorted(FINAL)}}},
    }
    deadline = time.monotonic() + TIMEOUT_S
    while not (ended := api.post("/flow_runs/filter", wanted)):
        assert time.monotonic() < deadline, "no scheduled run has ended"
        time.sleep(1)
    assert ended[0]["auto_scheduled"]
    run: dict[str, Any] = ended[0]
    return run
