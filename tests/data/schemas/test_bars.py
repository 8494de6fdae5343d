import pandas as pd
import pytest

from data.schemas.bars import validate_bars
from execution.errors import InputInvalid
from tests.execution.walks import random_walk


def complaint(bars: pd.DataFrame) -> str:
    with pytest.raises(InputInvalid) as error:
        validate_bars(bars, "feed X")
    return str(error.value)


def test_good_bars_come_back_as_they_were():
    bars = random_walk(0, 300)

    pd.testing.assert_frame_equal(bars, validate_bars(bars, "feed X"))


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("open", 0.0, "0 < price < infinity"),
        ("close", float("nan"), "0 < price < infinity"),
        ("high", float("inf"), "0 < price < infinity"),
        ("high", 1.0, "high is the highest of open, high, low, close"),
        ("low", 1e6, "low is the lowest of open, high, low, close"),
        ("volume", -1.0, "0 <= volume < infinity"),
        ("volume", float("nan"), "0 <= volume < infinity"),
    ],
)
def test_each_rule_names_the_cell_that_breaks_it(field: str, value: float, rule: str):
    bars = random_walk(0, 10)
    bars.loc[2, field] = value

    assert f"feed X: row 3, column {field}: value {value} breaks {rule}" in complaint(bars)


def test_bars_must_be_in_order_and_there_once():
    turned = random_walk(0, 4).iloc[[0, 2, 1, 3]].reset_index(drop=True)
    twice = random_walk(0, 4).iloc[[0, 1, 1, 2]].reset_index(drop=True)

    assert "row 3, column ts_open: value 2024-01-01 01:00:00+00:00 breaks not bef" in complaint(
        turned
    )
    assert "row 3, column ts_open: value 2024-01-01 01:00:00+00:00 breaks one row" in complaint(
        twice
    )


def test_a_bar_must_close_after_it_opens():
    bars = random_walk(0, 3)
    bars["ts_close"] = bars["ts_open"]

    assert "row 1, column ts_close: value 2024-01-01 00:00:00+00:00 breaks" in complaint(bars)


def test_naive_times_and_strange_columns_are_refused():
    """A feed written by somebody else must not slip them past us."""
    naive = random_walk(0, 3)
    naive["ts_open"] = naive["ts_open"].dt.tz_localize(None)

    assert "column ts_open" in complaint(naive)
    assert "column vwap" in complaint(random_walk(0, 3).assign(vwap=1.0))
    assert "column volume" in complaint(random_walk(0, 3).drop(columns="volume"))
