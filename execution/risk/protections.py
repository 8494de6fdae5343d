"""Protections in the manner of freqtrade: locks made of what has gone wrong lately.

A lock keeps positions from being opened, of one instrument or of all, and never keeps one
from being closed. What makes it is in its id: found again, it is the same lock, and one that
a person has lifted stays lifted.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from execution.model.activity import Lock
from execution.model.identifiers import AccountId, InstrumentId
from execution.model.money import ZERO
from execution.model.worth import Worth
from execution.portfolio.trades import ClosedBy, Trade

LOCK_ID_LENGTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What protections look at."""

    account: AccountId
    trades: tuple[Trade, ...]  # the closed ones, in the order in which they ended
    worths: tuple[Worth, ...]  # oldest first


class _Method(BaseModel):
    """What all protections are told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stop_h: Decimal = Field(Decimal(12), gt=0, description="How long nothing is opened, hours")


class _LookingBack(_Method):
    lookback_h: Decimal = Field(Decimal(48), gt=0, description="How far it looks back, hours")


class StoplossGuard(_LookingBack):
    """Open nothing more after too many stop losses."""

    method: Literal["stoploss_guard"]
    trade_limit: int = Field(4, ge=1, description="Stop losses that lock")
    per_instrument: bool = Field(False, description="Count and lock each instrument by itself")
    required_profit: Decimal = Field(
        ZERO, description="A stop that closes with less, as a fraction of the cost, is a loss"
    )

    def locks(self, history: History, now: datetime) -> list[Lock]:
        """One lock for each scope in which the limit is reached."""
        lost = [
            t
            for t in _recent(history.trades, self.lookback_h, now)
            if t.closed_by in (ClosedBy.STOP, ClosedBy.LIQUIDATION)
            and t.pnl_pct < self.required_profit
        ]
        groups = _by_instrument(lost) if self.per_instrument else {None: lost}
        return [
            _lock(self, history, trades[-1], instrument_id, f"{len(trades)} stop losses", now)
            for instrument_id, trades in groups.items()
            if len(trades) >= self.trade_limit
        ]


class MaxDrawdown(_LookingBack):
    """Open nothing more after the equity has fallen too far within the lookback."""

    method: Literal["max_drawdown"]
    max_drawdown_pct: Decimal = Field(
        Decimal("0.05"), gt=0, le=1, description="Largest loss from the lookback's peak"
    )

    def locks(self, history: History, now: datetime) -> list[Lock]:
        """One lock of everything, from the time of the deepest loss on."""
        since = now - _hours(self.lookback_h)
        peak = worst = ZERO
        at: datetime | None = None
        for point in (w for w in history.worths if since <= w.ts <= now):
            peak = max(peak, point.unit)
            lost = (peak - point.unit) / peak if peak > 0 else ZERO
            if lost > worst:
                worst, at = lost, point.ts
        if at is None or worst <= self.max_drawdown_pct:
            return []
        reason = f"drawdown of {worst:.2%} in {self.lookback_h:f} h"
        return [_made(self, history.account, None, at, at.isoformat(), reason, now)]


class LowProfitInstruments(_LookingBack):
    """Leave an instrument alone whose trades have brought too little."""

    method: Literal["low_profit_instruments"]
    trade_limit: int = Field(2, ge=1, description="Least trades that are judged")
    required_profit: Decimal = Field(
        ZERO, description="What they must bring together, as a fraction of their cost"
    )

    def locks(self, history: History, now: datetime) -> list[Lock]:
        """One lock for each instrument that falls short."""
        groups = _by_instrument(_recent(history.trades, self.lookback_h, now))
        found = []
        for instrument_id, trades in groups.items():
            brought = sum((t.pnl_pct for t in trades), ZERO)
            if len(trades) >= self.trade_limit and brought < self.required_profit:
                reason = f"{len(trades)} trades brought {brought:.2%}"
                found.append(_lock(self, history, trades[-1], instrument_id, reason, now))
        return found


class CooldownPeriod(_Method):
    """Leave an instrument alone for a while once its position is closed."""

    method: Literal["cooldown_period"]

    def locks(self, history: History, now: datetime) -> list[Lock]:
        """One lock for each instrument whose last trade has just ended."""
        groups = _by_instrument(_recent(history.trades, self.stop_h, now))
        return [
            _lock(self, history, trades[-1], instrument_id, "its position was closed", now)
            for instrument_id, trades in groups.items()
        ]


Protection = Annotated[
    StoplossGuard | MaxDrawdown | LowProfitInstruments | CooldownPeriod,
    Field(discriminator="method"),
]
SETTINGS = sorted(
    {
        name
        for kind in (StoplossGuard, MaxDrawdown, LowProfitInstruments, CooldownPeriod)
        for name in kind.model_fields
    }
)
METHODS = ("stoploss_guard", "max_drawdown", "low_profit_instruments", "cooldown_period")


def locks(protections: Iterable[Protection], history: History, now: datetime) -> tuple[Lock, ...]:
    """The locks that hold at `now`, of every protection; the same ones as long as they hold."""
    found = (lock for protection in protections for lock in protection.locks(history, now))
    return tuple({lock.lock_id: lock for lock in found if lock.holds(now)}.values())


def _recent(trades: Iterable[Trade], lookback_h: Decimal, now: datetime) -> list[Trade]:
    """Those that ended within the lookback; exactly its beginning counts."""
    since = now - _hours(lookback_h)
    return [t for t in trades if since <= t.closed_at <= now]


def _by_instrument(trades: Iterable[Trade]) -> dict[InstrumentId | None, list[Trade]]:
    groups: dict[InstrumentId | None, list[Trade]] = defaultdict(list)
    for trade in trades:
        groups[trade.instrument_id].append(trade)
    return groups


def _lock(
    method: _Method,
    history: History,
    last: Trade,
    instrument_id: InstrumentId | None,
    reason: str,
    now: datetime,
) -> Lock:
    """A lock that runs from the end of the last trade that counted."""
    key = last.last_trade_id
    return _made(method, history.account, instrument_id, last.closed_at, key, reason, now)


def _made(
    method: _Method,
    account: AccountId,
    instrument_id: InstrumentId | None,
    since: datetime,
    key: str,
    reason: str,
    now: datetime,
) -> Lock:
    settings = method.model_dump_json()
    words = "\x1f".join((account, settings, str(instrument_id), key))
    return Lock(
        lock_id=hashlib.sha256(words.encode()).hexdigest()[:LOCK_ID_LENGTH],
        account=account,
        protection=str(getattr(method, "method", "")),
        reason=reason,
        made_at=now,
        until=since + _hours(method.stop_h),
        instrument_id=instrument_id,
    )


def _hours(hours: Decimal) -> timedelta:
    return timedelta(seconds=float(hours * 3_600))
