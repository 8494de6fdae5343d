"""Writes units until it is told to stop, and acknowledges each after its commit.

A unit is one order from intent to filled: an intent, two events, three fills, and what
follows of the position. Run as `python -m tests.data.store.writer LEDGER ACKS NAME`.
"""

import os
import sys
from decimal import Decimal
from pathlib import Path

from data.store.connection import Ledger
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import RunId, VenueOrderId
from execution.model.money import quantize
from tests.execution.examples import AAPL, NOW, VENUE, make_event, make_fill, make_intent


def write_unit(ledger: Ledger, unit: str) -> None:
    with ledger.transaction() as books:
        books.orders.commit_intents(RunId(unit), "digest", [make_intent(unit)], NOW)
        books.orders.append(make_event(unit, status=S.SUBMITTED))
        books.orders.append(make_event(unit, status=S.ACCEPTED, venue_order_id=VenueOrderId(unit)))
        fills = [
            make_fill(
                f"{unit}-{n}",
                client_order_id=unit,
                venue_order_id=VenueOrderId(unit),
                last_qty=Decimal(qty),
                last_px=quantize(Decimal(100 + n) / 3),
            )
            for n, qty in enumerate(["2.5", "3.5", "4"])
        ]
        books.fills.record_all(VENUE, fills, {AAPL: ("AAPL", "USD")})


def main(ledger_path: str, acks_path: str, name: str) -> None:
    ledger, stop = Ledger(Path(ledger_path)), Path(ledger_path).with_name("stop")
    with Path(acks_path).open("a") as acks:
        number = 0
        while not stop.exists():
            write_unit(ledger, f"{name}-{number}")
            acks.write(f"{name}-{number}\n")
            acks.flush()
            os.fsync(acks.fileno())
            number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
