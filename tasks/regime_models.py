"""Which fitted model says each instrument's regime: kept ones by their hash, else a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from data.store.books import Books
from data.store.regime_models import BarSeries, KeptModel
from execution.errors import InputInvalid
from execution.model.identifiers import InstrumentId
from execution.model.regime import Regime
from execution.regime.base import RegimeModel, canonical
from execution.regime.config import RegimeSettings
from execution.regime.refit import holding, label_since, unknown
from execution.regime.registry import fit_or_why, load
from tasks import wiring
from tasks.artifacts import progress
from tasks.cycle import Cycle
from tasks.market_data import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The model of one instrument in this run, or why there is none."""

    model: RegimeModel | None
    reason: str = ""
    fitted: bool = False  # by this run


def choose_models(cycle: Cycle, market: Market) -> dict[InstrumentId, Chosen]:
    """A model for each instrument's last bar, fitted on bars before it alone.

    One that was kept holds until the schedule asks for another. Raises InvariantBroken for
    one that was changed in the ledger.
    """
    settings = cycle.config.regime
    before = {i: bars.iloc[:-1] for i, bars in market.bars.items()}
    with wiring.open_ledger().reading() as books:
        kept = {i: _kept(books, cycle, i, bars) for i, bars in before.items()}
    chosen = {i: _still_good(kept[i], bars, settings) for i, bars in before.items()}
    short = [i for i, bars in before.items() if len(bars) < settings.bars_min]
    due = [i for i, model in chosen.items() if model is None and i not in short]
    fitted = {
        i: fit_or_why(settings.model, before[i], settings)
        for i in (*short, *progress(due, "regime-models"))
    }
    return {
        i: Chosen(model=fitted[i][0], reason=fitted[i][1], fitted=fitted[i][0] is not None)
        if i in fitted
        else Chosen(model=model)
        for i, model in chosen.items()
    }


def keep_models(
    books: Books, cycle: Cycle, market: Market, chosen: Mapping[InstrumentId, Chosen]
) -> None:
    """Write what this run has fitted, before anything that refers to it."""
    now = wiring.wall_clock()
    for instrument_id, one in chosen.items():
        if one.model is not None and one.fitted:
            series = _series(cycle, instrument_id, market.bars[instrument_id])
            text = canonical(one.model)
            books.regime_models.keep(series, cycle.config.regime.model, text, cycle.run_id, now)


def labels_by(
    books: Books, regimes: Iterable[Regime], market: Market
) -> dict[InstrumentId, list[str]]:
    """What the model of each regime says of every bar, that of today looking back."""
    return {r.instrument_id: _labels(books, r, market.bars[r.instrument_id]) for r in regimes}


def _labels(books: Books, regime: Regime, bars: pd.DataFrame) -> list[str]:
    kept = books.regime_models.get(regime.model.sha256) if regime.model else None
    labels = label_since(load(kept.text), bars) if kept else unknown(bars)
    return labels["label"].tolist()


def _series(cycle: Cycle, instrument_id: InstrumentId, bars: pd.DataFrame) -> BarSeries:
    last = bars.iloc[-1]
    bar = (last["ts_close"] - last["ts_open"]).to_pytimedelta()
    return BarSeries(feed=cycle.config.feed, symbol=instrument_id.symbol, bar=bar)


def _kept(
    books: Books, cycle: Cycle, instrument_id: InstrumentId, before: pd.DataFrame
) -> tuple[KeptModel, ...]:
    """Those whose training ended among the last `every_bars` of these bars."""
    if before.empty:
        return ()
    settings, closes = cycle.config.regime, before["ts_close"].tail(cycle.config.regime.every_bars)
    since, until = closes.iloc[0].to_pydatetime(), closes.iloc[-1].to_pydatetime()
    series = _series(cycle, instrument_id, before)
    return books.regime_models.of(series, settings.model, since, until)


def _still_good(
    kept: tuple[KeptModel, ...], before: pd.DataFrame, settings: RegimeSettings
) -> RegimeModel | None:
    held = holding(kept, before, settings)
    try:
        return load(held.text) if held else None
    except InputInvalid:  # another version of the code has fitted it: fit again
        return None
