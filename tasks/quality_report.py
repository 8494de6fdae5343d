"""The quality of bars and books as a whole, for a person to read: a table and Data Docs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data.feeds.base import Feed, NoBarYet
from data.feeds.files import FilesFeed
from data.quality.bars import BARS
from data.quality.books import BOOKS, SUITES
from data.quality.expectation import Found, Result, look
from data.quality.ledger import read_books
from data.quality.rules import Severity
from data.store.snapshot import publish, reading_snapshot
from execution.errors import InputInvalid, InvariantBroken, TradingError
from execution.model.identifiers import InstrumentId
from execution.model.symbols import resolve
from tasks import wiring
from tasks.config import RunConfig
from tasks.market_data import bars_wanted
from tasks.quality import feed_samples, told

ALL = 10_000_000  # more bars than any file has


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """How far every table meets its suite, and where the documents are."""

    results: tuple[Result, ...]
    docs: Path  # the page to open first

    @property
    def unmet(self) -> tuple[Result, ...]:
        """What is to be told."""
        return tuple(r for r in self.results if not r.met)

    def count(self, severity: Severity) -> int:
        """How many expectations of that severity are not met."""
        return sum(r.severity is severity for r in self.unmet)

    @property
    def error(self) -> TradingError | None:
        """What a run would raise: for the books before the bars, None without errors."""
        errors = [r for r in self.unmet if r.severity is Severity.ERROR]
        books = [r for r in errors if r.expectation in BOOKS]
        if books:
            return InvariantBroken("\n".join(map(str, books)))
        return InputInvalid(told(errors)) if errors else None


def look_at_quality(
    config: RunConfig, *, bars: bool, books: bool, tell: Callable[[str], None]
) -> QualityReport:
    """Hold bars, books or both against their suites, and write the Data Docs.

    Of a file all rows are looked at, right or wrong; of other feeds what they give. The books
    are read from a fresh snapshot, so nobody waits for it. `tell` hears what goes on.
    """
    wiring.require_known(config)
    found: list[tuple[str, tuple[Found[Any], ...]]] = []
    if bars:
        tell("reading bars")
        feed, tables = _tables(config)
        samples = feed_samples(config, feed, tables)
        found += [("bars", look(BARS.values(), s, config.quality)) for s in samples]
    if books:
        tell("folding the books")
        with reading_snapshot(publish(wiring.open_ledger())) as snapshot:
            read = read_books(snapshot)
        found += [(name, look(suite, read[name], config.quality)) for name, suite in SUITES.items()]
    tell("starting Great Expectations")
    return QualityReport(
        results=tuple(f.result for _, one in found for f in one), docs=_write(found, tell)
    )


def _tables(config: RunConfig) -> tuple[Feed, dict[InstrumentId, pd.DataFrame]]:
    """Every instrument's bars, and where they came from."""
    files = FilesFeed(config.bars, config.venue_id, checked=False) if config.bars else None
    feed = files or wiring.build_feed(config)
    known = feed.instruments()
    chosen = [resolve(symbol, known) for symbol in config.symbols] or [
        i.instrument_id for i in known
    ]
    tables = {}
    for instrument_id in chosen:
        try:
            tables[instrument_id] = (
                files.rows(instrument_id)
                if files
                else feed.bars(
                    instrument_id, config.as_of, bars_wanted(config) if feed.live else ALL
                )
            )
        except NoBarYet:
            if config.symbols:
                raise
    if not tables:
        raise InputInvalid(f"feed {config.feed}: no instrument had a closed bar by then")
    return feed, tables


def _write(
    found: Iterable[tuple[str, tuple[Found[Any], ...]]], tell: Callable[[str], None]
) -> Path:
    from data.quality import docs, run  # Great Expectations takes seconds to import

    gx = run.context()
    judged = []
    for suite, one in found:
        tell(f"validating {one[0].sample.subject}")
        judged.append(run.run(gx, suite, one))
    folder = wiring.settings().home.absolute() / "quality"
    return docs.write_docs(judged, folder, wiring.wall_clock())
