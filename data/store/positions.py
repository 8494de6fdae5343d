"""Positions: folded from fills, and stored so that nobody folds them again."""

from __future__ import annotations

from datetime import datetime

from data.store.session import Row, Session
from execution.model.identifiers import AccountId, InstrumentId
from execution.model.position import Position

SELECT = "SELECT * EXCLUDE (updated_at) FROM positions WHERE account = ?"


class Positions:
    """The `positions` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, account: AccountId, instrument_id: InstrumentId) -> Position:
        """One position; flat when it was never traded."""
        row = self._session.row(f"{SELECT} AND instrument = ?", account, instrument_id)
        return Position(account=account, instrument_id=instrument_id) if row is None else _from(row)

    def all(self, account: AccountId) -> tuple[Position, ...]:
        """Every position the account ever had, by instrument."""
        rows = self._session.rows(f"{SELECT} ORDER BY instrument", account)
        return tuple(_from(row) for row in rows)

    def open(self, account: AccountId) -> tuple[Position, ...]:
        """The positions that are not flat, by instrument."""
        return tuple(p for p in self.all(account) if p.net_qty)

    def save(self, p: Position, now: datetime) -> None:
        """Store a folded position; for this package alone, as it is not a fact."""
        row = (p.account, p.instrument_id, p.net_qty, p.avg_px, p.realized_pnl, p.commission, now)
        # One row a statement: with one key twice, DO UPDATE would apply only the first.
        self._session.insert(
            "positions",
            [row],
            "ON CONFLICT (account, instrument) DO UPDATE SET net_qty = excluded.net_qty, "
            "avg_px = excluded.avg_px, realized_pnl = excluded.realized_pnl, "
            "commission = excluded.commission, updated_at = excluded.updated_at",
        )


def _from(row: Row) -> Position:
    account, instrument, net_qty, avg_px, realized_pnl, commission = row
    return Position(
        account=account,
        instrument_id=InstrumentId.parse(instrument),
        net_qty=net_qty,
        avg_px=avg_px,
        realized_pnl=realized_pnl,
        commission=commission,
    )
