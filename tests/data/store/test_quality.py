from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from data.quality.bars import BARS
from data.quality.expectation import look
from data.quality.rules import DEFAULT_RULES
from data.quality.seen import Seen
from data.store.books import Books
from execution.errors import InvariantBroken
from execution.model.identifiers import RunId
from tests.data.quality.samples import COIN, HOUR, coin_hours

NOW = datetime(2024, 3, 1, tzinfo=UTC)
RUN = RunId("run-1")


def test_what_was_not_met_is_read_back_as_it_was_told(books: Books):
    """A person asks weeks later why a run stopped."""
    late = replace(coin_hours(), now=coin_hours().now + 5 * HOUR)
    results = [f.result for f in look(BARS.values(), late, DEFAULT_RULES)]

    books.quality.append(RUN, 1, results, NOW)

    assert books.quality.of(RUN) == tuple(r for r in results if not r.met) != ()
    assert books.quality.of(RunId("run-2")) == ()


def test_a_run_that_looks_again_is_told_by_its_last_look(books: Books):
    late = replace(coin_hours(), now=coin_hours().now + 5 * HOUR)
    (result,) = (r for f in look(BARS.values(), late, DEFAULT_RULES) if not (r := f.result).met)

    books.quality.append(RUN, 1, [result], NOW)
    books.quality.append(RUN, 2, [replace(result, failing=7)], NOW + HOUR)

    assert [r.failing for r in books.quality.of(RUN)] == [7]


def test_the_bars_seen_last_take_the_place_of_those_before(books: Books):
    """By source, instrument and length: an hour is no day."""
    bars = coin_hours().table
    for count in (100, 200):
        seen = Seen.of(bars[:count])
        books.quality.see("ccxt:kraken", COIN.instrument_id, HOUR, seen, NOW)

    known = books.quality.seen("ccxt:kraken", COIN.instrument_id, HOUR)

    assert known is not None
    assert list(known.rows) == list(Seen.of(bars[:200]).rows)
    assert books.quality.seen("ccxt:kraken", COIN.instrument_id, timedelta(days=1)) is None
    assert books.quality.seen("ccxt:okx", COIN.instrument_id, HOUR) is None


def test_digests_that_cannot_be_read_are_no_digests():
    with pytest.raises(InvariantBroken, match="cannot be read"):
        Seen.parse("AAAA")
