"""The books as tables to look at, with what `verify` says of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import pandas as pd

from data.store.books import Books
from data.store.session import Session
from data.store.verify import ACCOUNTS, Finding, verify
from execution.model.discrepancy import DiscrepancyKind
from execution.model.identifiers import AccountId

# Every table begins with the key that `verify` names its rows by.
ORDERS = """
    SELECT client_order_id AS key, i.account, i.instrument, i.side, i.order_type, o.status,
           coalesce(o.order_qty, i.order_qty) AS order_qty, o.cum_qty, i.created_at AS ts,
           o.updated_at
    FROM intents i FULL JOIN orders o USING (client_order_id) ORDER BY i.created_at, key
"""
FILLS = """
    SELECT trade_id AS key, account, venue, instrument, base, quote, client_order_id,
           last_qty, last_px, commission, commission_ccy, ts_event AS ts, ts_init
    FROM fills ORDER BY seq
"""
POSITIONS = """
    SELECT account || ' ' || instrument AS key, account, instrument, net_qty, avg_px,
           realized_pnl, commission, updated_at AS ts
    FROM positions ORDER BY key
"""
EQUITY = """
    SELECT account || ' ' || run_id AS key, account, currency, cash, holdings, equity,
           ts_event AS ts, ts_init
    FROM equity ORDER BY account, rowid
"""
CASH = ("key", "account", "currency", "amount", "equity", "ts")
TABLES = {"orders": ORDERS, "fills": FILLS, "positions": POSITIONS, "equity": EQUITY}


@dataclass(frozen=True, kw_only=True)
class BookSample:
    """One table of the books; `key` is what `verify` calls a row."""

    subject: str  # the table's name
    table: pd.DataFrame
    findings: tuple[Finding, ...]  # of all tables
    external: frozenset[str]  # what is not ours and waits for a person, by its key
    currencies: frozenset[str]  # that came in or went out

    def moment(self, row: int) -> datetime | None:
        """When the row was."""
        ts = self.table["ts"].iloc[row]
        return None if pd.isna(ts) else ts


def read_books(books: Books) -> dict[str, BookSample]:
    """Read every table, and fold the books once."""
    accounts = [AccountId(account) for (account,) in books.session.rows(ACCOUNTS)]
    tables = {name: _frame(books.session, sql) for name, sql in TABLES.items()}
    tables["cash"] = pd.DataFrame(
        chain.from_iterable(_cash(books, account) for account in accounts),
        columns=[*CASH],
        dtype=object,
    )
    external = frozenset(
        d.key
        for account in accounts
        for d in books.discrepancies.open(account)
        if d.kind is DiscrepancyKind.EXTERNAL
    )
    moved = books.session.rows("SELECT DISTINCT currency FROM transfers")
    findings = verify(books)
    return {
        name: BookSample(
            subject=name,
            table=table,
            findings=findings,
            external=external,
            currencies=frozenset(currency for (currency,) in moved),
        )
        for name, table in tables.items()
    }


def _frame(session: Session, sql: str) -> pd.DataFrame:
    """Rows as they are: no decimal becomes a float."""
    names = [name for name, *_ in session.rows(f"DESCRIBE {sql}")]
    return pd.DataFrame(session.rows(sql), columns=names, dtype=object)


def _cash(books: Books, account: AccountId) -> list[tuple[object, ...]]:
    """What money there is, with the equity where it is the account's own currency."""
    point = books.equity.latest(account)
    return [
        (
            f"{account} {currency}",
            account,
            currency,
            amount,
            point.equity if point and point.currency == currency else None,
            point.ts_event if point else None,
        )
        for currency, amount in sorted(books.cash(account).items())
    ]
