"""What was read before: a digest of every bar, so that a bar that changes is told."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from execution.errors import InvariantBroken

VALUES = ["open", "high", "low", "close", "volume"]
ROW = np.dtype([("ts_open", "<i8"), ("digest", "<u8")])


@dataclass(frozen=True, eq=False)
class Seen:
    """Digests by the time the bars opened, rising."""

    rows: npt.NDArray[np.void]  # of ROW: microseconds UTC, eight bytes of BLAKE2b

    @classmethod
    def of(cls, bars: pd.DataFrame) -> Self:
        """Digest bars: their values, exactly."""
        values = bars[VALUES].to_numpy(np.dtype("<f8"))
        rows = np.empty(len(bars), dtype=ROW)
        rows["ts_open"] = pd.DatetimeIndex(bars["ts_open"]).as_unit("us").asi8
        rows["digest"] = [
            int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest(), "little")
            for row in values
        ]
        return cls(np.sort(rows, order="ts_open"))

    def changed(self, bars: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """The bars that were seen before with other values."""
        if not len(self.rows):
            return np.zeros(len(bars), dtype=bool)
        now = Seen.of(bars)
        at = np.searchsorted(self.rows["ts_open"], now.rows["ts_open"])
        before = self.rows[np.minimum(at, len(self.rows) - 1)]
        same_time = before["ts_open"] == now.rows["ts_open"]
        changed: npt.NDArray[np.bool_] = same_time & (before["digest"] != now.rows["digest"])
        # As the bars lie, which need not be in order.
        order = np.argsort(pd.DatetimeIndex(bars["ts_open"]).asi8, kind="stable")
        lying = np.empty_like(changed)
        lying[order] = changed
        return lying

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and self.rows.tobytes() == other.rows.tobytes()

    def __hash__(self) -> int:
        return hash(self.rows.tobytes())

    def text(self) -> str:
        """As the ledger keeps it."""
        return base64.b64encode(self.rows.tobytes()).decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `text` wrote; InvariantBroken for anything else."""
        try:
            return cls(np.frombuffer(base64.b64decode(text, validate=True), dtype=ROW))
        except (ValueError, binascii.Error) as error:
            raise InvariantBroken(f"digests of bars cannot be read: {error}") from error
