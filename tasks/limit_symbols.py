"""The symbols that limits speak of: one that there is not would restrict nothing."""

from __future__ import annotations

from collections.abc import Iterable

from execution.errors import ConfigInvalid, InputInvalid
from execution.model.instrument import Instrument
from execution.model.symbols import names, resolve
from execution.risk.limits import RiskLimits
from tasks import wiring


def require_known_symbols(limits: RiskLimits, instruments: Iterable[Instrument]) -> None:
    """Raise ConfigInvalid for a symbol in `restricted` or `groups` that names no instrument.

    Limits may be shared by the accounts of several venues: what another one has is named in
    full there, as AAPL.ALPACA, and left to it.
    """
    known = tuple(instruments)
    said = {"restricted": limits.restricted}
    said |= {f"groups.{group}": symbols for group, symbols in limits.groups.items()}
    problems = []
    for setting, symbols in said.items():
        for symbol in symbols:
            if any(names(symbol, i.instrument_id) for i in known) or _elsewhere(symbol, known):
                continue
            try:
                resolve(symbol, known)
            except InputInvalid as error:
                problems.append(f"limits.{setting}: {error}".replace("; ", ", "))
    if problems:
        how = "spell them as they are traded here, or in full what another venue has: AAPL.ALPACA"
        raise ConfigInvalid(f"{' '.join(problems)}; {how}")


def _elsewhere(symbol: str, known: Iterable[Instrument]) -> bool:
    """Whether it is written with the name of another venue."""
    venue = symbol.rpartition(".")[2].lower()
    return venue in wiring.known_venues() - {i.instrument_id.venue.lower() for i in known}
