"""`regent backup`, `regent backups`, `regent restore`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.store.backup import backups
from data.store.connection import Ledger
from execution.model.enums import TradingState
from execution.model.plan import APPROVAL_PHRASE
from tests.data.store.writer import write_unit
from tests.execution.examples import ACCOUNT
from tests.flows.test_cli_books import run

SAID = ("--name", "Ada", "--phrase", APPROVAL_PHRASE)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Books with one filled order."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    found = Ledger(tmp_path / "ledger.duckdb")
    write_unit(found, "order-a")
    return found


def document(capsys: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401 - JSON
    return json.loads(capsys.readouterr().out)


def test_a_backup_is_made_listed_and_put_back(ledger: Ledger, capsys: pytest.CaptureFixture[str]):
    assert run("backup", "--json") == 0
    made = document(capsys)
    assert made["counts"]["fills"] == 3
    assert run("backups", "--json") == 0
    (listed,) = document(capsys)["backups"]
    assert listed == made
    write_unit(ledger, "order-b")

    assert run("restore", Path(made["path"]).name, *SAID) == 0  # its name is enough

    told = capsys.readouterr().out
    for part in (
        "restored the backup of",
        "1 orders, 2 order events, 3 fills",
        "ledger.before-restore-",
        f"halted: {ACCOUNT}",
        "sent since, and forgotten: 1",
        "order-b",
        "regent reconcile",
        "regent breaker reset REASON --account ACCOUNT",
        "Live trading is switched off, too: regent live enable",
    ):
        assert part in told
    with ledger.reading() as books:
        assert [o.client_order_id for o in books.orders.all(ACCOUNT)] == ["order-a"]
        assert TradingState.HALTED is books.trading_state.get(ACCOUNT)


@pytest.mark.parametrize("said", [(), SAID])
def test_what_is_no_backup_is_told_before_anybody_types_a_phrase(
    ledger: Ledger, capsys: pytest.CaptureFixture[str], said: tuple[str, ...]
):
    assert run("restore", "/nonexistent.duckdb", *said) == 2
    assert "/nonexistent.duckdb" in capsys.readouterr().err


def test_it_is_a_document_too(ledger: Ledger, capsys: pytest.CaptureFixture[str]):
    run("backup")
    capsys.readouterr()
    (made,) = backups(ledger.path.parent / "backups")

    assert run("restore", str(made.path), *SAID, "--json") == 0

    restored = document(capsys)
    assert restored["halted"] == [ACCOUNT]
    assert restored["forgotten"] == []
    assert "regent reconcile" in restored["next"]


def test_a_backup_may_go_elsewhere(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    elsewhere = tmp_path / "stick"
    assert run("backup", "--to", str(elsewhere)) == 0
    assert len(backups(elsewhere)) == 1
    assert run("backups") == 0
    assert "no backup in" in capsys.readouterr().out


def test_how_many_stay_is_a_setting(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REGENT_BACKUPS_KEPT", "2")
    for _ in range(3):
        assert run("backup") == 0
    assert len(backups(tmp_path / "backups")) == 2
    monkeypatch.setenv("REGENT_BACKUPS_KEPT", "0")
    assert run("backup") == 2


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--name", "Ada", "--phrase", "yes"), "the phrase typed was not"),
        (("--name", "Ada"), "--phrase is missing"),
        (("--phrase", APPROVAL_PHRASE), "--name is missing"),
        (("--name", " ", "--phrase", APPROVAL_PHRASE), "somebody with a name"),
    ],
)
def test_nothing_is_restored_without_a_name_and_the_phrase(
    ledger: Ledger, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], told: str
):
    run("backup")
    (made,) = backups(ledger.path.parent / "backups")
    write_unit(ledger, "order-b")

    assert run("restore", str(made.path), *args) == 2

    assert told in capsys.readouterr().err
    with ledger.reading() as books:
        assert len(books.orders.all(ACCOUNT)) == 2


def test_without_a_ledger_there_is_nothing_to_back_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    assert run("backup") == 5
    assert "no ledger at" in capsys.readouterr().err
