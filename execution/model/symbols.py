"""One instrument, many spellings: `X:BTCUSD`, `BTC/USD`, `BTCUSD` and `BTC-USD` are one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

from execution.errors import InputInvalid
from execution.model.identifiers import InstrumentId
from execution.model.instrument import Instrument

SUGGESTIONS_MAX = 3
LISTED_MAX = 10

# Longest first: BTCUSDT is BTC/USDT, and never BTCUS/DT.
_QUOTES = ("FDUSD", "USDT", "USDC", "TUSD", "BUSD", "USD", "EUR", "GBP", "JPY", "DAI", "BTC", "ETH")
_PAIR = re.compile(rf"([A-Z0-9]{{2,}}?)([/-]?)({'|'.join(_QUOTES)})")


def canonical(text: str) -> str:
    """Spell a symbol our way: `BASE/QUOTE` for a pair, upper case for all else.

    Without a separator only six characters or more are read as a pair: `BTCUSD` is one,
    the ticker `AEUR` is not.
    """
    symbol = text.strip().upper().removeprefix("X:")
    pair = _PAIR.fullmatch(symbol)
    if pair and (pair[2] or len(symbol) >= 6):
        return f"{pair[1]}/{pair[3]}"
    return symbol


def resolve(text: str, instruments: Iterable[Instrument]) -> InstrumentId:
    """Find the one instrument that `text` names; case and separators do not matter.

    The full id (`BTC/USDT.BINANCE`) always names one. A quote currency is never guessed:
    `X:BTCUSD` is not BTC/USDT. Raises InputInvalid when none or more than one fits.
    """
    ids = [i.instrument_id for i in instruments]
    wanted = text.strip().upper()
    matches = [i for i in ids if str(i) == wanted] or [
        i for i in ids if _compact(i.symbol) == _compact(text)
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InputInvalid(f"symbol {text!r} is ambiguous: {', '.join(map(str, matches))}")
    raise InputInvalid(f"symbol {text!r} is unknown{_did_you_mean(text, ids)}")


def names(text: str, instrument_id: InstrumentId) -> bool:
    """Whether `text` may mean this instrument; spelled as in `resolve`."""
    same = text.strip().upper() == str(instrument_id)
    return same or _compact(text) == _compact(instrument_id.symbol)


def _did_you_mean(text: str, ids: list[InstrumentId]) -> str:
    """Name the nearest symbols; when none is near all of them, if they are few."""
    symbols = {_compact(i.symbol): i.symbol for i in ids}
    near = get_close_matches(_compact(text), symbols, n=SUGGESTIONS_MAX)
    if near:
        return f"; did you mean {', '.join(symbols[n] for n in near)}?"
    return f"; there are {', '.join(symbols.values())}" if 0 < len(symbols) <= LISTED_MAX else ""


@lru_cache(maxsize=1024)
def _compact(symbol: str) -> str:
    """Letters and digits alone, without Polygon's `X:` for crypto."""
    return re.sub(r"[^A-Z0-9]", "", symbol.strip().upper().removeprefix("X:"))
