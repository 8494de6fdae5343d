"""What the bars in the store are of: a source, a symbol and a timeframe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from data.store.market.frames import Frames
from data.store.session import Row
from execution.errors import InputInvalid
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.instrument import Instrument
from execution.model.timeframe import parse_timeframe


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """The bars of one symbol at one length from one source, such as `ccxt:binance`."""

    source: str
    symbol: str
    timeframe: str

    @property
    def interval(self) -> timedelta:
        """The timeframe's length."""
        return parse_timeframe(self.timeframe)

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe} of {self.source}"


class SeriesRows:
    """The tables `series` and `instruments`."""

    def __init__(self, session: Frames) -> None:
        self._session = session

    def open(self, series: Series, instrument: Instrument, made_from: str | None = None) -> int:
        """Return the number of a series, a new one where there is none, its steps as told now.

        Raises InputInvalid where it is there already and was made another way: downloaded
        bars and resampled ones are never mixed.
        """
        self._save(series.source, instrument)
        found = self._find(series)
        if found is None:
            ((number,),) = self._session.rows("SELECT coalesce(max(series), 0) + 1 FROM series")
            row = (number, series.source, series.symbol, series.timeframe, made_from)
            self._session.insert("series", [row])
            return int(number)
        number, origin = found
        if origin != made_from:
            ways = [f"resampled from {way}" if way else "downloaded" for way in (origin, made_from)]
            raise InputInvalid(
                f"{series} is in the store already, {ways[0]}: it cannot be {ways[1]}"
            )
        return number

    def number(self, series: Series) -> int:
        """Return its number; InputInvalid for one that is not in the store."""
        found = self._find(series)
        if found is None:
            known = ", ".join(sorted({f"{s}" for s in self.all()})) or "nothing yet"
            raise InputInvalid(f"the store has no {series}; it has {known}")
        return found[0]

    def all(self) -> tuple[Series, ...]:
        """Every series there is, sorted."""
        rows = self._session.rows(
            "SELECT source, symbol, timeframe FROM series ORDER BY source, symbol, timeframe"
        )
        return tuple(Series(*row) for row in rows)

    def made_of(self, source: str, symbol: str) -> tuple[tuple[Series, str], ...]:
        """What longer bars are made of, with their timeframe; those they are made of first."""
        rows = self._session.rows(
            "SELECT made_from, timeframe FROM series "
            "WHERE source = ? AND symbol = ? AND made_from IS NOT NULL",
            source,
            symbol,
        )
        made = [(Series(source, symbol, made_from), timeframe) for made_from, timeframe in rows]
        return tuple(sorted(made, key=lambda pair: parse_timeframe(pair[1])))

    def instrument(self, source: str, symbol: str, venue: VenueId) -> Instrument:
        """Return what a source last told of a symbol, as traded at `venue`."""
        row = self._session.row(
            "SELECT * EXCLUDE (source) FROM instruments WHERE source = ? AND symbol = ?",
            source,
            symbol,
        )
        if row is None:
            raise InputInvalid(f"the store has no symbol {symbol!r} of {source}")
        return _instrument(row, venue)

    def _find(self, series: Series) -> tuple[int, str | None] | None:
        row = self._session.row(
            "SELECT series, made_from FROM series "
            "WHERE source = ? AND symbol = ? AND timeframe = ?",
            series.source,
            series.symbol,
            series.timeframe,
        )
        return (int(row[0]), row[1]) if row else None

    def _save(self, source: str, i: Instrument) -> None:
        row = (
            source,
            i.instrument_id.symbol,
            i.asset_class,
            i.base,
            i.quote,
            i.px_increment,
            i.qty_increment,
            i.qty_min,
            i.notional_min,
        )
        self._session.insert(
            "instruments",
            [row],
            "ON CONFLICT DO UPDATE SET "
            "px_increment = excluded.px_increment, qty_increment = excluded.qty_increment, "
            "qty_min = excluded.qty_min, notional_min = excluded.notional_min",
        )


def _instrument(row: Row, venue: VenueId) -> Instrument:
    symbol, asset_class, base, quote, px_increment, qty_increment, qty_min, notional_min = row
    return Instrument(
        instrument_id=InstrumentId(symbol, venue),
        asset_class=AssetClass(asset_class),
        base=base,
        quote=quote,
        px_increment=px_increment,
        qty_increment=qty_increment,
        qty_min=qty_min,
        notional_min=notional_min,
    )
