"""The options that make a RunConfig, and commands that take them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from flows.cli_output import Json, Verbose
from tasks import wiring
from tasks.config import RunConfig, load_config, parse_time

Act = Callable[[RunConfig, bool, bool], None]

ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings, YAML or JSON.")]
Mode = Annotated[
    str | None, typer.Option(help="dry-run, paper, live or backtest; dry-run by default.")
]
VenueName = Annotated[
    str | None, typer.Option("--venue", help="Who holds the account: binance, alpaca, ...")
]
Feed = Annotated[
    str | None,
    typer.Option(
        help="sample, files, store, alpaca or ccxt:EXCHANGE; a real venue's own by default."
    ),
]
Source = Annotated[
    str | None, typer.Option(help="Whose bars of feed store: ccxt:binance, alpaca, files.")
]
Bars = Annotated[list[Path] | None, typer.Option(help="File of bars, CSV or Parquet; repeatable.")]
Symbols = Annotated[list[str] | None, typer.Option(help="What to trade: A,B; repeatable.")]
Signals = Annotated[Path | None, typer.Option(help="Trade this file's signals, CSV or JSON.")]
SkipBadRows = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Trade the good rows of a file.")
]
AsOf = Annotated[
    str | None, typer.Option(help="Replay: bars closed by 2012-06-01 or 2012-06-01T20:00Z.")
]
Account = Annotated[str | None, typer.Option(help="Name of the account.")]
Timeframe = Annotated[
    str | None,
    typer.Option(help="Length of a bar of feed ccxt, alpaca or store: 1h, 1d; 1d by default."),
]


def trades(act: Act) -> Callable[..., None]:
    """A command with all the options of a trading cycle."""

    def command(
        config: ConfigFile = None,
        mode: Mode = None,
        venue: VenueName = None,
        feed: Feed = None,
        source: Source = None,
        bars: Bars = None,
        symbols: Symbols = None,
        signals: Signals = None,
        skip_bad_rows: SkipBadRows = False,
        as_of: AsOf = None,
        account: Account = None,
        timeframe: Timeframe = None,
        verbose: Verbose = False,
        as_json: Json = False,
    ) -> None:
        settings = settings_of(
            mode=mode,
            venue=venue,
            feed=feed,
            source=source,
            bars=bars,
            symbols=symbols,
            as_of=as_of,
            account=account,
            timeframe=timeframe,
        )
        settings |= {"signals": signals, "skip_bad_rows": skip_bad_rows or None}
        act(load_config(config, settings, wiring.environment()), verbose, as_json)

    return command


def looks(act: Act) -> Callable[..., None]:
    """A command with the options that say which account and which prices."""

    def command(
        config: ConfigFile = None,
        mode: Mode = None,
        venue: VenueName = None,
        feed: Feed = None,
        source: Source = None,
        bars: Bars = None,
        symbols: Symbols = None,
        as_of: AsOf = None,
        account: Account = None,
        timeframe: Timeframe = None,
        verbose: Verbose = False,
        as_json: Json = False,
    ) -> None:
        settings = settings_of(
            mode=mode,
            venue=venue,
            feed=feed,
            source=source,
            bars=bars,
            symbols=symbols,
            as_of=as_of,
            account=account,
            timeframe=timeframe,
        )
        act(load_config(config, settings, wiring.environment()), verbose, as_json)

    return command


def settings_of(
    *,
    mode: str | None = None,
    venue: str | None = None,
    feed: str | None = None,
    source: str | None = None,
    bars: list[Path] | None = None,
    symbols: list[str] | None = None,
    as_of: str | None = None,
    account: str | None = None,
    timeframe: str | None = None,
) -> dict[str, object]:
    """What was typed, under the names of the settings; None for what was not."""
    return {
        "mode": mode,
        "venue": venue,
        "feed": feed or ("files" if bars else None),
        "source": source,
        "bars": bars or None,
        "symbols": ",".join(symbols) if symbols else None,
        "as_of": parse_time(as_of) if as_of else None,
        "account": account,
        "timeframe": timeframe,
    }
