"""Money or assets that came or went without a trade; never a fill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.model.enums import TransferKind
from execution.model.identifiers import AccountId


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One movement of one currency or asset. Never edited: a correction is a new one."""

    transfer_id: str  # from the venue; the dedupe key within the account
    account: AccountId
    kind: TransferKind
    currency: str  # USDT, or an asset such as BTC or AAPL
    amount: Decimal  # in `currency`, signed: > 0 came in
    ts_event: datetime  # UTC, venue clock
