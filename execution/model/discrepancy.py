"""Where books and venue disagree."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from execution.model.identifiers import InstrumentId


class DiscrepancyKind(StrEnum):
    """What disagrees."""

    ORDER = "order"
    FILL = "fill"
    POSITION = "position"
    CASH = "cash"
    EXTERNAL = "external"  # real, in the books, and not our doing


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """One disagreement; open until the books equal the venue again."""

    kind: DiscrepancyKind
    key: str  # the order, trade, instrument or currency in question
    books: str  # what we have, as text
    venue: str  # what the venue says, as text
    instrument_id: InstrumentId | None = None  # None: it concerns the whole account

    def __str__(self) -> str:
        if self.kind is DiscrepancyKind.EXTERNAL:
            return f"{self.venue}, {self.books} (key: {self.key})"
        return f"{self.kind} {self.key}: books {self.books}, venue {self.venue}"
