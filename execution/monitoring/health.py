"""Is everything there that trading needs: what was found, judged line by line.

A failure stops a run; a warning is for a person to know. What cannot be told is a warning
where a run is still safe without it, and a failure where it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from execution.model.enums import TradingState
from execution.model.money import plain
from execution.venues.base import Permissions

SKEW_WARN_S = 1.0
SKEW_MAX_S = 5.0  # the shortest time for which a venue takes a request (bybit, mexc)
BACKUP_AGE_MAX = timedelta(hours=24)
ROOM_WARN_FACTOR = 10
WORKER_SILENCE_MAX = timedelta(seconds=90)  # three of its heartbeats


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


ORDER = list(Level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was looked at."""

    name: str
    level: Level
    facts: str
    remedy: str = ""  # a command or a setting; empty when it is well

    def __str__(self) -> str:
        return f"{self.name}: {self.facts}" + (f"; {self.remedy}" if self.remedy else "")


def well(name: str, facts: str) -> Line:
    """A line that is as it should be."""
    return Line(name=name, level=Level.OK, facts=facts)


def warned(name: str, facts: str, remedy: str) -> Line:
    """A line that a person should read."""
    return Line(name=name, level=Level.WARNING, facts=facts, remedy=remedy)


def failed(name: str, facts: str, remedy: str) -> Line:
    """A line that stops a run."""
    return Line(name=name, level=Level.FAILURE, facts=facts, remedy=remedy)


def failed_by(name: str, error: str) -> Line:
    """A line that an error stops a run with; its text is `what it is; what to do`."""
    what, _, remedy = error.replace("\n", "; ").partition("; ")
    return failed(name, what, remedy)


def gravest_last(lines: Iterable[Line]) -> tuple[Line, ...]:
    """In groups, the failures last: that is where the eye is when a table has gone by."""
    return tuple(sorted(lines, key=lambda line: ORDER.index(line.level)))


def rights(name: str, may: Permissions, blocks: Sequence[str], *, play_money: bool) -> Line:
    """The keys must be able to trade, and should not be able to take money away."""
    facts = f"trade={_word(may.trade)} withdraw={_word(may.withdraw)}"
    if blocks:
        return failed(name, f"{facts} blocked: {' '.join(blocks)}", "ask the venue to unblock it")
    if may.trade is False:
        return failed(name, facts, "give the keys the right to trade, at the venue")
    if may.withdraw:
        return warned(
            name, facts, "take the right to withdraw from the keys: whoever has them has the money"
        )
    if may.trade is None or (may.withdraw is None and not play_money):
        return warned(
            name,
            facts,
            "the venue does not tell: look at its page of API keys; trade yes, withdraw no",
        )
    return well(name, facts)


def clock(name: str, offset_s: float, half_trip_s: float) -> Line:
    """How far our clock is from the venue's; exactly the limits pass. Seconds, > 0: ours is late.

    Half the time of the question is how exact the measure is.
    """
    facts = f"offset={offset_s:+.3f}s ±{half_trip_s:.3f}s limit={SKEW_MAX_S:g}s"
    remedy = "set this machine's clock: timedatectl set-ntp true"
    if abs(offset_s) > SKEW_MAX_S:
        return failed(name, f"{facts}: the venue refuses what is dated so", remedy)
    return warned(name, facts, remedy) if abs(offset_s) > SKEW_WARN_S else well(name, facts)


def money(name: str, cash: Decimal, currency: str, holdings: int, minimum: Decimal) -> Line:
    """Whether there is enough to open a position; too little still lets one be closed."""
    facts = f"cash={plain(cash)} {currency} holdings={holdings} min_balance={plain(minimum)}"
    if cash >= minimum or holdings:
        return well(name, facts)
    return warned(
        name, f"{facts}: no position will be opened", "pay in, or lower limits.min_balance"
    )


def books(name: str, unknown: int, discrepancies: Sequence[str], account: str) -> Line:
    """What is open between the books and the venue; it locks instruments until it is settled."""
    facts = f"unknown_orders={unknown} open_discrepancies={len(discrepancies)}"
    if unknown or discrepancies:
        first = f": {discrepancies[0]}" if discrepancies else ""
        return warned(name, facts + first, f"regent reconcile, for account {account}")
    return well(name, facts)


def trading(name: str, state: TradingState | None, account: str) -> Line:
    """Whether the account trades at all."""
    if state is None:
        return well(name, "not opened yet: the first run does it")
    if state is TradingState.ACTIVE:
        return well(name, f"state={state}")
    what = "sends nothing new" if state is TradingState.HALTED else "only reduces"
    return warned(
        name,
        f"state={state}: it {what}",
        f"once it is clear why: regent breaker reset REASON --account {account}",
    )


def backup_age(name: str, age: timedelta | None, count: int) -> Line:
    """Exactly a day is young enough."""
    remedy = "regent backup; the deployment `backup` makes one every night"
    if age is None:
        return warned(name, "there is none", remedy)
    facts = f"age={age.total_seconds() / 3600:.1f}h kept={count}"
    return warned(name, facts, remedy) if age > BACKUP_AGE_MAX else well(name, facts)


def room(name: str, free_mb: int, needed_mb: int) -> Line:
    """Exactly what is needed is enough."""
    facts = f"free={free_mb} MB needed={needed_mb} MB"
    remedy = "make room where REGENT_HOME is, or put it elsewhere"
    if free_mb < needed_mb:
        return failed(name, facts, remedy)
    return (
        warned(name, facts, remedy) if free_mb < ROOM_WARN_FACTOR * needed_mb else well(name, facts)
    )


def versions(name: str, found: Mapping[str, str], wrong: Mapping[str, str]) -> Line:
    """The libraries whose other versions are known to fail; `wrong` has the rules they break."""
    if wrong:
        facts = ", ".join(f"{what}={found[what]} breaks {rule}" for what, rule in wrong.items())
        return failed(name, facts, "make setup")
    return well(name, " ".join(f"{what}={version}" for what, version in found.items()))


def limits(name: str, changed: Mapping[str, str], *, said: bool, live: bool) -> Line:
    """Limits that nobody chose are nobody's limits, once there is real money."""
    facts = " ".join(f"{key}={value}" for key, value in changed.items()) or "the defaults"
    if live and not said:
        return warned(name, facts, "say `limits:` in the configuration, be it the same numbers")
    return well(name, facts)


def worker(name: str, silences: Sequence[timedelta | None]) -> Line:
    """Whether somebody starts what is scheduled; None: it never gave a sign of life."""
    heard = [silence for silence in silences if silence is not None]
    remedy = "make serve: without a worker nothing that is scheduled starts"
    if not heard:
        return warned(name, f"workers={len(silences)}: none gives a sign of life", remedy)
    facts = f"workers={len(silences)} last_heartbeat={min(heard).total_seconds():.0f}s ago"
    return warned(name, facts, remedy) if min(heard) > WORKER_SILENCE_MAX else well(name, facts)


def _word(said: bool | None) -> str:
    return "not told" if said is None else "yes" if said else "no"
