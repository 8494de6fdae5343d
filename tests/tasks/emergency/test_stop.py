"""The emergency stop at a venue that behaves, and at one that does not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema

from data.store.emergencies import EmergencyStatus
from data.store.verify import verify
from execution.errors import InputInvalid, LedgerUnavailable
from execution.model.enums import (
    ExternalPolicy,
    OrderSide,
    OrderType,
    Severity,
    Topic,
    TradingState,
    TransferKind,
)
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, InstrumentId, VenueId
from execution.model.order import EMERGENCY, Order
from execution.model.plan import APPROVAL_PHRASE
from execution.model.transfer import Transfer
from execution.venues.base import SubmitOutcome, SubmitResult
from flows.emergency import emergency_stop
from tasks import halting, wiring
from tasks.config import RunConfig
from tasks.emergency_report import OrderFate, PositionFate
from tests.cycles import run_cycle
from tests.scripted_venue import ScriptedVenue, cannot_tell, rejects, times_out
from tests.tasks.emergency.presses import (
    HASTIEST,
    Kept,
    intent_of,
    kept,
    only,
    press,
    pressed,
    resting,
    written,
)
from tests.tasks.paper import GOOG, PAPER, read, reconciled

MSFT = InstrumentId("MSFT", VenueId("scripted"))
ACCOUNT = PAPER.account_id


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return kept(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def venue(first: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedVenue:
    """A paper account that holds 23 GOOG and 688 MSFT."""
    return first.install(monkeypatch, tmp_path)


def held() -> dict[str, Decimal]:
    positions = read(lambda b: b.positions.open(ACCOUNT))
    return {str(p.instrument_id): p.net_qty for p in positions}  # type: ignore[attr-defined]


def topics() -> list[str]:
    return [a.topic for a in read(lambda b: b.alerts.latest(50, ACCOUNT))]  # type: ignore[attr-defined]


def open_there(venue: ScriptedVenue) -> list[str]:
    return [k for k, r in venue._orders.items() if r.status in (S.ACCEPTED, S.PARTIALLY_FILLED)]


def flattened() -> list[Order]:
    orders: tuple[Order, ...] = read(lambda b: b.orders.all(ACCOUNT))  # type: ignore[assignment]
    return [o for o in orders if o.intent.strategy == EMERGENCY]


def test_everything_is_canceled_and_closed_and_the_books_are_exact(venue: ScriptedVenue):
    order = resting(venue, intent_of("resting"))

    report = press()

    assert report.done
    outcome = only(report)
    assert [(o.order, o.fate) for o in outcome.orders] == [("resting", OrderFate.CANCELED)]
    assert {p.fate for p in outcome.positions} == {PositionFate.CLOSED}
    assert (open_there(venue), held(), venue._holdings[GOOG]) == ([], {}, 0)
    assert read(lambda b: b.orders.get(order.client_order_id)).status is S.CANCELED  # type: ignore[attr-defined]
    assert all(o.intent.reduce_only and o.status is S.FILLED for o in flattened())
    assert len(venue.submitted) == len(set(venue.submitted))
    assert reconciled() == ()
    assert read(verify) == ()
    (emergency,) = read(lambda b: b.emergencies.of(ACCOUNT))  # type: ignore[misc]
    assert emergency.status is EmergencyStatus.ENDED
    assert '"fate": "closed"' in emergency.report
    assert topics().count(Topic.EMERGENCY_STOP) == 2  # at its start, and at its end


def test_afterwards_the_account_is_worth_what_the_venue_says_now(venue: ScriptedVenue):
    """People read equity and buying power right after it, before there is another run."""
    before = read(lambda b: b.equity.latest(ACCOUNT))

    press()

    after = read(lambda b: b.equity.latest(ACCOUNT))
    assert after.holdings == 0  # type: ignore[attr-defined]
    assert after.buying_power == venue.cash  # type: ignore[attr-defined]
    assert after.buying_power > before.buying_power  # type: ignore[attr-defined]
    assert after.ts_event == before.ts_event  # type: ignore[attr-defined]


def test_of_a_replayed_account_it_is_written_by_the_account_s_own_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its next bars are of the past: a point of today would count as later than all of them."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    config = RunConfig(symbols=("GOOG", "MSFT"))
    run_cycle(config)
    before = read(lambda b: b.equity.latest(config.account_id))

    press()

    after = read(lambda b: b.equity.latest(config.account_id))
    assert after.holdings == 0  # type: ignore[attr-defined]
    assert after.ts_init == before.ts_init  # type: ignore[attr-defined]


def test_what_is_left_is_worth_what_it_was_valued_at_last(venue: ScriptedVenue):
    """An emergency asks for no price, and takes none for zero."""
    before = read(lambda b: b.equity.latest(ACCOUNT))

    press(flatten=False)

    after = read(lambda b: b.equity.latest(ACCOUNT))
    assert (after.equity, after.run_id != before.run_id) == (before.equity, True)  # type: ignore[attr-defined]


def test_a_press_that_finds_nothing_open_tells_once_that_it_was_pressed(venue: ScriptedVenue):
    """Two critical alerts of nothing teach people to overlook the third."""
    press()
    told = len(topics())

    assert only(press(actor="Bob")).summary == "nothing was open"

    assert len(topics()) == told + 1
    (last,) = read(lambda b: b.alerts.latest(1, ACCOUNT))  # type: ignore[misc]
    assert last.severity is Severity.WARNING
    assert "pressed again by Bob: a test: nothing was open; it stays HALTED" in last.text


def test_the_halt_is_written_before_the_venue_hears_anything(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """In the file and in the ledger: a run that is about to send stops at either."""
    resting(venue, intent_of("resting"))
    seen = []
    cancel, listing = venue.cancel, venue.open_orders

    def look() -> None:
        state = read(lambda b: b.trading_state.get(ACCOUNT))
        seen.append((halting.halt_file().covers(ACCOUNT), state))

    async def canceling(order: Order, now: object) -> SubmitResult:
        look()
        return await cancel(order, now)  # type: ignore[arg-type]

    async def listed() -> object:
        look()
        return await listing()

    monkeypatch.setattr(venue, "cancel", canceling)
    monkeypatch.setattr(venue, "open_orders", listed)

    press()

    assert set(seen) == {(True, TradingState.HALTED)}


def test_orders_of_strangers_are_canceled_too_and_told_as_such(venue: ScriptedVenue):
    """They are of this account's money; nobody else can cancel them by pressing here."""
    venue.take(intent_of("by-hand"), wiring.wall_clock())

    (order,) = only(press()).orders

    assert (order.ours, order.fate) == (False, OrderFate.CANCELED)
    assert open_there(venue) == []


def test_what_is_held_by_us_or_was_never_sent_ends_in_the_books(venue: ScriptedVenue):
    written(intent_of("never-sent"))
    written(intent_of("held", order_type=OrderType.STOP, reduce_only=True), (S.HELD, None))

    press()

    for key in ("never-sent", "held"):
        assert read(lambda b, k=key: b.orders.get(k)).status is S.CANCELED  # type: ignore[misc]
    assert "never-sent" not in venue.submitted


def test_a_short_is_bought_back(venue: ScriptedVenue):
    sale = intent_of("short", side=OrderSide.SELL, qty="30", order_type=OrderType.MARKET)
    resting(venue, sale)
    assert reconciled() == ()
    assert held()[str(GOOG)] == -7

    report = press()

    assert report.done
    sides = {str(o.intent.instrument_id): o.intent.side for o in flattened()}
    assert sides == {str(GOOG): OrderSide.BUY, str(MSFT): OrderSide.SELL}
    assert held() == {}


def test_while_an_order_is_unknown_nothing_is_sent_on_its_instrument(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """It may be the sale itself. The rest is closed, and the report names what is left."""
    lost = intent_of("lost", side=OrderSide.SELL, reduce_only=True, order_type=OrderType.MARKET)
    written(lost, (S.SUBMITTED, None), (S.UNKNOWN, None))
    venue._on_lookup = cannot_tell()
    monkeypatch.setattr(venue, "_capabilities", quick(venue))

    report = press(pace=HASTIEST)

    assert not report.done
    left = {p.instrument: (p.fate, p.reason) for p in only(report).positions}
    assert left[str(GOOG)] == (PositionFate.LEFT, "nobody knows whether the venue has lost")
    assert left[str(MSFT)][0] is PositionFate.CLOSED
    assert [o.intent.instrument_id for o in flattened()] == [MSFT]
    assert Topic.POSITION_UNPROTECTED in topics()


def test_pressed_again_it_goes_on_with_the_same_emergency(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """What the first press could not do the second does: under one start, so under one id."""
    lost = intent_of("lost", side=OrderSide.SELL, reduce_only=True, order_type=OrderType.MARKET)
    written(lost, (S.SUBMITTED, None), (S.UNKNOWN, None))
    venue._on_lookup = cannot_tell()
    monkeypatch.setattr(venue, "_capabilities", quick(venue))
    first = only(press(pace=HASTIEST))
    venue._on_lookup = []

    second = only(press())

    assert second.emergency_id == first.emergency_id
    assert second.done
    assert len(flattened()) == 2
    assert held() == {}
    told = read(lambda b: b.alerts.latest(50, ACCOUNT))
    assert sum("closes all" in a.text for a in told) == 2  # type: ignore[attr-defined]


def test_an_order_that_the_venue_lost_on_the_way_is_sent_again_under_its_id(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(venue, "_capabilities", quick(venue))
    venue._on_submit = [times_out()]

    report = press()

    assert report.done
    assert len(venue.submitted) == 5  # two by the cycle; three here, one of them twice
    assert len(set(venue.submitted)) == len(venue.accepted) == 4


def test_what_the_venue_refuses_is_left_after_three_tries_and_told(venue: ScriptedVenue):
    venue._on_submit = rejects("insufficient balance")

    report = press()

    outcome = only(report)
    assert {p.fate for p in outcome.positions} == {PositionFate.LEFT}
    assert {o.intent.leg for o in flattened()} == {"flatten", "flatten 2", "flatten 3"}
    assert "the venue refused it: insufficient balance" in outcome.positions[0].reason
    assert topics().count(Topic.POSITION_UNPROTECTED) == 2


def test_an_order_filled_in_part_is_followed_by_one_for_the_rest(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    take = venue.take

    def half(intent: object, now: object) -> object:
        venue._fills_at_once = False
        named = take(intent, now)  # type: ignore[arg-type]
        venue.fill(intent.client_order_id, intent.order_qty // 2, Decimal(1), now)  # type: ignore[attr-defined,arg-type]
        venue.end(intent.client_order_id, S.CANCELED)  # type: ignore[attr-defined]
        venue._fills_at_once = True
        monkeypatch.setattr(venue, "take", take)
        return named

    monkeypatch.setattr(venue, "take", half)

    report = press()

    assert report.done
    legs = sorted((o.intent.instrument_id.symbol, o.intent.leg) for o in flattened())
    assert len(legs) == 3
    assert {leg for _, leg in legs} == {"flatten", "flatten 2"}
    assert (held(), reconciled()) == ({}, ())


def test_a_cancel_without_an_answer_is_asked_again(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    resting(venue, intent_of("resting"))
    cancel, asked = venue.cancel, []

    async def lost_twice(order: Order, now: object) -> SubmitResult:
        asked.append(order.client_order_id)
        if len(asked) < 3:
            return SubmitResult(outcome=SubmitOutcome.UNKNOWN, ts_event=wiring.wall_clock())
        return await cancel(order, now)  # type: ignore[arg-type]

    monkeypatch.setattr(venue, "cancel", lost_twice)

    assert press().done
    assert len(asked) == 3


def test_an_order_that_will_not_go_is_told_with_the_venue_s_reason(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    resting(venue, intent_of("resting"))

    async def refuses(order: Order, now: object) -> SubmitResult:
        at = wiring.wall_clock()
        return SubmitResult(outcome=SubmitOutcome.REJECTED, ts_event=at, reason="not now")

    monkeypatch.setattr(venue, "cancel", refuses)

    report = press(pace=replace(HASTIEST, flatten=30))

    (order,) = only(report).orders
    assert (order.fate, order.reason) == (OrderFate.LEFT, "not now")
    assert held() == {}  # it does not keep positions from being closed
    assert not report.done


def test_a_disagreement_does_not_keep_what_both_sides_hold_from_being_closed(
    venue: ScriptedVenue,
):
    """Quarantine keeps the account from trading; an emergency only takes what surely is there."""
    venue._holdings[GOOG] = Decimal(20)
    assert [str(d.key) for d in reconciled()] != []

    report = press()

    sold = {str(o.intent.instrument_id): o.intent.order_qty for o in flattened()}
    assert sold == {str(GOOG): 20, str(MSFT): 688}
    left = {p.instrument: p for p in only(report).positions}
    assert (left[str(GOOG)].fate, left[str(GOOG)].left_qty) == (PositionFate.LEFT, 3)
    assert "reconcile first" in left[str(GOOG)].reason


@pytest.mark.parametrize(("external", "sold"), [("flag", 23), ("adopt", 28)])
def test_what_was_brought_here_is_sold_only_where_it_is_traded_like_our_own(
    venue: ScriptedVenue, external: str, sold: int
):
    """Somebody's long-term holding in the same account is not a position of ours."""
    moved = Transfer(
        transfer_id="paid in",
        account=ACCOUNT,
        kind=TransferKind.DEPOSIT,
        currency="GOOG",
        amount=Decimal(5),
        ts_event=wiring.wall_clock(),
    )
    venue._holdings[GOOG] += 5
    text = PAPER.model_copy(update={"external": ExternalPolicy(external)}).model_dump_json()
    with wiring.open_ledger().transaction() as books:
        books.transfers.record(moved)
        books.session.rows("UPDATE runs SET config = ?", text)

    report = press()

    assert report.done
    quantities = {o.intent.instrument_id: o.intent.order_qty for o in flattened()}
    assert quantities == {GOOG: sold, MSFT: 688}
    fates = [p.fate for p in only(report).positions if p.left_qty]
    assert fates == [PositionFate.BROUGHT] * (external == "flag")


def test_keys_that_open_another_account_close_nothing_there(venue: ScriptedVenue):
    """Somebody has changed the keys: what is held there is not what these books are of."""
    venue.uid = "another"
    before = list(venue.submitted)

    report = press()

    assert "is another one at scripted than before" in only(report).problems[0]
    assert venue.submitted == before


def test_without_closing_it_halts_and_cancels_and_leaves_what_is_held(venue: ScriptedVenue):
    resting(venue, intent_of("resting"))

    report = press(flatten=False)

    assert report.done
    assert (open_there(venue), len(held())) == ([], 2)
    assert halting.halt_file().covers(ACCOUNT)


def test_it_needs_no_feed(venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch):
    def down(config: RunConfig) -> object:
        raise AssertionError("an emergency stop asked for prices")

    monkeypatch.setitem(wiring.FEEDS, "scripted", down)  # type: ignore[arg-type]

    assert press().done
    assert held() == {}


@pytest.mark.parametrize(("reason", "actor"), [("", "Ann"), ("why", " ")])
def test_nobody_presses_it_without_a_name_and_a_reason(
    venue: ScriptedVenue, reason: str, actor: str
):
    with pytest.raises(InputInvalid, match="a reason, and somebody's name"):
        press(reason=reason, actor=actor)
    assert not halting.halt_file().covers(ACCOUNT)


def test_an_account_that_is_not_here_is_named_and_nobody_stays_halted(venue: ScriptedVenue):
    with pytest.raises(InputInvalid, match="account paper/x/y has no books here; there are: paper"):
        press(accounts=(AccountId("paper/x/y"),))
    assert halting.halt_file().read() is None


@pytest.mark.parametrize("names", [("*",), ("live/x/other",), (ACCOUNT,)])
def test_a_mistyped_account_takes_back_no_halt_of_before(
    venue: ScriptedVenue, names: tuple[str, ...]
):
    """`*` covers accounts of later as well; a list of those known now would not."""
    file = halting.halt_file()
    file.write(names, "Ann", "all out", wiring.wall_clock())
    before = file.path.read_bytes()

    with pytest.raises(InputInvalid, match="no books here"):
        press(accounts=(AccountId("paper/x/typo"),), actor="Bob")

    assert file.path.read_bytes() == before


def test_a_press_while_the_ledger_is_away_takes_back_no_halt_of_before(venue: ScriptedVenue):
    """As with a disk that is not mounted."""
    file = halting.halt_file()
    file.write(["*"], "Ann", "all out", wiring.wall_clock())
    before = file.path.read_bytes()
    wiring.settings().ledger_path.unlink()

    with pytest.raises(LedgerUnavailable, match="no ledger at"):
        press(actor="Bob")

    assert file.path.read_bytes() == before


def test_what_somebody_else_has_halted_since_is_not_taken_back(venue: ScriptedVenue):
    file = halting.halt_file()
    take_back = file.write(["typo"], "Bob", "a test", wiring.wall_clock())
    file.write([ACCOUNT], "Ann", "all out", wiring.wall_clock())

    take_back()

    assert file.covers(ACCOUNT)


def test_a_press_that_ends_late_leaves_the_emergency_of_the_next_one_alone(venue: ScriptedVenue):
    """A person has ended it and pressed anew: its report is not the new one's."""
    late = pressed(flatten=False)  # done, and its word still to be written
    halting.lift(ACCOUNT)
    venue._on_submit = rejects("no")
    pressed()
    there: Any = read(lambda b: b.emergencies.open(ACCOUNT))

    late._keep(late.outcomes[ACCOUNT])

    assert there is not None
    assert read(lambda b: b.emergencies.open(ACCOUNT)) == there


def test_the_form_says_what_each_field_is():
    form = parameter_schema(emergency_stop.fn).properties

    assert all(field.get("description") for field in form.values())
    assert APPROVAL_PHRASE in form["confirmation"]["description"]


def quick(venue: ScriptedVenue) -> object:
    """Its capabilities, with a window that has passed at once."""
    given = venue.capabilities(GOOG)
    return replace(given, validity_window_s=0.0, lookup_waits_s=(0.0, 0.01))
