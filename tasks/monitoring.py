"""Stage 5: how the sent orders fare; and the watch over an account between the cycles."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from execution.model.enums import RunMode
from execution.model.order import Order
from execution.monitoring.orders import OrderAttention
from tasks import wiring
from tasks.account import require_forward
from tasks.cycle import Cycle
from tasks.market_data import Market, at_prices_of_now
from tasks.policies import SENDS
from tasks.rhythm import Pace
from tasks.sync import sync
from tasks.watch import PACE, Prices, tell_attention, watch

# A run compares its books at its end anyway.
WITHIN_A_RUN = replace(PACE, reconcile_every_s=None)


@task(name="monitor-orders", **SENDS)
def monitor_orders(cycle: Cycle, market: Market) -> tuple[OrderAttention, ...]:
    """Book every fill, cancel what is overdue, and name the orders a person should look at.

    At a venue outside it stays until every order has ended, `monitor_s` at the longest.
    """
    with cycle.stage("monitoring") as outcome:
        found = asyncio.run(_look_after(cycle, market))
        outcome["attention"] = [f"{a.client_order_id} {a.kind}: {a.reason}" for a in found]
        for a in found:
            tell_attention(cycle, a)
    return found


async def _look_after(cycle: Cycle, market: Market) -> tuple[OrderAttention, ...]:
    config = cycle.config
    async with wiring.open_venue(config, market.traded) as venue:
        if config.mode in (RunMode.PAPER, RunMode.LIVE) and config.monitor_s:
            for_s = config.monitor_s
            await watch(
                cycle,
                venue,
                market,
                WITHIN_A_RUN,
                prices=_prices(cycle),
                for_s=for_s,
                until=_nothing_moves,
            )
        with wiring.account_guard(cycle.account).hold():
            return await sync(cycle, venue, market)


def _prices(cycle: Cycle) -> Prices | None:
    """How a watch learns what is traded now; a replay stands still."""
    if cycle.config.mode not in (RunMode.PAPER, RunMode.LIVE):
        return None
    return partial(at_prices_of_now, wiring.build_feed(cycle.config))


def _nothing_moves(under_way: Sequence[Order]) -> bool:
    """Whether all that is left are orders that rest to protect a position."""
    return all(order.intent.protects for order in under_way)


@task(name="watch-account", retries=0, cache_policy=NO_CACHE, persist_result=False)
def watch_account(
    cycle: Cycle, market: Market, run_for_s: int | None, reconcile_every_s: int
) -> None:
    """Look after the account's orders until the time is over or a person presses Ctrl-C."""
    with (
        cycle.stage("watch", run_for_s=run_for_s, reconcile_every_s=reconcile_every_s),
        wiring.keeping_settings(),
    ):
        require_forward(cycle, market)
        try:
            pace = replace(PACE, reconcile_every_s=reconcile_every_s)
            asyncio.run(_watch(cycle, market, pace, run_for_s))
        except KeyboardInterrupt:
            return  # that is how it is meant to end


async def _watch(cycle: Cycle, market: Market, pace: Pace, run_for_s: int | None) -> None:
    async with wiring.open_venue(cycle.config, market.traded) as venue:
        prices = _prices(cycle)
        await watch(cycle, venue, market, pace, prices=prices, for_s=run_for_s)
