"""`regent watch`: what becomes of an account's orders, line by line, until Ctrl-C."""

from __future__ import annotations

import json
import signal
import sys

import typer

from execution.model.order import Order
from flows import console
from flows.cli_options import looks
from flows.cli_output import errors, output, working
from flows.documents import plain
from flows.prefect_defaults import prepare_prefect, start_server
from tasks import wiring
from tasks.config import RunConfig

HELP = (
    "Book what happens to the orders as it happens, until Ctrl-C; no new order. With --json a "
    "document a line: what is open, then every change."
)


def register(app: typer.Typer) -> None:
    """Add the command to the `regent` command."""
    app.command("watch", help=HELP)(looks(_watch))


def _watch(config: RunConfig, verbose: bool, as_json: bool) -> None:
    with working("reading bars", shown=not verbose) as tell:
        prepare_prefect(verbose=verbose)
        from flows.monitoring import described, watch_orders
        from tasks import preflight
        from tasks.watch import telling

        preflight.quick(config)
        tell("starting Prefect")
        start_server()

    def as_line(order: Order) -> None:
        line = f"{wiring.wall_clock():%H:%M:%S}Z  {described(order)}"
        output().print(line, markup=False, soft_wrap=True)

    with wiring.open_ledger().reading() as books:
        working_now = books.orders.working(config.account_id)
    if as_json:
        for order in working_now:
            _as_document(order)
    else:
        console.show_orders(output(), working_now)
    errors().print(f"watching {config.account_id}; Ctrl-C ends it", markup=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, _interrupt)  # a service manager's way of saying Ctrl-C
    with telling(_as_document if as_json else as_line):
        left = watch_orders(config)
    if not as_json:
        console.show_orders(output(), left)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _as_document(order: Order) -> None:
    intent = order.intent
    document = {
        "ts": wiring.wall_clock(),
        "client_order_id": order.client_order_id,
        "venue_order_id": order.venue_order_id,
        "instrument_id": intent.instrument_id,
        "side": intent.side,
        "status": order.status,
        "order_qty": intent.order_qty,
        "cum_qty": order.cum_qty,
        "avg_px": order.avg_px,
        "reason": order.reason,
    }
    sys.stdout.write(json.dumps(plain(document)) + "\n")
    sys.stdout.flush()
