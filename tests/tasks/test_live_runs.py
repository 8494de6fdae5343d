"""What a live run does when the world moves under it: two runs, halts, kills, history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from data.store.approvals import ApprovalStatus
from data.store.books import Books
from data.store.connection import Ledger
from execution.errors import ApprovalRefused, LedgerUnavailable, SafetyViolation
from execution.model.enums import OrderStatus as S
from execution.model.enums import TradingState
from execution.model.order import OrderIntent
from execution.model.plan import Approval, TradingPlan
from execution.venues.base import SubmitResult
from tasks import wiring
from tasks.cycle import Cycle, open_cycle
from tasks.encoding import plan_document
from tasks.market_data import Market, load_market
from tasks.monitoring import monitor_orders
from tasks.orders import execute_orders, recover_orders
from tasks.reconciliation import reconcile
from tasks.risk import Planned
from tests.cycles import finish_cycle, plan_cycle, run_cycle
from tests.scripted_venue import ScriptedVenue
from tests.tasks.test_live_gate import CONFIG, enable_live, log, sent, set_state

__all__ = ["log"]

T = TypeVar("T")


def approve(plan: TradingPlan) -> Approval:
    """A person's yes, as the gate leaves it in the ledger."""
    with wiring.open_ledger().transaction() as books:
        now = wiring.wall_clock()
        books.approvals.request(plan.digest, plan, plan_document(plan), now)
        books.approvals.decide(plan.digest, ApprovalStatus.APPROVED, "Ann", "", now)
        request = books.approvals.get(plan.digest)
    assert request is not None
    assert request.approval is not None
    return request.approval


@contextmanager
def planned_cycle() -> Iterator[tuple[Cycle, Market, TradingPlan]]:
    with open_cycle(CONFIG) as cycle:
        market, planned = plan_cycle(cycle)
        yield cycle, market, planned.plan


def execute(cycle: Cycle, market: Market, plan: TradingPlan, approval: Approval) -> None:
    finish_cycle(cycle, market, Planned(plan=plan, skipped=()), approval)


def taken(log: Path) -> list[str]:
    """The orders the venue took, by id."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line["client_order_id"] for line in lines if line["call"] == "take"]


def read(question: Callable[[Books], T]) -> T:
    with wiring.open_ledger().reading() as books:
        return question(books)


def test_two_plans_made_side_by_side_do_not_both_trade(log: Path, monkeypatch: pytest.MonkeyPatch):
    """Both start from nothing held; the second would double what the first has bought."""
    with planned_cycle() as (first, market, plan), open_cycle(CONFIG) as second:
        _, other = plan_cycle(second)
        later = replace(
            other.plan,
            decision=replace(
                other.plan.decision,
                approved=tuple(
                    replace(i, client_order_id=f"{i.client_order_id[:-1]}x")
                    for i in other.plan.intents
                ),
            ),
        )
        execute(first, market, plan, approve(plan))
        with pytest.raises(SafetyViolation, match="held or on its way when planned"):
            execute(second, market, later, approve(later))
    assert sorted(taken(log)) == sorted(i.client_order_id for i in plan.intents)


def test_a_halt_in_the_middle_of_a_plan_stops_the_rest(log: Path, monkeypatch: pytest.MonkeyPatch):
    submit = ScriptedVenue.submit

    async def submit_then_halt(
        self: ScriptedVenue, intent: OrderIntent, now: datetime
    ) -> SubmitResult:
        result = await submit(self, intent, now)
        set_state(TradingState.HALTED)
        return result

    monkeypatch.setattr(ScriptedVenue, "submit", submit_then_halt)
    with planned_cycle() as (cycle, market, plan):
        assert len(plan.intents) == 2
        with pytest.raises(SafetyViolation, match=r"1 of 2 orders were sent; .*trading is halted"):
            execute(cycle, market, plan, approve(plan))
    assert sent(log) == 1
    # What had left was looked after all the same.
    statuses = [o.status for o in read(lambda b: b.orders.by_status(CONFIG.account_id, S))]
    assert sorted(statuses) == [S.FILLED, S.INITIALIZED]
    assert read(lambda b: b.discrepancies.open(CONFIG.account_id)) == ()


def test_a_ledger_that_fails_after_the_first_send_loses_and_doubles_nothing(
    log: Path, monkeypatch: pytest.MonkeyPatch
):
    """Prefect runs the task again: a used approval is not replayed, and no text lies."""
    transaction, submit = Ledger.transaction, ScriptedVenue.submit
    failing = {"now": False}

    async def submit_then_fail(
        self: ScriptedVenue, intent: OrderIntent, now: datetime
    ) -> SubmitResult:
        result = await submit(self, intent, now)
        failing["now"] = True
        return result

    @contextmanager
    def busy_once(self: Ledger) -> Iterator[Books]:
        if failing["now"]:
            failing["now"] = False
            raise LedgerUnavailable("busy")
        with transaction(self) as books:
            yield books

    with planned_cycle() as (cycle, market, plan):
        approval = approve(plan)
        with monkeypatch.context() as patch:
            patch.setattr(ScriptedVenue, "submit", submit_then_fail)
            patch.setattr(Ledger, "transaction", busy_once)
            with pytest.raises(LedgerUnavailable):
                execute_orders.fn(cycle, market, plan, approval)
        with pytest.raises(ApprovalRefused, match=r"used already.*nothing more is sent"):
            execute_orders.fn(cycle, market, plan, approval)
        monitor_orders.fn(cycle, market)
        assert reconcile.fn(cycle, market) == ()
    assert taken(log) == [plan.intents[0].client_order_id]


def test_a_plan_is_executed_by_its_own_run_only(log: Path):
    with planned_cycle() as (_, market, plan), open_cycle(CONFIG) as other:
        approval = approve(plan)
        with pytest.raises(SafetyViolation, match="of another run"):
            execute_orders.fn(other, market, plan, approval)
    assert sent(log) == 0


def test_a_used_approval_sends_nothing_again_through_the_venue_itself(log: Path):
    with planned_cycle() as (cycle, market, plan):
        approval = approve(plan)
        execute(cycle, market, plan, approval)
        venue = wiring.build_venue(CONFIG, market.traded, plan, approval)
        before = sent(log)
        with pytest.raises(ApprovalRefused, match="being sent now"):
            asyncio.run(venue.submit(plan.intents[0], wiring.wall_clock()))
    assert sent(log) == before == len(plan.intents)


def test_real_money_has_one_name(log: Path):
    """A second name would start with clean books, and out of reach of the first one's halt."""
    with planned_cycle() as (cycle, market, plan):
        execute(cycle, market, plan, approve(plan))
    set_state(TradingState.HALTED)
    before = sent(log)
    with pytest.raises(SafetyViolation, match="a second name for the same money"):
        run_cycle(CONFIG.model_copy(update={"account": "other"}))
    assert sent(log) == before


def test_trades_from_before_the_books_began_are_not_booked(
    log: Path, monkeypatch: pytest.MonkeyPatch
):
    """A person may have traded there by hand; the opening balance has that in it."""
    with planned_cycle() as (_, __, plan):
        old = replace(plan.intents[0], client_order_id="by-hand-before")
    home = log.parent / "fresh"
    monkeypatch.setenv("REGENT_HOME", str(home))
    enable_live(True)
    venue = ScriptedVenue.from_env()
    asyncio.run(venue.submit(old, wiring.wall_clock() - timedelta(days=30)))

    with open_cycle(CONFIG) as cycle:
        market, _ = plan_cycle(cycle)
        found = reconcile.fn(cycle, market)

    assert read(lambda b: b.fills.of(CONFIG.account_id)) == ()
    # The holding is not ours: its instrument is left alone until a person has decided.
    assert [str(d.kind) for d in found] == ["external"]


def test_an_order_written_and_never_sent_can_still_be_sent(log: Path):
    """A kill between the writing and the sending, and a pause after it, lose no wish."""
    with planned_cycle() as (cycle, market, plan):
        approval = approve(plan)
        with wiring.open_ledger().transaction() as books:
            books.approvals.redeem(approval, plan, wiring.wall_clock())
            books.orders.commit_intents(cycle.run_id, plan.digest, plan.intents, market.clock())
    set_state(TradingState.REDUCING)
    with planned_cycle() as (cycle, market, none):
        assert none.intents == ()
        finish_cycle(cycle, market, Planned(plan=none, skipped=()))
    assert sent(log) == 0

    set_state(TradingState.ACTIVE)
    with planned_cycle() as (cycle, market, again):
        execute(cycle, market, again, approve(again))

    assert {i.client_order_id for i in again.intents} == {i.client_order_id for i in plan.intents}
    assert sorted(taken(log)) == sorted(i.client_order_id for i in plan.intents)


def test_what_a_library_says_is_not_written_down(log: Path, monkeypatch: pytest.MonkeyPatch):
    async def leak(self: ScriptedVenue) -> tuple[()]:
        raise RuntimeError("GET /account?apiKey=SECRET123")

    monkeypatch.setattr(ScriptedVenue, "balances", leak)
    with pytest.raises(Exception, match="did not answer: RuntimeError"):
        run_cycle(CONFIG)
    with wiring.open_ledger().reading() as books:
        written = [
            books.session.rows("SELECT message FROM runs"),
            books.session.rows("SELECT detail FROM stages"),
            books.session.rows("SELECT text FROM alerts"),
        ]
    assert "RuntimeError" in str(written)
    assert "SECRET123" not in str(written)


def test_a_run_that_only_recovers_leaves_an_unopened_account_alone(log: Path):
    with open_cycle(CONFIG, sends=False) as cycle:
        market = load_market.fn(cycle)
        assert recover_orders.fn(cycle, market) == ()
        assert reconcile.fn(cycle, market) == ()
    assert read(lambda b: b.accounts.names()) == ()
