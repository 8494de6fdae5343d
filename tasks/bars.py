"""Bars from a source into the market store, one instrument a task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import partial

from prefect import get_run_logger, task
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from data.store.market.download import Downloaded, download
from data.store.market.resampled import remake
from execution.errors import ConfigInvalid
from execution.model.symbols import resolve
from tasks import wiring
from tasks.artifacts import progress
from tasks.policies import READS


class BarsConfig(BaseModel):
    """What is downloaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(description="Bars from: ccxt:EXCHANGE, alpaca or sample")
    symbols: tuple[str, ...] = Field((), description="Of what; all of the sample when empty")
    timeframe: str | None = Field(
        None, description="Length of a bar (source: ccxt or alpaca); 1d when left out"
    )
    since: AwareDatetime | None = Field(
        None, description="From when on; can be left out once bars have been downloaded"
    )
    again: bool = Field(False, description="Ask for what is there, too, and compare it")

    @field_validator("since", mode="before")
    @classmethod
    def _start_of_a_day(cls, value: object) -> object:
        """Take a plain date, as text or from YAML, for the start of that day, UTC."""
        if isinstance(value, str) and len(value) <= 10:
            value = date.fromisoformat(value)
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime.combine(value, time.min, UTC)
        return value


@task(name="list-symbols", **READS)
def list_symbols(config: BarsConfig) -> Sequence[str]:
    """Return the symbols to download: those asked for, or all that a source knows by itself."""
    if config.symbols:
        return config.symbols
    source = wiring.build_source(config.source, (), config.timeframe)
    return [instrument.instrument_id.symbol for instrument in source.instruments()]


@task(name="download-bars", **READS)
def download_bars(config: BarsConfig, symbol: str) -> tuple[Downloaded, ...]:
    """Bring the store up to date with one instrument; a retry goes on where it stopped.

    Then the longer bars that were made of it follow. What a source has changed, or gives at
    odd times, is told as a warning.
    """
    source = wiring.build_source(config.source, (symbol,), config.timeframe)
    instruments = {i.instrument_id: i for i in source.instruments()}
    instrument = instruments[resolve(symbol, instruments.values())]
    store, now = wiring.market_store(), wiring.wall_clock()
    found = download(
        store,
        config.source,
        source,
        instrument,
        now,
        since=config.since,
        again=config.again,
        track=partial(progress, what=symbol),
    )
    done = (found, *remake(store, config.source, found.series.symbol, now))
    for text in [text for one in done for text in notes(one)]:
        get_run_logger().warning(text)
    return done


def notes(found: Downloaded) -> list[str]:
    """What a person should be told of a download besides its figures."""
    texts = [str(one) for one in found.restated]
    if found.lead and not found.lead.confirmed:
        texts.append(str(found.lead))
    if not found.on_calendar:
        texts.append(f"{found.series}: opens at times of its own: its gaps cannot be told")
    return texts


def make_bars_config(settings: dict[str, object]) -> BarsConfig:
    """Validate what was typed; raise ConfigInvalid with one line a problem."""
    try:
        return BarsConfig.model_validate(settings)
    except ValidationError as error:
        lines = (f"{e['loc'][0]}={e['input']!r}: {e['msg']}" for e in error.errors())
        raise ConfigInvalid("\n".join(lines)) from None
