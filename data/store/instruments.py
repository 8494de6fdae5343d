"""Instruments: what was traded here, in the steps that its feed last told."""

from __future__ import annotations

from collections.abc import Iterable

from data.store.session import Row, Session
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.instrument import Instrument


class Instruments:
    """The `instruments` table: enough to close a position while no feed answers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, instruments: Iterable[Instrument]) -> None:
        """Keep them as they are described now; those that say nothing new are not written."""
        given = {i.instrument_id: i for i in instruments}
        known = self.get(given)
        news = [i for key, i in given.items() if known.get(key) != i]
        # Each its own statement: with one key twice in one, only the first would count.
        for instrument in news:
            self._session.insert(
                "instruments",
                [_row(instrument)],
                "ON CONFLICT (instrument) DO UPDATE SET asset_class = excluded.asset_class, "
                "base = excluded.base, quote = excluded.quote, "
                "px_increment = excluded.px_increment, qty_increment = excluded.qty_increment, "
                "qty_min = excluded.qty_min, notional_min = excluded.notional_min",
            )

    def get(self, instrument_ids: Iterable[InstrumentId]) -> dict[InstrumentId, Instrument]:
        """Those of them that are known."""
        rows = self._session.rows(
            "SELECT * FROM instruments WHERE list_contains(?, instrument)",
            [str(i) for i in instrument_ids],
        )
        return {i.instrument_id: i for i in map(_instrument, rows)}

    def of(self, venue: VenueId) -> dict[InstrumentId, Instrument]:
        """All that was traded at a venue."""
        rows = self._session.rows("SELECT * FROM instruments ORDER BY instrument")
        found = map(_instrument, rows)
        return {i.instrument_id: i for i in found if i.instrument_id.venue == venue}


def _row(i: Instrument) -> Row:
    return (
        i.instrument_id,
        i.asset_class,
        i.base,
        i.quote,
        i.px_increment,
        i.qty_increment,
        i.qty_min,
        i.notional_min,
    )


def _instrument(row: Row) -> Instrument:
    name, asset_class, base, quote, px_increment, qty_increment, qty_min, notional_min = row
    return Instrument(
        instrument_id=InstrumentId.parse(name),
        asset_class=AssetClass(asset_class),
        base=base,
        quote=quote,
        px_increment=px_increment,
        qty_increment=qty_increment,
        qty_min=qty_min,
        notional_min=notional_min,
    )
