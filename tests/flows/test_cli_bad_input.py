"""Whatever a trader gets wrong: one clear line, a code, and books that did not change."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from data.store.connection import Ledger
from execution.model.plan import APPROVAL_PHRASE
from tests.flows.commands import GOOD, TABLES, counts, has_open, press_ctrl_c, regent, start
from tests.flows.test_cli_books import run

BARS = "time,open,high,low,close,volume\n2024-01-02,1,2,0.5,{close},10\n2024-01-03,1,2,0.5,1.5,9\n"
ROW = GOOD.splitlines()[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "signals.csv: is empty"),
        (GOOD.replace("weight", "wieght"), "column 'wieght' is unknown; did you mean weight?"),
        (GOOD.replace("weight,", "").replace("0.1,", ""), "columns missing: weight"),
        (GOOD.replace("0.1", "1.7"), "row 1, column weight: value 1.7 breaks 0 <= weight <= 1"),
        (
            GOOD.replace("0.9", "high"),
            "row 1, column confidence: value 'high', which is not a number",
        ),
        (
            GOOD.replace("00Z", "00"),
            "row 1, column time: value '2012-06-11T20:00:00', which is not",
        ),
        (GOOD.replace("AAPL", "APPL"), "value 'APPL', which is not a symbol that is traded"),
        (f"{GOOD}{ROW}\n", "row 2, column symbol: value AAPL breaks symbol, time and strategy"),
        (None, "signals.csv: no such file"),
    ],
)
def test_a_bad_signal_file_is_told_and_nothing_is_written(
    tmp_path: Path, text: str | None, told: str
):
    file = tmp_path / "signals.csv"
    if text is not None:
        file.write_text(text)

    ended = regent(tmp_path / "home", "run", "--as-of", "2012-06-11", "--signals", str(file))

    assert ended.code == 2
    assert all(line.startswith("error: ") for line in ended.err.splitlines())
    assert told in ended.err
    assert not ended.out
    assert not any(counts(tmp_path / "home").values())


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--bars", "{}/AAPL.csv"], "AAPL.csv: row 1, column close: value NaN breaks"),
        (["--bars", "{}/none.csv"], "none.csv: no such file"),
        (["--bars", "{}/empty_IBM.csv"], "empty_IBM.csv: is empty"),
        (["--config", "{}/typo.yaml"], "unknown setting max_postions; did you mean"),
        (["--config", "{}/none.yaml"], "none.yaml: there is no such file"),
        (["--symbols", "AAPL,APPL"], "symbol 'APPL' is unknown; did you mean AAPL?"),
        (["--as-of", "tomorrow"], "'tomorrow' is not a time such as"),
        (["--as-of", "2012-06-11T20:00"], "has no time zone"),
        (["--mode", "demo"], "mode='demo'"),
        (["--timeframe", "1h"], "timeframe=1h is for feed: ccxt:EXCHANGE"),
        (
            ["--feed", "binance"],
            "feed='binance': use sample, files, store, alpaca, or ccxt:EXCHANGE; did you ",
        ),
        (["--feed", "ccxt:binanse"], "exchange 'binanse' is unknown; did you mean binance"),
        (["--feed", "ccxt:kraken", "--symbols", "A", "--timeframe", "7h"], "timeframe '7h' is not"),
    ],
)
def test_bad_bars_and_settings_are_told(tmp_path: Path, args: list[str], told: str):
    (tmp_path / "AAPL.csv").write_text(BARS.format(close="NaN"))
    (tmp_path / "empty_IBM.csv").write_text("")
    (tmp_path / "typo.yaml").write_text("max_postions: 3\n")

    ended = regent(tmp_path / "home", "run", *(a.format(tmp_path) for a in args))

    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert len(ended.err.splitlines()) == 1
    assert told in ended.err
    assert not any(counts(tmp_path / "home").values())


def test_a_mode_of_a_later_version_says_what_is_missing(tmp_path: Path):
    ended = regent(tmp_path, "run", "--mode", "backtest")

    assert ended.code == 3
    assert "the backtest engine is missing" in ended.err


@pytest.mark.parametrize("command", ["run", "plan", "status", "verify", "runs"])
def test_a_ledger_that_is_none_is_told_and_left_alone(tmp_path: Path, command: str):
    ledger = tmp_path / "ledger.duckdb"
    ledger.write_bytes(b"not a database" * 1_000)

    ended = regent(tmp_path, command)

    assert ended.code == 5
    assert ended.err.startswith(f"error: {ledger}: ")
    assert len(ended.err.splitlines()) == 1
    assert ledger.read_bytes() == b"not a database" * 1_000


@pytest.mark.parametrize("command", ["run", "status"])
def test_a_ledger_that_somebody_holds_is_waited_for_and_then_told(tmp_path: Path, command: str):
    before = _open_books(tmp_path)
    with _held(tmp_path):
        ended = regent(tmp_path, command, REGENT_LEDGER_TIMEOUT_S="1")

    assert ended.code == 5
    assert "somebody else has held it for 1 s" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert counts(tmp_path) == before


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_ctrl_c_is_told_and_has_its_code(tmp_path: Path, options: tuple[str, ...]):
    """Pressed while the run waits for the ledger, which somebody else holds."""
    before = _open_books(tmp_path)
    with _held(tmp_path):
        process = start(tmp_path, "run", *options)
        while not has_open(process.pid, "ledger.duckdb.lock"):
            assert process.poll() is None
            time.sleep(0.02)
        press_ctrl_c(process)
        out, err = process.communicate(timeout=60)

    told = "interrupted: what was sent is in the books; run again, nothing is sent twice"
    assert process.returncode == 130
    assert err == f"{told}\n"
    assert out == "" if not options else json.loads(out) == {"error": told, "exit_code": 130}
    assert counts(tmp_path) == before


def test_a_full_disk_is_told(tmp_path: Path):
    limited = ("/bin/sh", "-c", 'ulimit -f 8; exec "$@"', "sh")

    ended = regent(tmp_path, "run", prefix=limited)

    assert ended.code == 5
    assert "nothing of this step was written" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not any(counts(tmp_path).values())


@pytest.mark.parametrize(
    "command", [["run"], ["live", "enable", "--name", "Ada", "--phrase", APPROVAL_PHRASE]]
)
def test_a_folder_that_cannot_be_written_to_is_told(command: list[str]):
    """In /proc nobody may make a folder, not even who may do everything."""
    ended = regent(Path("/proc/regent"), *command)

    assert ended.code == 5
    assert "/proc/regent" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_an_error_is_one_document_too(tmp_path: Path):
    ended = regent(tmp_path, "plan", "--symbols", "APPL", "--json")

    assert ended.code == 2
    assert ended.document == {
        "error": "symbol 'APPL' is unknown; did you mean AAPL?",
        "exit_code": 2,
    }


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["run", "--nope"], "No such option: --nope"),
        (["nope"], "No such command 'nope'"),
        (["state", "set", "asleep"], "'asleep' is not one of"),
        (["runs", "--limit", "0"], "should be greater than or equal to 1"),
    ],
)
def test_a_wrong_command_line_is_one_document_too(tmp_path: Path, args: list[str], told: str):
    ended = regent(tmp_path, *args, "--json")

    assert ended.code == 2
    assert told in ended.document["error"]
    assert ended.document["exit_code"] == 2


def test_a_plugin_that_is_none_is_told_with_its_variable(tmp_path: Path):
    ended = regent(tmp_path, "plan", REGENT_PLUGINS="nope")

    assert ended.code == 2
    assert ended.err == ("error: REGENT_PLUGINS=nope: cannot be imported: No module named 'nope'\n")


def test_verbose_shows_where_an_error_came_from(tmp_path: Path):
    assert "Traceback" in regent(tmp_path, "plan", "--symbols", "APPL", "--verbose").err


def _open_books(home: Path) -> dict[str, int]:
    with Ledger(home / "ledger.duckdb").transaction():
        pass
    return dict.fromkeys(TABLES, 0)


@contextmanager
def _held(home: Path) -> Iterator[None]:
    """Another process that holds the ledger."""
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(home, ready, done))
    process.start()
    assert ready.wait(30)
    yield
    done.set()
    process.join(30)


def _hold(home: Path, ready: object, done: object) -> None:
    with Ledger(home / "ledger.duckdb").transaction():
        ready.set()  # type: ignore[attr-defined]
        done.wait(60)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "runs",
        "verify",
        "explain x",
        "reconcile",
        "orders",
        "cancel x",
        "accept x --reason y --name z",
        "breaker",
        "breaker trip x --name z",
        "locks",
        "approvals",
        "alerts",
        "backup",
        "state show",
        "emergency-stop --reason x --name z",
    ],
)
def test_without_a_ledger_every_command_that_needs_one_ends_with_the_same_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
):
    """A script that meets a fresh installation has one thing to look for; and none is made."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))

    assert run(*command.split()) == 5

    assert "no ledger at" in capsys.readouterr().err
    assert not (tmp_path / "ledger.duckdb").exists()
