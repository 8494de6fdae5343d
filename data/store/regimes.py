"""Regimes: what analysis said in a run; a run that is repeated replaces its own."""

from __future__ import annotations

from collections.abc import Iterable

from data.store.session import Session
from execution.model.enums import RegimeLabel
from execution.model.identifiers import InstrumentId, RunId
from execution.model.regime import Regime


class Regimes:
    """The `regimes` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, run_id: RunId, regimes: Iterable[Regime]) -> None:
        """Keep these as the run's regimes, one an instrument."""
        self._session.rows("DELETE FROM regimes WHERE run_id = ?", run_id)
        self._session.insert(
            "regimes",
            [
                (
                    run_id,
                    r.instrument_id,
                    r.label,
                    # As text, which is exact: a bare float is refused everywhere else.
                    repr(float(r.confidence)),
                    repr(float(r.volatility)),
                    repr(float(r.trend_strength)),
                    r.ts_event,
                    r.bars,
                    r.bars_sha256,
                )
                for r in regimes
            ],
        )

    def of(self, run_id: RunId) -> tuple[Regime, ...]:
        """The run's regimes, by instrument."""
        rows = self._session.rows(
            "SELECT * EXCLUDE (run_id) FROM regimes WHERE run_id = ? ORDER BY instrument", run_id
        )
        return tuple(
            Regime(
                instrument_id=InstrumentId.parse(instrument),
                label=RegimeLabel(label),
                confidence=confidence,
                volatility=volatility,
                trend_strength=trend_strength,
                ts_event=ts_event,
                bars=bars,
                bars_sha256=bars_sha256,
            )
            for (
                instrument,
                label,
                confidence,
                volatility,
                trend_strength,
                ts_event,
                bars,
                bars_sha256,
            ) in rows
        )
