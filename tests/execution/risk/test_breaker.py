"""The breaker's triggers, one by one, and the way through the trading states."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from execution.model.activity import Activity
from execution.model.enums import TradingState
from execution.model.state_change import REGENT, STRICTNESS, StateChange, loosens
from execution.risk import breaker
from execution.risk.breaker import COUNTED, Cause, Readings, assess, moved, respond
from execution.risk.limits import RiskLimits
from tests.execution.examples import AAPL, MSFT, NOW

LIMITS = RiskLimits()
ACTIVE, REDUCING, HALTED = STRICTNESS
COOLED = NOW + timedelta(minutes=LIMITS.cooldown_min)
MINUTE = timedelta(minutes=1)


def make_activity(**changes: Any) -> Activity:  # noqa: ANN401 - as the class takes them
    values: dict[str, Any] = {
        "sent_last_minute": 0,
        "sent_today": 0,
        "entries": {},
        "failed_in_row": 0,
        "venue_errors": 0,
        "stop_losses_in_row": 0,
        "reconciled_at": NOW,
    }
    return Activity(**(values | changes))


CALM = Readings(
    equity=Decimal(100_000),
    equity_peak=Decimal(100_000),
    equity_day_open=Decimal(100_000),
    activity=make_activity(),
    shocks={AAPL: Decimal(1)},
    unpriced=(),
    discrepancies=0,
)
OPENED = StateChange(state=ACTIVE, reason="account opened", actor=REGENT, ts=NOW - MINUTE)


def counted(**changes: int) -> Readings:
    return replace(CALM, activity=make_activity(**changes))


# cause, just inside, breaching, not known, the state, until when
TRIPS = [
    (
        Cause.DRAWDOWN,
        replace(CALM, equity=Decimal(99_000), equity_peak=Decimal(110_000)),
        replace(CALM, equity=Decimal(98_999), equity_peak=Decimal(110_000)),
        replace(CALM, equity_peak=None),
        HALTED,
        None,
    ),
    (
        Cause.DAILY_LOSS,
        replace(CALM, equity=Decimal(95_000)),
        replace(CALM, equity=Decimal("94999.99")),
        replace(CALM, equity_day_open=None),
        REDUCING,
        datetime(2024, 3, 2, tzinfo=UTC),
    ),
    (
        Cause.FAILED_ORDERS,
        counted(failed_in_row=4),
        counted(failed_in_row=5),
        replace(CALM, activity=None),
        REDUCING,
        COOLED,
    ),
    (
        Cause.STOP_LOSSES,
        counted(stop_losses_in_row=3),
        counted(stop_losses_in_row=4),
        replace(CALM, activity=None),
        REDUCING,
        COOLED,
    ),
    (
        Cause.VENUE_ERRORS,
        counted(venue_errors=9),
        counted(venue_errors=10),
        replace(CALM, activity=None),
        REDUCING,
        COOLED,
    ),
    (
        Cause.MISMATCH,
        replace(CALM, discrepancies=2),
        replace(CALM, discrepancies=3),
        replace(CALM, discrepancies=None),
        REDUCING,
        COOLED,
    ),
    (
        Cause.VOLATILITY_SHOCK,
        replace(CALM, shocks={AAPL: Decimal(6), MSFT: Decimal(0)}),
        replace(CALM, shocks={AAPL: Decimal(1), MSFT: Decimal("6.01")}),
        replace(CALM, shocks={AAPL: None}),
        REDUCING,
        COOLED,
    ),
    (
        Cause.STALE_DATA,
        CALM,
        replace(CALM, unpriced=(MSFT,)),
        replace(CALM, equity=None),
        REDUCING,
        COOLED,
    ),
]
IDS = [row[0].replace(" ", "-") for row in TRIPS]


@pytest.mark.parametrize(
    ("cause", "inside", "breaching", "unknown", "state", "until"), TRIPS, ids=IDS
)
def test_each_trigger_trips_past_its_limit_and_not_before(
    cause: Cause,
    inside: Readings,
    breaching: Readings,
    unknown: Readings,
    state: TradingState,
    until: datetime | None,
):
    assert assess(inside, LIMITS, NOW) == ()

    [trip] = assess(breaching, LIMITS, NOW)
    assert (trip.cause, trip.state, trip.until) == (cause, state, until)
    assert "=" in trip.facts

    assert cause in {t.cause for t in assess(unknown, LIMITS, NOW)}


@pytest.mark.parametrize("dropped", range(len(breaker.TRIGGERS)))
def test_no_trigger_is_covered_by_another(dropped: int, monkeypatch: pytest.MonkeyPatch):
    """The mutation that the table above has to notice: each trigger left out in turn."""
    left = tuple(t for n, t in enumerate(breaker.TRIGGERS) if n != dropped)
    monkeypatch.setattr(breaker, "TRIGGERS", left)

    silent = {cause for cause, _, breaching, *_ in TRIPS if not assess(breaching, LIMITS, NOW)}

    assert len(silent) == 1


def test_an_account_that_is_worth_nothing_opens_nothing():
    empty = replace(CALM, equity=Decimal(0), equity_peak=Decimal(0), equity_day_open=Decimal(0))

    assert {t.cause for t in assess(empty, LIMITS, NOW)} == {Cause.DRAWDOWN, Cause.DAILY_LOSS}


def test_the_gravest_wins_and_every_cause_is_recorded():
    fallen = replace(counted(failed_in_row=7), equity=Decimal(85_000))
    trips = assess(fallen, LIMITS, NOW)

    changes = respond([OPENED], trips, fallen, NOW)

    assert {c.cause for c in changes} == {Cause.DRAWDOWN, Cause.DAILY_LOSS, Cause.FAILED_ORDERS}
    assert changes[-1].state is HALTED
    assert "drawdown_pct=0.1500" in changes[-1].reason


def test_what_goes_on_is_written_once_and_what_is_counted_anew_each_time():
    """Otherwise a weekend without prices would fill the ledger, a line a minute."""
    stale, failing = replace(CALM, unpriced=(AAPL,)), counted(failed_in_row=5)
    first = respond([OPENED], assess(stale, LIMITS, NOW), stale, NOW)
    later = NOW + 5 * MINUTE

    again = respond([OPENED, *first], assess(stale, LIMITS, later), stale, later)
    other = respond([OPENED, *first], assess(failing, LIMITS, later), failing, later)
    twice = respond([OPENED, *first, *other], assess(failing, LIMITS, later), failing, later)

    assert again == ()
    assert [c.cause for c in other] == [c.cause for c in twice] == [Cause.FAILED_ORDERS]


def reduced(cause: Cause, until: datetime, actor: str = REGENT) -> StateChange:
    return StateChange(
        state=REDUCING, reason="a test", actor=actor, ts=NOW, cause=cause, until=until
    )


def test_a_cooldown_leads_back_to_active_once_it_is_over_and_nothing_trips():
    episode = [OPENED, reduced(Cause.STOP_LOSSES, COOLED)]

    assert respond(episode, (), CALM, COOLED - MINUTE) == ()
    [change] = respond(episode, (), CALM, COOLED)
    assert (change.state, change.cause) == (ACTIVE, Cause.COOLDOWN)


def test_the_longest_of_several_cooldowns_counts():
    tomorrow = datetime(2024, 3, 2, tzinfo=UTC)
    episode = [OPENED, reduced(Cause.DAILY_LOSS, tomorrow), reduced(Cause.STOP_LOSSES, COOLED)]

    assert respond(episode, (), CALM, COOLED) == ()
    assert respond(episode, (), CALM, tomorrow)[0].state is ACTIVE


def test_nothing_recovers_while_something_still_trips():
    episode = [OPENED, reduced(Cause.STALE_DATA, COOLED)]
    stale = replace(CALM, unpriced=(AAPL,))

    assert respond(episode, assess(stale, LIMITS, COOLED), stale, COOLED) == ()


def test_a_mismatch_ends_only_when_the_books_agree_in_everything():
    """Two differences are below the limit, and still two differences."""
    episode = [OPENED, reduced(Cause.MISMATCH, COOLED)]
    fewer = replace(CALM, discrepancies=2)

    assert assess(fewer, LIMITS, COOLED) == ()
    assert respond(episode, (), fewer, COOLED) == ()
    assert respond(episode, (), CALM, COOLED)[0].state is ACTIVE


def test_a_person_s_word_is_not_loosened_by_a_cooldown():
    by_person = StateChange(state=REDUCING, reason="careful", actor="Ann", ts=NOW)
    episodes = (
        [OPENED, by_person, reduced(Cause.STOP_LOSSES, COOLED)],
        [OPENED, reduced(Cause.STOP_LOSSES, COOLED), by_person],
        [OPENED, reduced(Cause.MANUAL, COOLED, "Ann")],  # with an end, too
    )

    for episode in episodes:
        assert respond(episode, (), CALM, COOLED + timedelta(days=9)) == ()


def test_a_halt_ends_by_nothing_but_a_person():
    halted = StateChange(
        state=HALTED, reason="a test", actor=REGENT, ts=NOW, cause=Cause.DRAWDOWN, until=COOLED
    )

    assert respond([OPENED, halted], (), CALM, COOLED + timedelta(days=9)) == ()


def test_what_moved_the_state_is_told_from_what_came_on_top():
    fallen = replace(CALM, equity=Decimal(85_000))
    failing = counted(failed_in_row=5)
    halted = respond([OPENED], assess(fallen, LIMITS, NOW), fallen, NOW)
    story = (OPENED, *halted)
    on_top = respond(story, assess(failing, LIMITS, NOW), failing, NOW)

    assert [c.state for c in moved(story)] == [REDUCING, HALTED]
    assert on_top[-1].state is HALTED
    assert moved((*story, *on_top)) == moved(story)


@pytest.mark.parametrize("actor", ["Ann", REGENT])
def test_the_breaker_moves_nothing_where_others_have_halted(actor: str):
    """A person, a restore or a recovery: by the state in force an automation must not close."""
    by_others = StateChange(state=HALTED, reason="stop", actor=actor, ts=NOW)
    fallen = replace(CALM, equity=Decimal(85_000))
    first = respond([OPENED], assess(fallen, LIMITS, NOW), fallen, NOW)

    for story in ([OPENED, by_others], [OPENED, *first, by_others]):
        failing = counted(failed_in_row=5)
        on_top = respond(story, assess(failing, LIMITS, NOW), failing, NOW)
        assert on_top[-1].state is HALTED
        assert moved((*story, *on_top)) == ()


def test_a_recovery_moves_the_state_too():
    over = respond([OPENED, reduced(Cause.STOP_LOSSES, COOLED)], (), CALM, COOLED)

    assert moved(over) == over


STEPS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 2_000)),
    st.tuples(st.just("look"), st.sampled_from([CALM, *(row[2] for row in TRIPS)])),
    st.tuples(st.just("person"), st.sampled_from(STRICTNESS)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_the_state_never_loosens_without_a_person_or_an_elapsed_cooldown(
    steps: list[tuple[str, Any]],
):
    """Each loosening word is a person's, or of a REDUCING that was the breaker's alone.

    And then it comes past the end of every part of it, whatever happened in whatever order.
    """
    story, now = [OPENED], NOW
    for kind, what in steps:
        if kind == "wait":
            now += what * MINUTE
        elif kind == "person":
            story.append(StateChange(state=what, reason="a word", actor="Ann", ts=now))
        else:
            episode = since_active(story)
            trips = assess(what, LIMITS, now)
            changes = respond(episode, trips, what, now)
            story += changes
            worst = max((t.state for t in trips), key=STRICTNESS.index, default=ACTIVE)
            assert not loosens(worst, story[-1].state)  # what trips is in force
    for number, change in enumerate(story[1:], 1):
        if not loosens(story[number - 1].state, change.state) or change.by_person:
            continue
        part = [c for c in since_active(story[:number]) if c.state is not ACTIVE]
        assert change.state is ACTIVE
        assert all(c.state is REDUCING and c.actor == REGENT for c in part)
        assert all(c.until is not None and c.until <= change.ts for c in part)


def since_active(story: list[StateChange]) -> list[StateChange]:
    newest = max(n for n, change in enumerate(story) if change.state is ACTIVE)
    return story[newest:]


def test_every_cause_but_a_person_s_has_a_trigger_in_the_table():
    assert {row[0] for row in TRIPS} == set(Cause) - {Cause.MANUAL, Cause.COOLDOWN}
    assert len(breaker.TRIGGERS) == len(TRIPS)
    assert set(Cause) > COUNTED
