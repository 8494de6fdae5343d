"""Regime models: each kept once under its hash, and never changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from data.store.session import Session
from execution.errors import InvariantBroken
from execution.model.identifiers import RunId
from execution.model.regime import Training

TRAINING = TypeAdapter(Training)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarSeries:
    """Which bars: the same whatever account and venue trade on them."""

    feed: str  # with what it reads: a source of the store, or files
    symbol: str
    bar: timedelta  # from a bar's open to its close


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptModel:
    """A fitted model as the ledger has it; its hash was checked."""

    sha256: str
    text: str  # canonical JSON
    training: Training


class RegimeModels:
    """The `regime_models` table."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def keep(self, series: BarSeries, name: str, text: str, run_id: RunId, now: datetime) -> None:
        """Add a model; one that is there already (another run has fitted it too) stays."""
        fields = json.loads(text)
        training = TRAINING.validate_python(fields["training"])
        row = (
            _sha256(text),
            series.feed,
            series.symbol,
            int(series.bar.total_seconds()),
            name,
            fields["kind"],
            fields["version"],
            text,
            training.bars,
            training.ts_first,
            training.ts_last,
            training.bars_sha256,
            training.moves_sha256,
            run_id,
            now,
        )
        self._session.insert("regime_models", [row], "ON CONFLICT DO NOTHING")

    def of(
        self, series: BarSeries, name: str, since: datetime, until: datetime
    ) -> tuple[KeptModel, ...]:
        """Those fitted on these bars whose training ended in between, both ends included."""
        rows = self._session.rows(
            "SELECT sha256, model FROM regime_models WHERE feed = ? AND symbol = ? AND bar_s = ? "
            "AND name = ? AND trained_to BETWEEN ? AND ? ORDER BY trained_to, sha256",
            series.feed,
            series.symbol,
            int(series.bar.total_seconds()),
            name,
            since,
            until,
        )
        return tuple(_kept(sha256, text) for sha256, text in rows)

    def get(self, sha256: str) -> KeptModel | None:
        """The model of this hash."""
        row = self._session.row("SELECT model FROM regime_models WHERE sha256 = ?", sha256)
        return None if row is None else _kept(sha256, row[0])

    def tampered(self) -> tuple[tuple[str, str], ...]:
        """Each hash that is not that of its model, with what it should be."""
        rows = self._session.rows("SELECT sha256, model FROM regime_models ORDER BY sha256")
        return tuple((sha256, _sha256(text)) for sha256, text in rows if sha256 != _sha256(text))


def _kept(sha256: str, text: str) -> KeptModel:
    """Refuse a model that is not what its hash says: nobody knows what it would label."""
    if _sha256(text) != sha256:
        raise InvariantBroken(
            f"regime model {sha256[:12]} in the ledger is not what was fitted: its text has the "
            f"SHA-256 {_sha256(text)[:12]}; somebody has edited the ledger, restore a backup"
        )
    training = TRAINING.validate_python(json.loads(text)["training"])
    return KeptModel(sha256=sha256, text=text, training=training)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
