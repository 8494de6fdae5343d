"""What is held, whichever way it came: bought, paid in, or there before the books."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from execution.model.identifiers import AccountId, InstrumentId
from execution.model.instrument import Instrument
from execution.model.money import quantize
from execution.model.position import Position


def holdings(
    account: AccountId,
    positions: Iterable[Position],
    cash: Mapping[str, Decimal],
    marks: Mapping[InstrumentId, Decimal],
    currency: str,
) -> dict[InstrumentId, Position]:
    """Open positions, each with what else there is of its asset; marks name the rest.

    `cash` is by currency; what of it is in the account's own `currency` is money, not a
    holding. An asset that was not bought here has no cost of its own: it is carried at the
    mark, so that it shows neither gain nor loss, or at cost 0 without one.
    """
    found = {p.instrument_id: p for p in positions if p.net_qty}
    by_base = {i.base: i for i in (*marks, *found)}
    for asset, qty in cash.items():
        instrument_id = by_base.get(asset)
        if instrument_id is None or asset == currency or not qty:
            continue
        position = found.get(instrument_id, Position(account=account, instrument_id=instrument_id))
        found[instrument_id] = _with(position, qty, marks.get(instrument_id, position.avg_px))
    return {i: p for i, p in found.items() if p.net_qty}


def is_dust(position: Position, instrument: Instrument) -> bool:
    """Whether so little is held that the venue takes no order for it.

    A fee in the base currency leaves such a rest behind. It stays in the books, to the last
    place, and is no position to be traded, protected or counted.
    """
    return abs(position.net_qty) < max(instrument.qty_increment, instrument.qty_min)


def _with(position: Position, qty: Decimal, px: Decimal) -> Position:
    """The position with `qty` more (or less, as a fee) of its asset, carried at `px`."""
    net_qty = position.net_qty + qty
    if qty < 0 or not net_qty:
        return replace(position, net_qty=quantize(net_qty))
    cost = abs(position.net_qty) * position.avg_px + qty * px
    avg_px = cost / (abs(position.net_qty) + qty)
    return replace(position, net_qty=quantize(net_qty), avg_px=quantize(avg_px))
