"""What an emergency stop did, and what it could not do."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from execution.model.identifiers import AccountId
from execution.model.money import plain


class OrderFate(StrEnum):
    """What became of an open order."""

    CANCELED = "canceled"
    ENDED = "ended before"  # it had filled, or ended otherwise
    KEPT = "kept"  # a stop of ours, for as long as its position is open
    LEFT = "not canceled"


class PositionFate(StrEnum):
    """What became of a position."""

    CLOSED = "closed"
    DUST = "dust"  # the venue takes no order for so little
    BROUGHT = "not ours"  # paid in, or there before the books: not traded here
    KEPT = "left open"  # nobody asked for more, or said yes to it yet
    LEFT = "not closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """One open order."""

    order: str  # our id, or the venue's for one that is not ours
    instrument: str
    ours: bool
    fate: OrderFate
    reason: str = ""

    def __str__(self) -> str:
        who = "" if self.ours else "not ours, "
        return f"{self.instrument} {self.order}: {who}{self.fate}{_because(self.reason)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionOutcome:
    """One position: what was held, and what of it is left."""

    instrument: str
    held_qty: Decimal  # base units, signed
    left_qty: Decimal
    fate: PositionFate
    reason: str = ""

    def __str__(self) -> str:
        what = f"{self.instrument} {plain(self.held_qty)}: {self.fate}"
        left = f", {plain(self.left_qty)} left" if self.left_qty else ""
        return f"{what}{left}{_because(self.reason)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOutcome:
    """One account."""

    account: AccountId
    emergency_id: str
    run_id: str
    orders: tuple[OrderOutcome, ...] = ()
    positions: tuple[PositionOutcome, ...] = ()
    problems: tuple[str, ...] = ()  # what else could not be done
    awaits: str = ""  # why nothing was closed yet: a person's word is missing
    cancel_s: float = 0.0  # from the start until the last order was seen to be gone
    flatten_s: float = 0.0

    @property
    def left(self) -> tuple[str, ...]:
        """What could not be done, in words."""
        orders = (str(o) for o in self.orders if o.fate is OrderFate.LEFT)
        positions = (str(p) for p in self.positions if p.fate is PositionFate.LEFT)
        return (*orders, *positions, *self.problems, *filter(None, [self.awaits]))

    @property
    def done(self) -> bool:
        """Whether all that was asked for is done."""
        return not self.left

    @property
    def idle(self) -> bool:
        """Whether there was nothing to cancel, and nothing to close."""
        not_traded = {PositionFate.DUST, PositionFate.BROUGHT}
        return self.done and not self.orders and {p.fate for p in self.positions} <= not_traded

    @property
    def summary(self) -> str:
        """In one line."""
        if self.idle:
            return "nothing was open"
        canceled = sum(o.fate is OrderFate.CANCELED for o in self.orders)
        closed = sum(p.fate is PositionFate.CLOSED for p in self.positions)
        told = f"{canceled} of {len(self.orders)} orders canceled in {self.cancel_s:.1f} s"
        if self.positions:
            told += (
                f", {closed} of {len(self.positions)} positions closed in {self.flatten_s:.1f} s"
            )
        return f"{told}; {len(self.left)} things could not be done" if self.left else told


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyReport:
    """All accounts of one press of the button."""

    actor: str
    reason: str
    flatten: bool
    started_at: datetime  # UTC
    took_s: float
    accounts: tuple[AccountOutcome, ...]
    problems: tuple[str, ...] = ()  # of no account in particular
    late: tuple[AccountId, ...] = ()  # an automation's that it found trading again: left alone
    untold: str = ""  # what is wrong with the channels, so that no alert goes out

    @property
    def done(self) -> bool:
        """Whether all that was asked for is done."""
        return not self.problems and all(a.done for a in self.accounts)

    @property
    def refused(self) -> bool:
        """Whether nothing is left but what a person has not said yes to."""
        others = [text for a in self.accounts for text in a.left if text != a.awaits]
        return not self.done and not self.problems and not others

    @property
    def summary(self) -> str:
        """In one line."""
        what = "done" if self.done else "not everything could be done"
        told = f"emergency stop by {self.actor}: {what} in {self.took_s:.1f} s"
        if not self.late:
            return told
        names = ", ".join(self.late)
        return f"{told}; {names}: not halted any more, so nothing was done: a person may press"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person has to know and to do now, a line each."""
        told = []
        if self.untold:
            told = [f"NOBODY was told, the alerts stay in the ledger: {self.untold}"]
        if self.accounts:
            names = [one.account for one in self.accounts]
            told += [f"{name} stays HALTED: nothing is sent for it" for name in names]
            told += ["next: regent reconcile, with the options it is traded with; regent status"]
            told += ["then, once it is clear why:"]
            told += [f"  regent breaker reset REASON --account {name}" for name in names]
        return tuple(told)


def as_json(outcome: AccountOutcome) -> str:
    """For the ledger."""
    return json.dumps(asdict(outcome), default=str)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
