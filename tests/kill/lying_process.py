"""The lying exchange as a process of its own, and what a test tells it and reads of it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

CASH = Decimal(10_000)
BUYS_AT = Decimal(2_000)  # what a resting order of the tests bids; far below the engines' price
BUSY_S = 30  # longer than any answer of it takes


@dataclass(frozen=True, slots=True)
class LyingProcess:
    """One that listens at `url`; it ends with the test."""

    url: str

    def tell(self, act: str, **body: object) -> None:
        """Post to its control API."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.url}/_control/{act}", json.dumps(body).encode(), {"Content-Type": "text/json"}
        )
        urllib.request.urlopen(request, timeout=BUSY_S).close()  # noqa: S310 - as above

    def state(self, dialect: str) -> dict[str, Any]:
        """Everything that one dialect knows: the truth."""
        with urllib.request.urlopen(  # noqa: S310 - loopback
            f"{self.url}/_control/state", timeout=BUSY_S
        ) as answer:
            state: dict[str, Any] = json.load(answer)[dialect]
            return state

    def dip(self, dialect: str, symbol: str) -> None:
        """Let the price fall to what resting orders bid, and come back."""
        before = self.state(dialect)["prices"][symbol]
        self.tell("price", dialect=dialect, symbol=symbol, px=str(BUYS_AT))
        self.tell("price", dialect=dialect, symbol=symbol, px=before)


@contextmanager
def lying_process(*dialects: str, life_s: float) -> Iterator[LyingProcess]:
    """Start one; it is ended at the end, and by itself after `life_s`."""
    command = [sys.executable, "-m", "tests.venues.lying_exchange", *dialects]
    with subprocess.Popen(
        [*command, "--life-s", str(life_s)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield LyingProcess(process.stdout.readline().strip())
        finally:
            process.terminate()
