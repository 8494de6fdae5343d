import re
from pathlib import Path

import pytest

from execution.errors import InputInvalid
from execution.risk.checks import CHECKS
from flows.explain import explain
from tasks import wiring
from tasks.config import RunConfig
from tests.cycles import run_cycle


@pytest.fixture
def order_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    [order] = run_cycle(RunConfig(symbols=("GOOG",))).orders
    return order.client_order_id


def test_an_order_is_explained_from_the_bars_to_the_reconciliation(order_id: str):
    with wiring.open_ledger().reading() as books:
        order, steps = explain(books, order_id[:6])

    assert order.client_order_id == order_id
    kinds = [step.what for step in steps]
    checks = ["check"] * len(CHECKS)
    assert kinds == [
        *("bars", "regime", "signal", "order"),
        *checks,
        *("order", "order", "fill"),
        "reconciliation",
    ]
    told = {step.what: step.text for step in steps}
    assert told["bars"].startswith("2148 bars up to 2013-03-01 21:00Z, sha256 ")
    with wiring.open_ledger().reading() as books:
        [(sha256,)] = books.session.rows("SELECT sha256 FROM regime_models")
    assert re.fullmatch(
        rf"calm, confidence \d\d%, 15\.0% a year, by four {sha256[:8]}, "
        r"trained up to 2013-02-28 21:00Z",
        told["regime"],
    )
    assert told["signal"] == "ma_cross wishes long, weight 1"
    assert told["fill"].startswith("buy 23 at 806.42, commission 18.55 USD, SIM-T-")
    assert told["reconciliation"] == "books equal the venue"
    assert [s.text.split()[0] for s in steps if s.what == "order"][1:] == ["submitted", "accepted"]


def test_an_id_that_is_nobodys_is_told(order_id: str):
    with (
        wiring.open_ledger().reading() as books,
        pytest.raises(InputInvalid, match="no order starts with 'zz9'"),
    ):
        explain(books, "zz9")
