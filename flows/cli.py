"""The `regent` command: thin, over the same flows.

    code  meaning
    0     done
    1     something nobody thought of; --verbose shows where
    2     the input, the configuration or the command line is wrong; nothing was sent
    3     not in this version
    4     refused: a rule that protects money, or a person, said no
    5     the ledger could not be read or written
    6     the venue could not be reached, refused, or did not say
    7     the books broke one of their own rules: look before going on
    8     books and venue differ, or the books differ from their facts
    130   interrupted

Results go to standard output, everything else to standard error. With --json standard
output holds one JSON document, on an error `{"error": ..., "exit_code": ...}`.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from execution.errors import InputInvalid, InvariantBroken, SafetyViolation, TradingError
from flows import cli_books
from flows.cli_output import DIFFER, Json, Verbose, emit, errors, output
from flows.prefect_session import prefect_session
from tasks import wiring
from tasks.config import RunConfig, load_config, parse_time

if TYPE_CHECKING:
    from data.store.approvals import ApprovalRequest
    from tasks.reporting import CycleReport

EPILOG = (
    "Exit codes: 0 done · 1 unexpected · 2 wrong input or configuration · 3 not in this version · "
    "4 refused · 5 ledger · 6 venue · 7 invariant broken · 8 books differ · 130 interrupted"
)
app = typer.Typer(
    help="Trading by market regime, with exact books.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
cli_books.register(app)


def main(argv: list[str] | None = None) -> None:
    """Run the command line; always ends in SystemExit."""
    if argv is None:
        _leave_without_teardown()
    args = sys.argv[1:] if argv is None else argv
    try:
        app(args, prog_name="regent")
    except TradingError as error:
        word = "refused" if isinstance(error, SafetyViolation) else "error"
        code = _tell(args, word, str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001 - the last place where it can be told
        text = f"{type(error).__name__}: {error}".partition("\n")[0]
        code = _tell(args, "error", f"unexpected: {text}; run with --verbose for more", 1)
    else:
        code = 0
    sys.exit(code)


def _tell(args: list[str], word: str, text: str, code: int) -> int:
    """Say what went wrong on standard error, and with --json on standard output too."""
    if "--verbose" in args:
        traceback.print_exc()
    for line in text.splitlines():
        errors.print(f"[bold red]{word}:[/] ", end="")
        errors.print(line, markup=False, highlight=False, soft_wrap=True)
    if "--json" in args:
        emit({"error": text, "exit_code": code})
    return code


def _leave_without_teardown() -> None:
    """End the process after the last exit handler: DuckDB's teardown prints a page of leaks.

    Registered before Prefect is imported, so it runs after Prefect has stopped its server.
    """
    status = [1]
    sys_exit = sys.exit

    def remember(code: Any = 0) -> None:
        status[0] = code if isinstance(code, int) else int(code is not None)
        sys_exit(code)

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status[0])

    sys.exit = remember  # type: ignore[assignment]
    atexit.register(leave)
