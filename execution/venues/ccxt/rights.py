"""What keys may do, read from what an exchange says of them."""

from __future__ import annotations

import re

from execution.errors import VenueUnavailable
from execution.venues.base import Permissions
from execution.venues.ccxt.classify import at
from execution.venues.ccxt.exchange import Facts, Right, Rights

WRITE = 2  # of a row of word, read and write


def permissions(reply: object, rights: Rights, facts: Facts) -> Permissions:
    """Raises VenueUnavailable where the reply is not of the known shape."""
    trade, withdraw = _has(reply, rights.trade, facts), _has(reply, rights.withdraw, facts)
    if rights.read_only:
        flag = at(reply, rights.read_only)
        if str(flag) not in ("0", "1"):
            raise _unreadable(facts)
        if str(flag) == "1":
            return Permissions(trade=False, withdraw=False)
    return Permissions(trade=trade, withdraw=withdraw)


def _has(reply: object, right: Right, facts: Facts) -> bool | None:
    said = at(reply, right.path)
    if not right.word:
        if not isinstance(said, bool):
            raise _unreadable(facts)
        return said
    if not right.path and not (isinstance(said, list) and said):  # the whole reply is rows
        raise _unreadable(facts)
    words = _words(said, facts)
    if any(re.fullmatch(right.word, word, re.IGNORECASE) for word in words):
        return True
    return right.lacking


def _words(said: object, facts: Facts) -> list[str]:
    """The words of a list or a text; of rows, those with the right to write."""
    if isinstance(said, str):
        said = said.split(",")
    if not isinstance(said, list):
        raise _unreadable(facts)
    if all(isinstance(row, list) and len(row) > WRITE for row in said):
        return [str(row[0]) for row in said if str(row[WRITE]) == "1"]
    if not all(isinstance(word, str) for word in said):
        raise _unreadable(facts)
    return [word.strip() for word in said]


def _unreadable(facts: Facts) -> VenueUnavailable:
    return VenueUnavailable(f"{facts.name}: rights of the keys: a malformed reply")
