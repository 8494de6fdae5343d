"""The circuit breaker on the books: looked at before planning, before sending, afterwards.

What it says is written before anything else goes on, in one transaction with the reason;
whoever sends reads it there. Then people and automations are told.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from data.store.books import Books
from execution.model.account import AccountView
from execution.model.activity import Lock
from execution.model.discrepancy import DiscrepancyKind
from execution.model.enums import Severity, Topic
from execution.model.identifiers import AccountId
from execution.model.state_change import StateChange
from execution.portfolio.trades import closed_trades
from execution.risk.breaker import VENUE_ERRORS_WINDOW, Readings, assess, moved, respond
from execution.risk.protections import History, locks
from tasks import figures, wiring
from tasks.account import append_equity, baselines, day_start
from tasks.alerts import alert
from tasks.cycle import Cycle
from tasks.events import emit_breaker
from tasks.market_data import Market
from tasks.shocks import shocks
from tasks.trading_state import tell, words


def check_breaker(cycle: Cycle, account: AccountView, market: Market) -> bool:
    """Look at the account as it is; whether its trading state or its locks have changed.

    What has tripped is in force when this returns. The caller holds the account's lock. An
    account without a state has no books yet and is left alone. An event may come twice when a
    kill cuts this off, and is never lost: an automation closes positions by it.
    """
    now = market.clock()
    with wiring.open_ledger().transaction() as books:
        episode = books.trading_state.episode(cycle.account)
        if not episode:
            return False
        readings = read(books, account, market)
        trips = assess(readings, cycle.config.limits, now)
        changes = respond(episode, trips, readings, now)
        if changes:  # a person's reset measures from here, so it has to be in the books
            append_equity(books, cycle, account, market)
        for change in changes:
            books.trading_state.apply(cycle.account, change)
        made = [lock for lock in _locks(books, cycle, now) if books.locks.add(lock)]
        story = (*episode, *changes)
        untold = _untold(books, cycle.account, story)
    for change in moved(story):
        if change in changes or change in untold:
            emit_breaker(cycle.account, change)
    for change in untold:
        tell(cycle.account, cycle.run_id, change)
    for lock in made:
        alert(cycle.account, cycle.run_id, Severity.INFO, Topic.BREAKER, _told(lock))
    return bool(changes or made)


def read(books: Books, account: AccountView, market: Market) -> Readings:
    """What the breaker looks at, from the books and the market of now."""
    now, name = market.clock(), account.account
    peak, opening = baselines(books, account, now)
    return Readings(
        equity=account.equity,
        equity_peak=peak,
        equity_day_open=opening,
        activity=books.activity.of(name, now, day_start(now), now - VENUE_ERRORS_WINDOW),
        shocks=shocks(account.positions, market),
        unpriced=tuple(sorted(i for i in account.positions if i not in account.marks)),
        discrepancies=sum(
            d.kind is not DiscrepancyKind.EXTERNAL for d in books.discrepancies.open(name)
        ),
    )


def _locks(books: Books, cycle: Cycle, now: datetime) -> tuple[Lock, ...]:
    """What the configured protections lock; the fills are folded only for them."""
    account, protections = cycle.account, cycle.config.protections
    if not protections:
        return ()
    history = History(
        account=account,
        trades=closed_trades(books.fills.of(account), books.orders.intents(account)),
        worths=books.equity.worths(account),
    )
    return locks(protections, history, now)


def _untold(books: Books, account: AccountId, changes: Iterable[StateChange]) -> list[StateChange]:
    """What the breaker has changed and nobody was told: a kill can come between the two."""
    ours = [c for c in changes if c.cause is not None and not c.by_person]
    return [change for change in ours if not books.alerts.told(account, words(change))]


def _told(lock: Lock) -> str:
    until = "until a person lifts it" if lock.until is None else f"until {figures.when(lock.until)}"
    what = lock.instrument_id or "everything"
    return (
        f"{what} is not opened {until}: {lock.protection}, {lock.reason}; "
        f"regent unlock {lock.lock_id} lifts it"
    )
