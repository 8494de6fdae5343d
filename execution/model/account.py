"""The account as risk sees it: money, holdings, open orders, prices; all from the books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.model.enums import TradingState
from execution.model.identifiers import AccountId, InstrumentId
from execution.model.money import ZERO, quantize
from execution.model.order import Order
from execution.model.position import Position


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
    ts: datetime  # UTC, when it was taken

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
    def gross_exposure(self) -> Decimal | None:
        """Sum of the absolute holdings at the marks; None when one has no mark."""
        total = ZERO
        for instrument_id in self.positions:
            value = self.value(instrument_id)
            if value is None:
                return None
            total += abs(value)
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
