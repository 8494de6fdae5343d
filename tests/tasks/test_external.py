"""What is in the account and was not our doing: booked because it is so, and flagged."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from data.store.verify import verify
from execution.model.enums import ExternalPolicy, FillKind, OrderSide, TransferKind
from execution.model.fill import Fill
from execution.model.order import Order, OrderIntent
from execution.model.transfer import Transfer
from execution.venues.base import SubmitOutcome, SubmitResult
from tasks import wiring
from tasks.manual import accept
from tests.cycles import run_cycle
from tests.execution.examples import make_fill, make_intent
from tests.scripted_venue import ScriptedVenue, times_out_after_accepting
from tests.tasks.paper import GOOG, PAPER, install, placed, read, reconciled

ADOPT = PAPER.model_copy(update={"external": ExternalPolicy.ADOPT})
BY_HAND = make_intent("by-hand", account=PAPER.account_id, instrument_id=GOOG, order_qty=Decimal(7))


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedVenue:
    return install(monkeypatch, tmp_path / "home", ScriptedVenue())


def keys(found: object) -> list[tuple[str, str]]:
    return [(str(d.kind), d.key) for d in found]  # type: ignore[attr-defined]


def ours() -> tuple[Order, ...]:
    return read(lambda b: b.orders.all(PAPER.account_id))  # type: ignore[return-value]


def cash() -> Decimal:
    return read(lambda b: b.cash(PAPER.account_id)["USD"])  # type: ignore[return-value]


def exact() -> None:
    assert read(verify) == ()


def test_holdings_from_before_the_books_are_flagged_until_a_person_accepts(venue: ScriptedVenue):
    """A strategy that closes must not sell what its owner holds for other reasons."""
    venue.take(BY_HAND, wiring.wall_clock() - timedelta(days=2))

    run_cycle(PAPER)
    found = reconciled()

    assert keys(found) == [("external", "opening GOOG")]
    assert [
        o.intent.instrument_id.symbol for o in read(lambda b: b.orders.all(PAPER.account_id))
    ] == ["MSFT"]
    accept(found[0], PAPER.account_id, "Ann", "mine since 2020")
    assert reconciled() == ()
    exact()


def test_adopted_holdings_are_traded_like_our_own(venue: ScriptedVenue):
    """They count as held: what is bought is the target less what is there."""
    venue.take(BY_HAND, wiring.wall_clock() - timedelta(days=2))

    run_cycle(ADOPT)

    assert reconciled(ADOPT) == ()
    bought = {o.intent.instrument_id.symbol: o.intent.order_qty for o in ours()}
    assert bought["GOOG"] == 25 - 7  # 25 are 19.2 % of the equity that the 7 belong to
    exact()


def test_a_trade_made_by_hand_is_booked_and_flagged(venue: ScriptedVenue):
    run_cycle(PAPER)
    held = read(lambda b: b.positions.get(PAPER.account_id, GOOG)).net_qty
    venue.take(BY_HAND, wiring.wall_clock())

    found = reconciled()

    assert [kind for kind, _ in keys(found)] == ["external"]
    assert read(lambda b: b.positions.get(PAPER.account_id, GOOG)).net_qty == held + 7
    assert reconciled(ADOPT) == ()
    exact()


def test_a_fill_that_may_be_of_an_order_in_flight_waits_for_its_fate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Booked as a stranger's, it could never become the order's again."""
    silent = ScriptedVenue(on_submit=times_out_after_accepting())
    install(monkeypatch, tmp_path / "home", silent)
    fills = silent.fills

    async def nameless(since: object) -> object:
        return tuple(replace(f, client_order_id=None) for f in await fills(since))  # type: ignore[arg-type]

    monkeypatch.setattr(silent, "fills", nameless)

    run_cycle(PAPER)

    booked = read(lambda b: b.fills.of(PAPER.account_id))
    assert {f.client_order_id for f in booked} == set(silent.accepted)
    assert reconciled() == ()
    exact()


def test_a_forced_liquidation_is_no_trade_of_ours_and_no_strangers(venue: ScriptedVenue):
    run_cycle(PAPER)
    forced = make_fill(
        "L-1",
        account=PAPER.account_id,
        instrument_id=GOOG,
        client_order_id=None,
        venue_order_id="forced",
        side=OrderSide.SELL,
        last_qty=Decimal(4),
        last_px=Decimal(700),
        ts_event=wiring.wall_clock(),
        kind=FillKind.LIQUIDATION,
    )
    venue.force(forced)

    assert reconciled() == ()

    (alert,) = [a for a in read(lambda b: b.alerts.latest(50)) if a.topic == "liquidation"]
    assert (alert.severity, "4 GOOG" in alert.text) == ("critical", True)
    exact()


@pytest.mark.parametrize("kind", [TransferKind.DEPOSIT, TransferKind.FUNDING, TransferKind.FEE])
def test_money_that_comes_or_goes_is_a_transfer_and_never_a_fill(
    venue: ScriptedVenue, kind: TransferKind
):
    run_cycle(PAPER)
    before, fills = (
        read(lambda b: b.cash(PAPER.account_id)["USD"]),
        read(lambda b: b.fills.of(PAPER.account_id)),
    )
    amount = Decimal("250.50") if kind is TransferKind.DEPOSIT else Decimal("-1.25")
    venue.move(
        Transfer(
            transfer_id="D-1",
            account=PAPER.account_id,
            kind=kind,
            currency="USD",
            amount=amount,
            ts_event=wiring.wall_clock(),
        )
    )

    assert (reconciled(), reconciled()) == ((), ())

    assert cash() == before + amount
    assert read(lambda b: b.fills.of(PAPER.account_id)) == fills
    exact()


def test_a_deposit_that_the_opening_balance_has_in_it_is_not_counted_twice(venue: ScriptedVenue):
    """Venues list some transfers late, or with their date alone: it is asked some days back."""
    venue.move(
        Transfer(
            transfer_id="D-0",
            account=PAPER.account_id,
            kind=TransferKind.DEPOSIT,
            currency="USD",
            amount=Decimal(500),
            ts_event=wiring.wall_clock() - timedelta(days=2),
        )
    )

    run_cycle(PAPER)

    assert (reconciled(), reconciled()) == ((), ())
    paid_in = read(lambda b: b.transfers.paid_in(PAPER.account_id))
    assert paid_in == {"USD": 100_500}
    amounts = {t.transfer_id: t.amount for t in read(lambda b: b.transfers.of(PAPER.account_id))}
    assert amounts == {"opening USD": 100_000, "D-0": 500}
    exact()


def test_cash_that_nothing_explains_is_an_adjustment_once_a_person_accepts(venue: ScriptedVenue):
    run_cycle(PAPER)
    venue.cash += Decimal("3.21")

    (found,) = reconciled()
    accept(found, PAPER.account_id, "Ann", "a refund by mail")

    assert reconciled() == ()
    exact()


def test_an_order_made_by_hand_is_flagged_and_locks_nothing_else(venue: ScriptedVenue):
    run_cycle(PAPER)
    stranger = replace(BY_HAND, limit_px=Decimal(1), order_type="limit")
    venue.take(stranger, wiring.wall_clock())

    assert [kind for kind, _ in keys(reconciled())] == ["external"]
    assert reconciled(ADOPT) == ()


def test_an_order_that_ended_here_and_rests_there_is_never_adopted(venue: ScriptedVenue):
    """It is ours: calling it a stranger's would leave it resting unseen."""
    run_cycle(PAPER)
    order = placed(venue)
    venue.end(order.client_order_id, "canceled")
    reconciled()
    venue.reopen(order.client_order_id)

    assert keys(reconciled(ADOPT)) == [("order", order.client_order_id)]


def test_an_order_that_was_refused_and_filled_all_the_same_keeps_its_fills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A venue's no can be wrong; what it did decides, and it was our order."""

    def refuses_and_fills(venue: ScriptedVenue, intent: OrderIntent, now: datetime) -> SubmitResult:
        venue.take(intent, now)
        return SubmitResult(outcome=SubmitOutcome.REJECTED, ts_event=now, reason="no funds")

    liar = install(monkeypatch, tmp_path / "home", ScriptedVenue(on_submit=refuses_and_fills))
    fills = liar.fills

    async def nameless(since: datetime) -> tuple[Fill, ...]:
        return tuple(replace(f, client_order_id=None) for f in await fills(since))

    monkeypatch.setattr(liar, "fills", nameless)

    run_cycle(PAPER)

    assert [(o.status, o.cum_qty) for o in ours()] == [("filled", 23), ("filled", 688)]
    assert reconciled() == ()
    exact()
