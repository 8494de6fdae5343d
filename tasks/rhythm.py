"""When a watch asks by itself: often while something happens, rarely while nothing does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from tasks.hints import Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often is asked without a push, in seconds, all > 0."""

    poll_min_s: float = 1.0  # after something has happened; twice as long after each poll
    poll_max_s: float = 30.0
    held_max_s: float = 5.0  # while something that we hold waits for its price
    reconcile_every_s: float | None = 60.0  # None: never
    patience: Patience = field(default_factory=Patience)


class Rhythm:
    """The next poll and the next comparison, in the seconds of `clock`; both are due at first."""

    def __init__(self, pace: Pace, clock: Callable[[], float]) -> None:
        self._pace = pace
        self._clock = clock
        self._interval_s = pace.poll_min_s
        self._polled_at = self._poll_at = self._poll_by = self._quiet_at = clock()
        self._compare_every_s = pace.reconcile_every_s or inf
        self._compare_due_at = clock() if pace.reconcile_every_s else inf

    @property
    def next_at(self) -> float:
        """When something is due next."""
        return min(self._poll_at, self._compare_at)

    @property
    def poll_due(self) -> bool:
        """Whether it is time to poll."""
        return self._clock() >= self._poll_at

    @property
    def compare_due(self) -> bool:
        """Whether it is time to compare the books."""
        return self._clock() >= self._compare_at

    def polled(self, *, holds: bool = False) -> None:
        """Leave twice as much time until the next poll as until this one.

        `holds`: the price has to be looked at often.
        """
        self._polled_at = self._clock()
        wait_s = min(self._interval_s, self._pace.held_max_s) if holds else self._interval_s
        self._poll_at = self._polled_at + wait_s
        self._poll_by = self._polled_at + self._pace.poll_max_s
        self._interval_s = min(2 * self._interval_s, self._pace.poll_max_s)

    def put_off(self) -> None:
        """It cannot be done now: try again later, less and less often."""
        self.polled()
        self._compare_due_at = max(self._compare_due_at, self._poll_at)

    def compared(self) -> None:
        """A comparison is tried now; the next one comes as long after it as is wanted."""
        self._compare_due_at = self._clock() + self._compare_every_s

    def stir(self) -> None:
        """Something happens: poll once it is quiet, at the latest when it is time anyway."""
        self._interval_s = self._pace.poll_min_s
        self._quiet_at = self._clock() + self._pace.poll_min_s
        self._poll_at = min(self._quiet_at, self._poll_by)

    def alarm(self) -> None:
        """Something may have been missed: poll, unless that was done a moment ago."""
        self._poll_by = min(self._poll_by, self._polled_at + self._pace.poll_min_s)
        self.stir()

    @property
    def _compare_at(self) -> float:
        """When it is due and quiet: what fills while it is compared looks like a difference."""
        latest = self._compare_due_at + self._compare_every_s
        return min(max(self._compare_due_at, self._quiet_at), latest)
