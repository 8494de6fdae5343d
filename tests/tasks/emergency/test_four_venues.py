"""Two hundred orders and fifty positions at four venues; one hangs, one answers 5xx half the time.

The venues are the lying exchange's dialects, a process each, asked by the real adapters.
Their rate limits count on a clock that races: else those alone would decide how long it takes.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from data.store.verify import verify
from execution.model.enums import Topic, TradingState
from tasks import wiring
from tasks.emergency_account import Pace
from tasks.emergency_report import AccountOutcome, OrderFate, PositionFate
from tests.kill.lying_process import lying_process
from tests.tasks.emergency.desks import Desk
from tests.tasks.emergency.presses import HASTY, press
from tests.tasks.paper import read
from tests.venues.lying_exchange.lies import ANY, Fault

HANGS, FALTERS = "kraken", "alpaca"
# How much of all orders and positions each has. What falters asks everything twice and more,
# one after the other: a tenth of them there already takes as long as all the rest together.
SHARES = {"binance": 0.3, "bybit": 0.3, FALTERS: 0.1, HANGS: 0.3}
DIALECTS = tuple(SHARES)
LIFE_S = 600.0
PACE = replace(HASTY, cancel=5, learn=8, flatten=60, question=4, waits=(0.01, 0.02, 0.05, 0.1))


@dataclass(frozen=True)
class Size:
    """Of all venues together."""

    orders: int
    positions: int

    def __str__(self) -> str:
        return f"{self.orders} orders, {self.positions} positions"


@pytest.fixture
def desks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[dict[str, Desk]]:
    size: Size = request.param
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REGENT_PLUGINS", "tests.venues.lying_plugin")
    monkeypatch.setenv("LYING_KEY", "key")
    wiring.load_plugins()
    with ExitStack() as stack:
        found = {}
        # A process takes a second to begin: all four begin at once.
        starting = [lying_process(dialect, life_s=LIFE_S) for dialect in DIALECTS]
        with ThreadPoolExecutor() as pool:
            exchanges = list(pool.map(stack.enter_context, starting))
        for (dialect, share), exchange in zip(SHARES.items(), exchanges, strict=True):
            orders, positions = round(size.orders * share), round(size.positions * share)
            found[dialect] = Desk(exchange, dialect, orders, positions)
        assert sum(desk.orders for desk in found.values()) == size.orders
        assert sum(desk.positions for desk in found.values()) == size.positions
        # The plugin's venues ask for one address: each of its own is given here.
        from tests.venues.lying_plugin import lying_venue

        def at_its_own(config: object, instruments: object) -> object:
            url = found[config.venue].exchange.url  # type: ignore[attr-defined]
            monkeypatch.setenv("LYING_EXCHANGE_URL", url)
            return lying_venue(config, instruments)  # type: ignore[arg-type]

        for dialect in DIALECTS:
            monkeypatch.setitem(wiring.VENUES, dialect, at_its_own)  # type: ignore[arg-type]
        for desk in found.values():
            desk.set_up()
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("desks", [Size(200, 50)], indirect=True, ids=str)
def test_all_that_can_be_reached_is_canceled_and_closed_and_nothing_is_doubled(
    desks: dict[str, Desk],
):
    stop_and_compare(desks, PACE)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("desks", [Size(1000, 100)], indirect=True, ids=str)
def test_five_times_as_much(desks: dict[str, Desk]):
    stop_and_compare(desks, replace(PACE, flatten=240))


def stop_and_compare(desks: dict[str, Desk], pace: Pace) -> None:
    round_trip_s = {name: round_trip(desk) for name, desk in desks.items()}
    before = {name: requests(desk) for name, desk in desks.items()}
    lie(desks)

    began = time.monotonic()
    report = press(pace=pace)
    took_s = time.monotonic() - began

    desks[FALTERS].exchange.tell("honest")
    found = {a.account.split("/")[1]: a for a in report.accounts}
    asked = {name: requests(desk) - before[name] for name, desk in desks.items()}
    bare_s = sum(asked[name] * round_trip_s[name] for name in DIALECTS if name != HANGS)
    print(
        f"\n{sum(d.orders for d in desks.values())} orders, "
        f"{sum(d.positions for d in desks.values())} positions: {took_s:.1f} s in all; bare sum "
        f"of {sum(asked.values()) - asked[HANGS]} round trips {bare_s:.1f} s"
    )
    for name, outcome in found.items():
        print(
            f"  {name:8} {asked[name]:4} requests of {round_trip_s[name] * 1000:.1f} ms; "
            f"canceled after {outcome.cancel_s:.1f} s, closed in {outcome.flatten_s:.1f} s; "
            f"{len(outcome.left)} left"
        )
    for name, desk in desks.items():
        (require_untouched if name == HANGS else require_stopped)(desk, found[name])
    assert read(verify) == ()
    assert not report.done
    reached = max(found[name].cancel_s for name in ("binance", "bybit"))
    assert reached < found[HANGS].cancel_s  # it held nobody up


def require_stopped(desk: Desk, outcome: AccountOutcome) -> None:
    """Nothing open, nothing held, there and here; each of our orders there once."""
    state = desk.state()
    assert [o for o in state["orders"] if o["status"] in ("accepted", "partially_filled")] == []
    held = {c: b for c, b in state["balances"][desk.key].items() if c != desk.quote}
    assert {Decimal(b["free"]) + Decimal(b["locked"]) for b in held.values()} == {0}, held
    ids = Counter(o["client_id"] for o in state["orders"])
    assert set(ids.values()) == {1}, ids.most_common(3)
    sold = Counter(o["symbol"] for o in state["orders"] if o["side"] == "sell")
    assert set(sold.values()) == {1}
    assert len(sold) == desk.positions
    account = desk.config.account_id
    assert read(lambda b: b.positions.open(account)) == ()
    assert read(lambda b: b.orders.working(account)) == ()
    assert Counter(o.fate for o in outcome.orders) == {OrderFate.CANCELED: desk.orders}
    assert Counter(p.fate for p in outcome.positions) == {PositionFate.CLOSED: desk.positions}
    assert outcome.done, outcome.left


def require_untouched(desk: Desk, outcome: AccountOutcome) -> None:
    """Of a venue that hangs all is left, halted, and told: orders, positions, and an alert."""
    state = desk.state()
    there = [o for o in state["orders"] if o["status"] == "accepted"]
    assert len(there) == desk.orders
    assert Counter(o.fate for o in outcome.orders) == {OrderFate.LEFT: desk.orders}
    assert Counter(p.fate for p in outcome.positions) == {PositionFate.LEFT: desk.positions}
    assert "kraken does not answer: nothing was closed there" in " ".join(outcome.problems)
    account = desk.config.account_id
    assert read(lambda b: b.trading_state.get(account)) is TradingState.HALTED
    alerts = read(lambda b: b.alerts.latest(50, account))
    texts = [a.text for a in alerts if a.topic == Topic.EMERGENCY_STOP]  # type: ignore[attr-defined]
    assert any("not canceled" in text for text in texts)


def lie(desks: dict[str, Desk]) -> None:
    """One accepts connections and never answers; one fails half the time, done or not."""
    kinds = sorted(ANY)
    desks[HANGS].exchange.tell(
        "lie", fault=Fault.TIMEOUT_BEFORE, kinds=kinds, times=None, delay_s=LIFE_S
    )
    for seed, fault in enumerate((Fault.ERROR_BEFORE, Fault.ERROR_AFTER)):
        desks[FALTERS].exchange.tell(
            "lie", fault=fault, kinds=kinds, times=None, probability=0.3, seed=seed
        )


def round_trip(desk: Desk) -> float:
    """The median of a bare request there and back, in seconds."""

    async def ask() -> float:
        took = []
        async with wiring.open_venue(desk.config, desk.instruments) as venue:
            await venue.balances()
            for _ in range(20):
                began = time.monotonic()
                await venue.balances()
                took.append(time.monotonic() - began)
        return statistics.median(took)

    return asyncio.run(ask())


def requests(desk: Desk) -> int:
    return sum(desk.state()["requests"].values())
