"""`regent alerts`: what a person was told, whether it arrived, and whether it would."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer

from data.store.connection import Ledger
from data.store.deliveries import Delivery, DeliveryStatus
from execution.alerting.message import RUN_CHARS
from execution.alerting.subscription import ChannelName
from execution.errors import ConfigInvalid, LedgerUnavailable
from execution.model.alert import Alert
from execution.model.enums import Severity
from flows.cli_books import AccountName, account_names
from flows.cli_output import Json, Verbose, emit, errors, output
from flows.documents import plain
from tasks import figures, wiring
from tasks.alerts import channels, check_channels
from tasks.delivery import deliver
from tasks.messenger import Messenger

NOT_DELIVERED = 6  # exit code: what is outside did not take it
LISTED = 20
STYLES = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.CRITICAL: "red"}
NO_CHANNEL = "no channel is configured: REGENT_ALERTS names them, see .env.example"

Limit = Annotated[int, typer.Option(min=1, help="How many, newest first.")]
Undelivered = Annotated[
    bool, typer.Option("--undelivered", help="Only what a channel still lacks.")
]

alerts_app = typer.Typer(
    help="What a person was told, and whether it arrived.", invoke_without_command=True
)


def register(app: typer.Typer) -> None:
    """Add the commands to the `regent` command."""
    app.add_typer(alerts_app, name="alerts")


@alerts_app.callback()
def listed(
    context: typer.Context,
    account: AccountName = None,
    undelivered: Undelivered = False,
    limit: Limit = LISTED,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """What a person was told, newest first, and on which channels it arrived."""
    if context.invoked_subcommand is not None:
        return
    with wiring.open_ledger().reading() as books:
        (name,) = account_names(books, account) if account else (None,)
        if undelivered:
            each = (books.deliveries.undelivered(c.subscription) for c in channels())
            missing = {one for lacking in each for one in lacking if name in (None, one.account)}
            found = sorted(missing, key=lambda one: one.ts, reverse=True)[:limit]
        else:
            found = list(books.alerts.latest(limit, name))
        deliveries = books.deliveries.of(one.alert_id for one in found)
    if as_json:
        emit({"alerts": [_document(one, deliveries.get(one.alert_id, ())) for one in found]})
        return
    _show(found, deliveries)


@alerts_app.command("test")
def test(verbose: Verbose = False, as_json: Json = False) -> None:
    """Send a message to every channel, and say which of them took it."""
    found = check_channels(send=True)
    if as_json:
        emit({"channels": [{"name": c.channel, "ok": c.ok, "problem": c.problem} for c in found]})
    for check in found if not as_json else ():
        output().print(f"{check.channel}: {check.problem or 'sent'}", markup=False)
    if not found:
        raise ConfigInvalid(NO_CHANNEL)
    if not all(check.ok for check in found):
        raise typer.Exit(NOT_DELIVERED)


@alerts_app.command("send")
def send(verbose: Verbose = False, as_json: Json = False) -> None:
    """Send now what is waiting, as far as each channel takes it, and say what is left."""
    ledger, found = wiring.open_ledger(), channels()
    if not found:
        raise ConfigInvalid(NO_CHANNEL)
    if not ledger.path.exists():
        raise LedgerUnavailable(f"no ledger at {ledger.path}: run `regent run` first")
    messengers = [Messenger(channel) for channel in found]
    with ThreadPoolExecutor(len(found)) as pool:  # one that hangs does not hold up the others
        list(pool.map(_drained(ledger), messengers))
    with ledger.reading() as books:
        left = {c.name: len(books.deliveries.undelivered(c.subscription)) for c in found}
    if as_json:
        emit({"undelivered": left})
    for name, count in left.items() if not as_json else ():
        output().print(f"{name}: {count or 'nothing'} left to send", markup=False)
    if any(left.values()):
        raise typer.Exit(NOT_DELIVERED)


def _drained(ledger: Ledger) -> Callable[[Messenger], None]:
    def drain(messenger: Messenger) -> None:
        while deliver(ledger, messenger) == 0.0:
            pass  # there was something: there may be more

    return drain


def _document(alert: Alert, deliveries: Sequence[Delivery]) -> dict[str, object]:
    told = [
        {k: v for k, v in plain(delivery).items() if k != "alert_id"} for delivery in deliveries
    ]
    return {**plain(alert), "deliveries": told}


def _show(found: Sequence[Alert], deliveries: Mapping[str, Sequence[Delivery]]) -> None:
    names = {channel.name for channel in channels()}
    if not names:
        errors().print(NO_CHANNEL, markup=False, soft_wrap=True, style="yellow")
    show = output()
    for one in found:
        stands = (_stands(d, names) for d in deliveries.get(one.alert_id, ()))
        told = ", ".join(stands) or "not sent"
        where = f", run {one.run_id[:RUN_CHARS]}" if one.run_id else ""
        head = f"{figures.when(one.ts)}  {one.severity}  {one.topic}{where}  [{told}]"
        show.print(head, style=STYLES[one.severity], markup=False, soft_wrap=True)
        show.print(f"  {one.text}", markup=False, soft_wrap=True)
    if not found:
        show.print("no alerts")


def _stands(delivery: Delivery, configured: Collection[ChannelName]) -> str:
    if delivery.status is DeliveryStatus.DELIVERED:
        return delivery.channel
    if delivery.channel not in configured:
        return f"not sent to {delivery.channel}: that is no channel any more"
    why = f": {delivery.error}" if delivery.error else ""
    return f"{delivery.channel} waits{why}"
