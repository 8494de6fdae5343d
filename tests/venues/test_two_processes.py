"""Two processes trade one account at once: one rate limit, and one order a wish."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from execution.venues.ccxt.facts import FACTS
from tests.venues.lying_exchange.lies import Kind
from tests.venues.lying_exchange.server import Logged, LyingExchange

PROCESSES = 2
# What was taken at the right time can still arrive a little closer together.
JITTER = timedelta(milliseconds=100)
TRADE = """
import sys
from pathlib import Path
from tasks.config import RunConfig
from tests.cycles import run_cycle

config = RunConfig(
    mode="paper", venue="coinbase", feed="lying", symbols=("BTC/USD",), monitor_s=0,
    signals=Path(sys.argv[1]),
)
for _ in range(3):
    run_cycle(config)
"""
ASK = """
import asyncio
from tasks.config import RunConfig
from tests.venues.lying_plugin import LyingFeed, lying_venue

config = RunConfig(mode="paper", venue="coinbase", feed="lying", symbols=("BTC/USD",))
instruments = {i.instrument_id: i for i in LyingFeed(config).instruments()[:1]}

async def ask():
    venue = lying_venue(config, instruments)
    for _ in range(25):
        await venue.balances()
    await venue.close()

asyncio.run(ask())
"""


@pytest.mark.slow
def test_two_processes_at_once_send_each_wish_once(tmp_path: Path):
    with LyingExchange("coinbase") as exchange:
        exchange.engine("coinbase").open_account("key", {"USD": "100000"})

        at_once(TRADE, exchange.url, [tmp_path / "home"] * PROCESSES, str(wish(tmp_path)))

        orders = exchange.engine("coinbase").orders("key")
        assert (len(orders), exchange.count(Kind.SUBMIT)) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False], ids=["one installation", "two installations"])
def test_two_processes_of_an_installation_keep_one_rate(tmp_path: Path, shared: bool):
    """Counted at the server: Coinbase allows ten requests a second, whoever makes them.

    Two installations do not know of each other, and the server sees more: the control.
    """
    homes = [tmp_path / ("home" if shared else f"home-{n}") for n in range(PROCESSES)]
    with LyingExchange("coinbase") as exchange:
        exchange.engine("coinbase").open_account("key", {"USD": "100000"})

        at_once(ASK, exchange.url, homes, LYING_HURRY="1", LYING_DEADLINE_S="10")

        requests = list(exchange.requests)
    limit = FACTS["coinbase"].limit
    most = busiest(requests, timedelta(seconds=limit.window_s) - JITTER)
    print(f"\n{len(requests)} requests of {PROCESSES} processes, {most} in the busiest second")
    assert len(requests) >= PROCESSES * 25
    assert (most <= limit.budget) is shared


def at_once(program: str, url: str, homes: list[Path], *args: str, **environment: str) -> None:
    """Run a process for each home, all at the same time; they must end well."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, *args],
            env={
                **os.environ,
                "REGENT_HOME": str(home),
                "REGENT_PLUGINS": "tests.venues.lying_plugin",
                "LYING_EXCHANGE_URL": url,
                **environment,
            },
        )
        for home in homes
    ]
    assert [child.wait(timeout=120) for child in children] == [0] * len(homes)


def wish(folder: Path) -> Path:
    """One signal, the same for everybody."""
    path = folder / "signals.csv"
    now = datetime.now(UTC).replace(microsecond=0)
    path.write_text(
        "symbol,time,regime,side,weight,confidence,strategy,quantity\n"
        f"BTC/USD,{now.isoformat()},trending,1,0.2,0.9,donchian,0.01\n"
    )
    return path


def busiest(requests: list[Logged], window: timedelta) -> int:
    """The most requests that came in within any such time."""
    times = sorted(request.at for request in requests)
    return max(
        sum(start <= at < start + window for at in times[number : number + 100])
        for number, start in enumerate(times)
    )
