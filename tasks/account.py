"""The account as risk and people see it: the books, with the venue's buying power."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from data.store.books import Books
from data.store.equity import EquityPoint
from execution.errors import ConfigInvalid
from execution.model.account import AccountView, Quote, Surroundings
from execution.model.enums import OrderSide
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import AccountId, InstrumentId
from execution.model.money import ZERO, quantize
from execution.model.position import Position
from execution.portfolio.holdings import holdings, is_dust
from execution.risk.breaker import VENUE_ERRORS_WINDOW
from execution.venues.base import Venue
from tasks import halting, wiring
from tasks.account_clock import account_clock
from tasks.alerts import undelivered_since
from tasks.cycle import Cycle
from tasks.market_data import Market

FEES_LATE = timedelta(days=4)  # a weekend and a holiday
EVER = datetime.min.replace(tzinfo=UTC)


def require_forward(cycle: Cycle, market: Market) -> None:
    """Raise ConfigInvalid when a replay ends before bars that the account has traded on.

    Books do not go back in time. The present never does.
    """
    if not market.replayed:
        return
    with wiring.open_ledger().transaction() as books:
        seen = books.marks.latest_ts(cycle.account)
    if seen is not None and market.ts_event < seen:
        raise ConfigInvalid(
            f"the bars end at {market.ts_event:%Y-%m-%d %H:%M}Z, but account {cycle.account} has "
            f"seen bars up to {seen:%Y-%m-%d %H:%M}Z; choose another with --account"
        )


def held(books: Books, cycle: Cycle, market: Market) -> dict[InstrumentId, Position]:
    """What the account holds, whichever way it came."""
    return holdings(
        cycle.account,
        books.positions.open(cycle.account),
        books.cash(cycle.account),
        market.marks,
        wiring.account_currency(cycle.config, market.traded),
    )


def fees_due(books: Books, cycle: Cycle, venue: Venue, market: Market) -> dict[str, Decimal]:
    """The most that the venue may have taken already of each asset and reports later."""
    due: dict[str, Decimal] = {}
    since = market.clock() - FEES_LATE
    shares = {i: venue.capabilities(i).fee_due for i in market.traded}
    for fill in books.fills.of(cycle.account) if any(shares.values()) else ():
        share = shares.get(fill.instrument_id, ZERO)
        if fill.ts_event < since or not share or fill.commission:
            continue
        instrument = market.instruments[fill.instrument_id]
        buys = fill.side is OrderSide.BUY
        asset, received = (
            (instrument.base, fill.last_qty) if buys else (instrument.quote, fill.notional)
        )
        due[asset] = due.get(asset, ZERO) + quantize(received * share)
    return due


async def holdings_now(cycle: Cycle, venue: Venue, market: Market) -> dict[InstrumentId, Position]:
    """What can be sold: what is held, less dust, and fees that are gone and not reported yet."""
    with wiring.open_ledger().reading() as books:
        due = fees_due(books, cycle, venue, market)
        positions = held(books, cycle, market)
    if due:
        there = {p.instrument_id: p.net_qty for p in await venue.positions()}
        positions = {
            i: _less_fees(p, there.get(i), due.get(i.base, ZERO)) for i, p in positions.items()
        }
    traded = market.traded
    return {i: p for i, p in positions.items() if i not in traded or not is_dust(p, traded[i])}


async def view_account(cycle: Cycle, venue: Venue, market: Market) -> AccountView:
    """Everything a risk check may look at; what cannot be known is None."""
    account = await value_account(cycle, venue, market)
    heard_at = wiring.wall_clock()
    blocks, closed = await venue.account_blocks(), await venue.closed()
    now = account.ts
    with wiring.open_ledger().reading() as books:
        peak, day_open = baselines(books, account, now)
        live = books.live_trading.latest() if cycle.live else None
        return replace(
            account,
            equity_day_open=day_open,
            equity_peak=peak,
            trading_state=halting.trading_state(books, cycle.account),
            quarantined=frozenset(d.instrument_id for d in books.discrepancies.open(cycle.account)),
            blocks=blocks,
            activity=books.activity.of(
                cycle.account, now, day_start(now), now - VENUE_ERRORS_WINDOW
            ),
            locks=books.locks.active(cycle.account, now),
            instruments=market.instruments,
            quotes=_quotes(market),
            sent_at={k: ts[0] for k, ts in books.orders.sends(account.working).items()},
            surroundings=Surroundings(
                now=wiring.wall_clock(),
                mode=cycle.config.mode,
                heard_at=heard_at,
                closed=closed,
                stops=_stops(cycle.account),
                limits_fixed=live.limits if live else None,
                alerts_waiting_since=_alerts_waiting_since(books),
            ),
        )


async def value_account(cycle: Cycle, venue: Venue, market: Market) -> AccountView:
    """What the account holds and is worth. Nothing may be sent on this: the rest is unknown."""
    balances = {b.currency: b for b in await venue.balances()}
    positions = await holdings_now(cycle, venue, market)
    currency = wiring.account_currency(cycle.config, market.traded)
    with wiring.open_ledger().reading() as books:
        return AccountView(
            account=cycle.account,
            currency=currency,
            cash=books.cash(cycle.account).get(currency, ZERO),
            buying_power=balances[currency].buying_power if currency in balances else None,
            positions=positions,
            # What was written but never left is no order yet.
            working=tuple(
                o for o in books.orders.working(cycle.account) if o.status is not S.INITIALIZED
            ),
            marks=market.fresh_marks,
            equity_day_open=None,
            trading_state=None,
            quarantined=frozenset({None}),
            blocks=None,
            ts=market.clock(),
        )


def day_start(now: datetime) -> datetime:
    """When the account's day began, UTC."""
    return datetime.combine(now.astimezone(UTC).date(), time.min, UTC)


def baselines(
    books: Books, account: AccountView, now: datetime
) -> tuple[Decimal | None, Decimal | None]:
    """What drawdown and daily loss are measured from: the peak, and the day's opening.

    Both in money of now: what was paid in or out is no profit or loss. After a person let
    the account trade again they are measured from there. None without an equity.
    """
    if account.equity is None:
        return None, None
    name, currency, today = account.account, account.currency, day_start(now)
    released = books.trading_state.released_at(name)
    since = today if released is None else max(today, released)
    return (
        books.equity.peak(name, account.equity, currency, released),
        books.equity.opening(name, account.equity, currency, since),
    )


def _stops(account: AccountId) -> tuple[str, ...]:
    """What stops all trading of the account, whatever the ledger says."""
    halt = halting.halt_file().read()
    return (f"halt file of {halt.since}",) if halt and halt.covers(account) else ()


def _alerts_waiting_since(books: Books) -> datetime | None:
    """Since when the oldest critical alert waits to be delivered; None: nothing waits."""
    try:
        return undelivered_since(books)
    except ConfigInvalid:
        return EVER  # nobody knows: nothing is opened


def _quotes(market: Market) -> dict[InstrumentId, Quote]:
    """How old each price may be, and how much is traded in a day."""
    return {
        i: Quote(
            ts_event=snapshot.ts_event,
            age_max=market.price_age_max[i],
            adv=snapshot.adv,
        )
        for i, snapshot in market.snapshots.items()
    }


def _less_fees(position: Position, there: Decimal | None, due: Decimal) -> Position:
    """What can be sold: without the fee that is gone and not reported yet."""
    if there is None or not ZERO < position.net_qty - there <= due:
        return position
    return replace(position, net_qty=there)


async def mark_equity(cycle: Cycle, venue: Venue, market: Market) -> AccountView:
    """Write the last prices and what the account is worth at them, if none is missing."""
    account = await value_account(cycle, venue, market)
    with wiring.open_ledger().transaction() as books:
        books.marks.save(cycle.account, market.fresh_marks, market.ts_event)
        books.instruments.save(market.traded.values())
    with wiring.open_ledger().transaction() as books:
        append_equity(books, cycle, account, market)
    return account


async def mark_equity_again(
    cycle: Cycle, venue: Venue, market: Market, marks: Mapping[InstrumentId, Decimal]
) -> None:
    """Write what the account is worth at the prices it was last valued at, and its money of now.

    For who comes without prices. An account that was never valued is left so.
    """
    account = replace(await value_account(cycle, venue, market), marks=dict(marks))
    with wiring.open_ledger().transaction() as books:
        last = books.equity.latest(cycle.account)
        if last is not None:
            now = account_clock(books, cycle.account)
            _append(books, cycle, account, ts_event=last.ts_event, ts_init=now)


def append_equity(books: Books, cycle: Cycle, account: AccountView, market: Market) -> None:
    """Keep what the account is worth, if no price of what it holds is missing."""
    _append(books, cycle, account, ts_event=market.ts_event, ts_init=market.clock())


def _append(
    books: Books, cycle: Cycle, account: AccountView, *, ts_event: datetime, ts_init: datetime
) -> None:
    equity, unrealized = account.equity, account.unrealized_pnl
    if equity is None or unrealized is None:
        return
    books.equity.append(
        EquityPoint(
            account=cycle.account,
            run_id=cycle.run_id,
            currency=account.currency,
            cash=account.cash,
            holdings=equity - account.cash,
            equity=equity,
            buying_power=account.buying_power,
            unrealized_pnl=unrealized,
            realized_pnl=sum((p.realized_pnl for p in books.positions.all(cycle.account)), ZERO),
            ts_event=ts_event,
            ts_init=ts_init,
        )
    )
