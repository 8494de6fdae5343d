"""The `regent` command: thin, over the same flows.

    code  meaning
    0     done
    1     something nobody thought of; --verbose shows where
    2     the input, the configuration or the command line is wrong; nothing was sent
    3     not in this version
    4     refused: a rule that protects money, or a person, said no
    5     the ledger could not be read or written, or there is none yet
    6     the venue could not be reached, refused, or did not say; an emergency stop left something
    7     the books broke one of their own rules: look before going on
    8     books and venue differ, or the books differ from their facts
    9     a strategy looks ahead, or wants more bars first than it says
    130   interrupted

Results go to standard output, everything else to standard error. With --json standard
output holds one JSON document, on an error `{"error": ..., "exit_code": ...}`.
"""

from __future__ import annotations

import atexit
import os
import sys
import traceback
from typing import TYPE_CHECKING, cast

import typer
from typer.exceptions import TyperException

from execution.errors import InputInvalid, SafetyViolation, TradingError
from execution.model.enums import RunMode
from flows import (
    cli_alerts,
    cli_analyse,
    cli_approvals,
    cli_backup,
    cli_bars,
    cli_books,
    cli_breaker,
    cli_check,
    cli_doctor,
    cli_emergency,
    cli_limits,
    cli_orders,
    cli_quality,
    cli_venues,
    cli_watch,
    console,
)
from flows.cli_flows import follow, result_of
from flows.cli_options import looks, trades
from flows.cli_output import (
    BOOKS_DIFFER,
    Working,
    emit,
    errors,
    output,
    working,
)
from flows.documents import plain
from flows.prefect_defaults import prepare_prefect, start_server
from tasks import wiring
from tasks.config import RunConfig
from tasks.delivery import finish_deliveries

if TYPE_CHECKING:
    from prefect import State

    from execution.model.discrepancy import Discrepancy
    from tasks.cycle_report import CycleReport
    from tasks.risk import Planned

INTERRUPTED = "interrupted: what was sent is in the books; run again, nothing is sent twice"
EPILOG = (
    "Exit codes: 0 done, 1 unexpected, 2 wrong input or configuration, 3 not in this version, "
    "4 refused, 5 ledger, or none yet, 6 venue, 7 a rule of the books was broken, 8 books differ, "
    "9 a strategy looks ahead or its warm-up is too short, 130 interrupted."
)

app = typer.Typer(
    help="Trading by market regime, with exact books.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main(argv: list[str] | None = None) -> None:
    """Run one command and end in SystemExit with its code."""
    args = sys.argv[1:] if argv is None else argv
    ended: list[int] = []
    if argv is None:
        atexit.register(_leave, ended)
    try:
        app(args, prog_name="regent")
    except BaseException as end:  # noqa: BLE001 - the last place where it can be told
        ended.append(_told(args, end))
    sys.exit(ended[0])


def _told(args: list[str], end: BaseException) -> int:
    """Tell how a command ended, if it did not end well; return its exit code."""
    if _interrupted(end):
        also = f"\n{end}" if isinstance(end, TradingError) else ""
        return _tell(args, "", f"{INTERRUPTED}{also}", 130)
    if isinstance(end, SystemExit):
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        # A wrong command line: typer has written what and how on standard error.
        if isinstance(end.__context__, TyperException) and "--json" in args:
            emit({"error": end.__context__.format_message(), "exit_code": code})
        return code
    if isinstance(end, TradingError):
        word = "refused: " if isinstance(end, SafetyViolation) else "error: "
        return _tell(args, word, str(end), end.exit_code)
    text = f"{type(end).__name__}: {end}".partition("\n")[0]
    return _tell(args, "error: ", f"{text} (--verbose shows where)", 1)


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C began it: what it interrupts may end in an error of its own."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _tell(args: list[str], word: str, text: str, code: int) -> int:
    """Say on standard error what went wrong, and with --json on standard output too."""
    if {"--verbose", "-v"} & set(args):
        traceback.print_exc()
    for line in text.splitlines():
        errors().print(f"{word}{line}", markup=False, soft_wrap=True, style="red")
    if "--json" in args:
        emit({"error": text, "exit_code": code})
    return code


def _leave(ended: list[int]) -> None:
    """End the process at once: DuckDB's teardown would print a page about leaks.

    Registered before Prefect is imported, so it runs after Prefect has stopped its server. What
    else was to be done at the end would not be: alerts are seen off here.
    """
    finish_deliveries()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended[0] if ended else 1)


def _run(config: RunConfig, verbose: bool, as_json: bool) -> None:
    with working("reading bars", shown=not verbose) as tell:
        prepare_prefect(verbose=verbose)
        from tasks import artifacts, preflight

        artifacts.PROGRESS.append(tell.step)
        wiring.choose_strategies(config)
        preflight.quick(config, opens=True)
        tell("starting Prefect")
        start_server()
        report = _cycle(config, tell)
    if as_json:
        digest = report.plan.digest
        emit({**plain(report), "plan_digest": digest, "reconciled": report.reconciled})
    else:
        console.show_cycle(output(), report, verbose=verbose)
    if not report.reconciled:
        raise typer.Exit(BOOKS_DIFFER)


def _cycle(config: RunConfig, tell: Working) -> CycleReport:
    """Run the flow; a refusal or an error comes out as the TradingError it was."""
    from flows import trading
    from tasks.risk import approve_risk

    def on_planned(_: object, __: object, state: State[Planned]) -> None:
        plan = state.result().plan
        if config.mode is RunMode.LIVE and plan.intents:
            tell("waiting for a person")
            errors().print(
                f"the plan waits for a person until {plan.expires_at:%H:%M:%S}Z; "
                f"in another terminal: regent approve {plan.run_id[:8]}",
                style="yellow",
                soft_wrap=True,
            )

    follow(trading, tell)
    approve_risk.on_completion(on_planned)
    return cast("CycleReport", result_of(trading.trading_cycle(config, return_state=True)))


def _reconcile(config: RunConfig, verbose: bool, as_json: bool) -> None:
    with working("reading bars", shown=not verbose) as tell:
        prepare_prefect(verbose=verbose)
        from flows import reconciliation
        from tasks import preflight

        _require_books(config)
        preflight.quick(config)
        tell("starting Prefect")
        start_server()
        follow(reconciliation, tell)
        state = reconciliation.reconcile_books(config, return_state=True)
        found = cast("tuple[Discrepancy, ...]", result_of(state))
    if as_json:
        emit({"account": config.account_id, "reconciled": not found, "discrepancies": found})
    else:
        console.show_discrepancies(output(), found)
    if found:
        raise typer.Exit(BOOKS_DIFFER)


def _require_books(config: RunConfig) -> None:
    """Raise InputInvalid for an account without books: nothing compared is not "equal".

    LedgerUnavailable without a ledger: one is not made for that.
    """
    with wiring.open_ledger().reading() as books:
        names = books.accounts.names()
    if config.account_id not in names:
        known = ", ".join(names) or "none yet"
        raise InputInvalid(
            f"account {config.account_id} has no books here; there are: {known}; "
            "--mode, --venue and --account say which"
        )


def _plan(config: RunConfig, verbose: bool, as_json: bool) -> None:
    with working("planning", shown=not verbose):
        prepare_prefect(verbose=verbose)
        from flows.planning import plan_cycle

        planned = plan_cycle(config)
    if as_json:
        emit(planned)
    else:
        console.show_plan(output(), planned, verbose=verbose)


app.command("run", help="Run one trading cycle: bars to orders to reconciled books.")(trades(_run))
app.command("plan", help="Show what a run would do and every risk verdict; nothing is sent.")(
    trades(_plan)
)
app.command("reconcile", help="Book what the venue has done since, and compare; no new order.")(
    looks(_reconcile)
)


cli_analyse.register(app)
cli_alerts.register(app)
cli_approvals.register(app)
cli_books.register(app)
cli_breaker.register(app)
cli_check.register(app)
cli_limits.register(app)
cli_venues.register(app)
cli_orders.register(app)
cli_emergency.register(app)
cli_watch.register(app)
cli_doctor.register(app)
cli_quality.register(app)
cli_backup.register(app)
cli_bars.register(app)
