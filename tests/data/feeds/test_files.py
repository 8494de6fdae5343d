from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from data.feeds.base import DAY, Feed
from data.feeds.files import FilesFeed, symbol_of
from execution.errors import InputInvalid
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId

REAL_BARS = Path(__file__).parents[4] / "shared" / "data"
GOOD = """Date,Open,High,Low,Close,Adj Close,Volume
2024-01-02,10,12,9,11,11,100
2024-01-03,11,13,10,12,12,200
2024-01-04,12,14,11,13.07,13,300
2024-01-05,13,15,12,14,14,400
"""


def write(folder: Path, content: str, name: str = "AAPL.csv") -> Path:
    path = folder / name
    path.write_text(content)
    return path


def only(feed: FilesFeed) -> pd.DataFrame:
    (instrument,) = feed.instruments()
    return feed.bars(instrument.instrument_id, None, 1_000)


def complaint(path: Path) -> str:
    with pytest.raises(InputInvalid) as error:
        FilesFeed([path])
    return str(error.value)


def test_a_csv_of_dates_is_read_as_sessions(tmp_path: Path):
    feed = FilesFeed([write(tmp_path, GOOD)])

    bars = only(feed)

    assert isinstance(feed, Feed)
    assert (feed.interval, feed.live) == (DAY, False)
    assert list(bars["close"]) == [11.0, 12.0, 13.07, 14.0]
    assert datetime(2024, 1, 2, 14, 30, tzinfo=UTC) == bars["ts_open"].iloc[0]
    assert datetime(2024, 1, 2, 21, tzinfo=UTC) == bars["ts_close"].iloc[0]
    (instrument,) = feed.instruments()
    assert feed.last_price(instrument.instrument_id) is None
    assert (AssetClass.EQUITY, "USD", Decimal(1)) == (
        instrument.asset_class,
        instrument.quote,
        instrument.qty_increment,
    )


def test_the_dates_of_a_pair_are_utc_days(tmp_path: Path):
    bars = only(FilesFeed([write(tmp_path, GOOD, "BTC-USDT_1d.csv")]))

    assert datetime(2024, 1, 2, tzinfo=UTC) == bars["ts_open"].iloc[0]
    assert datetime(2024, 1, 3, tzinfo=UTC) == bars["ts_close"].iloc[0]


def test_times_in_any_zone_become_utc_and_give_the_interval(tmp_path: Path):
    times = ["2024-01-02T01:00:00+01:00", "2024-01-02 01:00:00Z", "2024-01-02T02:00+00:00"]
    rows = "".join(f"{t},1,1,1,1,5\n" for t in times)

    feed = FilesFeed([write(tmp_path, f"time,open,high,low,close,volume\n{rows}", "ETHUSD.csv")])

    bars = only(feed)
    assert timedelta(hours=1) == feed.interval
    assert [t.hour for t in bars["ts_open"]] == [0, 1, 2]
    assert [t.hour for t in bars["ts_close"]] == [1, 2, 3]


def test_a_stocks_day_told_by_its_midnight_in_new_york_is_that_days_session(tmp_path: Path):
    """Also over the night when clocks change; a pair's midnight is the time that it says."""
    rows = "time,open,high,low,close,volume\n" + "".join(
        f"2024-03-{day}T00:00:00-0{zone}:00,2,2,2,2,1\n"
        for day, zone in (("08", 5), ("11", 4), ("12", 4), ("13", 4))
    )
    (tmp_path / "IBM.csv").write_text(rows)
    (tmp_path / "BTC-USD.csv").write_text(rows)

    stock = FilesFeed([tmp_path / "IBM.csv"])
    pair = FilesFeed([tmp_path / "BTC-USD.csv"])

    (ibm,), (btc,) = stock.instruments(), pair.instruments()
    opens = stock.bars(ibm.instrument_id, None, 9)["ts_open"]
    assert list(opens.dt.strftime("%d %H:%M")) == [
        "08 14:30",
        *("11 13:30", "12 13:30", "13 13:30"),
    ]
    assert pair.bars(btc.instrument_id, None, 1)["ts_open"].dt.hour.item() == 4


def test_parquet_gives_the_same_bars_as_csv(tmp_path: Path):
    csv = write(tmp_path, GOOD)
    frame = pd.read_csv(csv)
    frame["Date"] = pd.to_datetime(frame["Date"])
    frame.to_parquet(tmp_path / "AAPL.parquet")

    pd.testing.assert_frame_equal(
        only(FilesFeed([csv])), only(FilesFeed([tmp_path / "AAPL.parquet"]))
    )


def test_a_named_index_of_parquet_is_a_column(tmp_path: Path):
    frame = pd.read_csv(write(tmp_path, GOOD), parse_dates=["Date"]).set_index("Date")
    frame.to_parquet(tmp_path / "AAPL.parquet")

    assert len(only(FilesFeed([tmp_path / "AAPL.parquet"]))) == 4


def test_a_symbol_column_tells_several_instruments_apart(tmp_path: Path):
    header, *rows = GOOD.splitlines()
    lines = [f"symbol,{header}"] + [f"{s},{row}" for row in rows for s in ("AAPL", "btc-usd")]

    feed = FilesFeed([write(tmp_path, "\n".join(lines), "all.csv")], VenueId("x"))

    assert {InstrumentId("AAPL", VenueId("x")), InstrumentId("BTC/USD", VenueId("x"))} == {
        i.instrument_id for i in feed.instruments()
    }


def test_a_row_is_named_by_its_place_in_the_file_also_among_several_symbols(tmp_path: Path):
    lines = "symbol,time,open,high,low,close,volume\n" + "".join(
        f"{s},2024-01-0{day},1,1,1,{close},1\n"
        for day, s, close in ((2, "A", 1), (2, "B", 1), (3, "A", 1), (3, "B", -1))
    )

    assert "row 4, column close: value -1 breaks" in complaint(write(tmp_path, lines, "all.csv"))


@pytest.mark.parametrize(
    ("stem", "symbol"),
    [
        ("AAPL", "AAPL"),
        ("BTC-USDT_1h", "BTC/USDT"),
        ("binance_BTCUSDT_1h", "BTC/USDT"),
        ("coinbase_BTCUSD_1d_2014_2018", "BTC/USD"),
        ("us_SPY_1d_unadjusted", "SPY"),
        ("2024_1H_IBM", "IBM"),
    ],
)
def test_the_symbol_is_read_from_the_files_name(stem: str, symbol: str):
    assert symbol == symbol_of(Path(f"{stem}.parquet"))


def test_a_name_without_a_symbol_is_refused(tmp_path: Path):
    assert "the name holds no symbol" in complaint(write(tmp_path, GOOD, "prices.csv"))


def row3(line: str) -> str:
    """The good file with another third row."""
    lines = GOOD.splitlines()
    lines[3] = line
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            row3("2024-01-04,12,14,11,,13,300"),
            "row 3, column close: value (empty) breaks 0 <",
        ),
        (row3("2024-01-04,12,14,11,NaN,13,300"), "row 3, column close: value NaN breaks 0 < price"),
        (row3("2024-01-04,12,14,11,n/a,13,300"), "row 3, column close: value n/a breaks 0 < price"),
        (row3("2024-01-04,12,inf,11,13,13,300"), "row 3, column high: value inf breaks 0 < price"),
        (row3("2024-01-04,0,14,11,13,13,300"), "row 3, column open: value 0 breaks 0 < price"),
        (row3("2024-01-04,12,14,11,13,13,-3"), "row 3, column volume: value -3 breaks 0 <= volume"),
        (row3("2024-01-04,0,0,0,-1,13,0"), "row 3, column close: value -1 breaks 0 < price"),
        (row3("2024-01-04,12,10,11,13,13,3"), "row 3, column high: value 10 breaks high is the hi"),
        (row3("2024-01-04,12,14,13.5,13,13,3"), "row 3, column low: value 13.5 breaks low is the"),
        (
            row3("2024-01-03,12,14,11,13,13,3"),
            "row 3, column date: value 2024-01-03 breaks one row",
        ),
        (
            row3("2024-01-01,12,14,11,13,13,3"),
            "row 3, column date: value 2024-01-01 breaks not bef",
        ),
        (row3("2024-02-31,12,14,11,13,13,3"), "row 3, column date: value 2024-02-31 breaks a date"),
        (
            row3("2024-01-04 09:30,12,14,11,13,13,3"),
            "row 3, column date: value 2024-01-04 09:30",
        ),
        (row3("2024-01-04,12,14,11,13,13"), "row 3: 6 cells, 7 columns"),
    ],
)
def test_a_bad_row_is_named_with_column_value_and_rule(tmp_path: Path, content: str, problem: str):
    path = write(tmp_path, content)

    assert f"{path}: {problem}" in complaint(path)


def test_a_naive_time_is_refused_and_never_guessed(tmp_path: Path):
    rows = "".join(f"2024-01-02 0{h}:00:00,1,1,1,1,5\n" for h in range(3))
    path = write(tmp_path, f"time,open,high,low,close,volume\n{rows}", "ETHUSD.csv")

    assert "row 1, column time: value 2024-01-02 00:00:00 breaks a time with its zone" in complaint(
        path
    )


def test_of_many_bad_rows_ten_are_listed_and_all_are_counted(tmp_path: Path):
    rows = "".join(f"2024-01-{d:02},1,1,1,-1,5\n" for d in range(1, 31))

    lines = complaint(write(tmp_path, f"ts,open,high,low,close,volume\n{rows}")).splitlines()

    assert len(lines) == 11
    assert "bad values in all, the first 10 are listed" in lines[-1]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        ("date,open,high,low,close,volume\n", "holds no rows"),
        ("day,open,high,close\n1,1,1,1\n", "columns missing: a time (time, timestamp,"),
        ("date,open,high,close\n1,1,1,1\n", "columns missing: low, volume; found: date, open, hi"),
        ("date,open,open\n1,1,1\n", "columns twice: open"),
        ("date,open,Open\n1,1,1\n", "columns twice: open"),
        ("date,open\n1,1\n\n2,2\n\n", "row 2: 0 cells, 2 columns"),
        ("date,open\n\x001,\xff", "columns missing"),
    ],
)
def test_a_file_that_is_no_table_of_bars_is_refused_in_one_line(
    tmp_path: Path, content: str, problem: str
):
    text = complaint(write(tmp_path, content))

    assert problem in text
    assert "\n" not in text


def test_files_that_cannot_be_read_are_refused_in_one_line(tmp_path: Path):
    (tmp_path / "A.csv").write_bytes(b"date,open\n\xff\xfe,1\n")
    (tmp_path / "A.parquet").write_text("not parquet")
    (tmp_path / "A.xlsx").write_text("")

    assert "cannot be read" in complaint(tmp_path / "A.csv")
    assert "cannot be read" in complaint(tmp_path / "A.parquet")
    assert "neither .csv nor .parquet" in complaint(tmp_path / "A.xlsx")
    assert "no such file" in complaint(tmp_path / "B.csv")
    assert "no such file" in complaint(tmp_path)


def test_one_symbol_in_two_files_and_two_intervals_are_refused(tmp_path: Path):
    daily = write(tmp_path, GOOD)
    again = write(tmp_path, GOOD, "again_AAPL.csv")
    rows = "".join(f"2024-01-02T0{h}:00Z,1,1,1,1,5\n" for h in range(3))
    hourly = write(tmp_path, f"time,open,high,low,close,volume\n{rows}", "ETHUSD.csv")

    with pytest.raises(InputInvalid, match=r"again_AAPL\.csv: bars of AAPL were in an earlier"):
        FilesFeed([daily, again])
    with pytest.raises(InputInvalid, match=r"one interval: .*AAPL every 1 day.*ETH/USD every 1:00"):
        FilesFeed([daily, hourly])


def test_one_bar_alone_has_no_interval(tmp_path: Path):
    text = "time,open,high,low,close,volume\n2024-01-02T00:00Z,1,1,1,1,5\n"

    assert "its interval cannot be known" in complaint(write(tmp_path, text, "ETHUSD.csv"))


def test_no_files_and_unknown_instruments_are_refused(tmp_path: Path):
    with pytest.raises(InputInvalid, match="no bar files"):
        FilesFeed([])
    with pytest.raises(InputInvalid, match="no file has bars of TSLA"):
        FilesFeed([write(tmp_path, GOOD)]).bars(InstrumentId("TSLA", VenueId("x")), None, 1)


@pytest.mark.skipif(not REAL_BARS.is_dir(), reason="real bars are not beside the checkout")
@pytest.mark.parametrize(
    ("stem", "symbol", "interval", "rows"),
    [
        ("binance_BTCUSDT_1h", "BTC/USDT", timedelta(hours=1), 37_702),
        ("coinbase_BTCUSD_1d_2014_2018", "BTC/USD", DAY, 1_318),
        ("us_SPY_1d_unadjusted", "SPY", DAY, 5_849),
        ("us_AAPL_1d_unadjusted", "AAPL", DAY, 5_849),
    ],
)
def test_real_files_are_read_whole(stem: str, symbol: str, interval: timedelta, rows: int):
    feed = FilesFeed([REAL_BARS / f"{stem}.parquet"])

    (instrument,) = feed.instruments()

    assert (symbol, interval) == (instrument.instrument_id.symbol, feed.interval)
    assert rows == len(feed.bars(instrument.instrument_id, None, 100_000))


@pytest.mark.skipif(not REAL_BARS.is_dir(), reason="real bars are not beside the checkout")
def test_real_hours_without_a_zone_are_refused():
    assert "breaks a time with its zone" in complaint(REAL_BARS / "us_SPY_1h_unadjusted.parquet")
