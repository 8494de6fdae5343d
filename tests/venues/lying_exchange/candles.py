"""Made-up candles that end at the price an instrument has now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from execution.model.money import floor_to

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SWING = 48  # candles from one peak of the wave to the next
VOLUME = Decimal(10)


@dataclass(frozen=True, slots=True)
class Candle:
    """One interval from `ts_open`; prices in quote, volume in base."""

    ts_open: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def candles(
    last: Decimal, step: Decimal, interval: timedelta, start: datetime, now: datetime, limit: int
) -> list[Candle]:
    """A wave of ±2.4 % around `last`: the same candle at every asking, while `last` stays.

    From the first to open at or after `start`, up to `limit`; the running one closes at `last`.
    """
    first = -((EPOCH - start) // interval)
    running = (now - EPOCH) // interval
    return [
        _candle(last, step, interval, index, closed=index < running)
        for index in range(first, min(first + limit, running + 1))
    ]


def _candle(
    last: Decimal, step: Decimal, interval: timedelta, index: int, *, closed: bool
) -> Candle:
    opened = _wave(last, step, index - 1)
    close = _wave(last, step, index) if closed else last
    return Candle(
        ts_open=EPOCH + index * interval,
        open=opened,
        high=max(opened, close) + step,
        low=min(opened, close) - step,
        close=close,
        volume=VOLUME,
    )


def _wave(last: Decimal, step: Decimal, index: int) -> Decimal:
    """A triangle of `SWING` candles, a thousandth of `last` from one to the next."""
    height = abs(index % SWING - SWING // 2) - SWING // 4
    return floor_to(last * (1 + Decimal(2 * height) / 1000), step)
