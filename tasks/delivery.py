"""The outbox carried out: one courier a channel, in the background, so that trading never waits.

    alert → committed to the ledger → a courier claims it → sends it → notes that it arrived

What a process leaves when it is killed, whoever comes next sends: every run, reconciliation
and watch, and `make serve` all the time. A claim ends with its process, so an alert is sent
twice only when a process was killed after the service took it and before that was noted.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from data.store.books import Books
from data.store.connection import Ledger
from execution.alerting.message import written
from execution.alerting.subscription import ChannelName
from execution.errors import ConfigInvalid, LedgerUnavailable
from tasks import wiring
from tasks.channels import Channel
from tasks.messenger import Messenger
from tasks.processes import is_dead, process_locks, this_process

FAILURES_MAX = 2  # in a row: then the channel is down, and the rest is not tried now
NOT_TRIED = "not tried yet"
SETTLE_S = 0.25  # how long what was sent may wait to be noted, while more is sent
SETTLE_TRIES = 3
LEDGER_WAIT_S = 5.0  # until a ledger that could not be had is asked again
GOODBYE_S = 5.0  # how long the end of a process waits for what is due
GRACE_S = 5.0  # and then for a message that was begun: cut off, it might be sent twice

_log = logging.getLogger(__name__)


def deliver(
    ledger: Ledger, messenger: Messenger, leaving: Callable[[], bool] = lambda: False
) -> float | None:
    """Send what is due on one channel; returns in how many seconds there is more, or None.

    Once it is `leaving`, what was not begun is given back.

    Raises LedgerUnavailable; what was claimed and not sent is then sent when its lease is
    over.
    """
    locks = process_locks(ledger)
    process = this_process(locks).process
    subscription, channel = messenger.channel.subscription, messenger.channel.name
    with ledger.transaction() as books:
        now = wiring.wall_clock()
        claim = books.deliveries.claim(subscription, process, now, partial(is_dead, locks))
    failures = 0
    outcomes: list[tuple[str, str | None]] = []  # by message: "", why not, or None: not tried
    settled = time.monotonic()
    for message_id, parcel in claim.parcels.items():
        if failures >= FAILURES_MAX or leaving():
            outcomes.append((message_id, None))
            continue
        problem = messenger.send(written(parcel))
        failures = failures + 1 if problem else 0
        outcomes.append((message_id, problem))
        if problem:
            _log.warning("alert channel %s: %s; it is tried again", channel, problem)
        if time.monotonic() - settled > SETTLE_S:  # a kill may double what is not noted yet
            _settle(ledger, channel, outcomes)
            settled = time.monotonic()
    _settle(ledger, channel, outcomes)
    if claim.parcels:
        return 0.0  # what failed has a time of its own now, and there may be more
    return None if claim.next_at is None else max(0.0, (claim.next_at - now).total_seconds())


def _settle(ledger: Ledger, channel: ChannelName, outcomes: list[tuple[str, str | None]]) -> None:
    """Note what became of messages, and forget it here.

    A ledger that cannot be had is asked again: what is not noted would be sent twice.
    """
    if not outcomes:
        return
    for left in reversed(range(SETTLE_TRIES)):
        try:
            with ledger.transaction() as books:
                _write_outcomes(books, channel, outcomes)
            outcomes.clear()
        except LedgerUnavailable:
            if not left:
                raise
            time.sleep(1)
        else:
            return


def _write_outcomes(
    books: Books, channel: ChannelName, outcomes: Iterable[tuple[str, str | None]]
) -> None:
    now = wiring.wall_clock()
    for message_id, problem in outcomes:
        if problem is None:
            books.deliveries.give_back(message_id, NOT_TRIED, now)
        elif problem:
            books.deliveries.failed(message_id, problem, now)
        else:
            books.deliveries.delivered(channel, message_id, now)


class Courier:
    """Brings one ledger's alerts to one channel, in a thread that its process does not wait for."""

    def __init__(self, ledger: Ledger, channel: Channel) -> None:
        self._ledger = ledger
        self._channel = channel
        self._due = threading.Event()
        self._idle = threading.Event()
        self._over = self._refused = False
        self._thread = threading.Thread(
            target=self._work, name=f"alerts to {channel.name}", daemon=True
        )

    def serves(self, channel: Channel) -> bool:
        """Whether it is still there, for just this; after a fork its thread is not.

        One whose address was no address is not tried again before somebody has changed it.
        """
        return channel == self._channel and (self._thread.is_alive() or self._refused)

    def start(self) -> None:
        """Look for what is due, and go on looking."""
        self._due.set()
        self._thread.start()

    def call(self) -> None:
        """There is something to send."""
        self._due.set()

    def dismiss(self) -> None:
        """Come to an end after the message that was begun; nobody waits for that."""
        self._over = True
        self._due.set()

    def leave(self, deadline: float, grace_s: float) -> None:
        """Finish what is due now, until `deadline` on the monotonic clock, and come to an end."""
        while self._busy and time.monotonic() < deadline:
            time.sleep(0.01)
        self.dismiss()
        self._thread.join(grace_s)

    @property
    def _busy(self) -> bool:
        return self._thread.is_alive() and (self._due.is_set() or not self._idle.is_set())

    def _work(self) -> None:
        try:
            messenger = Messenger(self._channel)
        except ConfigInvalid as error:
            _log.error("%s", error)
            self._refused = True
            return
        wait_s: float | None = 0.0
        while not self._over:
            self._due.wait(wait_s)
            self._idle.clear()  # before the other one: it is never both idle and without work due
            self._due.clear()
            if self._over:
                return
            try:
                wait_s = deliver(self._ledger, messenger, lambda: self._over)
            except LedgerUnavailable as error:
                _log.warning("alerts wait: %s", error)
                wait_s = LEDGER_WAIT_S
            if wait_s != 0.0:
                self._idle.set()


_couriers: dict[tuple[Ledger, ChannelName], Courier] = {}
_calling = threading.Lock()


def call_couriers(ledger: Ledger, channels: Iterable[Channel]) -> None:
    """Have what is in the outbox sent; returns at once.

    A channel whose settings have changed gets a new courier.
    """
    with _calling:
        for channel in channels:
            courier = _couriers.get((ledger, channel.name))
            if courier is not None and courier.serves(channel):
                courier.call()
                continue
            if courier is not None:
                courier.dismiss()
            courier = _couriers[ledger, channel.name] = Courier(ledger, channel)
            courier.start()


def finish_deliveries(timeout_s: float = GOODBYE_S, grace_s: float = GRACE_S) -> None:
    """Wait for what can be sent now, so long at most; the rest is sent by whoever comes next."""
    deadline = time.monotonic() + timeout_s
    with _calling:
        couriers = list(_couriers.values())
        _couriers.clear()
    for courier in couriers:
        courier.leave(deadline, grace_s)


def _start_anew() -> None:
    """A forked child has none of its parent's threads, and may have been handed a held lock."""
    global _calling
    _calling = threading.Lock()
    _couriers.clear()


atexit.register(finish_deliveries)
os.register_at_fork(after_in_child=_start_anew)
