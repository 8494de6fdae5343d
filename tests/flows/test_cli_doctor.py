"""`regent doctor`, in each mode; and the real adapters before the lying exchange."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from execution.monitoring.health import Level
from execution.venues.base import Permissions
from tasks import preflight, wiring
from tasks.config import RunConfig
from tests.flows.test_cli_books import run
from tests.scripted_venue import ScriptedVenue
from tests.tasks.paper import install
from tests.venues.lying_exchange.server import LyingExchange

PAPER = ("--mode", "paper", "--venue", "scripted", "--feed", "scripted", "--symbols", "GOOG")


def document(capsys: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401 - JSON
    return json.loads(capsys.readouterr().out)


def test_a_fresh_installation_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    assert run("doctor", "--json") == 0
    found = document(capsys)
    assert (found["failure"], found["warning"]) == (0, 0)
    assert found["ok"] == len(found["lines"]) == 12
    assert not (tmp_path / "ledger.duckdb").exists()


def test_what_is_wrong_comes_last_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    venue = install(monkeypatch, tmp_path, ScriptedVenue())
    venue.permitted = Permissions(trade=False, withdraw=True)

    assert run("doctor", *PAPER) == 4

    *_, failure, remedy, total = capsys.readouterr().out.splitlines()
    assert failure.startswith("failure  rights of the keys  trade=no withdraw=yes")
    assert remedy.strip() == "→ give the keys the right to trade, at the venue"
    assert total == "paper/scripted/main: 12 ok, 1 warning, 1 failure"
    assert venue.submitted == []


def test_live_names_each_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    install(monkeypatch, tmp_path, ScriptedVenue())
    assert run("doctor", "--mode", "live", *PAPER[2:], "--json") == 4
    failures = [x for x in document(capsys)["lines"] if x["level"] == "failure"]
    assert {x["name"] for x in failures} == {"live switches"}
    assert len(failures) == 5

    assert all(x["remedy"] and x["remedy"] not in x["facts"] for x in failures)


def test_missing_keys_are_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Rights, clock and balances take keys, too: what to mend is one thing."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    monkeypatch.delitem(wiring.VENUES, "binance", raising=False)
    monkeypatch.setattr(wiring, "environment", dict)

    run("doctor", "--mode", "paper", "--venue", "binance", "--bars", "x.csv", "--json")

    lines = {x["name"]: x for x in document(capsys)["lines"]}
    missing = [name for name, x in lines.items() if "BINANCE_API_KEY" in x["facts"]]
    assert missing == ["credentials"]
    assert lines["credentials"]["remedy"].startswith("set them in the environment")
    told = "not asked for rights of the keys, clock, balances: that takes keys"
    assert (lines["venue"]["level"], lines["venue"]["facts"]) == ("warning", told)


def test_a_mode_of_a_later_version_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    assert run("doctor", "--mode", "backtest", "--json") == 4
    (failure,) = [x for x in document(capsys)["lines"] if x["level"] == "failure"]
    assert "the backtest engine is missing" in failure["facts"]


@pytest.mark.parametrize("name", ["binance", "bybit", "coinbase", "alpaca"])
def test_the_real_adapters_are_looked_at_within_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    """On loopback; the second time, as ccxt alone takes longer to import."""
    with LyingExchange(name) as exchange:
        exchange.engine(name).open_account("key", {"USD": "1000", "USDT": "1000"})
        monkeypatch.setenv("REGENT_HOME", str(tmp_path))
        monkeypatch.setenv("REGENT_PLUGINS", "tests.venues.lying_plugin")
        monkeypatch.setenv("LYING_EXCHANGE_URL", exchange.url)
        wiring.load_plugins()
        quote = "USDT" if name in ("binance", "bybit") else "USD"
        config = RunConfig(mode="paper", venue=name, feed="lying", symbols=(f"BTC/{quote}",))
        preflight.look(config)
        began = time.process_time()

        found = preflight.look(config)

        took_s = time.process_time() - began
    print(f"\n{name}: {took_s:.2f} s")
    assert found.of(Level.FAILURE) == ()
    told = {line.name: line.facts for line in found.lines}
    assert told["rights of the keys"] == "trade=yes withdraw=no"
    assert told["balances"].startswith(f"cash=1000 {quote} holdings=0")
    assert took_s < 2  # of one core, however busy the machine is
