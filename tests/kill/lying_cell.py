"""One cell of the kill matrix: a fault, a step at which the process dies, and what is left.

An account begins with two wishes: to buy BTC at the market, and to buy ETH at a price that
it has not, so that this order rests. The exchange is told to lie, a cycle runs in a forked
process that is killed at its step, the price dips while nobody is there, and cycles are run
again: one that is lied to as well, and then, at an honest exchange, until all is settled.

A step is a commit to the ledger or a request of the adapter's, and a process can die just
before and just after each. They are counted from the commit of the intents on: before that
there is nothing that could be lost or doubled.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from data.store.books import Books
from data.store.connection import Ledger
from data.store.orders import Orders
from execution.model.order import TERMINAL
from execution.venues.alpaca.client import Client as AlpacaClient
from execution.venues.alpaca.venue import AlpacaVenue
from execution.venues.ccxt.venue import CcxtVenue
from execution.venues.ccxt.wire import Wire
from tasks.hints import Hints
from tests.cycles import run_cycle
from tests.kill.exactly_once import reading, require_exactly_once
from tests.kill.lying_process import CASH, LyingProcess
from tests.kill.test_kill_anywhere import Steps, in_child
from tests.kill.wishes import MARKET, RESTING, STREAM_FAULTS, TOLD, Wishes
from tests.venues.lying_exchange.lies import Fault

RUNS_MAX = 6  # after the kill; two are enough but where a send has to be proven absent
DIPS = 12  # each fills half of what is left, where fills are partial
DIP_AFTER_S = 0.4  # of a watch; by then its stream is open


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The steps of one cycle; at each of `unwritten` the venue has acted and no one knows."""

    total: int
    unwritten: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of its own at the exchange, with books of its own."""

    exchange: LyingProcess
    wishes: Wishes
    key: str
    home: Path

    def run(self) -> int:
        """One more cycle in a process of its own; the status that it ended with."""
        return in_child(self._told(self._work))

    def run_and_kill(self, kill_at: int) -> bool:
        """A cycle that is killed at a step; whether it got there."""

        def cut_short() -> None:
            with pytest.MonkeyPatch.context() as patch:
                count_steps(patch, Steps(kill_at))
                self._work()

        return os.WIFSIGNALED(in_child(self._told(cut_short)))

    def count(self) -> Counted:
        """The steps of a cycle that nobody kills, in this process: it warms it up."""
        steps, unwritten = Steps(kill_at=None), []

        def noting(submit: Callable[..., Any]) -> Callable[..., Any]:
            async def noted(*args: object) -> object:
                result = await submit(*args)
                unwritten.append(steps.count)
                return result

            return noted

        with pytest.MonkeyPatch.context() as patch:
            count_steps(patch, steps)
            for venue in (AlpacaVenue, CcxtVenue):
                patch.setattr(venue, "submit", noting(venue.submit))
            self._work()
        return Counted(total=steps.count, unwritten=tuple(unwritten))

    def dip(self) -> None:
        """Let the price meet what rests; where fills are partial, again and again."""
        partial = self.wishes.fault == Fault.PARTIAL_FILLS
        for _ in range(DIPS if partial else 1):
            for base in (RESTING, MARKET) if partial else (RESTING,):
                self.exchange.dip(self.wishes.dialect, self.wishes.symbol(base))

    def settled(self) -> bool:
        """Whether every wish has become an order, and every order has come to an end."""
        with reading() as books:
            orders = books.orders.all(self.wishes.config.account_id) if books else ()
        everything = len(orders) == len(self.wishes.bases)
        return everything and {order.status for order in orders} <= TERMINAL

    def require_exactly_once(self) -> None:
        """Assert that nothing was lost and nothing doubled."""
        state = self.exchange.state(self.wishes.dialect)
        require_exactly_once(self.wishes, self.key, state)

    def failure(self) -> str:
        """What the last run that failed had to say."""
        path = self.home / "failure"
        return path.read_text() if path.exists() else ""

    def _told(self, work: Callable[[], object]) -> Callable[[], None]:
        def telling() -> None:
            try:
                work()
            except BaseException:
                (self.home / "failure").write_text(traceback.format_exc())
                raise

        return telling

    def _work(self) -> None:
        """One cycle. Where a stream lies the price dips while it watches, or nothing is told."""
        wait, dipped = Hints.wait, []

        async def wait_for_a_dip(hints: Hints, timeout_s: float | None = None) -> None:
            if not dipped:
                await asyncio.sleep(DIP_AFTER_S)
                dipped.append(self.dip())
            await wait(hints, timeout_s)

        with pytest.MonkeyPatch.context() as patch:
            if self.wishes.fault in STREAM_FAULTS:
                patch.setattr(Hints, "wait", wait_for_a_dip)
            run_cycle(self.wishes.config)


@contextmanager
def account(exchange: LyingProcess, wishes: Wishes, key: str, folder: Path) -> Iterator[Account]:
    """Open an account, lied to from now on; its books are thrown away at the end."""
    home = folder / key
    home.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGENT_HOME", str(home))
        patch.setenv("REGENT_PLUGINS", "tests.venues.lying_plugin")
        patch.setenv("LYING_EXCHANGE_URL", exchange.url)
        patch.setenv("LYING_KEY", key)
        balances = {wishes.quote: str(CASH)}
        exchange.tell("account", dialect=wishes.dialect, key=key, balances=balances)
        told = TOLD.get(wishes.fault, {})
        exchange.tell("lie", fault=wishes.fault, dialect=wishes.dialect, **told)
        try:
            yield Account(exchange=exchange, wishes=wishes, key=key, home=home)
        finally:
            exchange.tell("honest")
            shutil.rmtree(home)


def count_steps(patch: pytest.MonkeyPatch, step: Callable[[], None]) -> None:
    """Call `step` before and after every commit and request, once the intents are written."""
    transaction, commit_intents = Ledger.transaction, Orders.commit_intents
    begun: list[object] = []

    def step_once_begun() -> None:
        if begun:
            step()

    def beginning(self: Orders, *args: object) -> object:
        begun.append(self)
        return commit_intents(self, *args)  # type: ignore[arg-type]

    @contextmanager
    def stepping(self: Ledger) -> Iterator[Books]:
        with transaction(self) as books:
            yield books
            step_once_begun()
        step_once_begun()

    patch.setattr(Ledger, "transaction", stepping)
    patch.setattr(Orders, "commit_intents", beginning)
    for owner, name in ((Wire, "fetch"), (AlpacaClient, "ask")):
        patch.setattr(owner, name, _stepping(getattr(owner, name), step_once_begun))


def _stepping(asking: Callable[..., Any], step: Callable[[], None]) -> Callable[..., Any]:
    async def asked(*args: object, **kwargs: object) -> object:
        step()
        try:
            return await asking(*args, **kwargs)
        finally:  # however it was answered
            step()

    return asked


def make_good(account: Account) -> int:
    """Run again and again until all is settled; how many runs it took. Asserts the end."""
    for number in range(1, RUNS_MAX + 1):
        if account.wishes.fault not in STREAM_FAULTS:
            account.dip()
        status = account.run()
        if number > 1 and status == 0 and account.settled():
            break
        account.exchange.tell("honest")  # what was done while lying stays done
    assert status == 0, account.failure()
    account.require_exactly_once()
    return number
