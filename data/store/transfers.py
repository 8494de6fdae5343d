"""Transfers: money that came or went, and the cash that they and the fills leave."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from data.store.session import Session
from execution.errors import InvariantBroken
from execution.model.enums import TransferKind
from execution.model.identifiers import AccountId
from execution.model.transfer import Transfer

# `money.quantize` rounds half to even, a cast rounds half away from zero. Where the two
# differ, books and venue would be apart by one in the twelfth place for ever.
CASH = """
    WITH traded AS (
        SELECT quote, base, commission, commission_ccy,
               CASE side WHEN 'buy' THEN -last_qty * last_px ELSE last_qty * last_px END AS exact,
               exact::DECIMAL(38,12) AS rounded,
               abs(exact - rounded) = 0.0000000000005 AND rounded % 0.000000000002 <> 0 AS tie
        FROM fills WHERE account = ?
    ), moved AS (
        SELECT currency, amount FROM transfers WHERE account = ?
        UNION ALL
        SELECT quote, CASE WHEN tie THEN rounded - sign(exact) * 0.000000000001 ELSE rounded END
        FROM traded
        UNION ALL
        SELECT commission_ccy, -commission FROM traded
        WHERE commission <> 0 AND commission_ccy <> base
    )
    SELECT currency, sum(amount)::DECIMAL(38,12) FROM moved GROUP BY currency ORDER BY currency
"""


class Transfers:
    """The `transfers` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, transfer: Transfer) -> bool:
        """Book a transfer; False when its id is booked already.

        Raises InvariantBroken when the id comes back with another amount or currency.
        """
        t = transfer
        inserted = self._session.insert(
            "transfers",
            [(t.account, t.transfer_id, t.kind, t.currency, t.amount, t.ts_event)],
            "ON CONFLICT (account, transfer_id) DO NOTHING RETURNING transfer_id",
        )
        if inserted:
            return True
        booked = self._session.row(
            "SELECT currency, amount FROM transfers WHERE account = ? AND transfer_id = ?",
            t.account,
            t.transfer_id,
        )
        if booked != (t.currency, t.amount):
            raise InvariantBroken(
                f"transfer {t.transfer_id} on {t.account} is booked as {booked}, "
                f"and came again as {t.amount} {t.currency}"
            )
        return False

    def latest_ts(self, account: AccountId) -> datetime | None:
        """Venue time of the newest transfer but the opening: where to ask on from."""
        rows = self._session.rows(
            "SELECT max(ts_event) FROM transfers WHERE account = ? AND kind <> 'opening'", account
        )
        latest: datetime | None = rows[0][0]
        return latest

    def of(self, account: AccountId) -> tuple[Transfer, ...]:
        """Every transfer of the account, oldest first."""
        sql = "SELECT * FROM transfers WHERE account = ? ORDER BY ts_event, transfer_id"
        return tuple(
            Transfer(
                account=account,
                transfer_id=transfer_id,
                kind=TransferKind(kind),
                currency=currency,
                amount=amount,
                ts_event=ts_event,
            )
            for _, transfer_id, kind, currency, amount, ts_event in self._session.rows(sql, account)
        )

    def paid_in(self, account: AccountId) -> dict[str, Decimal]:
        """What came in less what went out, by currency."""
        sql = "SELECT currency, sum(amount) FROM transfers WHERE account = ? GROUP BY currency"
        return dict(self._session.rows(sql, account))

    def cash(self, account: AccountId) -> dict[str, Decimal]:
        """Money by currency: transfers, less buys, plus sells, less commissions.

        A commission in the base currency left the position, not the cash.
        """
        return dict(self._session.rows(CASH, account, account))
