"""Every expectation of bars catches the fault that it is there for, and no other cries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from data.feeds.calendar import expected_opens, sessions
from data.quality.bars import BARS
from data.quality.expectation import Found, look
from data.quality.rules import DEFAULT_RULES, QualityRules, Severity
from data.quality.sample import BarSample, robust_z
from data.quality.seen import Seen
from data.quality.suites import require_expectations
from execution.errors import ConfigInvalid
from execution.model.timeframe import DAY
from tests.data.quality.samples import COIN, HOUR, STOCK, coin_hours, stock_days

MIDDLE = 200
Edit = Callable[[pd.DataFrame], pd.DataFrame]


def edited(edit: Edit, sample: BarSample | None = None) -> BarSample:
    """A sample whose bars were changed."""
    sample = sample or coin_hours()
    return replace(sample, table=edit(sample.table.copy()).reset_index(drop=True))


def cells(column: str, values: object, rows: slice | int = MIDDLE) -> Edit:
    """Put other values into some rows."""

    def edit(bars: pd.DataFrame) -> pd.DataFrame:
        bars.loc[rows, column] = values
        return bars

    return edit


def moved(by: timedelta, row: int) -> Edit:
    """Move one bar in time."""

    def edit(bars: pd.DataFrame) -> pd.DataFrame:
        bars.loc[row, ["ts_open", "ts_close"]] += by
        return bars

    return edit


def scaled(factor: float, rows: slice) -> Edit:
    """Multiply the prices of some rows."""

    def edit(bars: pd.DataFrame) -> pd.DataFrame:
        prices = ["open", "high", "low", "close"]
        bars.loc[rows, prices] = (bars.loc[rows, prices] * factor).round(2)
        return bars

    return edit


def repeated_openings(bars: pd.DataFrame) -> pd.DataFrame:
    bars.loc[1:100, "open"] = bars["close"].shift()[1:101]
    return bars


def holiday(bars: pd.DataFrame) -> pd.DataFrame:
    """Independence Day, at the hours of any session."""
    row = bars.iloc[[MIDDLE]].assign(
        ts_open=pd.Timestamp("2024-07-04 13:30", tz="UTC"),
        ts_close=pd.Timestamp("2024-07-04 20:00", tz="UTC"),
    )
    return pd.concat([bars, row]).sort_values("ts_open")


def restated() -> BarSample:
    before = coin_hours()
    return edited(cells("volume", 999.0), replace(before, seen=Seen.of(before.table)))


def differing() -> BarSample:
    sample = coin_hours()
    theirs = sample.table.assign(close=sample.table["close"] * np.where(sample.opens.hour, 1, 1.02))
    return replace(sample, reference=theirs)


def standing_still(bars: pd.DataFrame) -> pd.DataFrame:
    px = bars["close"].iloc[MIDDLE]
    bars.loc[MIDDLE : MIDDLE + 5, "close"] = px
    bars["high"], bars["low"] = bars["high"] + 30, bars["low"] - 30
    return bars


SPIKE = scaled(1.2, slice(MIDDLE, MIDDLE))
# By expectation a sample that does not meet it, and what else cannot be met then.
PLANTED: dict[str, tuple[Callable[[], BarSample], set[str]]] = {
    "schema": (lambda: edited(lambda bars: bars.assign(volume=bars["volume"].astype(int))), set()),
    "times_utc": (
        lambda: edited(lambda bars: bars.assign(ts_open=bars["ts_open"].dt.tz_localize(None))),
        set(),
    ),
    "times_rising": (
        lambda: edited(lambda bars: bars.iloc[[*range(1, 9), 0, *range(9, 400)]]),
        set(),
    ),
    "no_duplicates": (
        lambda: edited(lambda bars: bars.iloc[[*range(MIDDLE), *range(MIDDLE - 1, 400)]]),
        set(),
    ),
    "not_in_future": (lambda: edited(moved(9 * DAY, 399)), set()),
    "on_grid": (lambda: edited(moved(timedelta(minutes=20), MIDDLE)), {"no_gaps"}),
    "no_gaps": (lambda: edited(lambda bars: bars.drop(MIDDLE)), set()),
    "in_session": (lambda: edited(holiday, stock_days()), set()),
    "prices_positive": (
        lambda: edited(cells("open", float("inf"), MIDDLE)),
        {"high_is_highest"},
    ),
    "high_is_highest": (lambda: edited(cells("high", 1.0)), set()),
    "low_is_lowest": (lambda: edited(cells("low", 1_900.0)), {"high_is_highest"}),
    "volume_not_negative": (lambda: edited(cells("volume", -1.0)), set()),
    "closed": (lambda: replace(coin_hours(), now=coin_hours().now - timedelta(minutes=1)), set()),
    "fresh": (lambda: replace(coin_hours(), now=coin_hours().now + 2 * HOUR), set()),
    "zero_volume_run": (lambda: edited(cells("volume", 0.0, slice(10, 13))), set()),
    "stale_close_run": (lambda: edited(standing_still), set()),
    "return_outlier": (lambda: edited(scaled(1.2, slice(MIDDLE, None))), set()),
    "no_spike": (lambda: edited(SPIKE), {"return_outlier"}),
    "no_split": (lambda: edited(scaled(0.25, slice(MIDDLE, None))), {"return_outlier"}),
    "open_repeats_close": (lambda: edited(repeated_openings, stock_days()), set()),
    "on_tick": (lambda: edited(lambda bars: bars.assign(high=bars["high"] + 0.004)), set()),
    "volume_outlier": (lambda: edited(cells("volume", 1e8)), set()),
    "agrees_with_reference": (differing, set()),
    "not_restated": (restated, set()),
    "stored_fresh": (
        lambda: coin_hours(replayed=True, stored=True, now=coin_hours().now + 2 * HOUR),
        set(),
    ),
    "row_count": (lambda: edited(lambda bars: bars.drop(range(50, 60))), {"no_gaps"}),
}


def failing(sample: BarSample, rules: QualityRules = DEFAULT_RULES) -> dict[str, Found[BarSample]]:
    """What a sample does not meet, by name."""
    found = look(BARS.values(), sample, rules)
    return {f.expectation.name: f for f in found if not f.offending.empty}


def lone(sample: BarSample, name: str, rules: QualityRules = DEFAULT_RULES) -> list[int]:
    """The rows that do not meet one expectation."""
    return list(BARS[name](sample, rules).index)


@pytest.mark.parametrize("name", BARS)
def test_each_expectation_catches_its_planted_fault(name: str):
    """One that is registered without a fault of its own fails here."""
    plant, also = PLANTED[name]

    assert failing(plant()).keys() == {name} | also


def test_every_expectation_of_the_standard_is_there():
    """Fourteen errors and eleven warnings, and one more for the store, whose bars grow old."""
    severities = [one.severity for one in BARS.values()]

    assert (severities.count(Severity.ERROR), severities.count(Severity.WARNING)) == (14, 12)
    assert PLANTED.keys() == BARS.keys()


@pytest.mark.parametrize("sample", [coin_hours(), stock_days()], ids=["coin", "stock"])
def test_bars_without_a_fault_meet_everything(sample: BarSample):
    assert failing(sample) == {}


def test_a_fault_is_told_with_its_row_column_value_rule_and_time():
    result = failing(PLANTED["high_is_highest"][0]())["high_is_highest"].result

    assert str(result) == (
        "BTC/USD.SIMULATED: high_is_highest: 2024-01-10 08:00Z row 201, column high: "
        "value 1.0 breaks high is the highest of open, high, low, close"
    )


def test_a_gap_says_how_many_bars_are_missing_and_before_which():
    sample = edited(lambda bars: bars.drop([5, 6, 7, 300]))

    found = failing(sample)["no_gaps"].offending

    assert found.to_dict() == {
        5: "2024-01-02 08:00:00+00:00: 3 missing",
        297: "2024-01-14 13:00:00+00:00: 1 missing",
    }


def test_a_bar_that_its_source_does_not_have_is_no_gap_and_its_neighbour_still_is():
    whole = coin_hours()
    sample = edited(lambda bars: bars.drop([5, 6, 300]))

    known = replace(sample, absent=whole.opens[[5, 300]])

    assert failing(known)["no_gaps"].offending.to_dict() == {
        5: "2024-01-02 07:00:00+00:00: 1 missing"
    }


@pytest.mark.parametrize(
    ("minutes", "first", "last"), [(0, "13:00", "16:00"), (30, "13:30", "16:30")]
)
def test_nights_weekends_holidays_and_early_closes_are_no_gaps(minutes: int, first: str, last: str):
    """The first hour of a session is the bar of 09:00, with 09:30 to 10:00, or that of 09:30."""
    start, end = datetime(2024, 6, 24, tzinfo=UTC), datetime(2024, 7, 9, tzinfo=UTC)
    opens = expected_opens(STOCK, HOUR, start, end, timedelta(minutes=minutes))
    values = stock_days().table.loc[: len(opens) - 1, ["open", "high", "low", "close", "volume"]]
    times = pd.DataFrame({"ts_open": opens, "ts_close": opens + HOUR})
    sample = stock_days(
        table=pd.concat([times, values], axis="columns"), interval=HOUR, replayed=True
    )

    half_day = [ts.strftime("%H:%M") for ts in opens if ts.strftime("%m-%d") == "07-03"]
    assert (half_day[0], half_day[-1], len(half_day)) == (first, last, 4)
    assert failing(sample) == {}
    night = edited(moved(timedelta(hours=9), 3), sample)
    assert failing(night).keys() == {"in_session", "no_gaps", "times_rising"}


def test_trades_after_an_early_close_are_taken_and_those_of_a_holiday_are_not():
    """Some sources have what is traded after the bell of a half day; nobody trades on a holiday."""
    half_day = sessions(datetime(2024, 7, 3, tzinfo=UTC), datetime(2024, 7, 4, tzinfo=UTC))
    late = half_day["ts_close"].iloc[0] + HOUR
    sample = stock_days(interval=HOUR, replayed=True)
    bars = sample.table.iloc[:2].assign(
        ts_open=[late, late + DAY], ts_close=[late + HOUR, late + DAY + HOUR]
    )

    assert lone(replace(sample, table=bars), "in_session") == [1]


def test_a_replay_is_never_late_and_still_has_no_future():
    """The clock of a replay is where it was asked to stand."""
    clean = coin_hours(replayed=True)

    assert failing(replace(clean, now=clean.now + 900 * DAY)) == {}
    assert lone(replace(clean, now=clean.now - HOUR - timedelta(minutes=1)), "closed") == [398]
    assert lone(replace(clean, now=clean.now - 3 * HOUR), "not_in_future") == [398, 399]


def test_stored_bars_are_told_when_they_are_old_and_stop_nothing():
    """The clock of such a run stands at its last bar, so nothing else would tell."""
    stored = coin_hours(replayed=True, stored=True)
    (found,) = failing(replace(stored, now=stored.now + 2 * HOUR)).values()

    assert failing(replace(stored, now=stored.now + HOUR)) == {}
    assert str(found.result) == (
        "BTC/USD.SIMULATED: stored_fresh: 2024-01-18 15:00Z row 400, column ts_close: value "
        "2024-01-18 16:00:00+00:00: 2 since breaks at most 1 bars have closed since the last one "
        "stored; download, or say --as-of"
    )


@pytest.mark.parametrize(
    ("closed_after", "late"),
    [("2024-07-05 20:00", False), ("2024-07-08 19:59", False), ("2024-07-08 20:00", True)],
)
def test_a_stocks_bar_is_late_by_sessions_not_by_hours(closed_after: str, late: bool):
    """Wednesday's bar over a holiday and a weekend: one session may be missing, two may not."""
    until = pd.Timestamp("2024-07-04", tz="UTC")
    sample = edited(lambda bars: bars[bars["ts_close"] < until], stock_days())
    now = pd.Timestamp(closed_after, tz="UTC").to_pydatetime()

    assert bool(lone(replace(sample, now=now), "fresh")) is late


def test_a_days_bars_are_told_apart_by_their_date():
    """A source that opens every session at 09:30 has no gap where one began later."""
    later = edited(moved(timedelta(minutes=30), MIDDLE), stock_days())

    assert failing(later).keys() == {"on_grid"}


def test_a_coins_day_may_begin_where_its_exchange_is():
    """One exchange's days are Singapore's; a day that begins at another hour is off the grid."""
    hours = coin_hours()
    later = pd.Timedelta(hours=16)
    days = hours.table.assign(
        ts_open=pd.date_range("2023-01-01", periods=400, tz="UTC", unit="us") + later,
        ts_close=pd.date_range("2023-01-02", periods=400, tz="UTC", unit="us") + later,
    )
    sample = replace(hours, table=days, interval=DAY, now=days["ts_close"].iloc[-1])

    assert failing(sample) == {}
    assert lone(replace(sample, now=sample.now + 2 * DAY), "fresh") == [399]
    assert failing(edited(moved(-later, MIDDLE), sample)).keys() == {"on_grid", "no_gaps"}


def test_bars_of_a_length_no_calendar_knows_fail_on_the_grid_alone():
    """Whoever trades bars of three days says so in the configuration."""
    sample = coin_hours(interval=3 * DAY, replayed=True)

    assert failing(sample).keys() == {"on_grid"}


def test_adjusted_prices_are_on_no_tick_and_change_with_every_dividend():
    sample = edited(lambda bars: bars.assign(high=bars["high"] + 0.004), coin_hours())
    before = coin_hours()
    sample = replace(sample, seen=Seen.of(before.table))

    assert failing(sample).keys() == {"on_tick", "not_restated"}
    assert failing(replace(sample, adjusted=True)) == {}


def test_a_bar_that_is_seen_for_the_first_time_is_not_restated():
    before, now = coin_hours().table[:MIDDLE], coin_hours()

    assert failing(replace(now, seen=Seen.parse(Seen.of(before).text()))) == {}
    assert failing(replace(now, seen=Seen.of(before[:0]))) == {}


def test_the_changed_bar_is_found_in_bars_that_lie_out_of_order():
    bars = coin_hours().table[:6]
    changed = bars.assign(close=[1.0, *bars["close"][1:]]).iloc[[3, 0, 2, 1, 5, 4]]

    assert list(Seen.of(bars).changed(changed)) == [False, True, False, False, False, False]


def test_a_reference_that_is_not_there_is_told():
    """Asked for and not compared is no agreement."""
    nothing_in_common = coin_hours().table.assign(ts_open=lambda bars: bars["ts_open"] + 900 * DAY)

    assert failing(coin_hours(reference_problem="kraken is down")).keys() == {
        "agrees_with_reference"
    }
    assert failing(coin_hours(reference=nothing_in_common)).keys() == {"agrees_with_reference"}


def test_bars_of_the_wrong_shape_are_looked_at_no_further():
    """Nothing can be computed from them: the rest is not said to be met."""
    sample = edited(lambda bars: bars.drop(columns="close"))

    assert [f.expectation.name for f in look(BARS.values(), sample, DEFAULT_RULES)] == ["schema"]


def test_no_bars_and_bars_without_a_time_are_no_bars():
    """An empty answer must not pass for a good one."""
    assert failing(edited(lambda bars: bars[:0])).keys() == {"schema"}
    assert failing(edited(cells("ts_close", pd.NaT))).keys() == {"times_utc"}


def test_a_severity_is_what_the_configuration_says():
    rules = QualityRules(severity={"no_gaps": "warning", "return_outlier": "off"})
    sample = edited(scaled(1.2, slice(MIDDLE, None)), PLANTED["no_gaps"][0]())

    found = look(BARS.values(), sample, rules)

    assert "return_outlier" not in {f.expectation.name for f in found}
    assert [f.result.severity for f in found if not f.result.met] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("name", "severity", "text"),
    [
        ("no_gap", "off", "quality.severity.no_gap is unknown; did you mean no_gaps?"),
        ("schema", "off", "always an error"),
        ("high_is_highest", "warning", "always an error"),
    ],
)
def test_what_no_severity_can_be_is_refused(name: str, severity: str, text: str):
    """What the gate refuses cannot be let through: it never comes this far."""
    with pytest.raises(ConfigInvalid, match=text.replace("?", r"\?")):
        require_expectations(QualityRules(severity={name: severity}))


def test_thresholds_move_the_line_and_are_told():
    """Exactly the threshold is allowed."""
    sample = PLANTED["zero_volume_run"][0]()

    assert lone(sample, "zero_volume_run", QualityRules(zero_volume_run_max=4)) == []
    rules = QualityRules(zero_volume_run_max=2)
    assert "at most 2 bars" in BARS["zero_volume_run"].told(rules)


def test_robust_z_does_without_a_median_deviation():
    """More than half of the returns of a quiet market are 0."""
    z = robust_z(np.array([0.0] * 8 + [0.0, 1.0]))

    assert list(z[:9]) == [0.0] * 9
    assert pytest.approx(z[9]) == 1 / (1.2533 * 0.1)
    assert np.isnan(robust_z(np.array([np.nan]))).all()
    assert list(robust_z(np.zeros(3))) == [0.0, 0.0, 0.0]


def test_the_rules_of_the_gate_are_the_rules_of_pandera():
    """One truth: whatever a gate's expectation catches, the model refuses."""
    from data.schemas.bars import validate_bars
    from execution.errors import InputInvalid

    gates = [name for name, one in BARS.items() if one.gate]
    assert len(gates) == 8
    for name in gates:
        with pytest.raises(InputInvalid):
            validate_bars(PLANTED[name][0]().table, COIN.instrument_id.symbol)
