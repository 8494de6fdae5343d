"""Five stocks' daily bars that need no network: bokeh_sampledata, 2000 to 2013."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module

import pandas as pd

from data.feeds.base import DAY, SIMULATED, between, closed_bars, session_times
from data.schemas.bars import PRICES, BarFrame, validate_bars
from execution.errors import ConfigInvalid, InputInvalid
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.instrument import Instrument

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")


class SampleFeed:
    """Daily bars of AAPL, FB, GOOG, IBM and MSFT up to 2013-03-01.

    A bar spans New York's regular session. Prices are adjusted for splits and dividends
    so that the last bar shows the price that was traded then; volume stays as reported.
    """

    live = False
    adjusted = True

    def __init__(self, venue: VenueId = SIMULATED) -> None:
        try:
            stocks = import_module("bokeh_sampledata.stocks")
        except ModuleNotFoundError as error:
            raise ConfigInvalid(
                "the sample bars need the package bokeh_sampledata: pip install regent[demo]"
            ) from error
        self._ids = {symbol: InstrumentId(symbol, venue) for symbol in SYMBOLS}
        self._days = {self._ids[s]: pd.DataFrame(getattr(stocks, s)) for s in SYMBOLS}

    @property
    def interval(self) -> timedelta:
        """A day."""
        return DAY

    def instruments(self) -> tuple[Instrument, ...]:
        """Whole shares, in cents."""
        return tuple(
            Instrument(
                instrument_id=instrument_id,
                asset_class=AssetClass.EQUITY,
                base=instrument_id.symbol,
                quote="USD",
                px_increment=Decimal("0.01"),
                qty_increment=Decimal(1),
                qty_min=Decimal(1),
            )
            for instrument_id in self._days
        )

    def bars(self, instrument_id: InstrumentId, as_of: datetime | None, limit: int) -> BarFrame:
        """Return the last `limit` days closed by `as_of`, adjusted to the last of them."""
        if instrument_id not in self._days:
            raise InputInvalid(f"the sample has no bars of {instrument_id}")
        days = self._days[instrument_id]
        times = session_times(pd.to_datetime(days["date"]))
        columns = ["open", "high", "low", "close", "volume", "adj_close"]
        bars = closed_bars(times.join(days[columns].astype(float)), instrument_id, as_of, limit)
        factor = bars.pop("adj_close") / bars["close"]
        # Later splits and dividends are not known yet: the last bar's factor is 1.
        bars[list(PRICES)] = bars[list(PRICES)].mul(factor / factor.iloc[-1], axis=0)
        return validate_bars(bars, f"sample {instrument_id.symbol}")

    def history(self, instrument_id: InstrumentId, start: datetime, end: datetime) -> BarFrame:
        """Return the days with `start <= ts_open < end`, adjusted to the last there is."""
        return between(self.bars(instrument_id, None, sys.maxsize), start, end)

    def last_price(self, instrument_id: InstrumentId) -> None:
        """None: these bars are of the past."""
