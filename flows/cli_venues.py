"""`regent venues`: where one can trade, what each venue does, and whether its keys are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from execution.model.enums import AssetClass, OrderType
from execution.orders.placement import Place, sent_type
from execution.venues.alpaca.facts import CLIENT_ORDER_ID_MAX
from execution.venues.capabilities import CAPABILITIES, Capabilities
from execution.venues.ccxt.facts import FACTS
from flows.cli_output import Json, Verbose, emit, output
from flows.prefect_defaults import prepare_prefect, start_server
from tasks import wiring
from tasks.credential_sources import BLOCK
from tasks.credentials import VENUE_NAMES, Configured, configured, has_play_money

KEYS_STYLES = {"real": "bold red", "play": "green", "wrong": "red", "none": "dim"}
PLACE_STYLES = {Place.NATIVE: "green", Place.HELD: "yellow", Place.REFUSED: "red"}
LEGEND = (
    "native: the venue does it; held: we watch the price and send it when it is due; "
    "refused: neither is safe",
    "window: a request may be taken so long after it left; until then its order may exist",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueRow:
    """One venue, as it is told."""

    venue: str
    keys: Configured
    play_money: bool
    client_order_id: str  # what an id of ours looks like on the wire
    capabilities: Mapping[AssetClass, Capabilities]

    def document(self) -> dict[str, object]:
        """All of it under plain names."""
        return {
            "venue": self.venue,
            "configured": self.keys.configured,
            "missing": self.keys.missing,
            "problem": self.keys.problem,
            "testnet": self.keys.testnet,
            "source": self.keys.source,
            "notes": self.keys.notes,
            "paper_mode": self.play_money,
            "client_order_id": self.client_order_id,
            "instruments": {
                str(kind): _capabilities_document(c) for kind, c in self.capabilities.items()
            },
        }


def register(app: typer.Typer) -> None:
    """Add the command to the `regent` command."""
    app.command()(venues)


def venues(verbose: Verbose = False, as_json: Json = False) -> None:
    """Every venue: whether its keys are there, and which orders it does itself."""
    environment = wiring.environment()
    if environment.get("REGENT_CREDENTIALS") == BLOCK:
        prepare_prefect(verbose=verbose)
        start_server()
    rows = [_row(venue, environment) for venue in VENUE_NAMES]
    if as_json:
        emit({"venues": [row.document() for row in rows]})
    else:
        show_venues(output(), rows, verbose=verbose)


def placed(order_type: OrderType, capabilities: Capabilities) -> Place:
    """Who works an order of this type, as placement decides it."""
    if order_type in capabilities.order_types:
        return Place.NATIVE
    return Place.HELD if sent_type(order_type) in capabilities.order_types else Place.REFUSED


def show_venues(console: Console, rows: Sequence[VenueRow], *, verbose: bool = False) -> None:
    """A line a venue, then what is missing or to be known."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("venue", "keys", "paper\nmode", *OrderType, "window"):
        right = "right" if name == "window" else "left"
        table.add_column(name.replace("_", "\n"), justify=right, no_wrap=True)  # type: ignore[arg-type]
    for row in rows:
        for kind, capabilities in row.capabilities.items():
            places = [placed(order_type, capabilities) for order_type in OrderType]
            keys = _keys(row.keys)
            table.add_row(
                row.venue if len(row.capabilities) == 1 else f"{row.venue} {kind}",
                Text(keys, KEYS_STYLES[keys]),
                "yes" if row.play_money else "no",
                *(Text(place, PLACE_STYLES[place]) for place in places),
                f"{capabilities.validity_window_s:g} s",
            )
    console.print(table)
    wanted = {r.venue: ", ".join(r.keys.missing) for r in rows if r.keys.missing}
    _list(console, "MISSING", wanted)
    _list(console, "WRONG", {r.venue: r.keys.problem for r in rows if r.keys.problem}, "red")
    _list(console, "NOTES", {r.venue: "; ".join(notes) for r in rows if (notes := _notes(r))})
    if verbose:
        _list(console, "CLIENT ORDER IDS", {r.venue: r.client_order_id for r in rows})
    console.print()
    for line in LEGEND:
        _line(console, line, "dim")


def _row(venue: str, environment: Mapping[str, str]) -> VenueRow:
    facts = FACTS.get(venue)
    if facts is None:
        client_order_id = f"up to {CLIENT_ORDER_ID_MAX} characters"
    elif facts.cid_is_int:
        client_order_id = "a number, made from ours"
    else:
        client_order_id = f"{facts.cid_prefix}{facts.cid_pattern}"
    return VenueRow(
        venue=venue,
        keys=configured(venue, environment),
        play_money=has_play_money(venue),
        client_order_id=client_order_id,
        capabilities=CAPABILITIES[venue],
    )


def _capabilities_document(capabilities: Capabilities) -> dict[str, object]:
    places = {kind: placed(kind, capabilities) for kind in OrderType}
    return {
        **{str(p): [kind for kind in OrderType if places[kind] is p] for p in Place},
        "time_in_force": sorted(capabilities.time_in_force),
        "post_only": capabilities.post_only,
        "iceberg": capabilities.iceberg,
        "amend": capabilities.amend,
        "validity_window_s": capabilities.validity_window_s,
        "note": capabilities.note,
    }


def _keys(found: Configured) -> str:
    if found.problem:
        return "wrong"
    if not found.configured:
        return "none"
    return "play" if found.testnet else "real"


def _notes(row: VenueRow) -> list[str]:
    kinds = row.capabilities.items()
    several = len(row.capabilities) > 1
    of_venue = [f"{kind}: {c.note}" if several else c.note for kind, c in kinds if c.note]
    return [*row.keys.notes, *of_venue]


def _list(console: Console, title: str, lines: Mapping[str, str], style: str = "") -> None:
    if lines:
        console.print()
        _line(console, title, "bold")
    for venue, text in lines.items():
        _line(console, f"{venue}: {text}", style, indent=2)


def _line(console: Console, text: str, style: str = "", indent: int = 0) -> None:
    """Broken between words on a terminal, and whole in a pipe."""
    if console.is_terminal:
        console.print(Padding(Text(text, style), (0, 0, 0, indent)))
    else:
        console.print(Text(f"{' ' * indent}{text}", style), soft_wrap=True)
