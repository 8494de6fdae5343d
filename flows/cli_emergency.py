"""`regent emergency-stop`: halt, cancel everything, close everything. Needs no server."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from execution.errors import InputInvalid, LedgerUnavailable, SafetyViolation, VenueUnavailable
from execution.model.identifiers import AccountId
from execution.model.plan import APPROVAL_PHRASE
from flows import console
from flows.cli_books import account_names
from flows.cli_output import (
    Json,
    Name,
    Phrase,
    Reason,
    Verbose,
    ask,
    emit,
    errors,
    output,
    working,
)
from flows.documents import plain
from tasks import wiring
from tasks.processes import os_user

HELP = (
    "Halt, cancel every open order at every venue, then close what is held. Pressed again it "
    "goes on with what is left; nothing is sent twice."
)


NO_REASON = "no reason given"


def register(app: typer.Typer) -> None:
    """Add the command to the `regent` command."""
    app.command("emergency-stop", help=HELP)(emergency_stop)


def emergency_stop(
    account: Annotated[
        list[str] | None, typer.Option(help="Only this account; repeatable. All by default.")
    ] = None,
    flatten: Annotated[
        bool, typer.Option("--flatten/--no-flatten", help="Close what is held, or only cancel.")
    ] = True,
    keep_protection: Annotated[
        bool, typer.Option(help="Let our stops rest while a live account waits for the phrase.")
    ] = False,
    reason: Reason = None,
    name: Name = None,
    phrase: Phrase = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Halt and cancel at once; a live account is closed when the phrase was typed."""
    # Nothing is asked before it has acted, and what nobody said is no reason not to act.
    why = (reason or "").strip() or NO_REASON
    who = (name or "").strip() or f"{os_user()} (OS user)"
    from tasks.emergency import EmergencyStop
    from tasks.emergency_consent import Consent
    from tasks.emergency_halt import AUTOMATION

    if who == AUTOMATION:  # one that comes too late does nothing: no person is to find that out
        raise InputInvalid(f"--name {who}: that is what automations press as; give your own name")
    stop = EmergencyStop(
        reason=why,
        actor=who,
        accounts=_accounts(account or ()),
        flatten=flatten,
        confirmation=phrase or "",
        keep_protection=keep_protection,
    )
    with working("canceling everything", shown=not verbose):
        stop.start()
    if stop.waiting:
        # Only now: while somebody types, what was open is canceled already.
        if _typed(phrase, stop.waiting) == APPROVAL_PHRASE:
            with working(f"closing {', '.join(stop.waiting)}", shown=not verbose):
                stop.close_all(stop.waiting, Consent(name=_signed(name, who)))
        else:
            for waiting in stop.waiting:
                stop.refuse(waiting, f"the phrase typed was not {APPROVAL_PHRASE!r}")
    report = stop.finish()
    if as_json:
        emit({**plain(report), "done": report.done, "notes": report.notes})
    else:
        console.show_emergency(output(), report)
    if report.refused:
        raise typer.Exit(SafetyViolation.exit_code)
    if not report.done:
        raise typer.Exit(VenueUnavailable.exit_code)


def _typed(phrase: str | None, waiting: Iterable[AccountId]) -> str:
    """The phrase as it was given, or as a person types it now; "" when there is nobody."""
    if phrase is not None or not sys.stdin.isatty():
        return (phrase or "").strip()
    names = ", ".join(waiting)
    errors().print(f"all is canceled; to close what {names} holds:", markup=False, soft_wrap=True)
    return ask(None, "--phrase", f'Type "{APPROVAL_PHRASE}", anything else leaves it open')


def _signed(name: str | None, who: str) -> str:
    """Who says that a live account is closed: the name given, or typed where there is a person."""
    if (name or "").strip() or not sys.stdin.isatty():
        return who
    return ask(None, "--name", "Your name")


def _accounts(wanted: Iterable[str]) -> tuple[AccountId, ...]:
    """The accounts of these names; a whole name needs nobody to look it up."""
    found: list[AccountId] = []
    for name in wanted:
        if "/" in name:
            found.append(AccountId(name))
            continue
        try:
            with wiring.open_ledger().reading() as books:
                found += account_names(books, name)
        except LedgerUnavailable as error:
            if not wiring.open_ledger().path.exists():
                raise
            raise InputInvalid(f"--account {name}: give the whole name; {error}") from None
    return tuple(dict.fromkeys(found))
