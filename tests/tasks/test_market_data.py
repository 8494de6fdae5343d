"""How old a price may be, and that real money is held to what is traded now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from data.feeds.base import DAY
from data.feeds.sample import SampleFeed
from data.quality.rules import QualityRules, Severity
from data.schemas.bars import BarFrame
from execution.errors import InputInvalid, VenueUnavailable
from execution.model.enums import RunMode
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.instrument import Instrument
from execution.risk.limits import RiskLimits
from flows.approval import drift
from tasks import wiring
from tasks.config import RunConfig
from tasks.cycle import open_cycle
from tasks.market_data import Market, read_market
from tasks.orders import execute_orders
from tests.cycles import plan_cycle

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)
FIVE_MINUTES, MICROSECOND = timedelta(minutes=5), timedelta(microseconds=1)
GOOG = InstrumentId("GOOG", VenueId("simulated"))
LIVE = RunConfig(
    mode=RunMode.LIVE, venue="scripted", feed="scripted", dry_run=False, confirm_live=True
)
# The bars of this feed lie where no market is open, and some are old on purpose.
OFF = dict.fromkeys(("on_grid", "no_gaps", "in_session", "fresh"), Severity.OFF)
DRY_RUN = RunConfig(feed="today", symbols=("GOOG",), quality=QualityRules(severity=OFF))


@dataclass(frozen=True)
class TodaysFeed:
    """The sample's bars, the newest closed `age` ago; one `price` for everything, or none."""

    venue: VenueId
    age: timedelta = timedelta(0)
    price: tuple[Decimal, datetime] | None = None
    interval: timedelta = DAY
    live: bool = True
    adjusted: bool = True

    def instruments(self) -> tuple[Instrument, ...]:
        return SampleFeed(self.venue).instruments()

    def bars(self, instrument_id: InstrumentId, as_of: datetime | None, limit: int) -> BarFrame:
        bars = SampleFeed(self.venue).bars(instrument_id, None, limit)
        shift = wiring.wall_clock() - self.age - bars["ts_close"].iloc[-1]
        return bars.assign(ts_open=bars["ts_open"] + shift, ts_close=bars["ts_close"] + shift)

    def last_price(self, instrument_id: InstrumentId) -> tuple[Decimal, datetime] | None:
        return self.price


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live installation, all of its switches on, on a feed and a venue of our own."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REGENT_PLUGINS", "tests.scripted_plugin")
    monkeypatch.setenv("REGENT_ALLOW_LIVE", "true")
    monkeypatch.setenv("REGENT_LIVE_CONFIRMATION", wiring.LIVE_CONFIRMATION)
    monkeypatch.setenv("SCRIPTED_VENUE_LOG", str(tmp_path / "venue.jsonl"))
    monkeypatch.setenv("SCRIPTED_DRIFT", str(tmp_path / "drift"))
    with wiring.open_ledger().transaction() as books:
        books.live_trading.set(True, "Ann", wiring.wall_clock())


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The wall clock, standing still."""
    monkeypatch.setattr(wiring, "wall_clock", lambda: NOW)
    return NOW


def market_of(
    patch: pytest.MonkeyPatch,
    config: RunConfig,
    age: timedelta = timedelta(0),
    price: tuple[Decimal, datetime] | None = None,
) -> Market:
    patch.setitem(wiring.FEEDS, "today", lambda config: TodaysFeed(config.venue_id, age, price))
    return read_market(config)


def pairs(folder: Path, **last_opens: str) -> tuple[Path, ...]:
    """Files of three hourly bars each, up to the one that opened then on 2026-03-04."""
    return tuple(
        _hours(folder / f"{name}-USD_1h.csv", pd.Timestamp(f"2026-03-04T{last}Z"))
        for name, last in last_opens.items()
    )


def _hours(path: Path, last: pd.Timestamp) -> Path:
    times: Iterable[pd.Timestamp] = pd.date_range(end=last, periods=3, freq="h")
    rows = "".join(f"{t.isoformat()},10,12,9,11,100\n" for t in times)
    path.write_text("time,open,high,low,close,volume\n" + rows)
    return path


@pytest.mark.parametrize(
    ("age", "fresh"),
    [(5 * DAY, True), (5 * DAY + MICROSECOND, False), (60 * DAY, False)],
)
def test_a_stocks_price_is_good_for_two_bars_and_a_long_weekend(
    age: timedelta, fresh: bool, stopped: datetime, monkeypatch: pytest.MonkeyPatch
):
    """A feed that stopped two months ago still answers: nothing else would tell."""
    market = market_of(monkeypatch, DRY_RUN, age)

    assert not market.replayed
    assert market.marks == {GOOG: Decimal("806.19")}
    assert market.fresh_marks == (market.marks if fresh else {})


@pytest.mark.parametrize(
    ("last", "fresh"), [("12:00", {"BTC", "ETH"}), ("11:59:59.999999", {"BTC"})]
)
def test_in_a_replay_an_instrument_that_ended_long_ago_has_no_fresh_mark(
    last: str, fresh: set[str], tmp_path: Path
):
    """Its clock is the newest bar of all; a pair trades around the clock, so two bars it is."""
    bars = pairs(tmp_path, BTC="14:00", ETH=last)

    market = read_market(RunConfig(feed="files", bars=bars))

    assert market.clock() == datetime(2026, 3, 4, 15, tzinfo=UTC)
    assert {i.symbol.partition("/")[0] for i in market.marks} == {"BTC", "ETH"}
    assert {i.symbol.partition("/")[0] for i in market.fresh_marks} == fresh


def test_nothing_is_planned_on_a_stale_price(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    signals = tmp_path / "buy.csv"
    time = datetime.now(UTC).isoformat()
    columns = "symbol,time,regime,side,weight,confidence,quantity"
    signals.write_text(f"{columns}\nGOOG,{time},calm,1,0,0.9,5\n")
    config = DRY_RUN.model_copy(update={"signals": signals})
    market_of(monkeypatch, config, age=60 * DAY)

    with open_cycle(config) as cycle:
        market, planned = plan_cycle(cycle)

    assert market.marks == {GOOG: Decimal("806.19")}
    assert planned.plan.intents == ()
    assert planned.skipped == ("GOOG.SIMULATED: no price",)


def test_a_price_that_is_stale_when_the_plan_is_sent_denies_it(monkeypatch: pytest.MonkeyPatch):
    market_of(monkeypatch, DRY_RUN)
    with open_cycle(DRY_RUN) as cycle:
        market, planned = plan_cycle(cycle)
        assert len(planned.plan.intents) == 1
        bar = market.snapshots[GOOG]
        old = replace(bar, ts_event=bar.ts_event - 60 * DAY)

        execution = execute_orders.fn(cycle, replace(market, snapshots={GOOG: old}), planned.plan)

    assert execution.orders == ()
    (reason,) = execution.withdrawn
    assert reason.startswith("GOOG.SIMULATED: price_collar price=unknown")
    assert "stale_price price_age_s=unknown" in reason
    assert "exposure=unknown no_price_for=GOOG.SIMULATED" in reason


@pytest.mark.parametrize("mode", [RunMode.LIVE, RunMode.PAPER])
def test_real_orders_are_priced_by_what_is_traded_now(
    mode: RunMode, stopped: datetime, monkeypatch: pytest.MonkeyPatch
):
    """Regimes and signals are still of closed bars, whose close stays what it was."""
    config = LIVE.model_copy(update={"feed": "today", "mode": mode, "symbols": ("GOOG",)})
    quote = (Decimal("700.25"), NOW - timedelta(seconds=3))

    market = market_of(monkeypatch, config, age=DAY, price=quote)

    (goog,) = market.bars
    assert market.fresh_marks == {goog: Decimal("700.25")}
    assert market.ts_event == NOW - timedelta(seconds=3)
    assert market.clock() == NOW
    last = market.bars[goog].iloc[-1]
    assert (last["close"], last["ts_close"]) == (806.19, NOW - DAY)


@pytest.mark.parametrize(
    ("age", "fresh"),
    [
        (FIVE_MINUTES, True),
        (FIVE_MINUTES + MICROSECOND, False),
        (-FIVE_MINUTES, True),
        (-FIVE_MINUTES - MICROSECOND, False),
    ],
)
def test_a_price_of_now_is_good_for_five_minutes(
    age: timedelta, fresh: bool, stopped: datetime, monkeypatch: pytest.MonkeyPatch
):
    """Ahead of our clock too: one of the two clocks is wrong then."""
    config = LIVE.model_copy(update={"feed": "today", "symbols": ("GOOG",)})

    market = market_of(monkeypatch, config, price=(Decimal(700), NOW - age))

    assert len(market.fresh_marks) == fresh
    hour = config.model_copy(update={"limits": RiskLimits(max_quote_age_s=3_600)})
    assert market_of(monkeypatch, hour, price=(Decimal(700), NOW - age)).fresh_marks


def test_without_a_price_of_now_there_is_no_live_market(monkeypatch: pytest.MonkeyPatch):
    """The close of the last bar is no stand-in for it."""
    config = LIVE.model_copy(update={"feed": "today", "symbols": ("GOOG",)})

    with pytest.raises(VenueUnavailable, match=r"no price of now for GOOG\.SCRIPTED"):
        market_of(monkeypatch, config)


def test_a_move_while_a_person_thinks_is_seen_before_the_next_bar_closes(tmp_path: Path):
    """The bars are the same before and after; only what is traded now has moved."""
    (tmp_path / "drift").write_text("1.02")
    with open_cycle(LIVE) as cycle:
        market, planned = plan_cycle(cycle)
    limit = LIVE.price_drift_max_pct
    assert planned.plan.intents
    for intent in planned.plan.intents:
        close = Decimal(str(market.bars[intent.instrument_id]["close"].iloc[-1]))
        assert intent.px_ref == close * Decimal("1.02")
    assert drift(planned.plan, read_market(LIVE).fresh_marks, limit) == ()

    (tmp_path / "drift").write_text("1.04")

    later = read_market(LIVE)
    assert all(later.bars[i].equals(bars) for i, bars in market.bars.items())
    moved = drift(planned.plan, later.fresh_marks, limit)
    assert len(moved) == len(planned.plan.intents)


def test_what_was_not_traded_yet_is_left_out_unless_asked_for():
    """FB came to the market on 18 May 2012."""
    before = RunConfig(as_of="2012-01-03")

    assert {i.symbol for i in read_market(before).bars} == {"AAPL", "GOOG", "IBM", "MSFT"}
    with pytest.raises(InputInvalid, match=r"no bar of FB\.SIMULATED had closed by 2012-01-03"):
        read_market(before.model_copy(update={"symbols": ("FB",)}))
    with pytest.raises(InputInvalid, match="no instrument had a closed bar by then"):
        read_market(RunConfig(as_of="1990-01-01"))
