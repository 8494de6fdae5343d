"""Bars that are not as expected: errors stop a run, warnings are kept and shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from data.feeds.base import closed_bars
from data.quality.rules import QualityRules, Severity
from execution.errors import ConfigInvalid, InputInvalid, VenueUnavailable
from execution.model.identifiers import InstrumentId
from execution.model.instrument import Instrument
from tasks import wiring
from tasks.config import RunConfig, load_config
from tasks.cycle import open_cycle
from tasks.market_data import Market, load_market
from tasks.quality import judge_bars
from tests.cycles import plan_cycle, run_cycle
from tests.data.quality.samples import COIN, HOUR, coin_hours

CONFIG = RunConfig(feed="scripted-hours")
CLEAN = coin_hours()
NOW = CLEAN.now + timedelta(minutes=1)
Edit = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class HoursFeed:
    """A coin's hours, live; `down` says why it does not answer."""

    table: pd.DataFrame
    live: bool = True
    adjusted: bool = False
    interval: timedelta = HOUR
    down: str = ""

    def instruments(self) -> tuple[Instrument, ...]:
        return (COIN,)

    def bars(self, instrument_id: InstrumentId, as_of: datetime | None, limit: int) -> pd.DataFrame:
        if self.down:
            raise VenueUnavailable(self.down)
        return closed_bars(self.table, instrument_id, as_of or NOW, limit)

    def last_price(self, instrument_id: InstrumentId) -> tuple[Decimal, datetime] | None:
        return None


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Books of our own, and a clock that stands still a minute after the last bar."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(wiring, "wall_clock", lambda: NOW)


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Enter a feed under a name, its bars edited."""

    def enter(edit: Edit = lambda bars: bars, name: str = CONFIG.feed, **fields: object) -> None:
        table = edit(CLEAN.table.copy()).reset_index(drop=True)
        made = replace(HoursFeed(table), **fields)  # type: ignore[arg-type]
        monkeypatch.setitem(wiring.FEEDS, name, lambda config: made)

    enter()
    return enter


def load(config: RunConfig = CONFIG) -> Market:
    with open_cycle(config) as cycle:
        return judge_bars.fn(cycle, load_market.fn(cycle))


def recorded() -> list[tuple[str, str]]:
    """Severity and expectation of every row in the ledger."""
    with wiring.open_ledger().reading() as books:
        return books.session.rows("SELECT severity, expectation FROM quality ORDER BY rowid")


def with_volume(volume: float, row: int = 200) -> Edit:
    def edit(bars: pd.DataFrame) -> pd.DataFrame:
        bars.loc[row, "volume"] = volume
        return bars

    return edit


def test_good_bars_leave_no_trace(feed: Callable[..., None]):
    market = load()

    assert market.quality == ()
    assert recorded() == []


def test_an_error_stops_the_run_and_says_where_and_what_to_do(feed: Callable[..., None]):
    """Nothing may be computed from bars that lack some: the run ends here."""
    feed(lambda bars: bars.drop([10, 11]))

    with pytest.raises(InputInvalid) as caught:
        load()

    fault, remedy = str(caught.value).splitlines()
    assert fault == (
        "BTC/USD.SIMULATED: no_gaps: 2024-01-02 12:00Z row 11, column ts_open: value "
        "2024-01-02 12:00:00+00:00: 2 missing breaks no bar of the calendar is missing before it"
    )
    assert remedy.endswith("what you know of and accept: quality: {severity: {no_gaps: warning}}")
    assert recorded() == [("error", "no_gaps")]


def test_a_warning_is_kept_and_the_run_goes_on(feed: Callable[..., None]):
    feed(with_volume(1e9))

    (result,) = load().quality

    assert (result.severity, result.expectation) == (Severity.WARNING, "volume_outlier")
    assert recorded() == [("warning", "volume_outlier")]


def test_what_a_person_accepts_is_a_warning(feed: Callable[..., None], tmp_path: Path):
    """An exchange was down: the gap stays for as long as the bars around it are read."""
    feed(lambda bars: bars.drop([10, 11]))
    file = tmp_path / "config.yaml"
    file.write_text("feed: scripted-hours\nquality:\n  severity:\n    no_gaps: warning\n")

    market = load(load_config(file, {}, {}))

    assert [r.expectation for r in market.quality] == ["no_gaps"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("severity: {no_gap: off}", "quality.severity.no_gap is unknown; did you mean no_gaps?"),
        ("severity: {schema: warning}", "quality.severity.schema=warning: bars that break it"),
        ("return_z: 3", "unknown setting quality.return_z; did you mean quality.return_z_max?"),
    ],
)
def test_settings_that_are_none_are_refused_by_name(text: str, told: str, tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text(f"quality:\n  {text.replace('off', repr('off'))}\n")

    with pytest.raises(ConfigInvalid) as caught:
        wiring.require_known(load_config(file, {}, {}))
    assert told in str(caught.value)


def test_a_feed_that_stopped_is_told_and_a_replay_of_it_is_not(feed: Callable[..., None]):
    """Old bars look as good as new ones: only the clock tells. A replay has its own."""
    feed(lambda bars: bars[:-2])

    with pytest.raises(InputInvalid, match=r"fresh: .* 2 since breaks at most 1 bars"):
        load()
    assert load(CONFIG.model_copy(update={"as_of": NOW - 9 * HOUR})).quality == ()


def test_what_is_under_way_is_looked_after_before_bars_stop_a_run(feed: Callable[..., None]):
    """An outage of the feed leaves a gap; it may not leave an order unknown or a stop unworked."""
    run_cycle(CONFIG)
    feed(lambda bars: bars.drop([10, 11]))

    with open_cycle(CONFIG) as cycle, pytest.raises(InputInvalid, match="no_gaps"):
        plan_cycle(cycle)

    with wiring.open_ledger().reading() as books:
        told = [(event.stage, event.event) for event in books.stages.of(cycle.run_id)]
    assert ("recovery", "completed") in told
    assert told[-1] == ("data-quality", "failed")


def test_history_that_changes_is_told_once(feed: Callable[..., None]):
    """What is seen then is what the next run is held against."""
    load()
    feed(with_volume(777.0))

    told = [[r.expectation for r in load().quality] for _ in range(2)]

    assert told == [["not_restated"], []]


def test_bars_that_stopped_a_run_are_not_what_the_next_is_held_against(feed: Callable[..., None]):
    load()
    feed(lambda bars: with_volume(777.0)(bars).drop([10, 11]))
    with pytest.raises(InputInvalid):
        load()
    feed()

    assert load().quality == ()


def test_no_frame_gets_past_the_gate_whoever_wrote_the_feed(feed: Callable[..., None]):
    """A feed of a plugin is trusted no more than one of ours."""
    feed(with_volume(-1.0))

    with pytest.raises(InputInvalid, match=r"scripted-hours BTC/USD: row 201, column volume"):
        load()


def test_closes_are_held_against_another_source(feed: Callable[..., None]):
    feed(lambda bars: bars.assign(close=bars["close"] * 1.02, high=bars["high"] * 1.02), "other")
    config = CONFIG.model_copy(update={"quality": QualityRules(reference="other")})

    (result,) = load(config).quality

    assert (result.expectation, result.failing) == ("agrees_with_reference", 400)
    assert result.first is not None
    assert result.first.value == "1000.01, theirs 1020.0102"


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"down": "no route"}, "no route"), ({"interval": 24 * HOUR}, "bars of 1 day, 0:00:00, not")],
    ids=["down", "other length"],
)
def test_a_source_that_cannot_be_compared_with_is_told(
    fields: dict[str, object], why: str, feed: Callable[..., None]
):
    """Asked for and not compared is no agreement; it stops no run either."""
    feed(name="other", **fields)
    config = CONFIG.model_copy(update={"quality": QualityRules(reference="other")})

    (result,) = load(config).quality

    assert result.first is not None
    assert why in result.first.value


def test_a_reference_that_is_no_source_is_a_wrong_setting(feed: Callable[..., None]):
    config = CONFIG.model_copy(update={"quality": QualityRules(reference="krakn")})

    with pytest.raises(ConfigInvalid, match=r"quality\.reference=krakn: feed='krakn'"):
        load(config)
