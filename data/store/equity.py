"""Equity: what the account was worth, each time a run looked; append-only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from data.store.session import Session
from execution.model.identifiers import AccountId, RunId

SELECT = "SELECT * FROM equity WHERE account = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityPoint:
    """The account's worth at one moment, in `currency`."""

    account: AccountId
    run_id: RunId
    currency: str
    cash: Decimal
    holdings: Decimal  # at the marks
    equity: Decimal  # cash + holdings
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    ts_event: datetime  # UTC, market time of the marks
    ts_init: datetime  # UTC, when the run looked
    buying_power: Decimal | None = None  # as the venue said; None: it did not


class Equity:
    """The `equity` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, point: EquityPoint) -> None:
        """Keep one point."""
        p = point
        money = (p.cash, p.holdings, p.equity, p.unrealized_pnl, p.realized_pnl)
        row = (p.account, p.run_id, p.currency, *money, p.ts_event, p.ts_init, p.buying_power)
        self._session.insert("equity", [row])

    def latest(self, account: AccountId) -> EquityPoint | None:
        """The newest point."""
        return self._one(f"{SELECT} ORDER BY ts_init DESC, rowid DESC LIMIT 1", account)

    def of(self, account: AccountId) -> tuple[EquityPoint, ...]:
        """Every point of the account, oldest first."""
        rows = self._session.rows(f"{SELECT} ORDER BY ts_init, rowid", account)
        return tuple(_point(*row) for row in rows)

    def day_open(self, account: AccountId, day_start: datetime) -> EquityPoint | None:
        """The last point before the day; else the first of the day; else None."""
        return self._one(
            f"{SELECT} AND ts_init < ? ORDER BY ts_init DESC, rowid DESC LIMIT 1",
            account,
            day_start,
        ) or self._one(
            f"{SELECT} AND ts_init >= ? ORDER BY ts_init, rowid LIMIT 1", account, day_start
        )

    def peak(self, account: AccountId) -> Decimal | None:
        """The most that the account was ever worth; None before the first point."""
        row = self._session.row("SELECT max(equity) FROM equity WHERE account = ?", account)
        return None if row is None else row[0]

    def _one(self, sql: str, *params: object) -> EquityPoint | None:
        row = self._session.row(sql, *params)
        return None if row is None else _point(*row)


def _point(
    account: AccountId,
    run_id: RunId,
    currency: str,
    cash: Decimal,
    holdings: Decimal,
    equity: Decimal,
    unrealized_pnl: Decimal,
    realized_pnl: Decimal,
    ts_event: datetime,
    ts_init: datetime,
    buying_power: Decimal | None,
) -> EquityPoint:
    return EquityPoint(
        account=account,
        run_id=run_id,
        currency=currency,
        cash=cash,
        holdings=holdings,
        equity=equity,
        unrealized_pnl=unrealized_pnl,
        realized_pnl=realized_pnl,
        ts_event=ts_event,
        ts_init=ts_init,
        buying_power=buying_power,
    )
