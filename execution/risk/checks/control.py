"""What a control is: one function, with its number, its name and the limits it looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from execution.model.money import plain
from execution.model.order import OrderIntent
from execution.risk.limits import RiskLimits
from execution.risk.outlook import Outlook


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's word on one intent."""

    passed: bool
    facts: str


Check = Callable[[OrderIntent, Outlook, RiskLimits], Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One rule; called, it says yes or no to one intent.

    `outlook` is the account with every intent approved before it, and every order still
    working, counted at once.
    """

    code: str  # stable: it is what the ledger keeps
    name: str  # the standard name, or ours
    number: int | None  # among the thirty standard controls; None: ours
    limits: tuple[str, ...]  # the fields of RiskLimits that it looks at
    opens_only: bool  # an order that only reduces passes it
    check: Check
    summary: str

    def __call__(self, intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
        """Say yes or no, with the facts as `key=value`."""
        if self.opens_only and intent.reduce_only:
            return Finding(True, "reduce_only=True")
        return self.check(intent, outlook, limits)


def control(
    name: str, *limits: str, number: int | None = None, opens_only: bool = True
) -> Callable[[Check], Control]:
    """Make a control of a function; its code is the function's name."""

    def wrap(check: Check) -> Control:
        return Control(
            code=check.__name__,
            name=name,
            number=number,
            limits=limits,
            opens_only=opens_only,
            check=check,
            summary=(check.__doc__ or "").partition("\n")[0],
        )

    return wrap


def number(value: Decimal | None) -> str:
    """Exactly, without the zeros that the books add."""
    return "unknown" if value is None else plain(value)


def money(value: Decimal | None) -> str:
    """To the cent."""
    return "unknown" if value is None else f"{value:.2f}"


def at_most(name: str, worth: Decimal | None, limit_name: str, limit: Decimal) -> Finding:
    """Compare money with a limit; exactly the limit passes, the unknown does not."""
    passed = worth is not None and worth <= limit
    return Finding(passed, f"{name}={money(worth)} {limit_name}={plain(limit)}")


def share_of_equity(
    name: str, worth: Decimal | None, equity: Decimal | None, share: Decimal
) -> Finding:
    """Compare a worth with its share of equity; anything unknown is a no."""
    limit = None if equity is None else share * equity
    return Finding(
        worth is not None and limit is not None and worth <= limit,
        f"{name}={money(worth)} limit={money(limit)} share={share}",
    )


def age(now: datetime, since: datetime | None) -> Decimal | None:
    """Seconds from `since` to `now`; None when `since` is not known."""
    return None if since is None else seconds(now - since)


def seconds(duration: timedelta) -> Decimal:
    """The duration in seconds, exactly."""
    return Decimal(duration // timedelta(microseconds=1)) / 1_000_000


def young(name: str, age_s: Decimal | None, limit_name: str, limit_s: int | Decimal) -> Finding:
    """Compare an age with its limit; exactly the limit passes, the unknown does not."""
    told = "unknown" if age_s is None else f"{age_s:.1f}"
    passed = age_s is not None and age_s <= limit_s
    return Finding(passed, f"{name}={told} {limit_name}={limit_s}")
