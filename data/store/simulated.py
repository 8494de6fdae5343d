"""Simulated accounts that live in the ledger, one transaction a step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from data.store.connection import Ledger
from execution.model.fill import Fill
from execution.model.identifiers import AccountId, ClientOrderId
from execution.venues.simulated_account import SimulatedOrder, SimulatedState

T = TypeVar("T")


class SimulatedLedger:
    """`SimulatedAccounts` over the ledger: the venue's side survives restarts.

    Each call is a transaction of its own, as a call to a real venue would be: never make
    one inside a transaction.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def open(self, account: AccountId, currency: str, cash: Decimal) -> bool:
        """Start an account with `cash`; False when it is there, which changes nothing."""
        with self._ledger.transaction() as books:
            return books.simulated.open(account, currency, cash)

    def update(
        self,
        account: AccountId,
        step: Callable[[SimulatedState], tuple[SimulatedState, T]],
        client_order_id: ClientOrderId | None = None,
    ) -> T:
        """Load, step, save, as one transaction; nothing is saved when the step raises."""
        with self._ledger.transaction() as books:
            before = books.simulated.load(account, client_order_id)
            after, answer = step(before)
            if after is not before:
                books.simulated.save(before, after)
            return answer

    def order(self, account: AccountId, client_order_id: ClientOrderId) -> SimulatedOrder | None:
        """One order, whatever its status."""
        with self._ledger.reading() as books:
            return books.simulated.order(account, client_order_id)

    def fills(self, account: AccountId, since: datetime) -> tuple[Fill, ...]:
        """Executions with ts_event at or after `since`, oldest first."""
        with self._ledger.reading() as books:
            return books.simulated.fills(account, since)
