"""Each judgment at its limit and just beyond it; what cannot be told is never well by itself."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from execution.model.enums import TradingState
from execution.monitoring import health
from execution.monitoring.health import Level, Line, failed, gravest_last, warned, well
from execution.venues.base import Permissions

OK, WARNING, FAILURE = Level.OK, Level.WARNING, Level.FAILURE
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@pytest.mark.parametrize(
    ("trade", "withdraw", "play_money", "level"),
    [
        (True, False, False, OK),
        (True, True, False, WARNING),
        (True, True, True, WARNING),
        (True, None, False, WARNING),
        (True, None, True, OK),  # there is nothing to take away
        (None, False, False, WARNING),
        (None, None, True, WARNING),
        (False, False, False, FAILURE),
        (False, True, True, FAILURE),
    ],
)
def test_keys_must_trade_and_should_not_withdraw(
    trade: bool | None, withdraw: bool | None, play_money: bool, level: Level
):
    may = Permissions(trade=trade, withdraw=withdraw)
    line = health.rights("rights", may, (), play_money=play_money)
    assert level is line.level
    assert bool(line.remedy) is (level is not OK)


def test_an_account_that_the_venue_blocks_is_a_failure():
    may = Permissions(trade=True, withdraw=False)
    line = health.rights("rights", may, ("trading_blocked=True",), play_money=True)
    assert FAILURE is line.level
    assert "blocked: trading_blocked=True" in line.facts


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("offset_s", "level"),
    [(0.0, OK), (1.0, OK), (1.001, WARNING), (5.0, WARNING), (5.001, FAILURE), (3600.0, FAILURE)],
)
def test_a_clock_may_be_off_by_a_second_and_by_no_more_than_a_venue_takes(
    offset_s: float, level: Level, sign: int
):
    assert level is health.clock("clock", sign * offset_s, 0.01).level


def test_too_little_money_lets_positions_be_closed_all_the_same():
    """So it is no failure: a run that may only sell must not be stopped for it."""

    def level(cash: str, holdings: int) -> Level:
        return health.money("balances", Decimal(cash), "USD", holdings, Decimal(100)).level

    assert (level("100", 0), level("99.99", 0), level("0", 1)) == (OK, WARNING, OK)


def test_what_is_open_with_the_venue_is_a_warning():
    def level(unknown: int, *differences: str) -> Level:
        return health.books("books", unknown, differences, "main").level

    assert (level(0), level(1), level(0, "cash USD")) == (OK, WARNING, WARNING)


@pytest.mark.parametrize(
    ("state", "level"),
    [
        (None, OK),
        (TradingState.ACTIVE, OK),
        (TradingState.REDUCING, WARNING),
        (TradingState.HALTED, WARNING),
    ],
)
def test_an_account_that_does_not_trade_is_told(state: TradingState | None, level: Level):
    line = health.trading("trading", state, "paper/x/main")
    assert level is line.level
    assert ("--account paper/x/main" in line.remedy) is (level is WARNING)


@pytest.mark.parametrize(
    ("age", "level"), [(None, WARNING), (24 * HOUR, OK), (24 * HOUR + SECOND, WARNING)]
)
def test_a_backup_is_old_after_a_day_and_never_a_failure(age: timedelta | None, level: Level):
    assert level is health.backup_age("backup", age, 3).level


@pytest.mark.parametrize(
    ("free_mb", "level"), [(49, FAILURE), (50, WARNING), (499, WARNING), (500, OK)]
)
def test_room_is_needed(free_mb: int, level: Level):
    assert level is health.room("disk", free_mb, 50).level


def test_a_wrong_version_is_a_failure_that_names_the_rule():
    found = {"duckdb": "1.5.6", "ccxt": "4.5.90"}
    line = health.versions("versions", found, {"duckdb": ">=2.0,<2.1"})
    assert FAILURE is line.level
    assert line.facts == "duckdb=1.5.6 breaks >=2.0,<2.1"
    assert OK is health.versions("versions", found, {}).level


@pytest.mark.parametrize(
    ("said", "live", "level"),
    [(False, False, OK), (True, True, OK), (False, True, WARNING), (True, False, OK)],
)
def test_limits_that_nobody_chose_are_told_before_real_money(said: bool, live: bool, level: Level):
    assert level is health.limits("limits", {}, said=said, live=live).level


@pytest.mark.parametrize(
    ("silences", "level"),
    [
        ([], WARNING),
        ([None], WARNING),
        ([90 * SECOND], OK),
        ([91 * SECOND], WARNING),
        ([None, 24 * HOUR, 3 * SECOND], OK),
    ],
)
def test_one_worker_that_lives_is_enough(silences: list[timedelta | None], level: Level):
    assert level is health.worker("worker", silences).level


def test_the_gravest_come_last_and_the_rest_keep_their_order():
    lines = [failed("a", "", ""), well("b", ""), warned("c", "", ""), well("d", "")]
    assert [line.name for line in gravest_last(lines)] == ["b", "d", "c", "a"]


def test_a_line_is_told_with_what_to_do():
    assert str(Line(name="disk", level=WARNING, facts="free=1", remedy="make room")) == (
        "disk: free=1; make room"
    )
