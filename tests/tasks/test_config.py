"""What a run is told, and what a person hears who told it wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from execution.errors import ConfigInvalid
from execution.model.enums import RegimeLabel, RunMode
from execution.regime.config import RegimeSettings
from execution.risk.limits import Profile, RiskLimits
from tasks import wiring
from tasks.config import RunConfig, load_config, make_config, parse_time

Load = Callable[..., RunConfig]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write a settings file and load it, with overrides as keywords."""

    def write_and_load(
        text: str,
        suffix: str = ".yaml",
        environment: dict[str, str] | None = None,
        **overrides: object,
    ) -> RunConfig:
        path = tmp_path / f"run{suffix}"
        path.write_text(text)
        return load_config(path, overrides, environment or {})

    return write_and_load


def complaint(call: Callable[[], object]) -> str:
    with pytest.raises(ConfigInvalid) as error:
        call()
    return str(error.value)


def test_without_anything_it_is_a_dry_run_on_the_sample():
    config = load_config(None, {}, {})

    assert config == RunConfig()
    assert (config.mode, config.venue, config.feed) == (RunMode.DRY_RUN, "simulated", "sample")
    assert config.account_id == "dry-run/simulated/sample"
    assert config.dry_run
    assert not config.confirm_live


def test_the_default_limits_are_the_requirements_numbers():
    limits = RiskLimits()

    assert limits.profile is Profile.DEFAULT
    assert limits.max_position_size_pct == Decimal("0.20")
    assert limits.max_exposure_pct == Decimal("0.95")
    assert limits.max_positions == 10
    assert limits.min_confidence == Decimal("0.50")
    assert limits.max_daily_loss_pct == Decimal("0.05")
    assert limits.max_drawdown_pct == Decimal("0.10")
    assert limits.max_leverage == 1


def test_strict_limits_are_those_of_the_requirements_guard():
    limits = RiskLimits(profile=Profile.STRICT)

    assert (limits.max_positions, limits.max_daily_loss_pct) == (5, Decimal("0.02"))


def test_a_limit_that_is_named_counts_whatever_the_profile(load: Load):
    config = load("limits: {profile: strict, max_positions: 7}")

    assert config.limits.max_positions == 7
    assert config.limits.max_daily_loss_pct == Decimal("0.02")
    assert RiskLimits.model_validate(config.limits.model_dump()) == config.limits


def test_an_unknown_profile_is_named(load: Load):
    assert "limits.profile='bold'" in complaint(lambda: load("limits: {profile: bold}"))


SETTINGS = {
    "symbols": ["GOOG", "MSFT"],
    "as_of": "2012-06-01T20:00:00Z",
    "limits": {"max_positions": 3, "min_confidence": 0.6},
    "strategies": {"trending": "donchian", "volatile": None},
    "starting_cash": 5000,
}


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json"])
def test_a_yaml_and_a_json_file_say_the_same(load: Load, suffix: str):
    """Every JSON text is YAML too, so one text serves both."""
    config = load(json.dumps(SETTINGS), suffix)

    assert config.symbols == ("GOOG", "MSFT")
    assert config.as_of == datetime(2012, 6, 1, 20, tzinfo=UTC)
    assert config.limits == RiskLimits(max_positions=3, min_confidence=Decimal("0.6"))
    assert config.strategies == {RegimeLabel.TRENDING: "donchian", RegimeLabel.VOLATILE: None}
    assert config.starting_cash == Decimal(5000)


def test_a_number_in_a_file_is_exactly_what_was_written(load: Load):
    """0.1 as a float is a little more than a tenth."""
    config = load("limits: {max_position_size_pct: 0.1}")

    assert config.limits.max_position_size_pct == Decimal("0.1")


def test_no_strategies_at_all_is_not_the_usual_ones(load: Load):
    """Who wrote that nothing is to be traded must not see the defaults trade."""
    assert load("strategies: {}").strategies == {}


def test_the_regime_model_and_its_schedule_are_settings(load: Load):
    regime = load("regime: {model: bucket-adx, bars_min: 200, every_bars: 50}").regime

    assert regime == RegimeSettings(model="bucket-adx", bars_min=200, bars_max=2_000, every_bars=50)
    assert load("regime:").regime == RegimeSettings(model="four")


def test_an_unknown_regime_model_is_told_before_anything_is_done():
    """Plugins bring models of their own, so a run asks once they are loaded."""
    config = RunConfig(regime=RegimeSettings(model="fuor"))

    told = complaint(lambda: wiring.require_available(config))

    assert told == "regime.model='fuor' is unknown; did you mean four?"


def test_an_empty_section_of_limits_changes_none(load: Load):
    assert load("execution: {max_positions: 3}\nlimits: {}").limits.max_positions == 3
    assert load("limits: {}").limits == RiskLimits()


OLDER = """
execution:
  mode: live
  confirm_live: true
  max_position_size_pct: 0.1
  max_exposure_pct: 0.5
  max_positions: 4
  min_confidence: 0.7
  max_daily_loss_pct: 0.03
  min_balance: 250
exchange:
  name: kraken
"""


def test_the_words_of_older_guides_are_understood(load: Load):
    config = load(OLDER)

    assert (config.mode, config.venue, config.confirm_live) == (RunMode.LIVE, "kraken", True)
    assert config.limits == RiskLimits(
        max_position_size_pct=Decimal("0.1"),
        max_exposure_pct=Decimal("0.5"),
        max_positions=4,
        min_confidence=Decimal("0.7"),
        max_daily_loss_pct=Decimal("0.03"),
        min_balance=Decimal(250),
    )


def test_one_setting_under_two_names_is_refused(load: Load):
    """Else the order of the lines would decide which limit holds."""
    text = "limits: {max_positions: 3}\nexecution: {max_positions: 10}"

    assert complaint(lambda: load(text)).endswith(
        "run.yaml: limits.max_positions and execution.max_positions are one setting; keep one"
    )


def test_the_environment_speaks_in_percent(load: Load):
    environment = {
        "EXECUTION_MODE": "demo",
        "MAX_POSITIONS": "7",
        "DAILY_LOSS_LIMIT_PCT": "2.0",
        "PATH": "/bin",
    }

    config = load("mode: backtest\nlimits: {max_positions: 3}", environment=environment)

    assert config.mode is RunMode.DRY_RUN
    assert config.limits.max_positions == 7
    assert config.limits.max_daily_loss_pct == Decimal("0.02")


@pytest.mark.parametrize("mode", ["backtest", "dry-run"])
def test_the_environment_names_a_mode_as_the_file_does(load: Load, mode: str):
    assert load("account: mine", environment={"EXECUTION_MODE": mode}).mode == mode


def test_what_a_person_types_beats_the_environment_which_beats_the_file(load: Load):
    text = "limits: {max_positions: 1, min_balance: 5}\naccount: file"
    environment = {"MAX_POSITIONS": "2"}

    assert load(text).limits.max_positions == 1
    assert load(text, environment=environment).limits.max_positions == 2
    typed = load(text, environment=environment, **{"limits.max_positions": 3, "account": "typed"})
    assert (typed.limits.max_positions, typed.account) == (3, "typed")
    assert typed.limits.min_balance == 5


def test_what_a_person_did_not_type_overrides_nothing(load: Load):
    assert load("account: file", account=None).account == "file"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"DAILY_LOSS_LIMIT_PCT": "two"}, "DAILY_LOSS_LIMIT_PCT='two' is not a number"),
        ({"DAILY_LOSS_LIMIT_PCT": ""}, "DAILY_LOSS_LIMIT_PCT='' is not a number"),
        (
            {"DAILY_LOSS_LIMIT_PCT": "200"},
            "DAILY_LOSS_LIMIT_PCT='200', which is limits.max_daily_loss_pct=2: Input should be "
            "less than or equal to 1",
        ),
        (
            {"MAX_POSITIONS": "many"},
            "MAX_POSITIONS='many': Input should be a valid integer, "
            "unable to parse string as an integer",
        ),
        ({"EXECUTION_MODE": "yolo"}, "EXECUTION_MODE='yolo': Input should be "),
    ],
)
def test_a_wrong_value_in_the_environment_is_told(environment: dict[str, str], told: str):
    assert complaint(lambda: load_config(None, {}, environment)).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "regime: {every_bar: 9}",
            "unknown setting regime.every_bar; did you mean regime.every_bars?",
        ),
        ("regimes: {model: four}", "unknown setting regimes.model; did you mean regime.model?"),
        ("mod: dry-run", "unknown setting mod; did you mean mode?"),
        ("symbol: [A]", "unknown setting symbol; did you mean symbols?"),
        (
            "approval: {two_persons_above: 5}",
            "unknown setting approval.two_persons_above; did you mean approval.two_person_above?",
        ),
        (
            "limits: {max_position: 3}",
            "unknown setting limits.max_position; did you mean limits.max_positions?",
        ),
        (
            "execution: {max_postion_size_pct: 0.1}",
            "unknown setting execution.max_postion_size_pct; "
            "did you mean execution.max_position_size_pct?",
        ),
        ("exchange: kraken", "unknown setting exchange; did you mean exchange.name?"),
        ("weather: fine", "unknown setting weather"),
        ("1: x", "unknown setting 1"),
    ],
)
def test_an_unknown_setting_is_told_with_the_nearest_right_one(load: Load, text: str, told: str):
    assert complaint(lambda: load(text)).endswith(f"run.yaml: {told}")


def test_every_problem_has_its_line(load: Load):
    text = "mod: x\nexchange: {sandbox: true, rate: 5}\nstarting_cash: -1"

    told = complaint(lambda: load(text)).splitlines()

    assert [line.rpartition("run.yaml: ")[2] for line in told] == [
        "starting_cash=-1: Input should be greater than 0",
        "unknown setting mod; did you mean mode?",
        "unknown setting exchange.sandbox; did you mean exchange.name?",
        "unknown setting exchange.rate; did you mean exchange.name?",
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("api_key: hunter2", "api_key"),
        ("exchange: {name: kraken, secret: hunter2}", "exchange.secret"),
        ("exchange: {apiKey: hunter2}", "exchange.apiKey"),
        ("exchange.passphrase: hunter2", "exchange.passphrase"),
        ("limits: {TOKEN: hunter2}", "limits.TOKEN"),
        ("symbols: [{password: hunter2}]", "symbols.password"),
        ("venue: {KRAKEN_API_SECRET: hunter2}", "venue.KRAKEN_API_SECRET"),
    ],
)
def test_a_secret_in_a_file_is_refused_and_never_repeated(load: Load, text: str, key: str):
    """However deep, and before any other complaint could print it."""
    told = complaint(lambda: load(text))

    assert "hunter2" not in told
    assert told.endswith(
        f"run.yaml: {key}: secrets are read from the environment, never from a file"
    )


def test_the_safety_phrase_belongs_in_no_file(load: Load):
    told = complaint(lambda: load("execution: {safety_phrase: i agree}"))

    assert told.endswith(
        "run.yaml: execution.safety_phrase: is typed by the person who approves, "
        "never kept in a file"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "limits: {max_positions: many}",
            "limits.max_positions='many': Input should be a valid integer, "
            "unable to parse string as an integer",
        ),
        (
            "limits: {max_position_size_pct: 20}",
            "limits.max_position_size_pct=20: Input should be less than or equal to 1",
        ),
        ("limits: {max_positions: 0}", "limits.max_positions=0: Input should be greater than or"),
        ("limits: 5", "limits=5: Input should be a valid dictionary or instance of RiskLimits"),
        ("execution: {min_balance: -1}", "execution.min_balance=-1: Input should be greater than"),
        ("symbols: 5", "symbols=5: Input should be a valid tuple"),
        ("symbols: [A, 5]", "symbols.1=5: Input should be a valid string"),
        ("feed: files", "feed: files and bars: [...] go together"),
        ("starting_cash: .nan", "starting_cash=nan: Input should be a finite number"),
        ("as_of: '2012-06-01T20:00:00'", "as_of='2012-06-01T20:00:00': Input should have timezone"),
        ("confirm_live: perhaps", "confirm_live='perhaps': Input should be a valid boolean"),
        ("approval_timeout_s: 4", "approval_timeout_s=4: Input should be greater than or equal"),
        ("strategies: {bullish: donchian}", "strategies.bullish.[key]='bullish': Input should be"),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_its_rule(load: Load, text: str, told: str):
    found = complaint(lambda: load(text))

    assert found.partition("run.yaml: ")[2].startswith(told)
    assert "\n" not in found


def test_a_section_that_is_none_is_told_before_the_environment_is_put_into_it(load: Load):
    told = complaint(lambda: load("limits: 5", environment={"MAX_POSITIONS": "3"}))

    assert told.endswith("run.yaml: limits=5: expected settings as `name: value`")


def test_what_a_person_typed_is_not_laid_to_the_file(load: Load):
    told = complaint(lambda: load("mode: backtest", mode="demo"))

    assert told.startswith("mode='demo': Input should be ")


@pytest.mark.parametrize("section", ["limits:", "execution:", "exchange:", "symbols:", "bars:"])
def test_an_empty_section_says_nothing(load: Load, section: str):
    assert load(f"account: mine\n{section}") == RunConfig(account="mine")
    assert load(section, environment={"MAX_POSITIONS": "3"}).limits.max_positions == 3


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("symbols: AAPL", ("AAPL",)),
        ("symbols: A, B", ("A", "B")),
        ("symbols: [A, B]", ("A", "B")),
    ],
)
def test_one_text_is_a_list_too(load: Load, text: str, symbols: tuple[str, ...]):
    assert load(text).symbols == symbols


def test_one_file_of_bars_is_a_list_too(load: Load):
    assert load("feed: files\nbars: AAPL.csv").bars == (Path("AAPL.csv"),)


def test_a_timeframe_is_refused_where_nobody_would_obey_it():
    """Who asks the sample for hours would take its days for hours."""
    assert complaint(lambda: make_config({"timeframe": "1h"})) == (
        "timeframe=1h is for feed: ccxt:EXCHANGE, alpaca or store; the bars of feed: sample have "
        "a length already (the sample's are daily)"
    )
    assert "feed: files have a length already" in complaint(
        lambda: make_config({"timeframe": "1h", "feed": "files", "bars": "A.csv"})
    )
    assert make_config({"timeframe": "4h", "feed": "ccxt:kraken"}).timeframe == "4h"


@pytest.mark.parametrize(
    ("suffix", "text", "told"),
    [
        (".yaml", "", "expected settings as `name: value`, found None"),
        (".yaml", "- mode", "expected settings as `name: value`, found ['mode']"),
        (".yaml", "mode", "expected settings as `name: value`, found 'mode'"),
        (".json", "[1]", "expected settings as `name: value`, found [1]"),
        (".yaml", "mode: [", "not valid yaml: while parsing a flow node expected"),
        (".yaml", "as_of: 2012-13-45", "not valid yaml: month must be in 1..12"),
        (".yaml", "a: &a {b: *a}", "not valid yaml: maximum recursion depth exceeded"),
        (".json", '{"mode": ', "not valid json: Expecting value: line 1 column 10 (char 9)"),
        (".json", "", "not valid json: Expecting value: line 1 column 1 (char 0)"),
        (".json", "mode: dry-run", "not valid json: Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_a_file_that_holds_no_settings_is_told(load: Load, suffix: str, text: str, told: str):
    found = complaint(lambda: load(text, suffix))

    assert f"run{suffix}: {told}" in found
    assert "\n" not in found


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path):
    assert complaint(lambda: load_config(tmp_path / "none.yaml", {}, {})) == (
        f"{tmp_path / 'none.yaml'}: there is no such file"
    )
    folder = complaint(lambda: load_config(tmp_path, {}, {}))
    assert folder.startswith(f"{tmp_path}: cannot be read: ")
    binary = tmp_path / "run.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert complaint(lambda: load_config(binary, {}, {})).startswith(f"{binary}: cannot be read: ")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"venue": "kraken"}, "dry-run trades on venue: simulated, not on kraken"),
        ({"mode": "live"}, "live mode needs a real venue, not venue: simulated"),
        ({"feed": "files"}, "feed: files and bars: [...] go together"),
        ({"bars": ["AAPL.csv"]}, "feed: files and bars: [...] go together"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], told: str):
    assert complaint(lambda: make_config(settings)) == told


@pytest.mark.parametrize(
    ("settings", "account_id"),
    [
        ({}, "dry-run/simulated/sample"),
        ({"account": "mine"}, "dry-run/simulated/mine"),
        ({"feed": "files", "bars": ["A.csv"]}, "dry-run/simulated/files"),
        ({"feed": "ccxt:kraken"}, "dry-run/simulated/kraken"),
        ({"mode": "backtest"}, "backtest/simulated/sample"),
        ({"mode": "paper", "venue": "kraken", "account": "mine"}, "paper/kraken/mine"),
        ({"mode": "live", "venue": "kraken", "account": "mine"}, "live/kraken/mine"),
    ],
)
def test_no_two_modes_share_an_account(settings: dict[str, Any], account_id: str):
    """Simulated books never mix with real ones, whatever the account is called."""
    assert make_config(settings).account_id == account_id


def test_a_config_survives_the_way_through_a_flows_parameters():
    config = make_config(SETTINGS)

    assert RunConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2012-06-01", datetime.combine(datetime(2012, 6, 1), time.max, UTC)),  # noqa: DTZ001
        ("2012-06-01T20:00Z", datetime(2012, 6, 1, 20, tzinfo=UTC)),
        (
            "2012-06-01T20:00-04:00",
            datetime(2012, 6, 1, 20, tzinfo=timezone(timedelta(hours=-4))),
        ),
    ],
)
def test_a_time_has_a_zone_and_a_date_means_its_end(text: str, moment: datetime):
    """A day's own bar closes within it, so it is part of what was known by then."""
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("yesterday", "'yesterday' is not a time such as 2012-06-01T20:00Z"),
        ("2012-02-30", "'2012-02-30' is not a time such as 2012-06-01T20:00Z"),
        (
            "2012-06-01T20:00",
            "'2012-06-01T20:00' has no time zone; write 2012-06-01T20:00Z for UTC",
        ),
    ],
)
def test_a_time_that_is_none_is_told(text: str, told: str):
    assert complaint(lambda: parse_time(text)) == told


@pytest.mark.parametrize(
    ("settings", "feed"),
    [
        ({"mode": "paper", "venue": "binance"}, "ccxt:binance"),
        ({"mode": "live", "venue": "alpaca"}, "alpaca"),
        ({"mode": "paper", "venue": "binance", "feed": "ccxt:kraken"}, "ccxt:kraken"),
        ({"mode": "dry-run"}, "sample"),
    ],
)
def test_a_real_venue_is_traded_on_its_own_prices_unless_another_feed_is_named(
    settings: dict[str, str], feed: str
):
    assert make_config(settings).feed == feed


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_play_and_real_money_need_a_real_venue(mode: str):
    assert complaint(lambda: make_config({"mode": mode})).endswith(
        f"{mode} mode needs a real venue, not venue: simulated"
    )


def test_protections_are_told_apart_by_their_method():
    said = [{"method": "stoploss_guard", "lookback_h": 24, "per_instrument": True}]

    (guard,) = make_config({"protections": said}).protections

    assert (guard.method, guard.lookback_h, guard.stop_h) == ("stoploss_guard", 24, 12)


@pytest.mark.parametrize(
    ("protection", "told"),
    [
        (
            {"method": "stop_loss_guard"},
            "protections.0.method='stop_loss_guard' is unknown; did you mean stoploss_guard?",
        ),
        ({"method": "zzz"}, "there are stoploss_guard, max_drawdown"),
        (
            {"method": "max_drawdown", "lookback": 3},
            "max_drawdown.lookback; did you mean lookback_h?",
        ),
    ],
)
def test_a_protection_that_there_is_not_is_told_with_the_nearest(
    protection: dict[str, object], told: str
):
    with pytest.raises(ConfigInvalid, match=re.escape(told)):
        make_config({"protections": [protection]})


def test_what_the_environment_says_counts_as_soon_as_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What was read is kept, and must not outlive a change of `.env` or of a variable."""
    monkeypatch.chdir(tmp_path)
    env, seen = Path(".env"), []
    for kept in (3, 4):
        env.write_text(f"REGENT_BACKUPS_KEPT={kept}\n")
        seen.append(wiring.settings().backups_kept)
    for kept in ("5", "6"):
        monkeypatch.setenv("REGENT_BACKUPS_KEPT", kept)
        seen.append(wiring.settings().backups_kept)

    assert seen == [3, 4, 5, 6]
