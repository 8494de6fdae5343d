"""What an order pays and how much of it a bar can fill: spread, impact, participation.

Market price = last · (1 + s · (half-spread + Y · σ_day · √(Q / ADV))), s = +1 buy, −1 sell.
The square-root law is that of Tóth et al., "Anomalous price impact and the critical nature
of liquidity in financial markets", Phys. Rev. X 1, 021006 (2011), with Y of order one;
Almgren et al., "Direct estimation of equity market impact" (2005), fit an exponent of 0.6.
The cap on a bar's volume is that of zipline's FixedBasisPointsSlippage (10 %).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from execution.errors import ConfigInvalid
from execution.model.enums import OrderSide
from execution.model.instrument import Instrument
from execution.model.market import MarketSnapshot
from execution.model.money import ZERO, ceil_to, floor_to, quantize

BPS = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class FillModel:
    """Costs and caps of a simulated fill; a value out of range raises ConfigInvalid."""

    half_spread_bps: Decimal = Decimal("2.5")  # >= 0
    impact_coefficient: Decimal = Decimal(1)  # Y, >= 0
    participation_max: Decimal = Decimal("0.10")  # share of a bar's volume, 0 to 1
    commission_bps: Decimal = Decimal(10)  # >= 0, of the notional, in quote: a spot taker's fee

    def __post_init__(self) -> None:
        costs = (self.half_spread_bps, self.impact_coefficient, self.commission_bps)
        if min(costs) < 0 or self.commission_bps >= 10_000 or not 0 < self.participation_max <= 1:
            rule = "costs >= 0, commission_bps < 10000, 0 < participation_max <= 1"
            raise ConfigInvalid(f"{self} breaks the rule {rule}")

    def market_px(
        self, instrument: Instrument, side: OrderSide, order_qty: Decimal, bar: MarketSnapshot
    ) -> Decimal | None:
        """Price of taking liquidity, rounded to the increment against us; None: no fill.

        `order_qty` is the whole order, not the part this bar fills: the square-root law
        speaks of the order the market feels. None without volume or ADV, or when the
        impact would push the price of a sale to zero.
        """
        if bar.volume <= 0 or bar.adv <= 0:
            return None
        impact = self.impact_coefficient * bar.volatility_day * (order_qty / bar.adv).sqrt()
        px = bar.last_px * (1 + side.sign * (self.half_spread_bps * BPS + impact))
        against_us = ceil_to if side is OrderSide.BUY else floor_to
        px = against_us(px, instrument.px_increment)
        return px if px > 0 else None

    def trades_through(self, side: OrderSide, limit_px: Decimal, bar: MarketSnapshot) -> bool:
        """Whether the bar went past a resting limit; a touch is not enough.

        Everyone at the limit before us is filled only when the price goes past it.
        """
        return bar.low < limit_px if side is OrderSide.BUY else bar.high > limit_px

    def qty_available(
        self, instrument: Instrument, leaves_qty: Decimal, bar: MarketSnapshot, taken: Decimal
    ) -> Decimal:
        """Base units of `leaves_qty` this bar can fill, `taken` of it being given already."""
        room = max(ZERO, self.participation_max * bar.volume - taken)
        return instrument.quantize_qty(min(leaves_qty, room))

    def commission(self, notional: Decimal) -> Decimal:
        """Fee on a fill worth `notional`, in quote units."""
        return quantize(notional * self.commission_bps * BPS)
