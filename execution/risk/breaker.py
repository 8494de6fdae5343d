"""The circuit breaker: when an account stops opening, or stops, and what leads back.

    ACTIVE → REDUCING → HALTED     the breaker tightens, never the other way
    REDUCING → ACTIVE              once the cooldown is over, if nothing but the breaker set it
    HALTED → anything              a person, nobody else

A trigger is one function. A loss up to exactly its limit is allowed; what is counted trips
at its limit. What is not known trips too: nobody may open a position blindly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum

from execution.model.activity import Activity
from execution.model.enums import TradingState
from execution.model.identifiers import InstrumentId
from execution.model.money import quantize
from execution.model.state_change import REGENT, STRICTNESS, StateChange
from execution.risk.limits import RiskLimits

VENUE_ERRORS_WINDOW = timedelta(minutes=15)


class Cause(StrEnum):
    """What the breaker trips on."""

    DRAWDOWN = "drawdown"
    DAILY_LOSS = "daily loss"
    FAILED_ORDERS = "failed orders"
    STOP_LOSSES = "stop losses"
    VOLATILITY_SHOCK = "volatility shock"
    STALE_DATA = "stale data"
    MISMATCH = "reconciliation mismatch"
    VENUE_ERRORS = "venue errors"
    MANUAL = "manual"  # a person's `regent breaker trip`
    COOLDOWN = "cooldown"  # it is over: this one leads back to ACTIVE


# Counted anew from each change of state on: tripping again on one is new evidence.
COUNTED = {Cause.FAILED_ORDERS, Cause.STOP_LOSSES, Cause.VENUE_ERRORS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What the breaker looks at. None is not known, and unknown means no.

    Money is in the account's currency. Peak and day's open are in money of now: what was
    paid in or out since has moved them with it.
    """

    equity: Decimal | None  # None: something held has no price
    equity_peak: Decimal | None  # the highest since a person last let the account trade
    equity_day_open: Decimal | None  # at the start of the day, or since that same word
    activity: Activity | None
    shocks: Mapping[InstrumentId, Decimal | None]  # a day's move in its usual size, of the held
    unpriced: tuple[InstrumentId, ...]  # held, and without a price of now
    discrepancies: int | None  # open ones that are not `external`


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """One trigger's word: the state it wants, with its facts as `key=value`."""

    cause: Cause
    state: TradingState
    facts: str
    until: datetime | None = None  # UTC, from when on REDUCING may end; None: a person's word

    def __str__(self) -> str:
        return f"{self.cause}: {self.facts}"


Trigger = Callable[[Readings, RiskLimits, datetime], Trip | None]


def drawdown(readings: Readings, limits: RiskLimits, now: datetime) -> Trip | None:
    """Halt on a loss from the equity's peak larger than the limit."""
    equity, peak = readings.equity, readings.equity_peak
    if equity is None:
        return None  # stale data trips on that
    if peak is None or peak <= 0:
        facts = f"equity={equity:.2f} equity_peak={_money(peak)}"
        return _reduce(Cause.DRAWDOWN, facts, limits, now)
    lost = quantize((peak - equity) / peak)
    if lost <= limits.max_drawdown_pct:
        return None
    facts = (
        f"drawdown_pct={lost:.4f} max_drawdown_pct={limits.max_drawdown_pct} "
        f"equity={equity:.2f} equity_peak={peak:.2f}"
    )
    return Trip(cause=Cause.DRAWDOWN, state=TradingState.HALTED, facts=facts)


def daily_loss(readings: Readings, limits: RiskLimits, now: datetime) -> Trip | None:
    """Reduce until the next day on a day's loss larger than the limit."""
    equity, start = readings.equity, readings.equity_day_open
    if equity is None:
        return None  # stale data trips on that
    if start is None or start <= 0:
        facts = f"equity={equity:.2f} equity_day_open={_money(start)}"
        return _reduce(Cause.DAILY_LOSS, facts, limits, now)
    lost = quantize((start - equity) / start)
    if lost <= limits.max_daily_loss_pct:
        return None
    facts = (
        f"daily_loss_pct={lost:.4f} max_daily_loss_pct={limits.max_daily_loss_pct} "
        f"equity={equity:.2f} equity_day_open={start:.2f}"
    )
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time.min, UTC)
    return Trip(cause=Cause.DAILY_LOSS, state=TradingState.REDUCING, facts=facts, until=tomorrow)


def failed_orders(readings: Readings, limits: RiskLimits, now: datetime) -> Trip | None:
    """Reduce when the venue has refused too many orders in a row."""
    count = readings.activity.failed_in_row if readings.activity else None
    return _counted(Cause.FAILED_ORDERS, count, "max_failed_orders", limits, now)


def stop_losses(readings: Readings, limits: RiskLimits, now: datetime) -> Trip | None:
    """Reduce when too many positions in a row were closed by their stops with a loss."""
    count = readings.activity.stop_losses_in_row if readings.activity else None
    return _counted(Cause.STOP_LOSSES, count, "max_stop_losses", limits, now)


def venue_errors(readings: Readings, limits: RiskLimits, now: datetime) -> Trip | None:
    """Reduce when the venue has failed to answer too often lately."""
    count = readings.activity.venue_errors if readings.activity else None
    return _counted(Cause.VENUE_ERRORS, count, "max_venue_errors", limits, now)


def mismatch(readings: Readings, limits: RiskLimits, now: datetime) -> Trip | None:
    """Reduce when too much of the books differs from the venue."""
    return _counted(Cause.MISMATCH, readings.discrepancies, "max_discrepancies", limits, now)


def volatility_shock(readings: Readings, limits: RiskLimits, now: datetime) -> Trip | None:
    """Reduce when something held has moved further in a day than it ever should."""
    most = limits.max_volatility_shock
    found = [
        f"{instrument_id}={'unknown' if shock is None else f'{shock:.1f}'}"
        for instrument_id, shock in sorted(readings.shocks.items())
        if shock is None or shock > most
    ]
    if not found:
        return None
    facts = f"volatility_shock {' '.join(found)} max_volatility_shock={most}"
    return _reduce(Cause.VOLATILITY_SHOCK, facts, limits, now)


def stale_data(readings: Readings, limits: RiskLimits, now: datetime) -> Trip | None:
    """Reduce while something held has no price of now: then no loss can be seen."""
    if readings.equity is not None and not readings.unpriced:
        return None
    names = ",".join(map(str, readings.unpriced)) or "unknown"
    facts = f"no_price_for={names} equity={_money(readings.equity)}"
    return _reduce(Cause.STALE_DATA, facts, limits, now)


TRIGGERS: tuple[Trigger, ...] = (
    drawdown,
    daily_loss,
    failed_orders,
    stop_losses,
    volatility_shock,
    stale_data,
    mismatch,
    venue_errors,
)


def assess(readings: Readings, limits: RiskLimits, now: datetime) -> tuple[Trip, ...]:
    """Every trigger that trips at `now`, by the account's clock; the gravest last."""
    found = [trip for trigger in TRIGGERS if (trip := trigger(readings, limits, now)) is not None]
    return tuple(sorted(found, key=lambda trip: STRICTNESS.index(trip.state)))


def respond(
    episode: Sequence[StateChange], trips: Iterable[Trip], readings: Readings, now: datetime
) -> tuple[StateChange, ...]:
    """What is to be written now; the last of it is the state that counts from here on.

    `episode` is the account's story since it was last ACTIVE, that word included. Every
    cause is written once; one that is counted, each time. Empty: nothing has changed.
    """
    state = episode[-1].state if episode else TradingState.ACTIVE
    known = {change.cause for change in episode}
    tripped = tuple(trips)
    changes: list[StateChange] = []
    for trip in tripped:
        after = max(state, trip.state, key=STRICTNESS.index)
        if after is state and trip.cause in known - COUNTED:
            continue
        changes.append(
            StateChange(
                state=after,
                reason=str(trip),
                actor=REGENT,
                ts=now,
                cause=trip.cause,
                until=trip.until,
            )
        )
        state = after
    if tripped or not _may_recover(episode, readings, now):
        return tuple(changes)
    over = StateChange(
        state=TradingState.ACTIVE,
        reason="the cooldown is over and nothing trips",
        actor=REGENT,
        ts=now,
        cause=Cause.COOLDOWN,
    )
    return (over,)


def moved(story: Sequence[StateChange]) -> tuple[StateChange, ...]:
    """The breaker's own words that changed the state, and that nobody else's has followed.

    `story` is oldest first and begins with the word that let the account trade. A cause that
    came on top of a halt is in the story, and moved nothing: whoever halted has it in hand.
    """
    found: list[StateChange] = []
    before: TradingState | None = None
    for change in story:
        if change.by_person or change.cause is None:
            found = []
        elif change.state is not before:
            found.append(change)
        before = change.state
    return tuple(found)


def _may_recover(episode: Sequence[StateChange], readings: Readings, now: datetime) -> bool:
    """Whether REDUCING ends by itself: it was the breaker alone, and its time has passed.

    A mismatch ends only when books and venue agree again, in everything.
    """
    tightened = [c for c in episode if c.state is not TradingState.ACTIVE]
    if not tightened or tightened[-1].state is not TradingState.REDUCING:
        return False
    over = all(
        not c.by_person and c.cause is not None and c.until is not None and c.until <= now
        for c in tightened
    )
    disagreed = any(c.cause == Cause.MISMATCH for c in tightened)
    return over and not (disagreed and readings.discrepancies != 0)


def _counted(
    cause: Cause, count: int | None, limit: str, limits: RiskLimits, now: datetime
) -> Trip | None:
    """Reduce once `count` has reached the limit of that name, or is not known."""
    most: int = getattr(limits, limit)
    if count is not None and count < most:
        return None
    told = "unknown" if count is None else count
    return _reduce(cause, f"{cause.replace(' ', '_')}={told} {limit}={most}", limits, now)


def _reduce(cause: Cause, facts: str, limits: RiskLimits, now: datetime) -> Trip:
    until = now + timedelta(minutes=limits.cooldown_min)
    return Trip(cause=cause, state=TradingState.REDUCING, facts=facts, until=until)


def _money(value: Decimal | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
