"""What is held, folded from fills at average cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from execution.errors import InvariantBroken
from execution.model.fill import Fill
from execution.model.identifiers import AccountId, InstrumentId
from execution.model.money import ZERO, quantize


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The net holding of one instrument; `net_qty` < 0 is short."""

    account: AccountId
    instrument_id: InstrumentId
    net_qty: Decimal = ZERO  # base units
    avg_px: Decimal = ZERO  # average cost, quote per base unit; 0 when flat
    realized_pnl: Decimal = ZERO  # quote units, before commission
    commission: Decimal = ZERO  # quote units, the part paid in quote

    def apply(self, fill: Fill, base: str) -> Position:
        """Return the position after `fill`.

        A commission taken in the base currency (`base`) reduces the holding, at no
        proceeds: what the venue kept is realized as a loss at average cost.
        """
        if (fill.account, fill.instrument_id) != (self.account, self.instrument_id):
            raise InvariantBroken(f"fill {fill.trade_id} is not of {self.instrument_id}")
        after = self._trade(fill.side.sign * fill.last_qty, fill.last_px)
        if not fill.commission:
            return after
        if fill.commission_ccy == base:
            return after._trade(-fill.commission, ZERO)
        return replace(after, commission=quantize(after.commission + fill.commission))

    def _trade(self, delta: Decimal, px: Decimal) -> Position:
        """Move `net_qty` by `delta` at `px`: average in, realize out, flip through flat."""
        qty = self.net_qty + delta
        if self.net_qty * delta >= 0:  # opens or adds
            cost = abs(self.net_qty) * self.avg_px + abs(delta) * px
            avg_px = cost / abs(qty) if qty else ZERO
            return replace(self, net_qty=quantize(qty), avg_px=quantize(avg_px))
        closed = min(abs(delta), abs(self.net_qty))
        direction = 1 if self.net_qty > 0 else -1
        realized = self.realized_pnl + closed * (px - self.avg_px) * direction
        flipped = qty * self.net_qty < 0
        avg_px = px if flipped else self.avg_px if qty else ZERO
        return replace(
            self,
            net_qty=quantize(qty),
            avg_px=quantize(avg_px),
            realized_pnl=quantize(realized),
        )
