"""`regent bars`: download bars, see what there is and what is missing, make longer ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from flows.cli_output import Json, Verbose, emit, errors, output, table, working
from flows.documents import plain
from flows.prefect_defaults import prepare_prefect, start_server
from tasks import wiring

if TYPE_CHECKING:
    from data.store.market.download import Downloaded
    from data.store.market.downloads import Held
    from data.store.market.gaps import Gap
    from data.store.market.series import Series

MINUTE = "%Y-%m-%d %H:%M"

Source = Annotated[str, typer.Option(help="ccxt:EXCHANGE, alpaca or sample.")]
Whose = Annotated[str | None, typer.Option("--source", help="Only of this source.")]
Symbols = Annotated[list[str] | None, typer.Option(help="Of what: A,B; repeatable.")]
Timeframe = Annotated[str | None, typer.Option(help="Length of a bar: 1h, 1d; 1d by default.")]

bars = typer.Typer(no_args_is_help=True, help="Bars kept here, to be read offline (feed: store).")


def register(app: typer.Typer) -> None:
    """Add the commands to the `regent` command."""
    app.add_typer(bars, name="bars")


@bars.command()
def download(
    source: Source,
    symbols: Symbols = None,
    timeframe: Timeframe = None,
    since: Annotated[str | None, typer.Option(help="From when on: 2024-01-01.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Ask for what is there, too, and compare it.")
    ] = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Fetch what is not here yet; stopped or killed, the next time goes on from there."""
    with working("starting Prefect", shown=not verbose) as tell:
        prepare_prefect(verbose=verbose)
        from flows.market_data import market_data
        from tasks import artifacts
        from tasks.bars import make_bars_config

        given = {"source": source, "symbols": _list(symbols), "timeframe": timeframe}
        config = make_bars_config({**given, "since": since, "again": again})
        artifacts.PROGRESS.append(tell.step)
        start_server()
        tell("downloading bars")
        state = market_data(config, return_state=True)
        done = state.result()
    _told(done, as_json=as_json)


@bars.command("import")
def import_files(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files of bars, CSV or Parquet.")
    ] = None,
    source: Annotated[str, typer.Option(help="The name to keep them under.")] = "files",
    factors: Annotated[
        list[Path] | None,
        typer.Option(help="Factor file of splits and dividends, its symbol in its name."),
    ] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Keep the bars of files; --factors are for these, or for what was downloaded from --source."""
    from data.feeds.base import SIMULATED
    from data.feeds.factors import read_factors
    from data.feeds.files import FilesFeed, symbol_of
    from data.store.market.download import download as keep
    from data.store.market.resampled import remake
    from execution.errors import InputInvalid

    if not files and not factors:
        raise InputInvalid("nothing to import: name files of bars, --factors, or both")
    feed = FilesFeed(files) if files else None
    adjusting = {symbol_of(path): read_factors(path) for path in factors or ()}
    store, now = wiring.market_store(), wiring.wall_clock()
    done = []
    with working("importing", shown=not verbose) as tell:
        if feed is not None:
            for instrument in feed.instruments():
                tell(f"importing {instrument.instrument_id.symbol}")
                done.append(keep(store, source, feed, instrument, now))
    with store.transaction() as archive:
        for symbol, rows in adjusting.items():
            archive.series.instrument(source, symbol, SIMULATED)  # there are bars of it
            archive.factors.save(source, symbol, rows)
    symbols = {found.series.symbol for found in done} | set(adjusting)
    done += [made for symbol in sorted(symbols) for made in remake(store, source, symbol, now)]
    _told(done, as_json=as_json)
    for symbol, rows in adjusting.items():
        text = f"{symbol} of {source}: prices are adjusted by {len(rows):,} rows of factors"
        errors().print(text, markup=False, soft_wrap=True, style="dim")


@bars.command("list")
def show(verbose: Verbose = False, as_json: Json = False) -> None:
    """What there is of every series, and until when."""
    with wiring.market_store().reading() as archive:
        held = archive.downloads.held()
    if as_json:
        emit(plain(held))
    else:
        _show_held(output(), held)


@bars.command()
def gaps(
    source: Whose = None,
    symbols: Symbols = None,
    timeframe: Annotated[str | None, typer.Option(help="Only bars of this length.")] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Bars that the calendar expects and that are not here."""
    with wiring.market_store().reading() as archive:
        chosen = _chosen(archive.series.all(), source, symbols, timeframe)
        found = [g for s in chosen for g in archive.gaps.of(s, archive.series.number(s))]
    if as_json:
        emit(plain(found))
    else:
        _show_gaps(output(), found)


@bars.command()
def resample(
    source: Source,
    to: Annotated[str, typer.Option(help="Length of the bars to make: 4h, 1d, 1w.")],
    timeframe: Annotated[str, typer.Option(help="Length of the bars to make them of.")] = "1h",
    symbols: Symbols = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Make longer bars of those that are here, whole ones only, and keep them as well."""
    from data.store.market.resampled import resample_stored

    store, now = wiring.market_store(), wiring.wall_clock()
    with store.reading() as archive:
        chosen = _chosen(archive.series.all(), source, symbols, timeframe)
    _told([resample_stored(store, series, to, now) for series in chosen], as_json=as_json)


def _list(symbols: Sequence[str] | None) -> list[str]:
    return [part.strip() for text in symbols or () for part in text.split(",") if part.strip()]


def _chosen(
    known: Sequence[Series],
    source: str | None,
    symbols: Sequence[str] | None,
    timeframe: str | None,
) -> list[Series]:
    """Those that fit; InputInvalid when none does."""
    from execution.errors import InputInvalid
    from execution.model.symbols import canonical

    wanted = {canonical(symbol) for symbol in _list(symbols)}
    found = [
        series
        for series in known
        if source in (None, series.source)
        and timeframe in (None, series.timeframe)
        and (not wanted or series.symbol in wanted)
    ]
    if not found:
        there = ", ".join(map(str, known)) or "nothing yet"
        raise InputInvalid(f"the store has no such series; it has {there}")
    return found


def _told(done: Sequence[Downloaded], *, as_json: bool) -> None:
    """Say what came, and what of it a person should look at."""
    from tasks.bars import notes

    if as_json:
        emit(plain(done))
    elif done:
        output().print(_done_table(done))
    for text in [text for found in done for text in notes(found)]:
        errors().print(f"note: {text}", markup=False, soft_wrap=True, style="yellow")


def _done_table(done: Sequence[Downloaded]) -> Table:
    rows = table("series", ">bars", ">new", ">restated", ">missing", ">source has none")
    for found in done:
        rows.add_row(
            str(found.series),
            f"{found.bars:,}",
            f"{found.bars_new:,}",
            f"{sum(one.bars for one in found.restated):,}",
            f"{sum(gap.bars for gap in found.gaps):,}",
            f"{sum(gap.bars for gap in found.gaps if gap.confirmed):,}",
        )
    return rows


def _show_held(console: Console, held: Sequence[Held]) -> None:
    rows = table("series", ">bars", "from", "until", ">missing")
    for one in held:
        rows.add_row(
            str(one.series),
            f"{one.bars:,}",
            f"{one.first:%Y-%m-%d}" if one.first else "",
            f"{one.last:{MINUTE}}Z" if one.last else "",
            f"{one.missing:,}",
        )
    console.print(rows)
    for one in held:
        notes = (
            f"made from {one.made_from}" if one.made_from else "",
            "adjusted" if one.adjusted else "",
            f"{one.restated:,} restated" if one.restated else "",
            "cut off" if one.unfinished else "",
            f"asked since {one.asked_since:%Y-%m-%d}" if one.asked_since else "",
        )
        if any(notes):
            text = f"{one.series}: {', '.join(filter(None, notes))}"
            console.print(text, markup=False, soft_wrap=True, style="dim")


def _show_gaps(console: Console, found: Sequence[Gap]) -> None:
    if not found:
        console.print("no bar is missing")
        return
    rows = table("series", "first", "last", ">bars", ">asked again", "source")
    for gap in found:
        rows.add_row(
            str(gap.series),
            f"{gap.first:{MINUTE}}Z",
            f"{gap.last:{MINUTE}}Z",
            f"{gap.bars:,}",
            str(gap.asked),
            "has none" if gap.confirmed else "is asked again",
        )
    console.print(rows)
