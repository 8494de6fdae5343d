"""`regent bars`, as a person types it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.store.market.series import Series
from data.store.market.store import MarketStore
from tests.data.feeds.candle_exchange import TOO_MANY, serving
from tests.flows.commands import Ended, regent

DAYS = """date,open,high,low,close,volume
2024-01-02,20,21,19,20,100
2024-01-03,10,11,9,10,100
2024-01-05,10,11,9,10,100
"""


@pytest.mark.slow
def test_bars_are_downloaded_looked_at_made_longer_and_traded_on_offline(tmp_path: Path):
    """Through the flow and its retries; then the exchange is gone, and the store is enough."""
    now = datetime.now(UTC)
    since = (now - timedelta(days=40)).replace(hour=0, minute=0, second=0, microsecond=0)
    hour = int(since.timestamp()) // 3600
    what = ("--source", "ccxt:binance", "--symbols", "BTC/USDT,ETH/USDT", "--timeframe", "1h")
    with serving() as exchange:
        exchange.missing = {hour + 30, hour + 31}
        exchange.script = [TOO_MANY]
        here = {"REGENT_PLUGINS": "tests.data.feeds.candle_plugin", "CANDLES_URL": exchange.url}
        first = regent(tmp_path, "bars", "download", *what, "--since", f"{since:%F}", **here)
        made = regent(tmp_path, "bars", "resample", "--source", "ccxt:binance", "--to", "4h")
        exchange.restated = {int(now.timestamp()) // 3600 - 3: "11.75"}
        again = regent(tmp_path, "bars", "download", *what, "--again", "--json", **here)
    gaps = regent(tmp_path, "bars", "gaps", "--symbols", "btcusdt", "--json")
    listed = regent(tmp_path, "bars", "list")
    (tmp_path / "gap.yaml").write_text("quality: {severity: {no_gaps: warning}}\n")
    store = ("--feed", "store", "--timeframe", "4h", "--symbols", "BTC/USDT")
    store += ("--config", str(tmp_path / "gap.yaml"))  # a gap that is known stops nothing
    planned = regent(tmp_path, "plan", *store, "--source", "ccxt:binance", "--json")

    assert [e.code for e in (first, again, gaps, made, listed, planned)] == [0] * 6, planned.err
    assert "BTC/USDT 1h of ccxt:binance" in first.out
    assert "ETH/USDT 1h of ccxt:binance" in first.out
    assert "note: BTC/USDT 1h of ccxt:binance: restated: bars=1" in again.err
    hours, longer = (
        [row for row in again.document if row["series"]["timeframe"] == length]
        for length in ("1h", "4h")
    )
    assert [sum(r["bars"] for r in row["restated"]) for row in hours] == [1, 1]
    assert [row["series"]["symbol"] for row in longer] == ["BTC/USDT", "ETH/USDT"]
    (gap,) = gaps.document
    assert (gap["bars"], gap["asked"], gap["confirmed"]) == (2, 1, False)
    assert "made from 1h" in listed.out
    assert planned.document["regimes"][0]["instrument_id"] == "BTC/USDT.SIMULATED"


def test_files_are_imported_with_their_factors(tmp_path: Path):
    bars, factors = tmp_path / "AAPL.csv", tmp_path / "us_AAPL_factors.csv"
    bars.write_text(DAYS)
    factors.write_text("20240102,1,0.5,20\n20501231,1,1,0\n")

    done = regent(tmp_path, "bars", "import", str(bars), "--factors", str(factors))

    listed = regent(tmp_path, "bars", "list", "--json")
    assert done.code == listed.code == 0, done.err
    (held,) = listed.document
    assert (held["bars"], held["missing"], held["adjusted"]) == (3, 1, True)


def test_factors_come_later_to_bars_that_are_there_and_to_the_weeks_made_of_them(tmp_path: Path):
    """Whatever the bars' source: nobody can be asked to import what was downloaded."""
    bars, factors = tmp_path / "AAPL.csv", tmp_path / "us_AAPL_factors.csv"
    bars.write_text(DAYS.replace("2024-01-05", "2024-01-04,10,11,9,10,100\n2024-01-05"))
    factors.write_text("20240102,1,0.5,20\n20501231,1,1,0\n")
    source = ("--source", "elsewhere")
    regent(tmp_path, "bars", "import", str(bars), *source)
    regent(tmp_path, "bars", "resample", *source, "--timeframe", "1d", "--to", "1w")

    done = regent(tmp_path, "bars", "import", *source, "--factors", str(factors))

    assert done.code == 0, done.err
    assert "AAPL of elsewhere: prices are adjusted by 2 rows of factors" in done.err
    with MarketStore(tmp_path / "market.duckdb").reading() as archive:
        weeks = archive.bars.all(archive.series.number(Series("elsewhere", "AAPL", "1w")))
    assert list(weeks["high"]) == [11]  # not Tuesday's 21, two for one


def refused(*args: str, home: Path) -> Ended:
    ended = regent(home, *args)
    assert "Traceback" not in ended.err
    return ended


def test_what_cannot_be_done_is_said_in_a_line(tmp_path: Path):
    missing = refused("bars", "list", home=tmp_path)
    factors = tmp_path / "MSFT_factors.csv"
    factors.write_text("20501231,1,1,0\n")
    bars = tmp_path / "AAPL.csv"
    bars.write_text(DAYS)
    wrong = refused("bars", "import", str(bars), "--factors", str(factors), home=tmp_path)
    unknown = refused("bars", "resample", "--source", "alpaca", "--to", "1w", home=tmp_path)
    nothing = refused("bars", "import", home=tmp_path)
    nowhere = refused("plan", "--feed", "sample", "--source", "alpaca", home=tmp_path)

    assert (missing.code, wrong.code, unknown.code, nowhere.code) == (5, 2, 2, 2)
    assert "run `regent bars download` first" in missing.err
    assert "the store has no symbol 'MSFT' of files" in wrong.err
    assert "the store has no such series; it has AAPL 1d of files" in unknown.err
    assert (nothing.code, "nothing to import" in nothing.err) == (2, True)
    assert "source=alpaca is for feed: store, not for sample" in nowhere.err
