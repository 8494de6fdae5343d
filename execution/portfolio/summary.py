"""What is held and what it is worth: positions at their marks, with the money beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from execution.model.identifiers import InstrumentId
from execution.model.money import ZERO, quantize
from execution.model.position import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One open position at its mark; what needs the mark is None without one."""

    position: Position
    mark: Decimal | None  # quote per base unit
    weight: Decimal | None  # share of the portfolio's gross value, 0 to 1
    equity_share: Decimal | None  # worth as a share of the equity, which risk limits; >= 0

    @property
    def value(self) -> Decimal | None:
        """Signed worth at the mark, quote units."""
        return None if self.mark is None else quantize(self.position.net_qty * self.mark)

    @property
    def cost(self) -> Decimal:
        """What was paid for it, or taken for a short; quote units, >= 0."""
        return quantize(abs(self.position.net_qty) * self.position.avg_px)

    @property
    def pnl(self) -> Decimal | None:
        """What closing at the mark would realize, before commission."""
        if self.mark is None:
            return None
        return quantize(self.position.net_qty * (self.mark - self.position.avg_px))

    @property
    def pnl_pct(self) -> Decimal | None:
        """Profit as a fraction of the cost."""
        return None if self.pnl is None or not self.cost else self.pnl / self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """An account's holdings and money, in one currency; None where a mark is missing."""

    holdings: tuple[Holding, ...]
    cash: Decimal
    paid_in: Decimal  # deposits less withdrawals

    @property
    def value(self) -> Decimal | None:
        """Signed worth of all holdings."""
        total = ZERO
        for holding in self.holdings:
            if holding.value is None:
                return None
            total += holding.value
        return total

    @property
    def equity(self) -> Decimal | None:
        """Cash and holdings."""
        return None if self.value is None else self.cash + self.value

    @property
    def pnl(self) -> Decimal | None:
        """All that was won or lost since the account opened, commissions included."""
        return None if self.equity is None else self.equity - self.paid_in

    @property
    def pnl_pct(self) -> Decimal | None:
        """That as a fraction of the money paid in."""
        return None if self.pnl is None or not self.paid_in else self.pnl / self.paid_in

    @property
    def exposure_pct(self) -> Decimal | None:
        """Signed worth of the holdings as a fraction of the equity."""
        return None if self.value is None or not self.equity else self.value / self.equity


def summarize(
    positions: Iterable[Position],
    marks: Mapping[InstrumentId, Decimal],
    cash: Decimal = ZERO,
    paid_in: Decimal = ZERO,
) -> Portfolio:
    """Value open positions at `marks`; `cash` and `paid_in` are in their currency."""
    held = tuple(positions)
    values = [abs(p.net_qty) * marks[p.instrument_id] for p in held if p.instrument_id in marks]
    known = len(values) == len(held)
    gross = sum(values, ZERO) if known else ZERO
    equity = cash + sum((p.net_qty * marks[p.instrument_id] for p in held), ZERO) if known else ZERO

    def share(position: Position, of: Decimal) -> Decimal | None:
        return abs(position.net_qty) * marks[position.instrument_id] / of if of > 0 else None

    return Portfolio(
        holdings=tuple(
            Holding(
                position=p,
                mark=marks.get(p.instrument_id),
                weight=share(p, gross),
                equity_share=share(p, equity),
            )
            for p in held
        ),
        cash=cash,
        paid_in=paid_in,
    )
