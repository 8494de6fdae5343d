"""`regent check-lookahead` and `check-warmup`, as a person sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.cli import main
from tests.execution.strategies.user_files import write
from tests.execution.walks import random_walk

MINE = """
@strategy("peek", warmup_bars=2)
def peek(bars, bars_ahead: int = 1):
    return (bars["close"].shift(-bars_ahead) > bars["close"]).astype(int)

@strategy("fading", warmup_bars=5)
def fading(bars, span: BarCount = 20):
    close = bars["close"]
    return np.sign(close - close.ewm(span=span, adjust=False).mean())

@strategy("heavy", warmup_bars=1)
def heavy(bars):
    return pd.DataFrame({"side": 1, "weight": 1.5}, index=bars.index)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def mine(tmp_path: Path) -> str:
    return str(write(tmp_path, MINE))


@pytest.fixture
def bars(tmp_path: Path) -> str:
    path = tmp_path / "BTC-USD_1h.csv"
    random_walk(4, 500).drop(columns="ts_close").rename(columns={"ts_open": "time"}).to_csv(
        path, index=False
    )
    return str(path)


def ended(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    """The exit code, and what was said where."""
    with pytest.raises(SystemExit) as end:
        main([*args])
    told = capsys.readouterr()
    code = end.value.code
    assert isinstance(code, int)
    return code, told.out if code in (0, 9) else told.err


def test_one_of_ours_is_clean_on_the_sample(capsys: pytest.CaptureFixture[str]):
    code, told = ended(capsys, "check-lookahead", "momentum", "--symbol", "AAPL", "--checks", "9")

    assert code == 0
    first, second = told.splitlines()
    assert first == "strategy momentum (execution.strategies.momentum), warmup_bars=121"
    assert second.startswith("  AAPL: clean on all of ")
    assert second.endswith(" shorter histories (there are 3,269) of 3,270 bars")


def test_a_look_at_the_next_bar_ends_with_a_table_of_the_first_differing_bars(
    capsys: pytest.CaptureFixture[str], mine: str, bars: str
):
    code, told = ended(capsys, "check-lookahead", "peek", "--file", mine, "--bars", bars)

    assert code == 9
    assert "BTC/USD: differs on" in told
    assert "it looks ahead" in told
    rows = [line for line in told.splitlines() if line.startswith("BTC/USD  ")]
    assert len(rows) == 10
    assert rows[0].split()[1:5] == ["1", "2024-01-01", "01:00Z", "side"]
    assert rows[0].split()[5:] == ["1", "to", "1", "0", "1", "worst"]
    assert "more; --verbose shows all" in told


def test_a_warm_up_that_is_too_short_is_told_with_the_one_that_is_enough(
    capsys: pytest.CaptureFixture[str], mine: str, bars: str
):
    at = ("--file", mine, "--bars", bars)

    code, told = ended(capsys, "check-warmup", "fading", *at)
    short, less = (
        json.loads(ended(capsys, "check-warmup", "fading", *at, "--json", *more)[1])
        for more in ((), ("--param", "span=2"))
    )

    assert code == 9
    assert "the warm-up is too short" in told
    found, found_less = (d["instruments"]["BTC/USD.SIMULATED"] for d in (short, less))
    assert f"{found['enough_bars']} bars are enough there" in told
    assert not short["clean"]
    assert found["enough_bars"] > 5 * found_less["enough_bars"]
    assert less["params"] == {"span": 2}


def test_an_instrument_with_too_few_bars_is_not_passed_over_in_silence(
    capsys: pytest.CaptureFixture[str],
):
    """FB came to the market ten months before the sample ends."""
    code, told = ended(capsys, "check-warmup", "momentum", "--param", "lookback_bars=300")

    assert code == 0
    assert "FB: 196 bars are too few to tell" in told
    assert told.count("clean on all") == 4


def test_values_outside_their_rules_are_told_as_well(
    capsys: pytest.CaptureFixture[str], mine: str, bars: str
):
    code, told = ended(capsys, "check-lookahead", "heavy", "--file", mine, "--bars", bars)

    assert code == 2
    assert f"strategy heavy ({mine}): bar 1 (2024-01-01T01:00:00+00:00), column weight" in told


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("pek",), "strategy 'pek' is unknown; did you mean peek?"),
        (("peek", "--param", "bars_ahed=2"), "is unknown to strategy peek"),
        (("peek", "--param", "bars_ahead=x"), "Input should be a valid integer"),
        (("peek", "--param", "bars_ahead"), "--param bars_ahead: write NAME=VALUE"),
        (("donchian", "--symbol", "FB"), None),
        (("momentum", "--symbol", "ZZZ"), "symbol 'ZZZ' is unknown"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], mine: str, args: tuple[str, ...], problem: str | None
):
    """Of FB there are fewer bars than Donchian's warm-up: that is no "clean"."""
    code, told = ended(capsys, "check-warmup", *args, "--file", mine)

    assert code == 2
    assert len(told.splitlines()) == 1
    assert (problem or "can be checked on 201 bars or more; FB: 196 bars are too few") in told
