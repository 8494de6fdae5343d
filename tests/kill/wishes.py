"""What the account of a cell is to buy, and how it is lied to meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tasks import wiring
from tasks.config import RunConfig
from tests.kill.lying_process import BUYS_AT
from tests.venues.lying_exchange.lies import LIES, Fault, Kind
from tests.venues.lying_plugin import SYMBOLS

HEADER = "symbol,time,regime,side,weight,confidence,strategy,quantity,price"
MARKET, RESTING = "BTC", "ETH"
QUANTITIES = {MARKET: Decimal("0.01"), RESTING: Decimal("0.1")}
STREAM_FAULTS = {Fault.STREAM_SILENCE.value, Fault.STREAM_DUPLICATES.value}
STREAMS = {"binance", "alpaca"}
# Where a fault has to be another than the one of `LIES`.
TOLD: dict[str, dict[str, object]] = {
    # A storm over whatever is asked would only keep a run from starting.
    Fault.TOO_MANY_REQUESTS.value: {"kinds": [Kind.SUBMIT, Kind.LOOKUP]},
    # As long as the next run needs to get to its lookups, and well inside the window.
    Fault.NOT_FOUND_AT_FIRST.value: {"delay_s": 0.4},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to be bought at one dialect under one fault; the same in each of its cells."""

    dialect: str
    fault: str
    bases: tuple[str, ...]  # in the order in which they are sent
    config: RunConfig

    @property
    def quote(self) -> str:
        return SYMBOLS[self.dialect].partition("/")[2]

    def symbol(self, base: str) -> str:
        """What is traded of it here."""
        return f"{base}/{self.quote}"


def make_wishes(
    dialect: str, fault: str, folder: Path, bases: tuple[str, ...] | None = None
) -> Wishes:
    """Write the signals; under every other fault the resting order is the first to be sent."""
    if bases is None:
        # Only what has filled can be liquidated.
        liquidates = fault == Fault.FORCED_LIQUIDATION
        market_first = liquidates or (list(LIES).index(fault) + len(dialect)) % 2
        bases = (MARKET, RESTING) if market_first else (RESTING, MARKET)
    now = wiring.wall_clock().isoformat(timespec="seconds")
    quote = SYMBOLS[dialect].partition("/")[2]
    rows = [
        f"{base}/{quote},{now},trending,1,0.2,0.9,donchian,{QUANTITIES[base]},"
        + (str(BUYS_AT) if base == RESTING else "")
        for base in bases
    ]
    path = folder / f"{dialect}-{fault}.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    config = RunConfig(
        mode="paper",
        venue=dialect,
        feed="lying",
        symbols=tuple(f"{base}/{quote}" for base in bases),
        signals=path,
        monitor_s=1 if fault in STREAM_FAULTS else 0,
    )
    return Wishes(dialect=dialect, fault=fault, bases=bases, config=config)
