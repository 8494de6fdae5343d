"""Run the real flow with a config given as JSON, at whatever venue that names.

With `kill` after it this very process dies at its first order, when the venue has answered
and nobody has written that down.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable

from execution.venues.alpaca.venue import AlpacaVenue
from execution.venues.ccxt.venue import CcxtVenue
from flows.trading import trading_cycle
from tasks.config import RunConfig


def die_after(submit: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    """The same submit, and nothing after it."""

    async def submit_and_die(*args: object) -> None:
        await submit(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    return submit_and_die


if __name__ == "__main__":
    if "kill" in sys.argv[2:]:
        for venue in (AlpacaVenue, CcxtVenue):
            venue.submit = die_after(venue.submit)  # type: ignore[method-assign]
    print(trading_cycle(RunConfig.model_validate_json(sys.argv[1])))
