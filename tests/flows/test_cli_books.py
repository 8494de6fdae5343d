"""The commands that need no flow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from data.store.connection import Ledger
from data.store.equity import EquityPoint
from execution.model.enums import RunMode, TradingState, TransferKind
from execution.model.identifiers import AccountId, InstrumentId, RunId, TradeId, VenueId
from execution.model.plan import APPROVAL_PHRASE
from flows.cli import main
from tasks.config import RunConfig
from tasks.encoding import plan_document
from tests.execution.examples import make_fill, make_transfer
from tests.flows.commands import REGENT
from tests.tasks.reports import make_report

ACCOUNT = AccountId("dry-run/simulated/demo")
VENUE = VenueId("simulated")
BTC, ETH = InstrumentId("BTC/USD", VENUE), InstrumentId("ETH/USD", VENUE)
NOW = datetime(2025, 10, 16, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Books with one account: 0.5 BTC bought at 65,400 and 3 ETH, from 100,000 USD."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    monkeypatch.delenv("REGENT_ALLOW_LIVE", raising=False)
    with Ledger(tmp_path / "ledger.duckdb").transaction() as books:
        books.runs.start(RunId("abc-1"), ACCOUNT, VENUE, RunMode.DRY_RUN, "{}", NOW)
        books.accounts.open(ACCOUNT, VENUE, "demo", NOW)
        books.transfers.record(
            make_transfer(ACCOUNT, "opening", TransferKind.OPENING, "USD", Decimal(100_000), NOW)
        )
        books.trading_state.set(ACCOUNT, TradingState.ACTIVE, "opened", "regent", NOW)
        for number, (instrument, qty, px) in enumerate(
            [(BTC, Decimal("0.5"), Decimal(65_400)), (ETH, Decimal(3), Decimal(2_900))]
        ):
            fill = make_fill(
                trade_id=TradeId(f"T-{number}"),
                account=ACCOUNT,
                instrument_id=instrument,
                client_order_id=None,
                last_qty=qty,
                last_px=px,
            )
            books.fills.record(VENUE, fill, instrument.symbol[:3], "USD")
        books.marks.save(ACCOUNT, {BTC: Decimal(67_000), ETH: Decimal(2_800)}, NOW)
        books.equity.append(
            EquityPoint(
                account=ACCOUNT,
                run_id=RunId("abc-1"),
                currency="USD",
                cash=Decimal(58_600),
                holdings=Decimal(41_900),
                equity=Decimal(100_500),
                unrealized_pnl=Decimal(500),
                realized_pnl=Decimal(0),
                ts_event=NOW,
                ts_init=NOW,
                buying_power=Decimal(58_600),
            )
        )
    return tmp_path


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_status_is_the_portfolio_summary(home: Path, capsys: pytest.CaptureFixture[str]):
    assert run("status") == 0

    text = " ".join(capsys.readouterr().out.split())
    for part in (
        "PORTFOLIO SUMMARY dry-run/simulated/demo",
        "Account Equity: 100,500.00 USD",
        "Portfolio Value: 41,900.00 USD",
        "Cash: 58,600.00 USD",
        "Buying Power: 58,600.00 USD",
        "Total P&L: 500.00 USD (0.50%)",
        "Net Exposure: 41,900.00 USD (41.69%)",
        "Positions: 2",
        "BTC/USD 0.5 67,000.00 33,500.00 800.00 2.45% 80.0% 33.3%",
        "ETH/USD 3 2,800.00 8,400.00 -300.00 -3.45% 20.0% 8.4%",
        "trading active",
        "last run abc-1 running",
    ):
        assert part in text


def test_the_status_is_a_document_with_exact_numbers(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("status", "--json", "--account", "demo") == 0

    (account,) = json.loads(capsys.readouterr().out)["accounts"]
    assert account["equity"] == "100500"
    assert account["pnl_pct"] == "0.005"
    assert account["positions"][0]["quantity"] == "0.5"
    assert account["positions"][0]["weight"] == "0.799523"
    assert account["positions"][0]["equity_share"] == "0.333333"
    assert account["trading_state"] == "active"


def test_an_account_nobody_has_is_told_with_those_there_are(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("status", "--account", "dmeo") == 2
    assert "no account 'dmeo'; there are: dry-run/simulated/demo" in capsys.readouterr().err


def test_a_run_that_failed_before_it_began_makes_no_account(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    """Else a mistyped feed would look like an account that has lost all its money."""
    with Ledger(home / "ledger.duckdb").transaction() as books:
        phantom = AccountId("dry-run/simulated/nope")
        books.runs.start(RunId("nope-1"), phantom, VENUE, RunMode.DRY_RUN, "{}", NOW)

    assert run("status", "--json") == 0
    assert [a["account"] for a in json.loads(capsys.readouterr().out)["accounts"]] == [ACCOUNT]
    assert run("verify", "--json") == 0
    assert json.loads(capsys.readouterr().out)["accounts"] == [ACCOUNT]
    assert run("status", "--account", "nope") == 2
    assert "there are: dry-run/simulated/demo" in capsys.readouterr().err
    assert run("runs", "--account", "nope") == 0
    assert "nope-1" in capsys.readouterr().out


def test_books_that_are_exact_verify_and_others_do_not(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("verify") == 0
    assert "the books are exact" in capsys.readouterr().out

    with Ledger(home / "ledger.duckdb").transaction() as books:
        books.session.rows("UPDATE positions SET net_qty = 0.6 WHERE instrument LIKE 'BTC%'")

    assert run("verify") == 8
    text = capsys.readouterr().out
    assert "net_qty=0.6" in text
    assert "the books are NOT exact" in text


def test_live_needs_the_phrase_and_a_person(home: Path, capsys: pytest.CaptureFixture[str]):
    assert run("live", "enable", "--name", "Ada", "--phrase", "i understand") == 2
    assert run("live", "enable", "--phrase", APPROVAL_PHRASE) == 2
    assert run("live", "enable", "--name", " ", "--phrase", APPROVAL_PHRASE) == 2
    assert run("live", "enable", "--name", "regent", "--phrase", APPROVAL_PHRASE) == 4
    assert not _enabled(home)

    assert run("live", "enable", "--name", "Ada", "--phrase", APPROVAL_PHRASE) == 0
    assert _enabled(home)
    assert "enabled, by Ada" in capsys.readouterr().out

    assert run("live", "status") == 0
    assert "missing in the environment: REGENT_ALLOW_LIVE=true" in capsys.readouterr().out

    assert run("live", "disable", "--name", "Bob") == 0
    assert not _enabled(home)


def test_a_person_halts_an_account_and_lets_it_trade_again(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("state", "set", "halted", "--name", "Ada") == 2  # for no reason
    assert run("state", "set", "halted", "--name", "Ada", "--reason", "news") == 0
    assert run("state", "show") == 0
    assert "dry-run/simulated/demo: halted" in capsys.readouterr().out
    assert run("state", "set", "active", "--name", "regent", "--reason", "time") == 4
    assert run("state", "set", "active", "--name", "Ada", "--reason", "over") == 0


def test_the_last_runs_are_told_newest_first(home: Path, capsys: pytest.CaptureFixture[str]):
    with Ledger(home / "ledger.duckdb").transaction() as books:
        later = NOW.replace(hour=1)
        books.runs.start(RunId("def-2"), ACCOUNT, VENUE, RunMode.DRY_RUN, "{}", later)

    assert run("runs", "--limit", "1") == 0
    text = capsys.readouterr().out
    assert "def-2" in text
    assert "abc-1" not in text


def test_a_runs_configuration_is_part_of_the_document(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    with Ledger(home / "ledger.duckdb").transaction() as books:
        config = RunConfig().model_dump_json()
        later = NOW.replace(hour=1)
        books.runs.start(RunId("def-2"), ACCOUNT, VENUE, RunMode.DRY_RUN, config, later)

    assert run("runs", "--limit", "1", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)["runs"]
    assert told["config"]["limits"]["max_positions"] == 10


def test_a_run_that_does_not_wait_cannot_be_approved(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("approve", "abc", "--name", "Ada", "--phrase", APPROVAL_PHRASE, "--digest", "x") == 2
    assert "run abc-1 does not wait: it is running" in capsys.readouterr().err


def test_a_digest_that_was_not_read_approves_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    digest = _waiting(home)
    approve = ("approve", "run-1", "--phrase", APPROVAL_PHRASE, "--digest")

    for typed in ("", digest[:7], "0" * 8, digest[:8] + "x"):
        assert run(*approve, typed) == 2
        assert f"the plan that waits has digest {digest}, not {typed!r}" in capsys.readouterr().err

    for typed in (digest[:8], digest):  # goes on to the next question
        assert run(*approve, typed) == 2
        assert "--name is missing" in capsys.readouterr().err


def test_at_a_terminal_the_digest_is_asked_for(home: Path):
    """A yes to whatever is on the screen would be no yes to this plan."""
    _waiting(home)
    keyboard, terminal = os.openpty()
    os.write(keyboard, b"00000000\n")

    done = subprocess.run(
        [*REGENT, "approve", "run-1", "--name", "Ada", "--phrase", APPROVAL_PHRASE],
        stdin=terminal,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert "First 8 characters of the digest:" in done.stderr
    assert "not '00000000'" in done.stderr


@pytest.mark.parametrize("command", ["status", "verify", "runs", "live status", "ledger path"])
def test_looking_at_the_books_imports_nothing_heavy(home: Path, command: str):
    """A trader who looks should not wait for Prefect, GX and two exchange libraries."""
    heavy = ("prefect", "great_expectations", "ccxt", "alpaca")
    code = (
        "import sys\nfrom flows.cli import main\n"
        f"try:\n    main({command.split()!r})\n"
        f"finally:\n    print('heavy:', [m for m in {heavy!r} if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert "heavy: []" in done.stdout, done.stderr


def _waiting(home: Path) -> str:
    """Have run-1 wait with a plan; returns the plan's digest."""
    now = datetime.now(UTC)
    plan = make_report(home).plan
    plan = replace(plan, created_at=now, expires_at=now + timedelta(minutes=5))
    with Ledger(home / "ledger.duckdb").transaction() as books:
        books.runs.start(plan.run_id, plan.account, VENUE, RunMode.DRY_RUN, "{}", now)
        books.approvals.request("asked", plan, plan_document(plan), now)
    return plan.digest


def _enabled(home: Path) -> bool:
    with Ledger(home / "ledger.duckdb").reading() as books:
        return books.live_trading.enabled()
