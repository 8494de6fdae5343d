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
from tasks.market_data import Market, bars_source


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
    held = {i: _still_good(kept[i], bars, settings) for i, bars in before.items()}
    # Those with too few bars are told of at once; only a fit is worth showing progress.
    young = [i for i, bars in before.items() if len(bars) < settings.bars_min]
    due = [i for i, model in held.items() if model is None and i not in young]
    chosen = {i: Chosen(model=model) for i, model in held.items() if model is not None}
    for i in (*young, *progress(due, "regime-models")):
        model, reason = fit_or_why(settings.model, before[i], settings)
        chosen[i] = Chosen(model=model, reason=reason, fitted=model is not None)
    return chosen


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


def kept_models(books: Books, regimes: Iterable[Regime]) -> dict[InstrumentId, KeptModel | None]:
    """The models that have said these regimes, as the ledger has them."""
    return {
        r.instrument_id: books.regime_models.get(r.model.sha256) if r.model else None
        for r in regimes
    }


def labels_of(kept: KeptModel | None, bars: pd.DataFrame) -> list[str]:
    """What a model says of every bar: that of today, looking back."""
    labels = label_since(load(kept.text), bars) if kept else unknown(bars)
    return labels["label"].tolist()


def _series(cycle: Cycle, instrument_id: InstrumentId, bars: pd.DataFrame) -> BarSeries:
    last = bars.iloc[-1]
    bar = (last["ts_close"] - last["ts_open"]).to_pytimedelta()
    return BarSeries(feed=bars_source(cycle.config), symbol=instrument_id.symbol, bar=bar)


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
