"""Whether an account trades: by its ledger, and by the halt file beside it."""

from __future__ import annotations

from data.store.books import Books
from data.store.halt import HaltFile
from execution.model.enums import TradingState
from execution.model.identifiers import AccountId
from tasks import wiring


def halt_file() -> HaltFile:
    """The halt file of this installation."""
    return HaltFile(wiring.settings().home.absolute() / "halt")


def trading_state(books: Books, account: AccountId) -> TradingState | None:
    """The state in force; HALTED while the halt file names the account, whatever is booked."""
    if halt_file().covers(account):
        return TradingState.HALTED
    return books.trading_state.get(account)


def lift(account: AccountId) -> None:
    """End an account's halt by file, and its emergency: for a person who lets it trade again.

    To be called once the new state is in the ledger: until then the file holds.
    """
    with wiring.open_ledger().transaction() as books:
        books.emergencies.end(account, wiring.wall_clock())
        others = {*books.accounts.names(), *books.runs.accounts()} - {account}
    halt_file().lift(account, others)
