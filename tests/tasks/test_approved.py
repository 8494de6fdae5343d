"""After a live run: what was approved and what was sent, and who hears of a difference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from execution.errors import ApprovalRefused, SafetyViolation
from execution.model.enums import OrderType, TimeInForce, Topic, TradingState
from execution.model.identifiers import ClientOrderId, RunId
from flows.explain import explain
from tasks import wiring
from tasks.approved import (
    compare_earlier_with_approved,
    compare_with_approved,
    compared_with_approved,
)
from tasks.encoding import APPROVAL_STAGE, approved_intents, plan_document
from tasks.risk import Planned
from tests.cycles import finish_cycle
from tests.execution.examples import NOW, make_intent
from tests.execution.model.test_plan import make_plan
from tests.tasks.live import CONFIG, Ready, alerts, ready, set_state, template

__all__ = ["ready", "template"]


def differences() -> list[str]:
    """What people were told of."""
    return [text for topic, text in alerts() if topic == Topic.APPROVAL_DIFFERS]


def outcomes(run_id: RunId) -> list[dict[str, Any]]:
    with wiring.open_ledger().reading() as books:
        events = books.stages.of(run_id)
    return [
        json.loads(e.detail) for e in events if (e.stage, e.event) == (APPROVAL_STAGE, "completed")
    ]


def tamper(sql: str, *params: object) -> None:
    with wiring.open_ledger().transaction() as books:
        books.session.rows(sql, *params)


def test_a_run_that_sent_what_was_approved_says_so(ready: Ready):
    finish_cycle(ready.cycle, ready.market, Planned(plan=ready.plan, skipped=()), ready.approve())

    count = len(ready.plan.intents)
    assert outcomes(ready.cycle.run_id) == [{"approved": count, "differences": [], "not_sent": []}]
    assert alerts() == []
    with wiring.open_ledger().reading() as books:
        _, steps = explain(books, ready.plan.intents[0].client_order_id)
    told = [step.text for step in steps if step.what == "approval"]
    assert told == [f"plan {ready.plan.digest[:12]} used by Ann", "sent as it was approved"]


def test_more_than_was_approved_is_told_of_at_once(ready: Ready):
    """The approval is read from what the person was shown, not from what the code has in hand."""
    ready.execute(ready.approve())
    first = ready.plan.intents[0]
    larger = first.order_qty + 1
    tamper(
        "UPDATE intents SET order_qty = ? WHERE client_order_id = ?", larger, first.client_order_id
    )

    [found] = compare_with_approved.fn(ready.cycle)

    assert found.serious
    assert differences() == [str(found)]
    with wiring.open_ledger().reading() as books:
        _, steps = explain(books, first.client_order_id)
    assert f"other terms {first.client_order_id}: approved" in steps[-1].text


def test_an_order_of_the_run_that_is_in_no_approved_plan_is_told_of(ready: Ready):
    ready.execute(ready.approve())
    more = replace(ready.plan.intents[0], client_order_id=ClientOrderId("more"), leg="more")
    with wiring.open_ledger().transaction() as books:
        books.orders.commit_intents(ready.cycle.run_id, "digest", [more], wiring.wall_clock())

    compare_with_approved.fn(ready.cycle)

    [text] = differences()
    assert text.startswith("not approved more: approved nothing, sent buy ")


def test_an_order_without_any_approval_is_told_of(ready: Ready):
    with wiring.open_ledger().transaction() as books:
        books.orders.commit_intents(
            ready.cycle.run_id, ready.plan.digest, ready.plan.intents, wiring.wall_clock()
        )

    assert len(compare_with_approved.fn(ready.cycle)) == len(differences()) == 2


def test_what_was_approved_and_did_not_leave_is_no_alarm(ready: Ready):
    with pytest.raises(SafetyViolation), compared(ready):
        approval = ready.approve()
        set_state(TradingState.HALTED)
        ready.execute(approval)
    assert outcomes(ready.cycle.run_id) == [{"approved": 0, "differences": [], "not_sent": []}]

    set_state(TradingState.ACTIVE)
    ready.redeem(approval)
    compare_with_approved.fn(ready.cycle)

    assert differences() == []
    told = outcomes(ready.cycle.run_id)[-1]["not_sent"]
    assert len(told) == len(ready.plan.intents)
    assert all(line.endswith("sent nothing (this run did not write it)") for line in told)


@contextmanager
def compared(ready: Ready) -> Iterator[None]:
    """As the flow does it, the task called as a function."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.approved.compare_with_approved", compare_with_approved.fn)
        with compared_with_approved(ready.cycle):
            yield


def test_a_run_that_was_killed_before_is_compared_by_the_next(ready: Ready):
    with ready.run() as killed:
        killed.execute(killed.approve())
        first = killed.plan.intents[0]
        tamper("UPDATE intents SET side = 'sell' WHERE client_order_id = ?", first.client_order_id)
    assert differences() == []

    assert compare_with_approved.fn(ready.cycle) == ()

    [text] = differences()
    assert text.startswith(f"other terms {first.client_order_id}: approved buy ")
    assert outcomes(killed.cycle.run_id)[0]["differences"] == [text]
    compare_with_approved.fn(ready.cycle)
    assert len(outcomes(killed.cycle.run_id)) == 1


def test_an_order_that_goes_on_after_its_run_is_compared_again(ready: Ready):
    """A slice leaves later, a stop weeks later: whoever looks then compares again, once."""
    with ready.run() as earlier:
        earlier.execute(earlier.approve())
        compare_with_approved.fn(earlier.cycle)
    compare_earlier_with_approved.fn(ready.cycle)
    assert len(outcomes(earlier.cycle.run_id)) == 1

    first = earlier.plan.intents[0].client_order_id
    tamper("UPDATE intents SET order_qty = order_qty + 1 WHERE client_order_id = ?", first)
    now = wiring.wall_clock()
    tamper("UPDATE orders SET updated_at = ? WHERE client_order_id = ?", now, first)
    for _ in range(2):
        compare_earlier_with_approved.fn(ready.cycle)

    assert len(outcomes(earlier.cycle.run_id)) == 2
    [text] = differences()
    assert text.startswith(f"other terms {first}: approved ")
    assert outcomes(ready.cycle.run_id) == []


def test_only_a_live_cycle_has_something_to_compare(ready: Ready):
    config = CONFIG.model_copy(update={"mode": "paper"})
    with compared_with_approved(replace(ready.cycle, config=config)) as found:
        pass
    assert found == []
    compare_earlier_with_approved.fn(replace(ready.cycle, config=config))
    assert outcomes(ready.cycle.run_id) == []


def test_a_refused_run_is_compared_too(ready: Ready):
    with pytest.raises(ApprovalRefused), compared(ready):
        ready.execute(None)
    assert len(outcomes(ready.cycle.run_id)) == 1


def test_a_plan_is_read_back_from_what_was_shown_in_all_its_terms():
    intents = (
        make_intent("a"),
        make_intent(
            "b",
            order_type=OrderType.STOP_LIMIT,
            limit_px=Decimal("99.010000000001"),
            stop_px=Decimal("1E+2"),
            trail_pct=Decimal("0.05"),
            time_in_force=TimeInForce.GTD,
            expire_at=NOW,
            not_before=NOW,
            post_only=True,
            display_qty=Decimal(1),
            parent_id="a",
            group_id="g",
        ),
    )

    assert approved_intents(plan_document(make_plan(*intents))) == intents
