"""The suites of the books, a table each. What `regent verify` folds is told, not folded again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pandas as pd

from data.quality.expectation import (
    NOTHING,
    WHOLE,
    Expectation,
    Offending,
    expectation,
    offending,
)
from data.quality.ledger import BookSample
from data.quality.rules import QualityRules, Severity
from execution.model.enums import OrderSide, OrderStatus, OrderType
from execution.model.money import ZERO
from execution.model.order import TERMINAL

CLOCKS = timedelta(seconds=5)  # how far a venue's clock may be before ours

error = partial(expectation, Severity.ERROR)
warning = partial(expectation, Severity.WARNING)


@error("client_order_id", "an id is one order's")
def order_ids_unique(sample: BookSample, rules: QualityRules) -> Offending:
    """The id is what keeps an order from being sent twice."""
    return _repeated(sample, "key")


@error("client_order_id", "an intent, its order and its events belong together")
def order_rows_complete(sample: BookSample, rules: QualityRules) -> Offending:
    """A row alone has a story that nobody can tell."""
    return _found(sample, "orders", "order_events", "no order for the intent")


@error("cum_qty", "an order is what its events and its fills add up to")
def orders_add_up(sample: BookSample, rules: QualityRules) -> Offending:
    """Status, filled quantity and price, folded again; sent once, to one venue order."""
    return _found(sample, "order")


@error("status", "a status that there is")
def order_status_known(sample: BookSample, rules: QualityRules) -> Offending:
    """What nobody knows, nobody looks after."""
    status = sample.table["status"]
    return offending(status.notna() & ~status.isin([s.value for s in OrderStatus]), status)


@error("cum_qty", "an order that has not ended has something left")
def working_orders_open(sample: BookSample, rules: QualityRules) -> Offending:
    """One that is filled whole and still counted as open holds its place for ever."""
    table = sample.table.dropna(subset=["cum_qty"])
    working = ~table["status"].isin([s.value for s in TERMINAL])
    full = working & (table["cum_qty"] >= table["order_qty"])
    return table["cum_qty"][full]


@warning("cum_qty", "a filled order is filled whole")
def filled_orders_whole(sample: BookSample, rules: QualityRules) -> Offending:
    """The fills of one that the venue calls filled are still to be booked."""
    table = sample.table.dropna(subset=["cum_qty"])
    # A market buy may be told what to spend: it brings what that buys.
    spends = (table["side"] == OrderSide.BUY) & (table["order_type"] == OrderType.MARKET)
    short = (table["status"] == OrderStatus.FILLED) & (table["cum_qty"] < table["order_qty"])
    return table["cum_qty"][short & (~spends | (table["cum_qty"] == 0))]


@error("updated_at", "not before it was written")
def order_times_rising(sample: BookSample, rules: QualityRules) -> Offending:
    """Nothing happens to an order before there is one."""
    table = sample.table.dropna(subset=["ts", "updated_at"])
    return table["updated_at"][table["updated_at"] < table["ts"]]


@error("trade_id", "a trade is booked once an account")
def trade_ids_unique(sample: BookSample, rules: QualityRules) -> Offending:
    """Booked twice it counts twice."""
    return _repeated(sample, "venue", "account", "key")


@error("client_order_id", "of an order in the books, or of none of ours")
def fills_have_orders(sample: BookSample, rules: QualityRules) -> Offending:
    """Whatever names an order of ours has one, of its account, instrument and side."""
    return _found(sample, "fill")


@warning("trade_id", "what is not ours was accepted")
def external_fills_accepted(sample: BookSample, rules: QualityRules) -> Offending:
    """A trade that no order of ours made waits for a person: regent accept KEY."""
    return offending(sample.table["key"].isin(list(sample.external)), sample.table["key"])


@warning("commission_ccy", "base, quote or money of the account")
def commission_currency_known(sample: BookSample, rules: QualityRules) -> Offending:
    """A fee in something that never came in is owed, or misread."""
    table = sample.table
    ccy = table["commission_ccy"]
    known = (ccy == table["base"]) | (ccy == table["quote"]) | ccy.isin(list(sample.currencies))
    return offending(~known & (table["commission"] != 0), ccy)


@warning("ts_event", "not after it was booked")
def fill_times_past(sample: BookSample, rules: QualityRules) -> Offending:
    """The venue's clock and ours differ, but not by much."""
    if sample.table.empty:
        return NOTHING
    late = pd.to_datetime(sample.table["ts"]) - pd.to_datetime(sample.table["ts_init"]) > CLOCKS
    return offending(late, sample.table["ts"])


@error("net_qty", "a position is what its fills add up to")
def positions_add_up(sample: BookSample, rules: QualityRules) -> Offending:
    """Quantity, average price, realized profit and commission, folded again."""
    return _found(sample, "position")


@error("amount", "cash is what transfers and fills add up to")
def cash_adds_up(sample: BookSample, rules: QualityRules) -> Offending:
    """Summed by the database and summed again."""
    return _found(sample, "cash")


@error("amount", "not below 0 but by what leverage of {leverage_max:g} lends")
def cash_covered(sample: BookSample, rules: QualityRules) -> Offending:
    """Money that is not there was spent. Of the account's own currency."""
    table = sample.table.dropna(subset=["equity"])
    share = Decimal(str(rules.leverage_max)) - 1
    lent = table["equity"].map(lambda equity: share * max(equity, ZERO))
    short: Offending = table["amount"][table["amount"] < -lent]
    return short


@error("equity", "0 <= equity")
def equity_not_negative(sample: BookSample, rules: QualityRules) -> Offending:
    """More was lost than there was."""
    return offending(sample.table["equity"] < 0, sample.table["equity"])


@error("equity", "equity = cash + holdings")
def equity_adds_up(sample: BookSample, rules: QualityRules) -> Offending:
    """To the last place."""
    table = sample.table
    return offending(table["equity"] != table["cash"] + table["holdings"], table["equity"])


@error("ts_init", "not before the account's row above")
def equity_times_rising(sample: BookSample, rules: QualityRules) -> Offending:
    """A curve that goes back in time has no drawdown that can be trusted."""
    table = sample.table
    if table.empty:
        return NOTHING
    ts = pd.to_datetime(table["ts_init"])
    return offending(ts < ts.groupby(table["account"]).shift(), table["ts_init"])


SUITES: dict[str, tuple[Expectation[BookSample], ...]] = {
    "orders": (
        order_ids_unique,
        order_rows_complete,
        orders_add_up,
        order_status_known,
        working_orders_open,
        filled_orders_whole,
        order_times_rising,
    ),
    "fills": (
        trade_ids_unique,
        fills_have_orders,
        external_fills_accepted,
        commission_currency_known,
        fill_times_past,
    ),
    "positions": (positions_add_up,),
    "cash": (cash_adds_up, cash_covered),
    "equity": (equity_not_negative, equity_adds_up, equity_times_rising),
}
BOOKS: dict[str, Expectation[BookSample]] = {
    one.name: one for suite in SUITES.values() for one in suite
}


def _repeated(sample: BookSample, *columns: str) -> Offending:
    return offending(sample.table.duplicated([*columns]), sample.table["key"])


def _found(sample: BookSample, *whats: str) -> Offending:
    """The rows that `verify` has something to say of; WHOLE where it has no row."""
    rows = {key: row for row, key in enumerate(sample.table["key"])}
    told: dict[int, list[str]] = {}
    for f in sample.findings:
        if f.what in whats:
            told.setdefault(rows.get(f.key, WHOLE), []).append(str(f))
    return pd.Series({row: "; ".join(texts) for row, texts in sorted(told.items())}, dtype=object)
