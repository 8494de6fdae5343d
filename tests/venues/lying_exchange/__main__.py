"""Run the lying exchange as its own process; its first line says where it listens.

python -m tests.venues.lying_exchange binance bybit --port 0 --life-s 60
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.venues.lying_exchange.server import LyingExchange

LIFE_S = 300.0


def main() -> None:
    """Serve until somebody ends the process, or its life is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dialects", nargs="+")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--life-s", type=float, default=LIFE_S)
    asked = parser.parse_args()
    with LyingExchange(*asked.dialects, port=asked.port) as exchange:
        sys.stdout.write(f"{exchange.url}\n")
        sys.stdout.flush()
        time.sleep(asked.life_s)


if __name__ == "__main__":
    main()
