"""A venue of its own process, told on standard input to fill a part of an order.

python -m tests.benchmarks.stream binance
"""

from __future__ import annotations

import sys

from tests.venues.lying_exchange.server import LyingExchange

BALANCES = {"USDT": "1000000000", "USD": "1000000000"}


def main(dialect: str) -> None:
    """Say where it listens; then one line in, `ORDER_ID QTY`, is one fill. Ends with its input."""
    with LyingExchange(dialect) as exchange:
        engine = exchange.engine(dialect)
        engine.open_account("key", BALANCES)
        for currency in BALANCES:
            engine.transfer("key", currency, 1)  # a history of its own, as every account has
        sys.stdout.write(f"{exchange.url}/{dialect}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            order_id, qty = line.split()
            engine.fill_next(order_id, qty)


if __name__ == "__main__":
    main(sys.argv[1])
