"""Many cycles in a row on real bars: the books must be exact after every one of them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from data.feeds.sample import SampleFeed
from execution.model.identifiers import VenueId
from execution.risk.limits import RiskLimits
from tasks import wiring
from tasks.config import RunConfig
from tests.cycles import assert_books_are_right, run_cycle

# An account of this size is past what the default limits are for. No person is there to reset
# a halt; what only reduces ends by itself.
HUGE = RiskLimits(
    max_order_value=Decimal(1_000_000_000),
    max_adv_pct=1,
    max_unfilled_s=3 * 86_400,
    max_drawdown_pct=1,
)


def walk(days: int) -> None:
    """One cycle a session day up to the end of the sample, on an account of two billion.

    That is enough for the participation cap to leave orders partly filled when a day ends.
    """
    feed = SampleFeed(VenueId("simulated"))
    closes = feed.bars(feed.instruments()[0].instrument_id, None, days)["ts_close"]
    for close in closes:
        config = RunConfig(
            as_of=close.to_pydatetime() + timedelta(minutes=1),
            starting_cash=Decimal(2_000_000_000),
            order_timeout_s=3 * 86_400,
            limits=HUGE,
        )
        run_cycle(config)
        assert_books_are_right(config)
    with wiring.open_ledger().reading() as books:
        orders = books.orders.all(config.account_id)
        fills = len(books.fills.of(config.account_id))
        equity = books.equity.latest(config.account_id)
        changes = [c.cause for c in books.trading_state.history(config.account_id)]
    assert equity is not None
    print(f"\n{days} cycles, {len(orders)} orders, {fills} fills, equity {equity.equity:,.2f}")
    print(f"the breaker: {dict(Counter(changes))}")
    assert any(0 < o.cum_qty < o.intent.order_qty for o in orders)
    assert any(o.cum_qty == o.intent.order_qty for o in orders)


@pytest.mark.slow
def test_eight_days_in_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    walk(8)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_two_years_in_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    walk(500)
