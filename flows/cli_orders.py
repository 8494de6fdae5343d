"""The commands about orders: look at them, cancel, amend; and accept what is not ours."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from data.store.books import Books
from execution.errors import InputInvalid
from execution.model.discrepancy import Discrepancy
from execution.model.enums import OrderStatus
from execution.model.identifiers import AccountId
from execution.model.order import TERMINAL, Order
from flows import console
from flows.cli_books import AccountName, account_names
from flows.cli_output import Json, Name, Reason, Verbose, ask, emit, output
from tasks import wiring
from tasks.config import RunConfig

OrderPrefix = Annotated[str, typer.Argument(help="The order's id, or the start of it.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the `regent` command."""
    app.command()(orders)
    app.command()(cancel)
    app.command()(amend)
    app.command()(accept)


def orders(
    account: AccountName = None,
    all_of_them: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """The orders that are not settled, or with --all every order there was, oldest first."""
    statuses = set(OrderStatus) - (set() if all_of_them else TERMINAL)
    with wiring.open_ledger().reading() as books:
        found = [
            order
            for name in account_names(books, account)
            for order in books.orders.by_status(name, statuses)
        ]
    if as_json:
        emit({"orders": found})
    else:
        console.show_orders(output(), found)


def cancel(
    order: OrderPrefix, who: Name = None, verbose: Verbose = False, as_json: Json = False
) -> None:
    """Cancel an order, and stay until the venue says how it ended."""
    from tasks.manual import cancel_order

    with wiring.open_ledger().reading() as books:
        found = books.orders.find(order)
    _tell(cancel_order(found, ask(who, "--name", "Your name")), as_json=as_json)


def amend(
    order: OrderPrefix,
    quantity: Annotated[str | None, typer.Option(help="The new quantity, in all.")] = None,
    limit: Annotated[str | None, typer.Option(help="The new limit price.")] = None,
    who: Name = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Change the quantity or the limit of a resting order, where the venue can."""
    from tasks.manual import amend_order

    new_qty, new_px = _number("--quantity", quantity), _number("--limit", limit)
    with wiring.open_ledger().reading() as books:
        found = books.orders.find(order)
    _tell(amend_order(found, new_qty, new_px, ask(who, "--name", "Your name")), as_json=as_json)


def accept(
    key: Annotated[str, typer.Argument(help="Of the disagreement, as `regent status` shows it.")],
    account: AccountName = None,
    reason: Reason = None,
    who: Name = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Take into the books what the venue has and we did not do: you answer for it."""
    from tasks.manual import accept as accept_into_books

    why = ask(reason, "--reason", "Why it is right")
    if not why:
        raise InputInvalid("--reason is empty: who accepts says why it is right")
    with wiring.open_ledger().reading() as books:
        name, found = _find(books, account, key)
    accept_into_books(found, name, ask(who, "--name", "Your name"), why)
    if as_json:
        emit({"account": name, "accepted": found})
    else:
        text = f"accepted on {name}: {found.kind} {found.key}, {found.venue}"
        output().print(text, markup=False, soft_wrap=True)
        again = f"{_reconcile_command(name)} compares again and lifts the quarantine"
        output().print(again, markup=False, soft_wrap=True)


def _reconcile_command(account: AccountId) -> str:
    """What to type to compare that account's books: as its last run was told."""
    with wiring.open_ledger().reading() as books:
        run = books.runs.latest(account)
    told = RunConfig.model_validate_json(run.config) if run else RunConfig()
    options = {
        "mode": told.mode,
        "venue": told.venue,
        "feed": told.feed,
        "source": told.source,
        "symbols": ",".join(told.symbols),
        "account": told.account,
        "timeframe": told.timeframe,
    }
    return " ".join(["regent reconcile", *(f"--{k} {v}" for k, v in options.items() if v)])


def _find(books: Books, account: str | None, key: str) -> tuple[AccountId, Discrepancy]:
    """The one open disagreement of that key."""
    found = [
        (name, d)
        for name in account_names(books, account)
        for d in books.discrepancies.open(name)
        if d.key == key
    ]
    if len(found) == 1:
        return found[0]
    known = sorted(
        {d.key for n in account_names(books, account) for d in books.discrepancies.open(n)}
    )
    what = "several disagreements have" if found else "no open disagreement has"
    raise InputInvalid(f"{what} the key {key!r}; there are: {', '.join(known) or 'none'}")


def _number(option: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise InputInvalid(f"{option}={text!r} is not a number") from None
    if not value.is_finite() or value <= 0:
        raise InputInvalid(f"{option}={text}: must be above 0")
    return value


def _tell(order: Order, *, as_json: bool) -> None:
    if as_json:
        emit({"order": order})
    else:
        console.show_orders(output(), [order])
