"""What signals must look like, from a file or from our own analysis: one model for both.

The model reads text, as a person wrote it, so that numbers stay exact: nothing passes
through a float.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import pandas as pd
import pandera.pandas as pa
from pandera.typing.pandas import Series

from execution.model.enums import RegimeLabel, TimeInForce
from execution.model.money import ZERO
from execution.model.order import EMERGENCY

REQUIRED = ("symbol", "time", "regime", "side", "weight", "confidence")
NUMBERS_OPTIONAL = (
    "stop_loss",
    "take_profit",
    "quantity",
    "price",
    "stop_px",
    "trail_pct",
    "display_qty",
)
OPTIONAL = ("strategy", *NUMBERS_OPTIONAL, "time_in_force", "expire_at", "post_only")
COLUMNS = (*REQUIRED, *OPTIONAL)
NUMBER_MAX = Decimal("1E15")  # what the ledger's DECIMAL(38,12) holds with room to compute

_REGIMES = ", ".join(RegimeLabel)
_TIMES_IN_FORCE = ", ".join(TimeInForce)


def number(text: str) -> Decimal | None:
    """Read a finite number, exactly; None when it is none."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value) < NUMBER_MAX else None


def moment(text: str) -> datetime | None:
    """Read a time with its zone into UTC; None when it is none."""
    try:
        ts = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ts.astimezone(UTC) if ts.tzinfo else None


class Signals(pa.DataFrameModel):
    """Rows of text; an empty cell in an optional column means: not given."""

    symbol: Series[str]
    time: Series[str]  # ISO 8601 with its zone
    regime: Series[str]
    side: Series[str]
    weight: Series[str]  # share of the portfolio
    confidence: Series[str]
    strategy_: Series[str] = pa.Field(alias="strategy")  # pandera keeps the plain name
    stop_loss: Series[str]  # quote per base unit, as are take_profit and price
    take_profit: Series[str]
    quantity: Series[str]  # base units
    price: Series[str]
    stop_px: Series[str]
    trail_pct: Series[str]  # a fraction
    display_qty: Series[str]  # base units
    time_in_force: Series[str]
    expire_at: Series[str]
    post_only: Series[str]

    class Config:
        """Nothing else may be in the frame."""

        strict = True

    @pa.check("symbol", "strategy", error="must not be empty", element_wise=True)
    @classmethod
    def _named(cls, text: str) -> bool:
        return bool(text)

    @pa.check(
        "strategy",
        error=f"must not be {EMERGENCY}: orders of that name are the emergency stop's own",
        element_wise=True,
    )
    @classmethod
    def _not_reserved(cls, text: str) -> bool:
        return text != EMERGENCY

    @pa.check(
        "time",
        error="is not an ISO time with its zone, such as 2025-10-16T00:00:00Z",
        element_wise=True,
    )
    @classmethod
    def _time(cls, text: str) -> bool:
        return moment(text) is not None

    @pa.check("regime", error=f"is not one of {_REGIMES}", element_wise=True)
    @classmethod
    def _regime(cls, text: str) -> bool:
        return text in set(RegimeLabel)

    @pa.check("side", error="is not one of -1, 0, 1", element_wise=True)
    @classmethod
    def _side(cls, text: str) -> bool:
        return number(text) in (-1, 0, 1)

    @pa.check("weight", "confidence", error="is not a number", element_wise=True)
    @classmethod
    def _number(cls, text: str) -> bool:
        return number(text) is not None

    @pa.check("weight", error="0 <= weight <= 1", element_wise=True)
    @classmethod
    def _weight(cls, text: str) -> bool:
        return _share(text)

    @pa.check("confidence", error="0 <= confidence <= 1", element_wise=True)
    @classmethod
    def _confidence(cls, text: str) -> bool:
        return _share(text)

    @pa.check(*NUMBERS_OPTIONAL, error="is not a number", element_wise=True)
    @classmethod
    def _optional_number(cls, text: str) -> bool:
        return not text or number(text) is not None

    @pa.check(*NUMBERS_OPTIONAL, error="is not above 0", element_wise=True)
    @classmethod
    def _positive(cls, text: str) -> bool:
        value = number(text)
        return value is None or value > 0

    @pa.check("trail_pct", error="0 < trail_pct < 1", element_wise=True)
    @classmethod
    def _trail(cls, text: str) -> bool:
        value = number(text)
        return value is None or value < 1

    @pa.check("time_in_force", error=f"is not one of {_TIMES_IN_FORCE}", element_wise=True)
    @classmethod
    def _time_in_force(cls, text: str) -> bool:
        return not text or text in set(TimeInForce)

    @pa.check("expire_at", error="is not an ISO time with its zone", element_wise=True)
    @classmethod
    def _expire_at(cls, text: str) -> bool:
        return not text or moment(text) is not None

    @pa.check("post_only", error="is not true or false", element_wise=True)
    @classmethod
    def _post_only(cls, text: str) -> bool:
        return text in ("", "true", "false")

    @pa.dataframe_check(error="time_in_force gtd and expire_at go together")
    @classmethod
    def _until(cls, rows: pd.DataFrame) -> pd.Series[bool]:
        return (rows["time_in_force"] == TimeInForce.GTD) == (rows["expire_at"] != "")

    @pa.dataframe_check(error="stop_loss and trail_pct: give one of them")
    @classmethod
    def _one_stop(cls, rows: pd.DataFrame) -> pd.Series[bool]:
        return (rows["stop_loss"] == "") | (rows["trail_pct"] == "")

    @pa.dataframe_check(error="stop_loss is on the losing side of price")
    @classmethod
    def _stop_loss(cls, rows: pd.DataFrame) -> pd.Series[bool]:
        return _beyond_price(rows, "stop_loss", -1)

    @pa.dataframe_check(error="take_profit is on the winning side of price")
    @classmethod
    def _take_profit(cls, rows: pd.DataFrame) -> pd.Series[bool]:
        return _beyond_price(rows, "take_profit", 1)

    @pa.dataframe_check(error="symbol, time and strategy together appear once")
    @classmethod
    def _once(cls, rows: pd.DataFrame) -> pd.Series[bool]:
        return ~rows.duplicated(["symbol", "time", "strategy"], keep=False)


def _share(text: str) -> bool:
    """Whether a number is between 0 and 1; what is no number breaks another rule."""
    value = number(text)
    return value is None or ZERO <= value <= 1


def _beyond_price(rows: pd.DataFrame, column: str, direction: int) -> pd.Series[bool]:
    """Whether an exit lies on its side of the entry price, where there is an entry price."""

    def holds(side: str, price: str, exit_px: str) -> bool:
        s, p, e = number(side), number(price), number(exit_px)
        return s is None or p is None or e is None or s == 0 or direction * s * (e - p) > 0

    cells = zip(rows["side"], rows["price"], rows[column], strict=True)
    return pd.Series([holds(*row) for row in cells], index=rows.index)
