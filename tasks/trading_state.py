"""Whether an account trades, by a person's word."""

from __future__ import annotations

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
