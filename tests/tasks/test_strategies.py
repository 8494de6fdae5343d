"""A person's strategies in a run: named by the settings, kept in the record."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from data.store.runs import RunStatus
from execution.errors import ConfigInvalid, InputInvalid
from execution.model.enums import OrderType, TradingState
from tasks import wiring
from tasks.config import RunConfig, load_config, make_config
from tasks.cycle import open_cycle
from tasks.market_data import load_market
from tasks.monitoring import monitor_orders
from tasks.orders import recover_orders
from tasks.reconciliation import reconcile
from tests.cycles import assert_books_are_right, plan_cycle, run_cycle
from tests.execution.strategies.user_files import write

MINE = """
@strategy("mine", warmup_bars=150)
def mine(bars, below: float = 0.1):
    close = bars["close"]
    said = {"side": 1, "weight": 0.1, "stop_loss": close * (1 - below), "take_profit": close * 1.5}
    return pd.DataFrame(said, index=bars.index)
"""
ALL = dict.fromkeys(("trending", "mean_reverting", "volatile", "calm"), "mine")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write(tmp_path, MINE)


def config(mine: Path, **settings: Any) -> RunConfig:  # noqa: ANN401 - whatever a setting takes
    given = {"symbols": "MSFT", "strategy_files": mine, "strategies": ALL, **settings}
    return make_config(given)


def stage_outcome() -> dict[str, Any]:
    with wiring.open_ledger().reading() as books:
        run = books.runs.latest(RunConfig().account_id)
        assert run is not None
        (detail,) = [
            e.detail
            for e in books.stages.of(run.run_id)
            if (e.stage, e.event) == ("signal-validation", "completed")
        ]
    found: dict[str, Any] = json.loads(detail)
    return found


def test_a_settings_file_names_files_and_parameters(tmp_path: Path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "strategy_files: mine.py\n"
        "strategies: {trending: mine}\n"
        "strategy_params:\n  mine: {below: 0.2, bars: 3, loud: true, way: up}\n"
    )

    told = load_config(path, {}, {})

    assert told.strategy_files == (Path("mine.py"),)
    params = told.strategy_params["mine"]
    assert params == {"below": 0.2, "bars": 3, "loud": True, "way": "up"}
    assert [float, int, bool, str] == [type(value) for value in params.values()]


def test_a_stop_and_a_target_of_a_persons_strategy_become_a_bracket(mine: Path):
    run = config(mine, strategy_params={"mine": {"below": 0.25}})

    run_cycle(run)

    with wiring.open_ledger().reading() as books:
        orders = books.orders.all(run.account_id)
    by_type = {order.intent.order_type: order.intent for order in orders}
    # MSFT closed at 27.95 on 1 March 2013; to the cent, for a sale the higher one.
    assert by_type[OrderType.STOP].stop_px == Decimal("20.97")
    assert by_type[OrderType.LIMIT].limit_px == Decimal("41.93")
    assert {order.intent.strategy for order in orders} == {"mine"}
    assert_books_are_right(run)


def test_the_record_says_which_code_ran_and_what_it_was_told(mine: Path):
    run_cycle(config(mine, strategy_params={"mine": {"below": 0.2}}))

    assert stage_outcome()["strategies"] == {
        "mine": {
            "source": str(mine),
            "sha256": hashlib.sha256(mine.read_bytes()).hexdigest(),
            "params": {"below": 0.2},
            "files": {},
        }
    }


def test_too_few_bars_for_a_warm_up_open_nothing_and_are_told(tmp_path: Path):
    """FB has 196 bars; the other 804 that this one wants were before its time."""
    mine = write(tmp_path, MINE.replace("150", "1_000"))

    with open_cycle(config(mine, symbols="FB,MSFT", regime={"bars_min": 100})) as cycle:
        _, planned = plan_cycle(cycle)

    assert {i.instrument_id.symbol for i in planned.plan.intents} == {"MSFT"}
    assert stage_outcome()["left_out"] == ["FB.SIMULATED: mine wants 1,000 bars, there are 196"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"strategies": {"calm": "mien"}}, "strategies.calm='mien' is unknown; did you mean mine?"),
        ({"strategy_params": {"mien": {}}}, "strategy_params.mien is unknown; did you mean mine?"),
        ({"strategy_params": {"mine": {"belwo": 1}}}, "strategy_params.mine.belwo=1 is unknown"),
        ({"strategy_params": {"mine": {"below": "x"}}}, "strategy_params.mine.below='x' of"),
        ({"strategy_files": "no.py"}, "no.py: cannot be read: No such file or directory"),
    ],
)
def test_wrong_settings_end_a_run_before_it_begins(
    mine: Path, settings: dict[str, Any], problem: str
):
    with pytest.raises(ConfigInvalid) as error, open_cycle(config(mine, **settings)):
        pass

    assert problem in str(error.value)
    assert not wiring.open_ledger().path.exists()


def test_who_reconciles_or_stops_needs_no_strategies(mine: Path):
    """A person's broken file must never be in the way of closing what is open."""
    run_cycle(config(mine))
    mine.write_text("this is no Python")

    with open_cycle(config(mine), sends=False) as cycle:
        market = load_market.fn(cycle)
        recover_orders.fn(cycle, market)
        monitor_orders.fn(cycle, market)
        reconcile.fn(cycle, market)

    assert_books_are_right(config(mine))


def test_a_strategy_that_raises_ends_the_run_and_sends_and_halts_nothing(tmp_path: Path):
    mine = write(tmp_path, MINE.replace("return pd", "1 / 0\n    return pd"))
    run = config(mine)

    with pytest.raises(InputInvalid, match=r"MSFT\.SIMULATED: strategy mine .*ZeroDivisionError"):
        run_cycle(run)

    with wiring.open_ledger().reading() as books:
        ended = books.runs.latest(run.account_id)
        assert ended is not None
        assert ended.status is RunStatus.FAILED
        assert books.orders.all(run.account_id) == ()
        assert books.trading_state.get(run.account_id) is not TradingState.HALTED
