"""Regimes: what analysis said in a run; a run that is repeated replaces its own."""

from __future__ import annotations

from collections.abc import Iterable

from data.store.session import Session
from execution.model.enums import RegimeLabel
from execution.model.identifiers import InstrumentId, RunId
from execution.model.regime import ModelRef, Regime

OF_A_RUN = """
    SELECT r.* EXCLUDE (run_id), m.kind, m.trained_to
    FROM regimes r LEFT JOIN regime_models m ON m.sha256 = r.model_sha256
    WHERE r.run_id = ? ORDER BY r.instrument
"""


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
                    r.model.sha256 if r.model else None,
                    r.reason,
                )
                for r in regimes
            ],
        )

    def of(self, run_id: RunId) -> tuple[Regime, ...]:
        """The run's regimes, by instrument."""
        rows = self._session.rows(OF_A_RUN, run_id)
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
                model=ModelRef(kind=kind, sha256=sha256, trained_to=trained_to) if kind else None,
                reason=reason or "",
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
                sha256,
                reason,
                kind,
                trained_to,
            ) in rows
        )
