"""Cancel and amend by hand: at the venue, and in the books once the venue has said so."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from data.store.verify import verify
from execution.errors import InputInvalid, SafetyViolation, VenueRefused
from execution.model.enums import OrderStatus as S
from execution.model.enums import RunMode, TradingState
from execution.model.order import Order
from execution.venues.base import SubmitOutcome, SubmitResult
from tasks import manual, wiring
from tests.cycles import run_cycle
from tests.scripted_venue import ScriptedVenue
from tests.tasks.paper import PAPER, install, placed, read, reconciled


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedVenue:
    venue = install(monkeypatch, tmp_path / "home", ScriptedVenue())
    run_cycle(PAPER)
    return venue


def now(order: Order) -> Order:
    return read(lambda b: b.orders.get(order.client_order_id))  # type: ignore[return-value]


def test_a_canceled_order_ends_when_the_venue_says_so(venue: ScriptedVenue):
    order = placed(venue)

    after = manual.cancel_order(order, "Ann")

    assert after.status is S.CANCELED
    assert reconciled() == ()
    assert read(verify) == ()


def test_what_filled_before_the_cancel_is_booked(venue: ScriptedVenue):
    order = placed(venue)
    venue.fill(order.client_order_id, Decimal(4), Decimal(500), wiring.wall_clock())

    after = manual.cancel_order(order, "Ann")

    assert (after.status, after.cum_qty) == (S.CANCELED, 4)
    assert reconciled() == ()


def test_an_order_that_filled_meanwhile_is_told_as_filled(venue: ScriptedVenue):
    order = placed(venue)
    venue.fill(order.client_order_id, Decimal(10), Decimal(500), wiring.wall_clock())

    assert manual.cancel_order(order, "Ann").status is S.FILLED


def test_a_cancel_without_an_answer_is_asked_after(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """The request may have arrived all the same; only the venue's word ends the order."""
    order = placed(venue)
    cancel = venue.cancel

    async def times_out(order: Order, moment: object) -> SubmitResult:
        await cancel(order, moment)  # type: ignore[arg-type]
        return SubmitResult(outcome=SubmitOutcome.UNKNOWN, ts_event=wiring.wall_clock())

    monkeypatch.setattr(venue, "cancel", times_out)

    assert manual.cancel_order(order, "Ann").status is S.CANCELED


def test_an_order_that_has_ended_cannot_be_canceled_again(venue: ScriptedVenue):
    order = manual.cancel_order(placed(venue), "Ann")

    with pytest.raises(InputInvalid, match="has ended: it is canceled"):
        manual.cancel_order(order, "Ann")


def test_an_amended_order_has_its_new_terms_there_and_here(venue: ScriptedVenue):
    order = placed(venue)

    after = manual.amend_order(order, Decimal(6), Decimal(490), "Ann")

    assert (after.intent.order_qty, after.intent.limit_px) == (6, 490)
    assert (after.status, after.leaves_qty) == (S.ACCEPTED, 6)
    assert now(order) == after
    assert reconciled() == ()
    assert read(verify) == ()


def test_terms_that_the_venue_refuses_are_not_taken_over(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    order = placed(venue)

    async def refuses(*_: object) -> SubmitResult:
        return SubmitResult(
            outcome=SubmitOutcome.REJECTED, ts_event=wiring.wall_clock(), reason="not here"
        )

    monkeypatch.setattr(venue, "amend", refuses)

    with pytest.raises(VenueRefused, match="not here; the order is accepted"):
        manual.amend_order(order, Decimal(6), None, "Ann")
    assert now(order).intent.order_qty == 10


@pytest.mark.parametrize(
    ("qty", "px", "rule"),
    [
        (None, None, "are what they were"),
        (Decimal(3), None, "4 is filled already"),
        (Decimal(4), None, "4 is filled already"),
    ],
)
def test_an_amendment_that_makes_no_sense_is_refused(
    venue: ScriptedVenue, qty: Decimal | None, px: Decimal | None, rule: str
):
    order = placed(venue)
    venue.fill(order.client_order_id, Decimal(4), Decimal(500), wiring.wall_clock())
    reconciled()

    with pytest.raises(InputInvalid, match=rule):
        manual.amend_order(now(order), qty, px, "Ann")


@pytest.mark.parametrize(("qty", "px"), [("11", None), (None, "500.01"), ("9", "501")])
def test_a_live_order_is_never_made_larger_or_worse(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch, qty: str | None, px: str | None
):
    """A person approved it in exactly its terms; more than that takes another approval."""
    order = placed(venue)
    live = PAPER.model_copy(update={"mode": RunMode.LIVE})
    monkeypatch.setattr(manual, "_config", lambda account: live)

    with pytest.raises(InputInvalid, match="may only be made smaller or its limit better"):
        manual.amend_order(order, Decimal(qty) if qty else None, Decimal(px) if px else None, "Ann")
    assert now(order).intent == order.intent


def test_the_same_amendment_back_and_forth_reaches_the_books_each_time(venue: ScriptedVenue):
    order = placed(venue)

    for limit_px in (490, 480, 490):
        manual.amend_order(now(order), None, Decimal(limit_px), "Ann")

    assert now(order).intent.limit_px == 490
    assert read(verify) == ()


def test_an_amendment_without_a_clear_answer_ends_the_order(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """Nobody knows its terms then; an order of unknown terms is worse than none."""
    order = placed(venue)
    amend = venue.amend

    async def times_out(*args: object) -> SubmitResult:
        await amend(*args)  # type: ignore[arg-type]
        return SubmitResult(outcome=SubmitOutcome.UNKNOWN, ts_event=wiring.wall_clock())

    monkeypatch.setattr(venue, "amend", times_out)

    assert manual.amend_order(order, Decimal(6), None, "Ann").status is S.CANCELED
    assert reconciled() == ()


def test_a_paper_order_is_not_made_larger_while_trading_is_halted(venue: ScriptedVenue):
    order = placed(venue)
    with wiring.open_ledger().transaction() as books:
        at = wiring.wall_clock()
        books.trading_state.set(PAPER.account_id, TradingState.HALTED, "test", "Ann", at)

    with pytest.raises(SafetyViolation, match="was not made larger or worse: trading is halted"):
        manual.amend_order(order, Decimal(1_000), None, "Ann")
    assert manual.amend_order(order, Decimal(5), None, "Ann").intent.order_qty == 5


def test_an_order_that_the_venue_has_forgotten_is_ended_by_a_person(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """Some venues purge what was canceled there after hours; absent alone proves nothing."""
    order = placed(venue)
    venue.forget(order.client_order_id)

    (found,) = reconciled()
    assert (found.kind, found.key, found.venue) == ("order", order.client_order_id, "not open")
    manual.accept(found, PAPER.account_id, "Ann", "the venue's history shows it as canceled")

    assert (now(order).status, reconciled()) == (S.CANCELED, ())
