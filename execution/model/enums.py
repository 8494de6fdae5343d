"""The closed sets of words; each value is what users write and what the ledger keeps."""

from __future__ import annotations

from enum import StrEnum


class RunMode(StrEnum):
    """Where orders go: nowhere, to our simulated venue, to play money, to real money."""

    BACKTEST = "backtest"
    DRY_RUN = "dry-run"
    PAPER = "paper"
    LIVE = "live"


class AssetClass(StrEnum):
    """What kind of thing is traded."""

    CRYPTO = "crypto"
    EQUITY = "equity"


class RegimeLabel(StrEnum):
    """How the market behaves; UNKNOWN while there is too little history."""

    TRENDING = "trending"
    MEAN_REVERTING = "mean_reverting"
    VOLATILE = "volatile"
    CALM = "calm"
    UNKNOWN = "unknown"


class OrderSide(StrEnum):
    """Buy or sell; quantities are never signed."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for BUY, -1 for SELL: the direction the position moves."""
        return 1 if self is OrderSide.BUY else -1


class OrderType(StrEnum):
    """How the price of an order is set."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    """How long an order stays open."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"


class OrderStatus(StrEnum):
    """Where an order is in its life; `execution.model.order.NEXT` is the table."""

    INITIALIZED = "initialized"
    HELD = "held"  # by us, until its price, its time or its parent lets it go
    DENIED = "denied"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_CANCEL = "pending_cancel"
    CANCELED = "canceled"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class FillKind(StrEnum):
    """Who wanted an execution."""

    TRADE = "trade"
    LIQUIDATION = "liquidation"  # the venue closed it by force


class TransferKind(StrEnum):
    """Why money or assets came or went without a trade."""

    OPENING = "opening"  # what was there when the books began
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    FUNDING = "funding"
    FEE = "fee"  # apart from a fill's commission
    INTEREST = "interest"
    DIVIDEND = "dividend"
    ADJUSTMENT = "adjustment"  # a person accepted a difference that nothing explains


class TradingState(StrEnum):
    """ACTIVE trades; REDUCING only reduces; HALTED sends nothing new. Survives restarts."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class ExternalPolicy(StrEnum):
    """What becomes of holdings, orders and trades of the account that are not ours."""

    FLAG = "flag"  # booked, and their instrument is quarantined until a person accepts them
    ADOPT = "adopt"  # booked, and traded like our own


class Severity(StrEnum):
    """How soon a person should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Topic(StrEnum):
    """What an alert is about; a person chooses channels, and finds the runbook, by it."""

    APPROVAL_DIFFERS = "approved and sent differ"
    APPROVAL_WANTED = "approval wanted"
    BOOKS_DIFFER = "books differ"
    BREAKER = "breaker"
    EMERGENCY_STOP = "emergency stop"
    EXTERNAL_TRADE = "external trade"
    HELD_ORDER = "held order"
    LIQUIDATION = "liquidation"
    ORDER_MISSING = "order missing"
    ORDER_OVERDUE = "order overdue"
    ORDER_PARTIALLY_FILLED = "order partially filled"
    ORDER_REJECTED = "order rejected"
    ORDER_UNKNOWN = "order unknown"
    ORDER_UNREACHED = "order unreached"
    OTHER = "other"  # of an older version, in words that are used no more
    PLAN_DENIED = "plan denied"
    POSITION_UNPROTECTED = "position unprotected"
    PREFLIGHT = "preflight"
    RUN_CRASHED = "run crashed"
    RUN_FAILED = "run failed"
    RUN_REFUSED = "run refused"
    SAFETY_VIOLATION = "safety violation"
    SETTINGS_INVALID = "settings invalid"
    TEST = "test"
    TRANSFER = "transfer"
    WATCH_BLIND = "watch blind"
