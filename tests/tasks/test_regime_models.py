"""Which model labels a run: fitted on the past alone, kept under its hash, and used again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from data.feeds.base import closed_bars
from data.store.books import Books
from data.store.verify import verify
from execution.errors import InvariantBroken
from execution.model.enums import AssetClass, RegimeLabel, TradingState
from execution.model.identifiers import InstrumentId, RunId
from execution.model.instrument import Instrument
from execution.model.order import TERMINAL
from execution.model.regime import Regime
from execution.regime.base import canonical, model_sha256
from execution.regime.baselines import fit_bucket_adx
from execution.regime.config import RegimeSettings
from execution.regime.refit import fit_latest, walk_forward
from execution.regime.registry import MODELS, Choice
from tasks import wiring
from tasks.config import RunConfig
from tasks.cycle import Cycle, open_cycle
from tasks.market_data import load_market
from tasks.regime import analyse_regime
from tests.cycles import assert_books_are_right, run_cycle
from tests.execution.examples import make_instrument
from tests.execution.walks import random_walk

BTC = InstrumentId.parse("BTC/USD.SIMULATED")
SETTINGS = RegimeSettings(bars_min=500, bars_max=600, every_bars=25)


@cache
def walk() -> pd.DataFrame:
    """Bars of an hour."""
    return random_walk(seed=11, bars=1_200)


class WalkFeed:
    """One instrument, and the bars of a random walk."""

    live = False
    adjusted = True  # off any tick
    interval = timedelta(hours=1)

    def __init__(self, bars: pd.DataFrame) -> None:
        self._bars = bars

    def instruments(self) -> tuple[Instrument, ...]:
        return (make_instrument(BTC, asset_class=AssetClass.CRYPTO),)

    def bars(self, instrument_id: InstrumentId, as_of: datetime | None, limit: int) -> pd.DataFrame:
        return closed_bars(self._bars, instrument_id, as_of, limit)

    def last_price(self, instrument_id: InstrumentId) -> None:
        """None: these bars are of the past."""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(wiring.FEEDS, "walk", lambda config: WalkFeed(walk()))
    yield


def at(bars: int, **changes: Any) -> RunConfig:  # noqa: ANN401 - any setting
    """A run when so many bars of the walk have closed."""
    as_of = walk()["ts_close"].iloc[bars - 1].to_pydatetime()
    return RunConfig(as_of=as_of, **{"feed": "walk", "regime": SETTINGS, **changes})


def analysed(config: RunConfig, run_id: str = "run") -> Regime:
    """What a run of this configuration says of its one market."""
    cycle = Cycle(run_id=RunId(run_id), attempt=1, config=config)
    [regime] = analyse_regime.fn(cycle, load_market.fn(cycle))
    return regime


def read(question: Callable[[Books], Any]) -> Any:  # noqa: ANN401 - whatever was asked for
    with wiring.open_ledger().reading() as books:
        return question(books)


def kept() -> list[tuple[str, int]]:
    """Hash, and bars that had closed when its training ended, of every model kept."""
    sql = "SELECT sha256, trained_to FROM regime_models ORDER BY trained_to, sha256"
    rows = read(lambda books: books.session.rows(sql))
    closes = walk()["ts_close"]
    return [(sha256, int((closes <= pd.Timestamp(ts)).sum())) for sha256, ts in rows]


def edit(sql: str, *params: object) -> None:
    """Change the ledger behind our back."""
    with wiring.open_ledger().transaction() as books:
        books.session.rows(sql, *params)


@pytest.mark.parametrize(
    ("first", "last", "trainings"), [(495, 530, [500, 525]), (1_101, 1_160, [1_100, 1_125, 1_150])]
)
def test_runs_bar_by_bar_say_what_walking_forward_says(first: int, last: int, trainings: list[int]):
    """60 runs in a row, each with what the ones before it kept, never see a later bar.

    They begin where the feed no longer gives the whole history; the shorter row, before the
    first model.
    """
    walked = walk_forward(MODELS["four"].fit, walk()[:last], SETTINGS)

    said = {count - 1: analysed(at(count), f"run-{count}") for count in range(first, last + 1)}

    found = pd.DataFrame(
        {
            "label": pd.Series({row: r.label.value for row, r in said.items()}, dtype="str"),
            "confidence": pd.Series({row: r.confidence for row, r in said.items()}),
        }
    )
    expected = walked.loc[first - 1 :, ["label", "confidence"]]
    assert_frame_equal(expected, found, check_exact=True)
    assert [bars for _, bars in kept()] == trainings
    assert len(set(found["label"])) > 1


def test_a_run_that_is_repeated_says_the_same_by_the_same_model():
    first = analysed(at(700), "first")
    again = analysed(at(700), "again")

    assert first == again
    assert first.model is not None
    assert kept() == [(first.model.sha256, 699)]
    assert read(lambda books: books.regimes.of(RunId("first"))) == (first,)
    assert read(lambda books: books.regimes.of(RunId("again"))) == (again,)


def test_a_ledger_that_forgot_its_models_fits_the_same_again():
    """What a model is depends on bars and settings alone: so its hash tells it apart."""
    first = analysed(at(700))
    edit("DELETE FROM regime_models")

    assert analysed(at(700)) == first


def test_a_model_is_fitted_on_the_bars_before_the_one_it_labels():
    regime = analysed(at(700))

    expected = fit_latest(MODELS["four"].fit, walk()[:699], SETTINGS)
    assert regime.model is not None
    assert regime.model.sha256 == model_sha256(expected)
    model = read(lambda books: books.regime_models.get(regime.model.sha256))
    assert (model.text, model.training) == (canonical(expected), expected.training)


def test_a_replay_of_the_past_never_uses_a_model_of_its_future():
    analysed(at(700))

    earlier = analysed(at(650, account="another"))

    expected = fit_latest(MODELS["four"].fit, walk()[:649], SETTINGS)
    assert earlier.model is not None
    assert earlier.model.sha256 == model_sha256(expected)
    assert [bars for _, bars in kept()] == [649, 699]


def test_a_model_of_the_future_that_was_dated_back_in_the_ledger_is_not_used_either():
    """The column is for finding it; what counts is inside the model, under its hash."""
    analysed(at(700))
    edit("UPDATE regime_models SET trained_to = ?", at(640).as_of)

    earlier = analysed(at(650))

    assert earlier.model is not None
    assert earlier.model.trained_to == at(649).as_of


def test_every_account_shares_what_was_learned_of_the_same_bars():
    first = analysed(at(700))
    second = analysed(at(701, account="another"))

    assert first.model == second.model


def test_other_settings_and_other_models_are_fitted_for_themselves():
    analysed(at(700))
    analysed(at(700, regime=SETTINGS.model_copy(update={"bars_max": 550})))
    analysed(at(700, regime=SETTINGS.model_copy(update={"model": "bucket-adx"})))

    assert [bars for _, bars in kept()] == [699] * 3
    assert analysed(at(710)).model == analysed(at(700)).model


def test_restated_history_is_fitted_again(monkeypatch: pytest.MonkeyPatch):
    """A feed that mends an old bar changes what is learned from it."""
    before = analysed(at(700))
    restated = walk().copy()
    restated.loc[650, ["high", "close"]] *= 1.01
    monkeypatch.setitem(wiring.FEEDS, "walk", lambda config: WalkFeed(restated))

    after = analysed(at(701))

    assert before.model is not None
    assert after.model is not None
    assert after.model.trained_to == at(700).as_of > before.model.trained_to


def test_a_shorter_history_of_another_market_is_not_labeled_by_a_kept_model(
    monkeypatch: pytest.MonkeyPatch,
):
    """Another file under the same symbol, which begins a bar after the training did."""
    first = analysed(at(700))
    other = random_walk(seed=12, bars=1_200)[150:]
    monkeypatch.setitem(wiring.FEEDS, "walk", lambda config: WalkFeed(other))

    second = analysed(at(701))

    assert first.model is not None
    assert second.model is not None
    assert second.model.trained_to == at(700).as_of
    assert second.model.sha256 != first.model.sha256


def test_each_source_of_the_store_has_models_of_its_own(monkeypatch: pytest.MonkeyPatch):
    """Where two agree over the newest bars, their older ones may still differ."""
    monkeypatch.setitem(wiring.FEEDS, "store", lambda config: WalkFeed(walk()))
    for bars, source in ((700, "one"), (705, "another")):
        analysed(at(bars, feed="store", source=source))

    assert [bars for _, bars in kept()] == [699, 704]


@pytest.mark.parametrize(
    "damage",
    [
        """UPDATE regime_models SET model = replace(model, '"margin":0.5', '"margin":0.4')""",
        "UPDATE regime_models SET sha256 = reverse(sha256)",
        "UPDATE regime_models SET model = 'nonsense'",
    ],
)
def test_a_model_that_was_edited_stops_the_run_and_halts_the_account(damage: str):
    """Nobody knows what it would label; a person has to look who did it."""
    config = at(701)
    analysed(at(700))
    edit(damage)

    with (
        pytest.raises(InvariantBroken, match=r"regime model .* is not what was fitted"),
        open_cycle(config) as cycle,
    ):
        analyse_regime.fn(cycle, load_market.fn(cycle))

    assert read(lambda b: b.trading_state.get(config.account_id)) is TradingState.HALTED
    [finding] = read(verify)
    assert str(finding).startswith("regime model ")


def test_a_model_of_another_version_is_fitted_again():
    """After an upgrade there are models that this code does not read; that is no damage."""
    regime = analysed(at(700))
    assert regime.model is not None
    model = read(lambda books: books.regime_models.get(regime.model.sha256))
    other = model.text.replace('"version":2', '"version":1')
    edit("UPDATE regime_models SET model = ?, sha256 = sha256(?)", other, other)

    again = analysed(at(701))

    assert again.model is not None
    assert again.model.trained_to == at(700).as_of
    assert [bars for _, bars in kept()] == [699, 700]


def test_with_too_few_bars_the_regime_is_unknown_and_the_words_say_why():
    regime = analysed(at(312))

    assert (regime.label, regime.confidence, regime.model) == (RegimeLabel.UNKNOWN, 0.0, None)
    assert regime.reason == (
        "before this bar, bars=311 breaks bars >= 500: too few to fit a regime model; "
        "until there are more the regime is unknown and nothing is opened"
    )
    assert read(lambda books: books.regimes.of(RunId("run"))) == (regime,)
    assert kept() == []


def test_an_unknown_regime_closes_nothing_and_leaves_the_stop_where_it_is(tmp_path: Path):
    """FB is listed for too short a time to fit a model; what is held stays protected."""
    wish = tmp_path / "wish.csv"
    wish.write_text(
        "symbol,time,regime,side,weight,confidence,quantity,stop_loss\n"
        "FB,2013-02-26T21:00:00Z,calm,1,0,0.9,100,20\n"
    )
    config = RunConfig(symbols=("FB",), as_of=datetime(2013, 2, 27, tzinfo=UTC))
    run_cycle(config.model_copy(update={"signals": wish}))

    execution = run_cycle(config.model_copy(update={"as_of": datetime(2013, 3, 1, tzinfo=UTC)}))

    assert execution.orders == ()
    [regime] = read(lambda books: books.regimes.of(books.runs.latest(config.account_id).run_id))
    assert regime.label is RegimeLabel.UNKNOWN
    [position] = read(lambda books: books.positions.open(config.account_id))
    assert position.net_qty == 100
    orders = read(lambda books: books.orders.all(config.account_id))
    [stop] = [order for order in orders if order.intent.stop_px == 20]
    assert stop.status not in TERMINAL
    assert_books_are_right(config)


def test_one_bar_alone_is_unknown():
    assert analysed(at(1)).label is RegimeLabel.UNKNOWN


def test_a_model_of_ones_own_is_one_entry(monkeypatch: pytest.MonkeyPatch):
    """As a module that REGENT_PLUGINS names would enter it."""

    def fit(bars: pd.DataFrame, *, bars_min: int) -> Any:  # noqa: ANN401 - a model
        return replace(fit_bucket_adx(bars, bars_min=bars_min), low=0.0, high=0.0)

    model = MODELS["bucket-adx"].model
    monkeypatch.setitem(MODELS, "mine", Choice(fit, model, "always volatile", four=True))
    config = at(700, regime=SETTINGS.model_copy(update={"model": "mine"}))
    wiring.require_available(config)

    assert analysed(config).label is RegimeLabel.VOLATILE
    assert analysed(config).confidence == 1.0
