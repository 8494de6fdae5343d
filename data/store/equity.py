"""Equity: what the account was worth, each time a run looked; append-only.

Beside it stands what one unit of the money that was paid in at first is worth: deposits and
withdrawals move the equity and not the unit, so neither looks like a profit or a loss. Nor
does a difference that a person has accepted: some venues list no withdrawal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from data.store.session import Session
from execution.model.identifiers import AccountId, InstrumentId, RunId
from execution.model.money import ZERO, quantize
from execution.model.worth import Worth

SELECT = "SELECT * EXCLUDE (unit, flows) FROM equity WHERE account = ?"
UNIT = "SELECT coalesce(unit, 1) FROM equity WHERE account = ?"
UNIT_MAX = """
    SELECT max(coalesce(unit, 1)) FROM equity WHERE account = ? AND (ts_init > ? OR ? IS NULL)
"""
# A row without a unit is of before it was kept: one, from there on.
LAST = """
    SELECT equity, coalesce(unit, 1), flows FROM equity
    WHERE account = ? ORDER BY ts_init DESC, rowid DESC LIMIT 1
"""
FLOWS = """
    SELECT currency, amount FROM transfers
    WHERE account = ? AND kind IN ('deposit', 'withdrawal', 'adjustment') ORDER BY rowid
"""


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
        unit = self.unit(p.account, p.equity, p.currency)
        flows = len(self._session.rows(FLOWS, p.account))
        row = (p.account, p.run_id, p.currency, *money, p.ts_event, p.ts_init, p.buying_power)
        self._session.insert("equity", [(*row, unit, flows)])

    def unit(self, account: AccountId, equity: Decimal, currency: str) -> Decimal:
        """What one unit is worth when the account is worth `equity` in `currency`.

        What came in since the last point is worth what it is at the marks now. A unit does
        not move while there is nothing in the account, and begins anew after all was lost.
        """
        last = self._session.row(LAST, account)
        if last is None:
            return Decimal(1)
        before, unit, known = last
        came = ZERO if known is None else self._came_in(account, int(known), currency)
        if before <= 0 or unit <= 0:
            return Decimal(unit) if unit > 0 else Decimal(1)
        return quantize(max(ZERO, unit * (equity - came) / before))

    def peak(
        self, account: AccountId, equity: Decimal, currency: str, since: datetime | None
    ) -> Decimal:
        """The highest equity since, in money of now: as if what was paid in had always been.

        `equity` is what the account is worth now, which counts too; `since` is UTC, and what
        it was worth then counts. None: from the beginning.
        """
        stood = None if since is None else self._unit_at(account, since)
        later = self._session.rows(UNIT_MAX, account, since, since)[0][0]
        known = [unit for unit in (stood, later) if unit is not None]
        highest = max(known, default=None)
        return max(equity, self._in_money_of_now(account, equity, currency, highest))

    def opening(
        self, account: AccountId, equity: Decimal, currency: str, since: datetime
    ) -> Decimal:
        """What it was worth at `since`, UTC, or when first seen after it, in money of now."""
        unit = self._unit_at(account, since)
        if unit is None:
            row = self._session.row(f"{UNIT} ORDER BY ts_init, rowid LIMIT 1", account)
            unit = row[0] if row else None
        return self._in_money_of_now(account, equity, currency, unit)

    def worths(self, account: AccountId) -> tuple[Worth, ...]:
        """The unit at every point, oldest first."""
        rows = self._session.rows(
            "SELECT coalesce(unit, 1), ts_init FROM equity WHERE account = ? "
            "ORDER BY ts_init, rowid",
            account,
        )
        return tuple(Worth(unit=unit, ts=ts) for unit, ts in rows)

    def latest(self, account: AccountId) -> EquityPoint | None:
        """The newest point."""
        return self._one(f"{SELECT} ORDER BY ts_init DESC, rowid DESC LIMIT 1", account)

    def of(self, account: AccountId) -> tuple[EquityPoint, ...]:
        """Every point of the account, oldest first."""
        rows = self._session.rows(f"{SELECT} ORDER BY ts_init, rowid", account)
        return tuple(_point(*row) for row in rows)

    def _unit_at(self, account: AccountId, moment: datetime) -> Decimal | None:
        """The unit of the last point up to `moment`."""
        row = self._session.row(
            f"{UNIT} AND ts_init <= ? ORDER BY ts_init DESC, rowid DESC LIMIT 1", account, moment
        )
        return None if row is None else row[0]

    def _in_money_of_now(
        self, account: AccountId, equity: Decimal, currency: str, unit: Decimal | None
    ) -> Decimal:
        if unit is None:  # there is no point yet: this is the first look
            return equity
        now, last = self.unit(account, equity, currency), self._session.row(LAST, account)
        if now > 0 and equity > 0:
            return quantize(equity * unit / now)
        # All is lost: the last point's money is the nearest to money of now that there is.
        return quantize(last[0] * unit / last[1]) if last and last[1] > 0 else equity

    def _came_in(self, account: AccountId, known: int, currency: str) -> Decimal:
        """Worth of what came in, less what went out, that no point knows of yet."""
        flows = self._session.rows(FLOWS, account)[known:]
        if not flows:
            return ZERO
        marks = self._session.rows("SELECT instrument, px FROM marks WHERE account = ?", account)
        px = {InstrumentId.parse(name).base: mark for name, mark in marks} | {currency: Decimal(1)}
        return sum((amount * px.get(asset, ZERO) for asset, amount in flows), ZERO)

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
