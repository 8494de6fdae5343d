"""What must not hold up an emergency stop: a busy ledger, a run that hangs, a full disk."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from data.store.emergencies import Emergency
from data.store.snapshot import publish
from data.store.verify import verify
from execution.errors import SafetyViolation
from execution.model.enums import OrderSide, OrderType, TradingState
from execution.model.enums import OrderStatus as S
from execution.model.order import EMERGENCY, Order, OrderIntent
from execution.venues.base import SubmitResult
from tasks import halting, wiring
from tasks.account import view_account
from tasks.booking import record
from tasks.cycle import open_cycle
from tasks.emergency_report import PositionFate
from tasks.market_data import load_market
from tests.cycles import run_cycle
from tests.scripted_venue import ScriptedVenue
from tests.tasks.emergency.presses import (
    HASTY,
    Kept,
    intent_of,
    kept,
    only,
    press,
    resting,
    written,
)
from tests.tasks.paper import PAPER, read, reconciled

ACCOUNT = PAPER.account_id
HOLDS_S = 4.0
HOLD = """
import sys, time
from pathlib import Path
from data.store.connection import Ledger
with Ledger(Path(sys.argv[1])).transaction():
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""
HAMMER = """
import sys, time
from pathlib import Path
from data.store.connection import Ledger
print("hammering", flush=True)
while True:
    with Ledger(Path(sys.argv[1])).transaction() as books:
        books.session.rows("SELECT count(*) FROM orders")
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return kept(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def venue(first: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedVenue:
    return first.install(monkeypatch, tmp_path)


def other_process(script: str, *args: object) -> subprocess.Popen[str]:
    """Another process at the ledger, once it has begun."""
    path = str(wiring.settings().ledger_path)
    process = subprocess.Popen(
        [sys.executable, "-c", script, path, *map(str, args)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_ledger_that_is_held_for_seconds_does_not_hold_up_the_cancels(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """The accounts are found in the last snapshot; the books are brought up to it later."""
    order = resting(venue, intent_of("resting"))
    publish(wiring.open_ledger())
    canceled_after: list[float] = []
    cancel = venue.cancel

    async def timed(order: Order, now: object) -> SubmitResult:
        canceled_after.append(time.monotonic() - began)
        return await cancel(order, now)  # type: ignore[arg-type]

    monkeypatch.setattr(venue, "cancel", timed)
    with other_process(HOLD, HOLDS_S):
        began = time.monotonic()
        report = press()

    print(f"\nledger held for {HOLDS_S} s; canceled after {canceled_after[0]:.2f} s")
    assert canceled_after[0] < HOLDS_S - 0.5  # while it was held
    assert report.took_s > HOLDS_S / 2  # closing has waited: nothing is sent unwritten
    assert report.done
    assert read(lambda b: b.orders.get(order.client_order_id)).status is S.CANCELED  # type: ignore[attr-defined]
    assert read(lambda b: b.trading_state.get(ACCOUNT)) is TradingState.HALTED
    assert read(lambda b: b.positions.open(ACCOUNT)) == ()
    assert (reconciled(), read(verify)) == ((), ())


def test_a_ledger_that_is_hammered_is_waited_for(venue: ScriptedVenue):
    resting(venue, intent_of("resting"))
    with other_process(HAMMER) as process:
        try:
            report = press()
        finally:
            process.kill()
    assert report.done
    assert read(verify) == ()


def test_a_ledger_that_cannot_be_written_leaves_the_halt_and_the_cancels(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """As on a full disk: the file holds the account, and the report says what is missing."""
    resting(venue, intent_of("resting"))
    publish(wiring.open_ledger())
    monkeypatch.setenv("REGENT_LEDGER_TIMEOUT_S", "0.2")
    with other_process(HOLD, 600) as process:
        try:
            report = press(pace=replace(HASTY, ledger=1))
        finally:
            process.kill()

    assert not report.done
    assert any("the halt is in its file alone" in problem for problem in report.problems)
    assert "nothing was closed" in only(report).problems[0]
    assert [r.status for r in venue._orders.values() if r.client_order_id == "resting"] == [
        S.CANCELED
    ]
    assert read(lambda b: b.trading_state.get(ACCOUNT)) is TradingState.ACTIVE
    with pytest.raises(SafetyViolation, match="trading is halted"):
        send(intent_of("after"))


def test_a_run_that_holds_the_account_does_not_hold_up_the_cancels_and_is_waited_for(
    venue: ScriptedVenue,
):
    resting(venue, intent_of("resting"))
    let_go = threading.Event()

    def hold() -> None:
        with wiring.account_guard(ACCOUNT).hold():
            let_go.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        report = press(pace=replace(HASTY, guard=0.3))
        assert "resting" not in open_there(venue)
        assert not report.done
        assert {p.fate for p in only(report).positions} == {PositionFate.LEFT}
        assert "somebody else has held it" in only(report).problems[0]
    finally:
        let_go.set()
        holder.join()

    again = press()

    assert only(again).emergency_id == only(report).emergency_id
    assert again.done
    assert read(lambda b: b.positions.open(ACCOUNT)) == ()


def test_a_run_in_the_middle_of_its_orders_sends_nothing_after_the_press(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    """Its first order is at the venue when the button is pressed; its second never leaves."""
    press(flatten=True)
    halting.lift(ACCOUNT)
    let_trade(TradingState.ACTIVE)
    submit, reports = venue.submit, []

    async def press_meanwhile(intent: OrderIntent, now: object) -> SubmitResult:
        result = await submit(intent, now)  # type: ignore[arg-type]
        if not reports and intent.strategy != EMERGENCY:
            reports.append(
                threading.Thread(target=press, kwargs={"pace": replace(HASTY, guard=30)})
            )
            reports[0].start()
            while not halting.halt_file().covers(ACCOUNT):
                time.sleep(0.01)
        return result

    monkeypatch.setattr(venue, "submit", press_meanwhile)
    before = len(venue.submitted)
    with pytest.raises(SafetyViolation, match=r"1 of \d+ orders were sent; .* trading is halted"):
        run_cycle(PAPER.model_copy(update={"signals": wish()}))
    reports[0].join()

    sent = venue.submitted[before:]
    orders = {o.client_order_id: o.intent for o in read(lambda b: b.orders.all(ACCOUNT))}  # type: ignore[attr-defined]
    assert [orders[key].strategy == EMERGENCY for key in sent] == [False, True]
    assert read(lambda b: b.positions.open(ACCOUNT)) == ()


# What the halt lets through, and until when


@pytest.mark.parametrize("by", ["file", "unreadable file", "ledger"])
def test_halted_nothing_is_sent_not_even_what_reduces(venue: ScriptedVenue, by: str):
    halt(by)

    for reduce_only in (False, True):
        key = f"order-{reduce_only}"
        with pytest.raises(SafetyViolation, match="was not sent: trading is halted"):
            send(intent_of(key, side=OrderSide.SELL, reduce_only=reduce_only))


def test_an_account_that_a_file_halts_is_seen_as_halted(venue: ScriptedVenue):
    with open_cycle(PAPER, sends=False) as cycle:
        market = load_market.fn(cycle)
        halt("file")
        account = asyncio.run(view_account(cycle, venue, market))

    assert account.trading_state is TradingState.HALTED


@pytest.mark.parametrize(
    ("changes", "goes"),
    [
        ({}, True),
        ({"reduce_only": False}, False),
        ({"signal_time": wiring.wall_clock()}, False),  # of another emergency, or of none
        ({"order_type": OrderType.STOP, "stop_px": Decimal(1)}, False),
    ],
)
def test_only_what_the_open_emergency_closes_with_leaves_while_halted(
    venue: ScriptedVenue, changes: dict[str, object], goes: bool
):
    started_at = wiring.wall_clock()
    halt("ledger")
    with wiring.open_ledger().transaction() as books:
        books.emergencies.begin(
            Emergency(
                emergency_id="e",
                account=ACCOUNT,
                actor="Ann",
                reason="a test",
                flatten=True,
                started_at=started_at,
            )
        )
    given = intent_of("out", side=OrderSide.SELL, order_type=OrderType.MARKET, reduce_only=True)
    intent = replace(given, strategy=EMERGENCY, signal_time=started_at)

    if goes:
        assert send(intent).status is S.SUBMITTED
        return
    with pytest.raises(SafetyViolation, match=r"trading is halted|its emergency stop is over"):
        send(replace(intent, **changes))


@pytest.mark.parametrize("state", [TradingState.ACTIVE, TradingState.REDUCING])
def test_what_an_emergency_closes_with_leaves_only_while_that_is_open(
    venue: ScriptedVenue, state: TradingState
):
    """A flatten that was under way when a person reset the account stops at its next order."""
    let_trade(state)
    given = intent_of("out", side=OrderSide.SELL, order_type=OrderType.MARKET, reduce_only=True)

    with pytest.raises(SafetyViolation, match="its emergency stop is over"):
        send(replace(given, strategy=EMERGENCY))


@pytest.mark.parametrize("state", [TradingState.ACTIVE, TradingState.REDUCING])
def test_a_person_lifts_the_halt_and_with_it_the_emergency(
    venue: ScriptedVenue, state: TradingState
):
    """Later presses then begin anew; orders of the old one are let through no more."""
    first = only(press())

    let_trade(state)
    halting.lift(ACCOUNT)

    assert halting.halt_file().read() is None
    assert read(lambda b: halting.trading_state(b, ACCOUNT)) is state
    assert read(lambda b: b.emergencies.open(ACCOUNT)) is None
    assert only(press()).emergency_id != first.emergency_id


def test_an_account_s_halt_by_file_is_lifted_alone(venue: ScriptedVenue):
    with wiring.open_ledger().transaction() as books:
        books.accounts.open("paper/scripted/other", "scripted", "x", wiring.wall_clock())  # type: ignore[arg-type]
    halt("file")

    halting.lift(ACCOUNT)

    assert not halting.halt_file().covers(ACCOUNT)
    assert halting.halt_file().covers("paper/scripted/other")  # type: ignore[arg-type]


def test_without_room_for_a_word_the_file_still_halts(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = halting.halt_file()
    monkeypatch.setattr(type(file), "_put", full)

    file.write(["paper/scripted/other"], "Ann", "a test", wiring.wall_clock())

    assert file.covers(ACCOUNT)  # everybody, as nobody can tell who was meant


def halt(by: str) -> None:
    file = halting.halt_file()
    if by == "file":
        file.write(["*"], "Ann", "a test", wiring.wall_clock())
    elif by == "unreadable file":
        file.path.write_bytes(b"\xff{")
    else:
        let_trade(TradingState.HALTED)


def let_trade(state: TradingState) -> None:
    with wiring.open_ledger().transaction() as books:
        books.trading_state.set(ACCOUNT, state, "a test", "Ann", wiring.wall_clock())


def send(intent: OrderIntent) -> Order:
    """Write that it is being sent, as it is written before every send."""
    order = written(intent)
    sent = record(order.event(S.SUBMITTED, "submitted:1", wiring.wall_clock()))
    assert sent is not None
    return sent


def open_there(venue: ScriptedVenue) -> list[str]:
    return [str(r.client_order_id) for r in venue._orders.values() if r.status is S.ACCEPTED]


def wish() -> Path:
    """Two entries of now."""
    path = wiring.settings().home / "wishes.csv"
    now = wiring.wall_clock().isoformat(timespec="seconds")
    rows = [f"{s},{now},trending,1,0.1,0.9,donchian" for s in ("GOOG", "MSFT")]
    head = "symbol,time,regime,side,weight,confidence,strategy"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path
