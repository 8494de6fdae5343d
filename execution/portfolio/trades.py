"""Round trips: from the fill that opens a position to the one after which nothing is held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from execution.model.enums import FillKind, OrderSide
from execution.model.fill import Fill
from execution.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    StrategyId,
    TradeId,
)
from execution.model.money import ZERO, quantize
from execution.model.order import EMERGENCY, STOPS, OrderIntent
from execution.model.position import Position

# A fee in the base currency leaves a rest that no order can close: it is not held.
DUST_SHARE = Decimal("0.01")  # of the most that was held


class ClosedBy(StrEnum):
    """What ended a position."""

    STOP = "stop"
    TARGET = "target"
    SIGNAL = "signal"
    EMERGENCY = "emergency"
    LIQUIDATION = "liquidation"  # the venue closed it by force
    HAND = "by hand"  # an order that was not ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One position from its beginning to its end, in quote units."""

    account: AccountId
    instrument_id: InstrumentId
    strategy: StrategyId | None  # of the order that opened it; None: not ours
    side: OrderSide  # BUY: it was long
    qty: Decimal  # base units that were opened in all, > 0
    cost: Decimal  # what they were worth then, > 0
    pnl: Decimal  # after the commissions that were paid in the base or the quote currency
    opened_at: datetime  # UTC, venue clock
    closed_at: datetime  # UTC, venue clock
    closed_by: ClosedBy
    last_trade_id: TradeId  # of the fill that closed it

    @property
    def pnl_pct(self) -> Decimal:
        """Profit as a fraction of the cost."""
        return self.pnl / self.cost

    @property
    def stopped_out(self) -> bool:
        """Whether a stop closed it with a loss: a trailing one may close with a profit."""
        return self.closed_by is ClosedBy.STOP and self.pnl < 0


def closed_trades(
    fills: Iterable[Fill], intents: Mapping[ClientOrderId, OrderIntent]
) -> tuple[Trade, ...]:
    """The round trips of one account, in the order in which they ended.

    `fills` are in the order in which they were booked. Costs are averaged as in the books.
    What was not bought here (an opening balance, a deposit) is no trade when it is sold.
    """
    running: dict[InstrumentId, _Run] = {}
    closed: list[Trade] = []
    for fill in fills:
        intent = intents.get(fill.client_order_id) if fill.client_order_id else None
        run = running.get(fill.instrument_id)
        if run is None:
            run = running[fill.instrument_id] = _Run.of(fill)
        trade = run.add(fill, intent)
        if trade is not None:
            closed.append(trade)
    return tuple(closed)


def stop_losses_in_row(trades: Iterable[Trade], since: datetime | None) -> int:
    """How many of the newest trades were stopped out, since one was not; after `since` only."""
    count = 0
    for trade in reversed(tuple(trades)):
        if not trade.stopped_out or (since is not None and trade.closed_at <= since):
            break
        count += 1
    return count


@dataclass(slots=True)
class _Run:
    """One instrument's position, and what belongs to the trade that is open."""

    position: Position
    opening: Fill | None = None  # None: nothing is held
    strategy: StrategyId | None = None
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    most: Decimal = ZERO  # held at once
    before: Position = field(init=False)  # as the trade found it

    def __post_init__(self) -> None:
        self.before = self.position

    @classmethod
    def of(cls, fill: Fill) -> _Run:
        return cls(Position(account=fill.account, instrument_id=fill.instrument_id))

    def add(self, fill: Fill, intent: OrderIntent | None) -> Trade | None:
        """Follow one fill; the trade that it ends, if it ends one."""
        if self.opening is None and intent is not None and intent.reduce_only:
            return None  # it sells what was there before
        held = self.position
        self.position = held.apply(_valued(fill), fill.instrument_id.base)
        signed = fill.side.sign * fill.last_qty
        if self.opening is None:
            self._open(fill, intent, held, fill.last_qty)
        elif signed * self.opening.side.sign > 0:
            self._more(fill, fill.last_qty)
        left = self.position.net_qty
        self.most = max(self.most, abs(left))
        opening = self.opening
        if opening is None or left * opening.side.sign > self.most * DUST_SHARE:
            return None
        trade = self._closed(fill, intent, opening)
        self.opening = None
        if -left * opening.side.sign > self.most * DUST_SHARE:  # it went through flat
            self._open(fill, intent, self.position, abs(left))
        return trade

    def _open(self, fill: Fill, intent: OrderIntent | None, before: Position, qty: Decimal) -> None:
        self.opening, self.before = fill, before
        self.strategy = intent.strategy if intent else None
        self.qty = self.cost = self.most = ZERO
        self._more(fill, qty)

    def _more(self, fill: Fill, qty: Decimal) -> None:
        self.qty += qty
        self.cost += qty * fill.last_px

    def _closed(self, fill: Fill, intent: OrderIntent | None, opening: Fill) -> Trade:
        now, before = self.position, self.before
        gained = now.realized_pnl - before.realized_pnl
        paid = now.commission - before.commission
        return Trade(
            account=fill.account,
            instrument_id=fill.instrument_id,
            strategy=self.strategy,
            side=opening.side,
            qty=quantize(self.qty),
            cost=quantize(self.cost),
            pnl=quantize(gained - paid),
            opened_at=opening.ts_event,
            closed_at=fill.ts_event,
            closed_by=_closed_by(fill, intent),
            last_trade_id=fill.trade_id,
        )


def _valued(fill: Fill) -> Fill:
    """Without a commission that cannot be told in quote units: one in a third currency."""
    _, _, quote = fill.instrument_id.symbol.partition("/")
    ours = (fill.instrument_id.base, quote or fill.commission_ccy)
    return fill if fill.commission_ccy in ours else replace(fill, commission=ZERO)


def _closed_by(fill: Fill, intent: OrderIntent | None) -> ClosedBy:
    if fill.kind is FillKind.LIQUIDATION:
        return ClosedBy.LIQUIDATION
    if intent is None:
        return ClosedBy.HAND
    if intent.strategy == EMERGENCY:
        return ClosedBy.EMERGENCY
    if intent.order_type in STOPS:
        return ClosedBy.STOP
    return ClosedBy.TARGET if intent.protects else ClosedBy.SIGNAL
