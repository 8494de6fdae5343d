"""Bars into the market store: what is new, what was missing, what its source has changed."""

from __future__ import annotations

from prefect import flow, unmapped
from prefect.futures import wait
from prefect.task_runners import ThreadPoolTaskRunner

from data.store.market.download import Downloaded
from tasks import artifacts
from tasks.bars import BarsConfig, download_bars, list_symbols

AT_ONCE = 4  # instruments; the source's rate limit is shared by all of them


@flow(
    name="market-data",
    task_runner=ThreadPoolTaskRunner(max_workers=AT_ONCE),  # type: ignore[arg-type]
    persist_result=False,
)
def market_data(config: BarsConfig) -> tuple[Downloaded, ...]:
    """Download every instrument's bars; one that fails holds up no other, and fails the run.

    Longer bars that were made of them are made anew, and come behind them.
    """
    symbols = list_symbols(config)
    futures = download_bars.map(unmapped(config), symbols)
    wait(futures)
    ended: list[object] = [future.result(raise_on_failure=False) for future in futures]
    failed = {s: e for s, e in zip(symbols, ended, strict=True) if isinstance(e, Exception)}
    done = tuple(one for found in ended if isinstance(found, tuple) for one in found)
    artifacts.downloads(done, {symbol: str(error) for symbol, error in failed.items()})
    for error in failed.values():
        raise error
    return done
