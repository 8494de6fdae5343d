"""What REGENT_PLUGINS=tests.scripted_plugin enters: a scripted venue and a feed of today.

The feed is the sample's bars moved to the last sessions of New York, and the newest close is
what is traded now. The file named by SCRIPTED_DRIFT, if there is one, holds a
factor on what is traded now.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from data.feeds.sample import SampleFeed
from data.schemas.bars import BarFrame
from execution.model.identifiers import InstrumentId
from execution.model.instrument import Instrument
from tasks.config import RunConfig
from tasks.wiring import FEEDS, VENUES
from tests.scripted_venue import ScriptedVenue
from tests.sessions import last_sessions


class ScriptedFeed:
    """The sample's bars, as if they were of today."""

    live = True
    adjusted = True

    def __init__(self, config: RunConfig) -> None:
        self._sample = SampleFeed(config.venue_id)

    @property
    def interval(self) -> timedelta:
        return self._sample.interval

    def instruments(self) -> tuple[Instrument, ...]:
        return self._sample.instruments()

    def bars(self, instrument_id: InstrumentId, as_of: datetime | None, limit: int) -> BarFrame:
        bars = self._sample.bars(instrument_id, None, limit)
        return bars.assign(**last_sessions(len(bars)))

    def last_price(self, instrument_id: InstrumentId) -> tuple[Decimal, datetime]:
        close = self.bars(instrument_id, None, 1)["close"].iloc[-1]
        return Decimal(str(close)) * _drift(), datetime.now(UTC)


def _drift() -> Decimal:
    path = os.environ.get("SCRIPTED_DRIFT")
    return Decimal(Path(path).read_text()) if path and Path(path).exists() else Decimal(1)


FEEDS["scripted"] = ScriptedFeed
VENUES["scripted"] = lambda config, instruments: ScriptedVenue.from_env()
