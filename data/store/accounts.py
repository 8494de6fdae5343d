"""Accounts: whose books are kept here, and what the venue calls them."""

from __future__ import annotations

from datetime import datetime

from data.store.session import Session
from execution.errors import Refused
from execution.model.identifiers import AccountId, VenueId


class Accounts:
    """The `accounts` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def open(self, account: AccountId, venue: VenueId, uid: str, now: datetime) -> bool:
        """Begin an account's books; False when they were begun before.

        Raises Refused when the same money has another name here already, or the
        name other money: under a second name it would have clean books and no halt.
        """
        rows = self._session.rows(
            "SELECT account, venue, uid FROM accounts WHERE account = ? OR (venue = ? AND uid = ?)",
            account,
            venue,
            uid,
        )
        if (account, venue, uid) in rows:
            return False
        if rows:
            known = rows[0][0]
            raise Refused(
                f"account {account} is another one at {venue} than before"
                if known == account
                else f"this account at {venue} is {known} here; "
                f"{account} would be a second name for the same money"
            )
        self._session.insert("accounts", [(account, venue, uid, now)])
        return True

    def opened_at(self, account: AccountId) -> datetime | None:
        """When the account's books begin; None before."""
        sql = "SELECT opened_at FROM accounts WHERE account = ?"
        row = self._session.row(sql, account)
        return None if row is None else row[0]

    def names(self) -> tuple[AccountId, ...]:
        """Every account that has books here."""
        rows = self._session.rows("SELECT account FROM accounts ORDER BY account")
        return tuple(AccountId(account) for (account,) in rows)
