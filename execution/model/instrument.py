"""What is traded, and in which steps."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from execution.model.enums import AssetClass, OrderSide
from execution.model.identifiers import InstrumentId
from execution.model.money import ZERO, ceil_to, floor_to, round_down


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One tradable thing at one venue, with the venue's steps and minima."""

    instrument_id: InstrumentId
    asset_class: AssetClass
    base: str  # what a quantity counts: BTC, AAPL
    quote: str  # what a price is in: USDT, USD
    px_increment: Decimal  # quote per base unit, > 0
    qty_increment: Decimal  # base units, > 0
    qty_min: Decimal = ZERO  # base units
    notional_min: Decimal = ZERO  # quote units

    def quantize_qty(self, qty: Decimal) -> Decimal:
        """Round a quantity down to a whole number of increments."""
        return round_down(qty, self.qty_increment)

    def quantize_px(self, px: Decimal, side: OrderSide) -> Decimal:
        """Round a limit so that it is never worse for us than `px`."""
        return (floor_to if side is OrderSide.BUY else ceil_to)(px, self.px_increment)
