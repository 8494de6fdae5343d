"""The commands that only look at the books, or change what a person may change there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer

from data.store.books import Books
from data.store.live_trading import DEFAULT_LIMITS
from data.store.runs import Run
from data.store.verify import verify as verify_books
from execution.errors import InputInvalid
from execution.model.discrepancy import Discrepancy
from execution.model.enums import TradingState
from execution.model.identifiers import AccountId, InstrumentId
from execution.model.money import ZERO, quantize
from execution.portfolio.holdings import holdings
from execution.portfolio.summary import Portfolio, summarize
from execution.risk.limits import RiskLimits
from flows import console
from flows.cli_limits import differs
from flows.cli_options import ConfigFile
from flows.cli_output import (
    BOOKS_DIFFER,
    Json,
    Name,
    Phrase,
    Reason,
    Verbose,
    ask,
    ask_phrase,
    emit,
    output,
)
from flows.documents import plain
from flows.explain import explain as story_of
from tasks import figures, halting, wiring
from tasks.config import load_config
from tasks.trading_state import put

AccountName = Annotated[
    str | None, typer.Option("--account", help="All of the account's name, or its last part.")
]
ledger_app = typer.Typer(help="Where the books are.", no_args_is_help=True)
live_app = typer.Typer(help="Whether real orders may be sent at all.", no_args_is_help=True)
state_app = typer.Typer(help="Whether an account trades.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the `regent` command."""
    app.command()(status)
    app.command()(runs)
    app.command()(verify)
    app.command()(explain)
    app.add_typer(ledger_app, name="ledger")
    app.add_typer(live_app, name="live")
    app.add_typer(state_app, name="state")


def status(account: AccountName = None, verbose: Verbose = False, as_json: Json = False) -> None:
    """What each account holds and is worth, at the prices of its last run."""
    with wiring.open_ledger().reading() as books:
        found = [_look(books, one) for one in account_names(books, account)]
    if as_json:
        emit({"accounts": [one.document() for one in found]})
        return
    for one in found:
        console.show_portfolio(
            output(), one.account, one.currency, one.buying_power, one.portfolio, one.notes()
        )


def runs(
    account: AccountName = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """The last runs and how they ended, newest first."""
    with wiring.open_ledger().reading() as books:
        accounts = named_accounts(books.runs.accounts(), account)  # of one that never opened, too
        rows = books.runs.recent(accounts, limit)
    if as_json:
        emit({"runs": [{**plain(row), "config": json.loads(row.config)} for row in rows]})
    else:
        console.show_runs(output(), rows)


def verify(account: AccountName = None, verbose: Verbose = False, as_json: Json = False) -> None:
    """Fold every order, position and balance again from the facts, and compare exactly."""
    with wiring.open_ledger().reading() as books:
        accounts = account_names(books, account)
        # Without a name all is looked at, of no opened account too.
        wanted = accounts if account else [None]
        findings = [f for one in wanted for f in verify_books(books, one)]
    findings = list(dict.fromkeys(findings))  # what belongs to no account is found with each
    if as_json:
        emit({"accounts": accounts, "exact": not findings, "findings": findings})
    else:
        console.show_findings(output(), accounts, [str(f) for f in findings])
    if findings:
        raise typer.Exit(BOOKS_DIFFER)


def explain(
    order: Annotated[str, typer.Argument(help="The order's id, or the start of it.")],
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Why an order was sent and what became of it, from the bars to the reconciliation."""
    with wiring.open_ledger().reading() as books:
        found, steps = story_of(books, order)
    if as_json:
        emit({"order": found, "steps": steps})
    else:
        console.show_story(output(), found, steps)


@ledger_app.command("path")
def ledger_path(verbose: Verbose = False, as_json: Json = False) -> None:
    """Where the ledger lies."""
    path = wiring.open_ledger().path
    if as_json:
        emit({"ledger": path})
    else:
        output().print(str(path), markup=False, soft_wrap=True)


@live_app.command("enable")
def live_enable(
    config: ConfigFile = None,
    name: Name = None,
    phrase: Phrase = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Allow live runs within the limits of --config; each plan still needs its own approval."""
    limits = load_config(config, {}, wiring.environment()).limits
    who = ask(name, "--name", "Your name")
    ask_phrase(phrase)
    _set_live(enabled=True, who=who, limits=limits)
    _tell_live(as_json=as_json)


@live_app.command("disable")
def live_disable(name: Name = None, verbose: Verbose = False, as_json: Json = False) -> None:
    """Refuse live runs from now on, and those that have not sent yet."""
    _set_live(enabled=False, who=ask(name, "--name", "Your name"))
    _tell_live(as_json=as_json)


@live_app.command("status")
def live_status(verbose: Verbose = False, as_json: Json = False) -> None:
    """Whether real orders may be sent, and what is missing."""
    _tell_live(as_json=as_json)


@state_app.command("show")
def state_show(
    account: AccountName = None, verbose: Verbose = False, as_json: Json = False
) -> None:
    """The trading state of each account."""
    with wiring.open_ledger().reading() as books:
        states = {a: halting.trading_state(books, a) for a in account_names(books, account)}
    if as_json:
        emit({"states": states})
        return
    for one, state in states.items():
        output().print(f"{one}: {state or 'not set: nothing is sent'}", markup=False)


@state_app.command("set")
def state_set(
    state: Annotated[TradingState, typer.Argument(help="active, reducing or halted.")],
    account: AccountName = None,
    reason: Reason = None,
    name: Name = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Halt an account, let it only reduce, or let it trade again."""
    who, why = ask(name, "--name", "Your name"), ask(reason, "--reason", "Why")
    with wiring.open_ledger().reading() as books:
        accounts = account_names(books, account)
    if len(accounts) != 1:
        raise InputInvalid(f"which account? --account one of: {', '.join(accounts)}")
    put(accounts[0], state, why, who)
    if as_json:
        emit({"account": accounts[0], "state": state, "reason": why, "name": who})
    else:
        output().print(f"{accounts[0]}: {state}, set by {who}: {why}", markup=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """One account as its books have it."""

    account: AccountId
    currency: str
    portfolio: Portfolio
    buying_power: Decimal | None  # as the venue last said
    valued_at: datetime | None  # market time of the prices
    state: TradingState | None
    open_orders: int
    discrepancies: tuple[Discrepancy, ...]
    last_run: Run | None

    def notes(self) -> list[str]:
        """What a trader should know beside the numbers."""
        at = figures.when(self.valued_at) if self.valued_at else "no run yet"
        lines = [f"prices of {at}; trading {self.state or 'not opened'}"]
        if self.open_orders:
            lines.append(f"open orders: {self.open_orders}")
        lines += [f"DISAGREES with the venue: {d}" for d in self.discrepancies]
        if self.last_run:
            run = self.last_run
            lines.append(f"last run {run.run_id[:8]} {run.status} {figures.when(run.started_at)}")
        return lines

    def document(self) -> dict[str, object]:
        """All of it under plain names."""
        p = self.portfolio
        return {
            "account": self.account,
            "currency": self.currency,
            "equity": p.equity,
            "portfolio_value": p.value,
            "cash": p.cash,
            "buying_power": self.buying_power,
            "pnl": p.pnl,
            "pnl_pct": _rounded(p.pnl_pct),
            "net_exposure": p.value,
            "net_exposure_pct": _rounded(p.exposure_pct),
            "positions": [
                {
                    "instrument": h.position.instrument_id,
                    "quantity": h.position.net_qty,
                    "avg_px": h.position.avg_px,
                    "mark": h.mark,
                    "value": h.value,
                    "pnl": h.pnl,
                    "pnl_pct": _rounded(h.pnl_pct),
                    "weight": _rounded(h.weight),
                    "equity_share": _rounded(h.equity_share),
                }
                for h in p.holdings
            ],
            "valued_at": self.valued_at,
            "trading_state": self.state,
            "open_orders": self.open_orders,
            "discrepancies": self.discrepancies,
            "last_run": self.last_run.run_id if self.last_run else None,
        }


def _look(books: Books, account: AccountId) -> AccountStatus:
    point = books.equity.latest(account)
    cash, paid_in = books.cash(account), books.transfers.paid_in(account)
    currency = point.currency if point else next(iter(cash), "")
    marks = books.marks.of(account)
    return AccountStatus(
        account=account,
        currency=currency,
        portfolio=summarize(
            holdings(account, books.positions.open(account), cash, marks, currency).values(),
            marks,
            cash.get(currency, ZERO),
            _worth(paid_in, marks, currency),
        ),
        buying_power=point.buying_power if point else None,
        valued_at=point.ts_event if point else None,
        state=halting.trading_state(books, account),
        open_orders=len(books.orders.working(account)),
        discrepancies=books.discrepancies.open(account),
        last_run=books.runs.latest(account),
    )


def _worth(
    paid_in: Mapping[str, Decimal], marks: Mapping[InstrumentId, Decimal], currency: str
) -> Decimal:
    """What came in, in the account's currency: assets at their marks, so they show no gain."""
    px = {i.base: mark for i, mark in marks.items()} | {currency: Decimal(1)}
    return quantize(sum((qty * px.get(asset, ZERO) for asset, qty in paid_in.items()), ZERO))


def _rounded(fraction: Decimal | None) -> Decimal | None:
    return None if fraction is None else round(fraction, 6)


def account_names(books: Books, wanted: str | None) -> list[AccountId]:
    """Every account that was opened; with `wanted` those of that name or last part."""
    return named_accounts(books.accounts.names(), wanted)


def named_accounts(known: Sequence[AccountId], wanted: str | None) -> list[AccountId]:
    """Those of that name or last part, or all; InputInvalid when there is none."""
    if wanted is None:
        return list(known)
    found = [a for a in known if a == wanted or a.rpartition("/")[2] == wanted]
    if not found:
        names = ", ".join(known) or "none yet"
        raise InputInvalid(f"no account {wanted!r}; there are: {names}")
    return found


def _set_live(*, enabled: bool, who: str, limits: RiskLimits = DEFAULT_LIMITS) -> None:
    if not who:
        raise InputInvalid("live trading is turned on or off by somebody with a name")
    with wiring.open_ledger().transaction() as books:
        books.live_trading.set(enabled, who, wiring.wall_clock(), limits)


def _tell_live(*, as_json: bool) -> None:
    settings = wiring.settings()
    last = None
    if wiring.open_ledger().path.exists():
        with wiring.open_ledger().reading() as books:
            last = books.live_trading.latest()
    enabled = last is not None and last.enabled
    missing = []
    if not enabled:
        missing.append("a person's word: regent live enable")
    if not settings.allow_live:
        missing.append("in the environment: REGENT_ALLOW_LIVE=true")
    if settings.live_confirmation != wiring.LIVE_CONFIRMATION:
        confirmation = wiring.LIVE_CONFIRMATION
        missing.append(f"in the environment: REGENT_LIVE_CONFIRMATION={confirmation}")
    fixed = last.limits if last else None
    if enabled and fixed is None:
        missing.append("limits that a person has fixed: regent live enable --config FILE")
    if as_json:
        by, at = (last.actor, last.ts) if last else (None, None)
        emit({"enabled": enabled, "by": by, "at": at, "missing": missing, "limits": fixed})
        return
    said = f", by {last.actor} on {figures.when(last.ts)}" if last else ""
    show = output()
    show.print(f"live trading is {'enabled' if enabled else 'disabled'}{said}", markup=False)
    if fixed is not None:
        named = ", ".join(f"{n}={getattr(fixed, n)}" for n in sorted(differs(fixed)))
        text = f"  no live run may be looser than: {named or 'the default limits'}"
        show.print(text, markup=False, soft_wrap=True)
    for text in missing:
        show.print(f"  missing {text}", markup=False, soft_wrap=True)
    if not missing:
        show.print("  every live plan still needs its own approval")
