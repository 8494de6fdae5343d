"""Whether an account trades, by a person's word."""

from __future__ import annotations

from data.store.books import Books
from execution.errors import InputInvalid
from execution.model.enums import Severity, Topic, TradingState
from execution.model.identifiers import AccountId, RunId
from execution.model.state_change import StateChange
from execution.risk.breaker import Cause
from tasks import figures, halting, wiring
from tasks.alerts import alert

BY_HAND = RunId("by hand")  # what a person does at the command line is no run


def trip(account: AccountId, reason: str, who: str) -> None:
    """Halt an account: nothing is sent until a person lets it."""
    _say(account, TradingState.HALTED, reason, who, Cause.MANUAL)


def put(account: AccountId, state: TradingState, reason: str, who: str) -> None:
    """Put `state` in force: the one way by which a person loosens, and HALTED ends.

    From there on losses and failures are measured anew. The halt file lets the account go, and
    its emergency is over.
    """
    _say(account, state, reason, who, None)
    if state is not TradingState.HALTED:
        halting.lift(account)


def tell(account: AccountId, run_id: RunId, change: StateChange) -> None:
    """Alert people to a change that is in the ledger."""
    severity = Severity.WARNING
    if change.state is TradingState.ACTIVE:
        severity = Severity.INFO
    elif change.state is TradingState.HALTED and change.until is None:
        severity = Severity.CRITICAL  # else it was halted before, and this came on top
    alert(account, run_id, severity, Topic.BREAKER, words(change))


def standing(books: Books, account: AccountId) -> str:
    """Why an account does not trade freely, and what ends that; "" when it does."""
    state = halting.trading_state(books, account)
    if state is None or state is TradingState.ACTIVE:
        return ""
    episode = books.trading_state.episode(account)
    last, file = episode[-1] if episode else None, halting.halt_file().read()
    until = ""
    if last is not None and last.state is state:
        why = f"since {figures.when(last.ts)}, by {last.actor}: {last.reason}"
        until = f"{figures.when(last.until)}, or " if last.until else ""
    elif file is not None:  # in the file alone: the ledger could not be written then
        why = f"since {file.since} by its halt file, by {file.actor}: {file.reason}"
    else:
        return ""  # let go just now
    sends = "nothing is sent" if state is TradingState.HALTED else "nothing is opened"
    return (
        f"trading is {state.upper()} {why}; {sends} until {until}a person says: "
        f"regent breaker reset REASON --account {account}"
    )


def words(change: StateChange) -> str:
    """What people are told of a change; its time makes it one of its own."""
    text = f"{figures.when(change.ts)}: trading is {change.state.upper()}"
    if change.by_person:
        return f"{text}, set by {change.actor}: {change.reason}"
    if change.state is TradingState.HALTED:
        then = "; it sends nothing until a person has looked: regent breaker reset REASON"
    elif change.state is TradingState.REDUCING and change.until is not None:
        then = f"; it only reduces until {figures.when(change.until)}, or until nothing trips"
    else:
        then = ""
    return f"{text}: {change.reason}{then}"


def _say(
    account: AccountId, state: TradingState, reason: str, who: str, cause: Cause | None
) -> None:
    if not who or not reason:
        raise InputInvalid("a trading state is set by somebody with a name, for a reason")
    now = wiring.wall_clock()
    with wiring.open_ledger().transaction() as books:
        before = halting.trading_state(books, account)  # the halt file's word, too, is lifted
        books.trading_state.set(account, state, reason, who, now, cause=cause)
    if state is not before:
        change = StateChange(state=state, reason=reason, actor=who, ts=now, cause=cause)
        tell(account, BY_HAND, change)
