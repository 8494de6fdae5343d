from __future__ import annotations

from decimal import Decimal

from execution.model.position import Position
from execution.portfolio.summary import summarize
from tests.execution.examples import AAPL, ACCOUNT, MSFT

LONG = Position(
    account=ACCOUNT, instrument_id=AAPL, net_qty=Decimal("0.5"), avg_px=Decimal("65400")
)
SHORT = Position(account=ACCOUNT, instrument_id=MSFT, net_qty=Decimal(-10), avg_px=Decimal(110))
MARKS = {AAPL: Decimal(67000), MSFT: Decimal(100)}


def test_a_holding_is_valued_at_its_mark():
    (holding,) = summarize([LONG], MARKS).holdings

    assert holding.value == Decimal(33500)
    assert holding.pnl == Decimal(800)
    assert holding.pnl_pct == Decimal(800) / Decimal(32700)
    assert holding.weight == 1


def test_a_short_wins_when_the_price_falls_and_weighs_by_its_size():
    _, short = summarize([LONG, SHORT], MARKS).holdings

    assert short.value == Decimal(-1000)
    assert short.pnl == Decimal(100)
    assert short.pnl_pct == Decimal(100) / Decimal(1100)
    assert short.weight == Decimal(1000) / Decimal(34500)


def test_the_account_is_its_cash_and_holdings_against_what_was_paid_in():
    portfolio = summarize([LONG, SHORT], MARKS, cash=Decimal(67500), paid_in=Decimal(99000))

    assert portfolio.value == Decimal(32500)
    assert portfolio.equity == Decimal(100000)
    assert portfolio.pnl == Decimal(1000)
    assert portfolio.pnl_pct == Decimal(1000) / Decimal(99000)
    assert portfolio.exposure_pct == Decimal("0.325")


def test_a_holding_is_small_beside_the_equity_whatever_it_weighs_among_the_holdings():
    """Risk limits the share of the equity; the only holding always weighs all."""
    (holding,) = summarize([LONG], MARKS, cash=Decimal(66500)).holdings

    assert holding.weight == 1
    assert holding.equity_share == Decimal("0.335")

    _, short = summarize([LONG, SHORT], MARKS, cash=Decimal(67500)).holdings
    assert short.equity_share == Decimal("0.01")


def test_a_share_of_no_equity_is_not_known():
    (holding,) = summarize([LONG], MARKS, cash=Decimal(-33500)).holdings

    assert holding.equity_share is None


def test_without_a_mark_nothing_that_needs_it_is_guessed():
    portfolio = summarize([LONG, SHORT], {AAPL: Decimal(67000)}, cash=Decimal(1))

    assert portfolio.value is portfolio.equity is portfolio.pnl is portfolio.exposure_pct is None
    assert [h.weight for h in portfolio.holdings] == [None, None]
    assert [h.equity_share for h in portfolio.holdings] == [None, None]
    assert portfolio.holdings[1].value is None


def test_an_account_that_holds_nothing_is_its_cash():
    portfolio = summarize([], {}, cash=Decimal(5), paid_in=Decimal(5))

    assert portfolio.equity == Decimal(5)
    assert portfolio.pnl == 0
