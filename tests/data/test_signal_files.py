import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from data.schemas.signals import Signals
from data.signal_files import read_signals, to_csv, to_frame, validate_signals
from execution.errors import InputInvalid
from execution.model.enums import AssetClass, RegimeLabel, TimeInForce
from execution.model.identifiers import InstrumentId, StrategyId, VenueId
from execution.model.signal import Signal
from tests.execution.examples import make_instrument

INSTRUMENTS = [
    make_instrument(InstrumentId(s, VenueId("simulated")), asset_class=AssetClass.CRYPTO)
    for s in ("BTC/USD", "ETH/USD")
]
HEADER = "symbol,time,regime,side,weight,confidence,strategy"
BTC = "X:BTCUSD,2025-10-16 00:00:00+00:00,trending,1,0.60,0.60,donchian"
ETH = "X:ETHUSD,2025-10-16 00:00:00+00:00,trending,1,0.40,0.55,ma_cross"


def write(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "signals.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def complaint(path: Path) -> str:
    with pytest.raises(InputInvalid) as error:
        read_signals(path, INSTRUMENTS)
    return str(error.value)


def test_the_documented_csv_is_read_exactly(tmp_path: Path):
    (btc, eth), bad = read_signals(write(tmp_path, BTC, ETH), INSTRUMENTS)

    assert bad == ()
    assert btc == Signal(
        instrument_id=INSTRUMENTS[0].instrument_id,
        ts_event=datetime(2025, 10, 16, tzinfo=UTC),
        regime=RegimeLabel.TRENDING,
        side=1,
        weight=Decimal("0.60"),
        confidence=Decimal("0.60"),
        strategy="donchian",
    )
    assert (eth.weight, eth.confidence) == (Decimal("0.40"), Decimal("0.55"))


def test_the_documented_json_gives_the_same_signals(tmp_path: Path):
    csv = write(tmp_path, BTC, ETH)
    names = HEADER.split(",")
    rows = [
        "{" + ", ".join(f'"{n}": {c if n in ("side", "weight") else json.dumps(c)}' for n, c in
        zip(names, line.split(","), strict=True)) + "}"
        for line in (BTC, ETH)
    ]  # fmt: skip
    path = tmp_path / "signals.json"
    path.write_text(f"[{', '.join(rows)}]")

    assert read_signals(csv, INSTRUMENTS) == read_signals(path, INSTRUMENTS)


def test_numbers_never_pass_through_a_float(tmp_path: Path):
    """0.1 + 0.2 must be 0.3 in the books; as a float the weight would end in ...04."""
    path = tmp_path / "signals.json"
    path.write_text(
        '[{"symbol": "BTCUSD", "time": "2025-10-16T00:00Z", "regime": "calm", "side": 1,'
        ' "weight": 0.300000000001, "confidence": 1, "quantity": 12345678901.123456789012,'
        ' "stop_loss": null}]'
    )

    ((signal,), _) = read_signals(path, INSTRUMENTS)

    assert signal.weight == Decimal("0.300000000001")
    assert signal.quantity == Decimal("12345678901.123456789012")
    assert (signal.strategy, signal.stop_loss, signal.price) == ("external", None, None)


def test_optional_columns_are_read_and_times_become_utc(tmp_path: Path):
    path = write(
        tmp_path,
        "btc-usd,2025-10-16T02:00:00+02:00,CALM,-1.0,0.5,1,,110,90,2.5,100",
        header=f"{HEADER},stop_loss,take_profit,quantity,price",
    )

    ((signal,), _) = read_signals(path, INSTRUMENTS)

    assert signal.ts_event == datetime(2025, 10, 16, tzinfo=UTC)
    assert (signal.side, signal.regime, signal.strategy) == (-1, RegimeLabel.CALM, "external")
    assert (110, 90, Decimal("2.5"), 100) == (
        signal.stop_loss,
        signal.take_profit,
        signal.quantity,
        signal.price,
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (BTC.replace(",0.60,0", ",1.7,0"), "weight: value 1.7 breaks 0 <= weight <= 1"),
        (BTC.replace(",0.60,0", ",-0.1,0"), "weight: value -0.1 breaks 0 <= weight <= 1"),
        (BTC.replace(",0.60,0", ",nan,0"), "weight: value 'nan', which is not a number"),
        (BTC.replace(",0.60,0", ",,0"), "weight: value (empty), which is not a number"),
        (BTC.replace("0.60,don", "high,don"), "confidence: value 'high', which is not a number"),
        (BTC.replace("0.60,don", "1.01,don"), "confidence: value 1.01 breaks 0 <= confidence <="),
        (BTC.replace("+00:00", ""), "time: value '2025-10-16 00:00:00', which is not an ISO time"),
        (
            BTC.replace("2025-10-16 00:00:00+00:00", "soon"),
            "time: value 'soon', which is not an ISO time",
        ),
        (BTC.replace(",1,", ",2,"), "side: value '2', which is not one of -1, 0, 1"),
        (BTC.replace(",1,", ",0.5,"), "side: value '0.5', which is not one of -1, 0, 1"),
        (BTC.replace(",1,", ",buy,"), "side: value 'buy', which is not one of -1, 0, 1"),
        (BTC.replace("trending", "sideways"), "regime: value 'sideways', which is not one of tre"),
        (BTC.replace("BTCUSD", "BTCUSDT"), "symbol: value 'X:BTCUSDT', which is not a symbol"),
        (BTC.replace("X:BTCUSD", ""), "symbol: value (empty), which must not be empty"),
        (
            BTC.replace("donchian", "emergency"),
            "strategy: value 'emergency', which must not be emergency: orders of that name are",
        ),
    ],
)
def test_a_bad_row_is_named_with_column_value_and_rule(tmp_path: Path, line: str, problem: str):
    path = write(tmp_path, ETH, line)

    assert f"{path}: row 2, column {problem}" in complaint(path)


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (",1,,,", "trail_pct: value 1 breaks 0 < trail_pct < 1"),
        (",,soon,,", "time_in_force: value 'soon', which is not one of day, gtc, ioc, fok, gtd"),
        (",,gtd,,", "time_in_force gtd and expire_at go together"),
        (",,gtc,2025-10-17T00:00Z,", "time_in_force gtd and expire_at go together"),
        (",,gtd,tomorrow,", "expire_at: value 'tomorrow', which is not an ISO time with its zone"),
        (",,,,yes", "post_only: value 'yes', which is not true or false"),
        ("90,0.1,,,", "stop_loss and trail_pct: give one of them"),
    ],
)
def test_a_bad_term_of_an_order_is_named(tmp_path: Path, cells: str, problem: str):
    header = (
        "symbol,time,regime,weight,confidence,side,"
        "stop_loss,trail_pct,time_in_force,expire_at,post_only"
    )
    path = write(tmp_path, f"BTCUSD,2025-10-16T00:00Z,calm,1,1,1,{cells}", header=header)

    assert problem in complaint(path)


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ("1,0,,,", "stop_loss: value '0', which is not above 0"),
        ("1,x,,,", "stop_loss: value 'x', which is not a number"),
        ("1,,,-1,", "quantity: value '-1', which is not above 0"),
        ("1,,,,-5", "price: value '-5', which is not above 0"),
        ("1,,,1E15,", "quantity: value '1E15', which is not a number"),
        ("1,101,,,100", "stop_loss: value 101 breaks stop_loss is on the losing side of price"),
        ("1,100,,,100", "stop_loss: value 100 breaks stop_loss is on the losing side of price"),
        ("-1,99,,,100", "stop_loss: value 99 breaks stop_loss is on the losing side of price"),
        ("1,,99,,100", "take_profit: value 99 breaks take_profit is on the winning side of price"),
        ("-1,,101,,100", "take_profit: value 101 breaks take_profit is on the winning side of"),
    ],
)
def test_a_bad_optional_cell_is_named(tmp_path: Path, cells: str, problem: str):
    header = "symbol,time,regime,weight,confidence,side,stop_loss,take_profit,quantity,price"
    path = write(tmp_path, f"BTCUSD,2025-10-16T00:00Z,calm,1,1,{cells}", header=header)

    assert complaint(path) == f"{path}: row 1, column {problem}" or problem in complaint(path)
    assert len(complaint(path).splitlines()) == 1


@pytest.mark.parametrize("cells", ["1,9,8,,", "0,9,8,,5", "-1,9,4,,5", "1,4,9,,5"])
def test_exits_are_only_held_against_a_price_and_a_side(tmp_path: Path, cells: str):
    header = "symbol,time,regime,weight,confidence,side,stop_loss,take_profit,quantity,price"

    signals, _ = read_signals(
        write(tmp_path, f"BTCUSD,2025-10-16T00:00Z,calm,1,1,{cells}", header=header), INSTRUMENTS
    )

    assert len(signals) == 1


def test_every_bad_row_is_reported_at_once(tmp_path: Path):
    lines = [BTC.replace(",1,", f",{i},").replace("donchian", f"s{i}") for i in range(2, 32)]

    assert len(complaint(write(tmp_path, *lines)).splitlines()) == 30


def test_a_row_that_is_there_twice_is_bad_both_times(tmp_path: Path):
    """Which of the two was meant, nobody knows; a symbol's spelling does not hide it."""
    again = BTC.replace("X:BTCUSD", "btc/usd").replace("00:00:00+00:00", "01:00:00+01:00")
    path = write(tmp_path, BTC, ETH, again.replace(",1,", ",-1,"))

    signals, bad = read_signals(path, INSTRUMENTS, skip_bad_rows=True)

    assert [row.row for row in bad] == [1, 3]
    assert "value X:BTCUSD breaks symbol, time and strategy together appear once" in str(bad[0])
    assert [INSTRUMENTS[1].instrument_id] == [s.instrument_id for s in signals]


def test_good_rows_are_read_when_bad_ones_may_be_skipped(tmp_path: Path):
    path = write(tmp_path, BTC.replace(",0.60,0", ",1.7,0"), ETH)

    signals, bad = read_signals(path, INSTRUMENTS, skip_bad_rows=True)

    assert [s.strategy for s in signals] == ["ma_cross"]
    assert [str(b) for b in bad] == ["row 1, column weight: value 1.7 breaks 0 <= weight <= 1"]


def test_an_unknown_symbol_names_the_nearest(tmp_path: Path):
    assert "unknown; did you mean BTC/USD" in complaint(
        write(tmp_path, BTC.replace("BTCUSD", "BTCUSDC"))
    )


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (HEADER.replace("weight", "wieght"), "column 'wieght' is unknown; did you mean weight?"),
        (HEADER.replace("strategy", "leverage"), "column 'leverage' is unknown; known: symbol,"),
        ("symbol,time,regime,weight,confidence,strategy,price", "columns missing: side; found: sy"),
        ("symbol,time,regime,side,side,confidence,strategy", "columns twice: side"),
    ],
)
def test_wrong_columns_are_never_skipped(tmp_path: Path, header: str, problem: str, skip: bool):
    with pytest.raises(InputInvalid) as error:
        read_signals(write(tmp_path, BTC, header=header), INSTRUMENTS, skip_bad_rows=skip)

    assert problem in str(error.value)


@pytest.mark.parametrize(("name", "content"), [("s.csv", f"{HEADER}\n"), ("s.json", "[]")])
def test_a_day_without_a_wish_is_no_error(tmp_path: Path, name: str, content: str):
    """As `regent analyse` writes it, which a run may follow every day."""
    (tmp_path / name).write_text(content)

    assert read_signals(tmp_path / name, INSTRUMENTS) == ((), ())


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("s.csv", "", "is empty"),
        ("s.csv", f"{HEADER}\n{BTC},1", "row 1: 8 cells, 7 columns"),
        ("s.json", "", "cannot be read"),
        ("s.json", "{}", "not a list of signals"),
        ("s.json", "[1]", "not a list of signals"),
        ("s.json", "[{", "cannot be read"),
        ("s.json", '[{"side": 1, "side": -1}]', "side is there twice"),
        ("s.txt", "", "neither .csv nor .json"),
    ],
)
def test_a_file_that_is_none_of_signals_is_refused_in_one_line(
    tmp_path: Path, name: str, content: str, problem: str
):
    (tmp_path / name).write_text(content)

    assert problem in complaint(tmp_path / name)
    assert "\n" not in complaint(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path):
    assert complaint(tmp_path / "no.csv").endswith("no.csv: no such file")


def test_our_own_signals_pass_through_the_same_rules(tmp_path: Path):
    signals, _ = read_signals(write(tmp_path, BTC, ETH), INSTRUMENTS)

    validate_signals(signals)
    validate_signals(())
    Signals.validate(to_frame(signals))
    with pytest.raises(InputInvalid, match=r"signals: row 1, column symbol: .* appear once"):
        validate_signals((*signals, signals[0]))


FULL = Signal(
    instrument_id=INSTRUMENTS[0].instrument_id,
    ts_event=datetime(2025, 10, 16, tzinfo=UTC),
    regime=RegimeLabel.CALM,
    side=1,
    weight=Decimal("0.60"),
    confidence=Decimal("0.55"),
    strategy=StrategyId("mine"),
    stop_loss=Decimal("0.000000000001"),
    take_profit=Decimal("123456789012.5"),
    quantity=Decimal("2.5"),
    price=Decimal("100"),
    stop_px=Decimal("99"),
    display_qty=Decimal("1"),
    time_in_force=TimeInForce.GTD,
    expire_at=datetime(2025, 10, 17, 12, tzinfo=UTC),
    post_only=True,
)
BARE = Signal(
    instrument_id=INSTRUMENTS[1].instrument_id,
    ts_event=FULL.ts_event,
    regime=RegimeLabel.TRENDING,
    side=0,
    weight=Decimal(0),
    confidence=Decimal("0.40"),
    strategy=StrategyId("flat"),
)
TRAILING = replace(FULL, stop_loss=None, trail_pct=Decimal("0.05"), post_only=False)


@pytest.mark.parametrize(
    "signals",
    [(FULL,), (BARE,), (FULL, BARE), (TRAILING, BARE), ()],
    ids=["full", "bare", "both", "trailing", "none"],
)
def test_what_is_written_is_read_back_with_every_field(tmp_path: Path, signals: tuple[Signal, ...]):
    """A stop that is lost on the way leaves a position without protection."""
    path = tmp_path / "signals.csv"
    path.write_text(to_csv(signals, {INSTRUMENTS[0].instrument_id: "X:BTCUSD"}))

    assert read_signals(path, INSTRUMENTS) == (signals, ())


def test_columns_that_no_signal_uses_are_not_written():
    """The documented file has seven; stops and targets are for strategies that say them."""
    assert to_csv((BARE,), {}).splitlines()[0] == HEADER
    stopped = replace(BARE, side=1, stop_loss=Decimal(90))
    assert to_csv((BARE, stopped), {}).splitlines()[0] == f"{HEADER},stop_loss"
