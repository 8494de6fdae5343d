"""`regent limits`: every control, its limits in force, and what differs from the default."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from execution.model.money import plain
from execution.risk.checks import CHECKS
from execution.risk.limits import Profile, RiskLimits
from flows.cli_options import ConfigFile
from flows.cli_output import Json, Verbose, emit, output
from tasks import wiring
from tasks.config import load_config

# What the breaker looks at between orders, beside the controls.
BREAKER = "circuit breaker"


def register(app: typer.Typer) -> None:
    """Add the command to the `regent` command."""
    app.command()(limits)


def limits(
    config: ConfigFile = None,
    profile: Annotated[
        Profile | None, typer.Option(help="Show this profile: default, strict or conservative.")
    ] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Every risk control with the limits in force, and what differs from the default."""
    named = {"limits.profile": profile.value} if profile else {}
    found = load_config(config, named, wiring.environment()).limits
    if as_json:
        emit(document(found))
    else:
        _show(found, verbose=verbose)


def document(found: RiskLimits) -> dict[str, object]:
    """All of it under plain names."""
    return {
        "profile": found.profile,
        "limits": {name: getattr(found, name) for name in RiskLimits.model_fields},
        "differs": sorted(differs(found)),
        "controls": [
            {
                "number": control.number,
                "name": control.name,
                "code": control.code,
                "what": control.summary,
                "limits": list(control.limits),
            }
            for control in CHECKS
        ],
        "elsewhere": _elsewhere(),
    }


def differs(found: RiskLimits) -> set[str]:
    """The limits that are not those of the default profile."""
    default = RiskLimits()
    return {n for n in RiskLimits.model_fields if getattr(found, n) != getattr(default, n)}


def _elsewhere() -> list[str]:
    """The limits that no control of an order looks at."""
    looked_at = {name for control in CHECKS for name in control.limits}
    return [n for n in RiskLimits.model_fields if n not in looked_at and n != "profile"]


def _show(found: RiskLimits, *, verbose: bool) -> None:
    changed = differs(found)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("#", justify="right")
    for name in ("control", "standard name", "limits in force"):
        table.add_column(name, overflow="fold")
    rows = [(str(c.number or ""), c.code, c.name, c.limits, c.summary) for c in CHECKS]
    rows.append(("", "", BREAKER, tuple(_elsewhere()), "What stops an account between orders."))
    for number, code, name, names, summary in rows:
        told = Text(", ").join(_setting(found, n, changed) for n in names)
        table.add_row(number, code, name, told)
        if verbose:
            table.add_row("", Text(summary, "dim"))
    show = output()
    show.print(f"profile {found.profile}", markup=False, style="bold")
    show.print(table)
    text = "as in the default profile" if not changed else "* differs from the default profile"
    show.print(text, markup=False, style="dim")


def _setting(found: RiskLimits, name: str, changed: set[str]) -> Text:
    star, style = ("*", "yellow") if name in changed else ("", "")
    return Text(f"{name}={_value(getattr(found, name))}{star}", style)


def _value(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return "; ".join(f"{k}: {' '.join(v)}" for k, v in value.items()) or "none"
    if isinstance(value, tuple):
        return " ".join(value) or "none"
    return str(value)
