"""Signals: what a run wished for; a run that is repeated replaces its own."""

from __future__ import annotations

from collections.abc import Iterable

from data.store.session import Row, Session
from execution.model.enums import RegimeLabel, TimeInForce
from execution.model.identifiers import InstrumentId, RunId
from execution.model.signal import Signal


class Signals:
    """The `signals` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, run_id: RunId, source: str, signals: Iterable[Signal]) -> None:
        """Keep these as the run's signals; `source` is 'analysis' or the file's name."""
        self._session.rows("DELETE FROM signals WHERE run_id = ?", run_id)
        self._session.insert(
            "signals",
            [
                (
                    run_id,
                    number,
                    source,
                    s.instrument_id,
                    s.ts_event,
                    s.regime,
                    s.side,
                    s.weight,
                    s.confidence,
                    s.strategy,
                    s.stop_loss,
                    s.take_profit,
                    s.quantity,
                    s.price,
                    s.stop_px,
                    s.trail_pct,
                    s.display_qty,
                    s.time_in_force,
                    s.expire_at,
                    s.post_only,
                )
                for number, s in enumerate(signals, start=1)
            ],
        )

    def of(self, run_id: RunId) -> tuple[Signal, ...]:
        """The run's signals, in the order they came."""
        rows = self._session.rows(
            "SELECT * EXCLUDE (run_id, row_number, source) FROM signals WHERE run_id = ? "
            "ORDER BY row_number",
            run_id,
        )
        return tuple(_signal(row) for row in rows)


def _signal(row: Row) -> Signal:
    instrument, ts_event, regime, side, weight, confidence, strategy, *rest = row
    stop_loss, take_profit, quantity, price, stop_px, trail_pct, display_qty, *rest = rest
    time_in_force, expire_at, post_only = rest
    return Signal(
        instrument_id=InstrumentId.parse(instrument),
        ts_event=ts_event,
        regime=RegimeLabel(regime),
        side=side,
        weight=weight,
        confidence=confidence,
        strategy=strategy,
        stop_loss=stop_loss,
        take_profit=take_profit,
        quantity=quantity,
        price=price,
        stop_px=stop_px,
        trail_pct=trail_pct,
        display_qty=display_qty,
        time_in_force=TimeInForce(time_in_force) if time_in_force else None,
        expire_at=expire_at,
        post_only=bool(post_only),
    )
