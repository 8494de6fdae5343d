"""The account as risk sees it: money, holdings, open orders, prices; all from the books."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from execution.model.activity import Activity, Lock
from execution.model.enums import RunMode, TradingState
from execution.model.identifiers import AccountId, ClientOrderId, InstrumentId
from execution.model.instrument import Instrument
from execution.model.money import ZERO, quantize
from execution.model.order import Order
from execution.model.position import Position
from execution.risk.limits import RiskLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """When a mark was known, and how much is traded around it."""

    ts_event: datetime  # UTC
    age_max: timedelta  # an older price is none
    adv: Decimal | None  # base units traded in a day, on average


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What was found around an account when it was looked at."""

    now: datetime  # UTC, our clock: in a replay the market's stands still
    mode: RunMode
    heard_at: datetime | None  # UTC, our clock: the venue's first answer in this look
    closed: frozenset[InstrumentId] | None  # what the venue does not trade now
    stops: tuple[str, ...] | None  # what stops all trading, such as an emergency; empty: nothing
    limits_fixed: RiskLimits | None  # by a person, for live trading; None: none are
    # UTC, since when the oldest critical alert waits to be delivered. Here alone None is no
    # unknown: it says that nothing waits. What is not known leaves no Surroundings at all.
    alerts_waiting_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """Everything a risk check may look at. None means unknown, and unknown means no."""

    account: AccountId
    currency: str
    cash: Decimal
    buying_power: Decimal | None  # as the venue says
    positions: dict[InstrumentId, Position]  # the open ones
    working: tuple[Order, ...]  # not yet terminal
    marks: dict[InstrumentId, Decimal]  # last price, quote per base unit
    equity_day_open: Decimal | None  # equity at the start of the account's day
    trading_state: TradingState | None
    quarantined: frozenset[InstrumentId | None]  # disagreement there; None: on the account
    blocks: tuple[str, ...] | None  # why the venue takes no orders, as it says
    ts: datetime  # UTC, the market's clock when it was taken
    # What is left out is not known, and then nothing is opened.
    equity_peak: Decimal | None = None
    activity: Activity | None = None
    locks: tuple[Lock, ...] | None = None  # in force
    surroundings: Surroundings | None = None
    instruments: Mapping[InstrumentId, Instrument] = field(default_factory=dict)
    quotes: Mapping[InstrumentId, Quote] = field(default_factory=dict)  # of the marks
    sent_at: Mapping[ClientOrderId, datetime] = field(default_factory=dict)  # UTC, the first send

    def value(self, instrument_id: InstrumentId) -> Decimal | None:
        """Signed worth of the holding, in the account's currency; None without a mark."""
        position = self.positions.get(instrument_id)
        if position is None:
            return ZERO
        mark = self.marks.get(instrument_id)
        return None if mark is None else quantize(position.net_qty * mark)

    def heading_for(self, instrument_id: InstrumentId) -> Decimal:
        """Net base units held once every working order has filled, protective ones apart."""
        position = self.positions.get(instrument_id)
        return sum(
            (
                o.intent.side.sign * o.leaves_qty
                for o in self.working
                if o.intent.instrument_id == instrument_id and not o.intent.protects
            ),
            position.net_qty if position else ZERO,
        )

    @property
    def equity(self) -> Decimal | None:
        """Cash and holdings at the marks; None when a held instrument has no mark."""
        total = self.cash
        for instrument_id in self.positions:
            value = self.value(instrument_id)
            if value is None:
                return None
            total += value
        return total

    @property
    def unrealized_pnl(self) -> Decimal | None:
        """What closing at the marks would realize; None when a held one has no mark."""
        total = ZERO
        for instrument_id, position in self.positions.items():
            mark = self.marks.get(instrument_id)
            if mark is None:
                return None
            total += position.net_qty * (mark - position.avg_px)
        return quantize(total)
