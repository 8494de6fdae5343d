"""Risk approval in a real run: what is looked at, what a denial leads to, and what is not sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from execution.errors import InvariantBroken
from execution.model.account import AccountView
from execution.model.activity import REPEATS
from execution.model.enums import OrderStatus as S
from execution.model.enums import RunMode, Severity, Topic
from execution.model.identifiers import StrategyId
from execution.risk.checks import CHECKS, control
from execution.risk.limits import RiskLimits
from tasks import wiring
from tasks.account import value_account, view_account
from tasks.config import RunConfig
from tasks.cycle import open_cycle
from tasks.market_data import load_market
from tasks.orders import execute_orders
from tasks.sync import cancel_opening
from tests.cycles import plan_cycle, run_cycle
from tests.scripted_venue import ScriptedVenue
from tests.tasks.paper import GOOG, PAPER, install, placed, read, reconciled

CONFIG = RunConfig(symbols=("GOOG",))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedVenue]:
    yield install(monkeypatch, tmp_path, ScriptedVenue())


def seen(config: RunConfig, *, whole: bool = True) -> AccountView:
    """The account as risk sees it now."""
    with open_cycle(config, sends=False) as cycle:
        market = load_market.fn(cycle)

        async def look() -> AccountView:
            async with wiring.open_venue(config, market.traded) as venue:
                view = view_account if whole else value_account
                return await view(cycle, venue, market)

        return asyncio.run(look())


def denials() -> set[str]:
    run = read(lambda books: books.runs.latest(CONFIG.account_id))
    rows = read(lambda books: books.risk_decisions.of(run.run_id))  # type: ignore[attr-defined]
    return {r.verdict.check for r in rows if not r.verdict.passed}  # type: ignore[attr-defined]


def test_what_risk_looks_at_is_filled_from_ledger_market_and_venue(venue: ScriptedVenue):
    venue.not_traded = frozenset({GOOG})
    assert reconciled() == ()  # the account is not open yet
    run_cycle(PAPER.model_copy(update={"strategies": {}}))
    order = placed(venue)

    view = seen(PAPER)

    assert view.activity is not None
    assert view.activity.sent_today == view.activity.sent_last_minute == 1
    assert view.activity.entries == {(StrategyId("by-test"), GOOG): 1}
    assert [s.client_order_id for s in view.activity.sent_lately or ()] == [order.client_order_id]
    assert set(view.sent_at) == {order.client_order_id}
    assert view.equity_peak == 100_000
    assert view.locks == ()
    around = view.surroundings
    assert around is not None
    assert around.heard_at is not None
    assert (around.mode, around.closed) == (RunMode.PAPER, {GOOG})
    assert timedelta() <= around.now - around.heard_at < timedelta(minutes=1)
    assert view.activity.reconciled_at is not None
    assert around.now - view.activity.reconciled_at < timedelta(minutes=1)
    assert view.quotes[GOOG].adv == view.quotes[GOOG].adv
    assert view.instruments[GOOG].qty_increment == 1


def test_a_view_for_its_worth_alone_lets_nothing_be_sent(venue: ScriptedVenue):
    """It is cheaper, and everything that it leaves out is unknown."""
    run_cycle(PAPER.model_copy(update={"strategies": {}}))

    view = seen(PAPER, whole=False)

    assert view.equity == 100_000
    assert (view.trading_state, view.blocks, view.activity, view.surroundings) == (None,) * 4


def test_a_plan_passes_all_controls_and_each_word_is_kept():
    with open_cycle(CONFIG) as cycle:
        _, planned = plan_cycle(cycle)

    (intent,) = planned.plan.intents
    assert [v.check for v in planned.plan.decision.verdicts] == [c.code for c in CHECKS]
    assert "capped at 0.19234 (0.20 less room for its price)" in intent.reason


def test_a_control_that_breaks_a_rule_of_ours_sends_nothing_and_tells_a_person(
    monkeypatch: pytest.MonkeyPatch,
):
    @control("one that breaks")
    def breaks(*_: object) -> object:  # type: ignore[misc]
        raise InvariantBroken("a rule of ours")

    monkeypatch.setattr("execution.risk.review.CHECKS", (*CHECKS, breaks))

    assert run_cycle(CONFIG).orders == ()

    assert denials() == {"breaks"}
    told = read(lambda books: books.alerts.latest(10))
    texts = [(a.severity, a.topic) for a in told]  # type: ignore[attr-defined]
    assert (Severity.CRITICAL, Topic.SAFETY_VIOLATION) in texts


def test_a_control_that_breaks_only_just_before_sending_is_told_of_too(
    monkeypatch: pytest.MonkeyPatch,
):
    @control("one that breaks")
    def breaks(*_: object) -> object:  # type: ignore[misc]
        raise InvariantBroken("a rule of ours")

    with open_cycle(CONFIG) as cycle:
        market, planned = plan_cycle(cycle)
        monkeypatch.setattr("execution.risk.review.CHECKS", (*CHECKS, breaks))

        execution = execute_orders.fn(cycle, market, planned.plan)

    assert execution.orders == ()
    assert "breaks error=InvariantBroken" in execution.withdrawn[0]
    told = read(lambda books: books.alerts.latest(10))
    texts = [(a.severity, a.topic) for a in told]  # type: ignore[attr-defined]
    assert (Severity.CRITICAL, Topic.SAFETY_VIOLATION) in texts


def test_too_many_repeats_lock_a_strategy_until_a_person_lifts_it():
    """The day after nothing has changed; when a person says so, what was is forgiven."""
    config = CONFIG.model_copy(update={"limits": RiskLimits(max_repeats_per_day=1)})
    with open_cycle(config) as cycle:
        market, first = plan_cycle(cycle)
    (wish,) = first.plan.intents
    now = market.clock()
    with wiring.open_ledger().transaction() as books:
        before = replace(wish, client_order_id="before", signal_time=now - timedelta(hours=1))
        (order,) = books.orders.commit_intents(cycle.run_id, "digest", [before], now)
        books.orders.append(order.event(S.SUBMITTED, "submitted:1", now - timedelta(hours=1)))
        books.orders.append(order.event(S.CANCELED, "canceled", now))

    assert run_cycle(config).orders == ()
    assert denials() == {"repeated_execution"}
    (lock,) = read(lambda books: books.locks.active(config.account_id, now + timedelta(days=9)))  # type: ignore[misc]
    assert (lock.protection, lock.until, lock.instrument_id) == (
        REPEATS,
        None,
        wish.instrument_id,
    )
    assert run_cycle(config).orders == ()  # and no second lock
    assert len(read(lambda books: books.locks.active(config.account_id, now))) == 1  # type: ignore[arg-type]

    with wiring.open_ledger().transaction() as books:
        books.locks.lift(lock.lock_id, "Ann", wiring.wall_clock())

    assert len(run_cycle(config).orders) == 1


def test_after_a_silence_what_would_open_is_taken_back_and_what_protects_stays(
    venue: ScriptedVenue,
):
    run_cycle(PAPER.model_copy(update={"strategies": {}}))
    entry = placed(venue)

    with open_cycle(PAPER, sends=False) as cycle:
        market = load_market.fn(cycle)
        asyncio.run(cancel_opening(cycle, venue, market, "was unattended"))

    after = read(lambda books: books.orders.get(entry.client_order_id))
    assert after.status is S.CANCELED  # type: ignore[attr-defined]
    assert asyncio.run(venue.open_orders()) == ()


def test_an_order_worth_more_than_the_largest_one_is_not_sent():
    """100,000 USD: an order worth more than the limit is denied, and said so."""
    config = CONFIG.model_copy(update={"limits": RiskLimits(max_order_value=Decimal(18_000))})

    assert run_cycle(config).orders == ()
    assert denials() == {"order_value"}
