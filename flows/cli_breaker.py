"""The commands about the circuit breaker, and the locks of single instruments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from data.store.books import Books
from data.store.halt import Halt
from execution.errors import InputInvalid
from execution.model.activity import Lock
from execution.model.discrepancy import Discrepancy
from execution.model.enums import TradingState
from execution.model.identifiers import AccountId
from execution.model.order import IN_FLIGHT, Order
from execution.model.state_change import StateChange
from flows.cli_books import AccountName, account_names
from flows.cli_output import Json, Name, Reason, Verbose, ask, emit, output
from flows.documents import plain
from tasks import figures, halting, wiring
from tasks.account_clock import account_clock
from tasks.trading_state import put, trip, words

NOT_SET = "not set: nothing is sent"
breaker_app = typer.Typer(help="What stops an account by itself.", no_args_is_help=False)
Why = Annotated[
    str | None, typer.Argument(metavar="REASON", help="Why, for the record; or as --reason.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the `regent` command."""
    app.add_typer(breaker_app, name="breaker")
    app.command()(locks)
    app.command()(unlock)


@breaker_app.callback(invoke_without_command=True)
def breaker(
    context: typer.Context,
    account: AccountName = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Whether each account trades, what has tripped, and what is open."""
    if context.invoked_subcommand is None:
        status(account, verbose, as_json)


@breaker_app.command()
def status(account: AccountName = None, verbose: Verbose = False, as_json: Json = False) -> None:
    """Whether each account trades, what has tripped, and what is open."""
    _show(_look_at(account), as_json=as_json)


@breaker_app.command("trip")
def breaker_trip(
    why: Why = None,
    account: AccountName = None,
    reason: Reason = None,
    name: Name = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Halt an account, or without --account all of them, until a person resets it."""
    said, who = _said(why, reason), ask(name, "--name", "Your name")
    for one in _look_at(account):
        trip(one.account, said, who)
    _show(_look_at(account), as_json=as_json)


@breaker_app.command("reset")
def breaker_reset(
    why: Why = None,
    account: AccountName = None,
    every: Annotated[
        bool, typer.Option("--all", help="All that are stopped, if they are several.")
    ] = False,
    reason: Reason = None,
    name: Name = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Let an account trade again; losses are measured anew."""
    said = _said(why, reason)
    before = {one.account: one for one in _look_at(account)}
    stopped = {a: one for a, one in before.items() if one.state is not TradingState.ACTIVE}
    if len(stopped) > 1 and not every:
        each = ", ".join(f"{a} ({one.state or NOT_SET})" for a, one in stopped.items())
        raise InputInvalid(
            f"{len(stopped)} accounts are stopped: {each}; --account says which one trades again, "
            "--all that all do"
        )
    if not as_json:
        for one in stopped.values():
            one.show()
    who = ask(name, "--name", "Your name")
    for one_account in stopped:
        put(one_account, TradingState.ACTIVE, said, who)
    after = _look_at(account)
    if as_json:
        emit({"accounts": [{**plain(one), "was": before[one.account].state} for one in after]})
        return
    for one in after:
        one.show(was=before[one.account].state)


def _said(why: str | None, reason: str | None) -> str:
    """The reason, in either place, or as a person types it."""
    if why is not None and reason is not None:
        raise InputInvalid("the reason is given twice: as REASON and as --reason")
    return ask(reason if why is None else why, "REASON", "Why")


def locks(account: AccountName = None, verbose: Verbose = False, as_json: Json = False) -> None:
    """What may not be opened for a while, and why; closing is always allowed."""
    found = [lock for one in _look_at(account) for lock in one.locks]
    if as_json:
        emit({"locks": found})
    for lock in () if as_json else found:
        output().print(_line(lock), markup=False, soft_wrap=True)
    if not found and not as_json:
        output().print("nothing is locked")


def unlock(
    lock: Annotated[str, typer.Argument(help="The lock's id, or the start of it.")],
    reason: Reason = None,
    name: Name = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Lift a lock before its time; what made it does not make it again."""
    found = [k for one in _look_at(None) for k in one.locks if k.lock_id.startswith(lock)]
    if len(found) != 1:
        several = "several locks start" if found else "no lock that holds starts"
        raise InputInvalid(f"{several} with {lock!r}: `regent locks` lists them")
    who, why = ask(name, "--name", "Your name"), ask(reason, "--reason", "Why")
    if not who or not why:
        raise InputInvalid("a lock is lifted by somebody with a name, for a reason")
    with wiring.open_ledger().transaction() as books:
        books.locks.lift(found[0].lock_id, f"{who}: {why}", wiring.wall_clock())
    if as_json:
        emit({"lifted": found[0], "name": who, "reason": why})
    else:
        output().print(f"lifted by {who}: {_line(found[0])}", markup=False, soft_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerStatus:
    """One account as the breaker has it."""

    account: AccountId
    state: TradingState | None  # in force: HALTED while the halt file says so
    halt_file: Halt | None  # where it halts this account: whatever the ledger says
    changes: tuple[StateChange, ...]  # since it was last active, oldest first
    discrepancies: tuple[Discrepancy, ...]
    unknown: tuple[Order, ...]  # orders whose fate nobody knows
    locks: tuple[Lock, ...]

    def show(self, was: TradingState | None = None) -> None:
        """Print it; after a change with what it `was`."""
        told = str(self.state or NOT_SET)
        if was not in (None, self.state):
            told = f"was {was}, is {told}"
        lines = [f"{self.account}: {told}"]
        if self.halt_file is not None:
            lines.append(f"  {_of_file(self.halt_file)}")
        lines += [f"  {words(change)}" for change in self.changes]
        lines += [f"  DISAGREES with the venue: {d}" for d in self.discrepancies]
        lines += [
            f"  UNKNOWN: order {o.client_order_id} on {o.intent.instrument_id}"
            for o in self.unknown
        ]
        lines += [f"  locked: {_line(lock)}" for lock in self.locks]
        for line in lines:
            output().print(line, markup=False, soft_wrap=True)


def _look_at(wanted: str | None) -> list[BreakerStatus]:
    with wiring.open_ledger().reading() as books:
        return [_status(books, name) for name in account_names(books, wanted)]


def _status(books: Books, account: AccountId) -> BreakerStatus:
    episode = books.trading_state.episode(account)
    halt = halting.halt_file().read()
    return BreakerStatus(
        account=account,
        state=halting.trading_state(books, account),
        halt_file=halt if halt is not None and halt.covers(account) else None,
        changes=tuple(c for c in episode if c.state is not TradingState.ACTIVE),
        discrepancies=books.discrepancies.open(account),
        unknown=books.orders.by_status(account, IN_FLIGHT),
        locks=books.locks.active(account, account_clock(books, account)),
    )


def _of_file(halt: Halt) -> str:
    return (
        f"halted by the file {halting.halt_file().path} since {halt.since}, by {halt.actor}: "
        f"{halt.reason}; regent breaker reset REASON lifts it"
    )


def _line(lock: Lock) -> str:
    until = figures.when(lock.until) if lock.until else "a person lifts it"
    what = lock.instrument_id or "everything"
    return f"{lock.lock_id}  {lock.account}  {what} until {until}: {lock.protection}, {lock.reason}"


def _show(found: Sequence[BreakerStatus], *, as_json: bool) -> None:
    if as_json:
        emit({"accounts": found})
        return
    for one in found:
        one.show()
