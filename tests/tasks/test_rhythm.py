"""When a watch asks by itself, told by a clock that stands still until it is moved."""

from __future__ import annotations

import pytest

from tasks.rhythm import Pace, Rhythm

PACE = Pace(poll_min_s=1, poll_max_s=30, reconcile_every_s=60)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def polls(rhythm: Rhythm, clock: Clock, until: float) -> list[float]:
    """When it polls, from now on, if nothing happens."""
    started, found = clock.now, []
    while clock.now < until:
        if rhythm.poll_due:
            found.append(clock.now - started)
            rhythm.polled()
        clock.now = min(rhythm.next_at, until)
    return found


def test_polls_come_twice_as_late_each_time_up_to_the_longest_wait(clock: Clock):
    rhythm = Rhythm(Pace(poll_min_s=1, poll_max_s=30, reconcile_every_s=None), clock)
    assert polls(rhythm, clock, clock.now + 130) == [0, 1, 3, 7, 15, 31, 61, 91, 121]


def test_what_happens_makes_polls_frequent_again(clock: Clock):
    rhythm = Rhythm(Pace(poll_min_s=1, poll_max_s=30, reconcile_every_s=None), clock)
    polls(rhythm, clock, clock.now + 50)
    rhythm.stir()
    assert polls(rhythm, clock, clock.now + 20) == pytest.approx([1, 2, 4, 8, 16])


def test_a_stream_that_never_rests_cannot_put_polls_off_for_ever(clock: Clock):
    """Pushes prove that the stream works, not that it tells all."""
    rhythm, started = Rhythm(Pace(reconcile_every_s=None), clock), clock.now
    rhythm.polled()
    while not rhythm.poll_due:
        rhythm.stir()
        clock.now += 0.1
    assert clock.now - started == pytest.approx(30, abs=0.2)


def test_an_alarm_polls_at_once_but_not_again_and_again(clock: Clock):
    """Nor does what happens afterwards put that poll off."""
    rhythm = Rhythm(PACE, clock)
    rhythm.compared()
    for _ in range(4):
        rhythm.polled()  # the next one would come after 8 s
    polled_at = clock.now
    clock.now += 0.3
    rhythm.alarm()
    clock.now += 0.3
    rhythm.stir()
    assert rhythm.next_at == polled_at + 1
    clock.now += 3
    assert rhythm.poll_due
    rhythm.polled()
    clock.now += 3
    rhythm.polled()
    rhythm.alarm()
    assert not rhythm.poll_due


def test_books_are_compared_when_it_is_quiet_but_not_for_ever_later(clock: Clock):
    rhythm = Rhythm(PACE, clock)
    assert rhythm.compare_due
    rhythm.compared()
    clock.now += 59.9
    assert not rhythm.compare_due
    rhythm.stir()
    clock.now += 0.9
    assert not rhythm.compare_due
    clock.now += 0.1
    assert rhythm.compare_due
    for _ in range(590):
        rhythm.stir()
        clock.now += 0.1
        if rhythm.compare_due:
            break
    assert clock.now == pytest.approx(1_120, abs=0.3)


def test_what_cannot_be_done_is_not_tried_all_the_time(clock: Clock):
    """While the venue or the ledger is out of reach, a comparison is due and stays so."""
    rhythm = Rhythm(PACE, clock)
    waits = []
    for _ in range(7):
        rhythm.put_off()
        waits.append(rhythm.next_at - clock.now)
        clock.now = rhythm.next_at
        assert rhythm.compare_due
    assert waits == [1, 2, 4, 8, 16, 30, 30]
