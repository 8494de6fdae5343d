"""The composition root: settings, ledger, feeds and venues. The only reader of the environment."""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from pydantic import PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.store.connection import Guard, Ledger
from data.store.simulated import SimulatedLedger
from execution.errors import (
    ApprovalRefused,
    ConfigInvalid,
    LiveNotAllowed,
    NotYetAvailable,
    TradingError,
)
from execution.model.approval import ApprovalRules, stricter
from execution.model.enums import OrderStatus, RegimeLabel, RunMode
from execution.model.identifiers import AccountId, ClientOrderId, InstrumentId
from execution.model.instrument import Instrument
from execution.model.order import OrderIntent
from execution.model.plan import Approval, TradingPlan
from execution.strategies.base import Definition, Strategy
from execution.strategies.loading import installed, load_file, together
from execution.strategies.registry import STRATEGIES, choose
from execution.venues.approved import ApprovedVenue
from execution.venues.base import Venue
from execution.venues.fill_model import FillModel
from execution.venues.rate_limit import RateLimiter
from execution.venues.simulated import SimulatedVenue
from tasks.config import ALPACA, CCXT_PREFIX, SIMULATED, STORE, RunConfig, make_config
from tasks.credentials import VENUE_NAMES, credentials_for

if TYPE_CHECKING:  # pandas and pandera are not needed to look at the books
    from data.feeds.base import Feed, Source
    from data.store.market.store import MarketStore

PREFIX = "REGENT_"
LIVE_CONFIRMATION = "I_UNDERSTAND_THE_RISKS"


class Settings(BaseSettings):
    """What this installation is told by its environment, or by a `.env` file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True
    )

    home: Path = Path(".var")  # ledger, reports, logs
    allow_live: bool = False
    live_confirmation: str = ""
    plugins: str = ""  # modules to import, separated by commas
    ledger_timeout_s: float = 30.0
    backups_kept: PositiveInt = 30
    # As `approval` of a run's configuration: who starts a run may make it stricter, never laxer.
    approval_two_person_above: Decimal | None = None
    approval_notional_max: Decimal | None = None
    approval_daily_notional_max: Decimal | None = None
    approval_approvers: str = ""  # names, separated by commas

    @property
    def ledger_path(self) -> Path:
        """Where the books are."""
        return self.home.absolute() / "ledger.duckdb"


_home: ContextVar[Path | None] = ContextVar("home", default=None)


@contextmanager
def using_home(path: Path) -> Iterator[None]:
    """Work on another ledger for a while: on a copy, to see what a run would do."""
    token = _home.set(path)
    try:
        yield
    finally:
        _home.reset(token)


@contextmanager
def _installed() -> Iterator[None]:
    """Look past a copy of the ledger, at the installation itself."""
    token = _home.set(None)
    try:
        yield
    finally:
        _home.reset(token)


def on_a_copy() -> bool:
    """Whether the ledger in use is a copy: what is written there is thrown away."""
    return _home.get() is not None


_kept: ContextVar[list[Settings] | None] = ContextVar("kept", default=None)


@contextmanager
def keeping_settings() -> Iterator[None]:
    """For what runs for days: settings that become wrong meanwhile leave the last right ones."""
    token = _kept.set([settings()])
    try:
        yield
    finally:
        _kept.reset(token)


def settings() -> Settings:
    """What the environment says now; raises ConfigInvalid for a value that is none."""
    kept = _kept.get()
    try:
        now = fresh_settings()
    except ConfigInvalid:
        if kept is None:
            raise
        return kept[0]
    if kept is not None:
        kept[0] = now
    return now


def fresh_settings() -> Settings:
    """What the environment says now, and nothing older; raises ConfigInvalid."""
    said = ((k, v) for k, v in environment().items() if k.upper().startswith(PREFIX))
    try:
        return _read_settings(_home.get(), frozenset(said))
    except ValidationError as error:
        problems = (
            f"REGENT_{str(e['loc'][0]).upper()}={e['input']!r}: {e['msg']}" for e in error.errors()
        )
        raise ConfigInvalid("\n".join(problems)) from None


@lru_cache(maxsize=8)
def _read_settings(home: Path | None, _said: frozenset[tuple[str, str]]) -> Settings:
    """Read anew only when something else is said: each look at the ledger asks."""
    return Settings(home=home) if home else Settings()


def settings_problem() -> str:
    """What is wrong with the environment's settings, "" when nothing is."""
    try:
        fresh_settings()
    except ConfigInvalid as error:
        return str(error)
    return ""


# Filled by the modules that REGENT_PLUGINS names: `VENUES["name"] = factory`. A name that is
# known already is overruled.
VENUES: dict[str, Callable[[RunConfig, Mapping[InstrumentId, Instrument]], Venue]] = {}
FEEDS: dict[str, Callable[[RunConfig], Feed]] = {}


def load_plugins() -> None:
    """Import what REGENT_PLUGINS names; each module registers what it brings."""
    named = settings().plugins
    for name in filter(None, named.split(",")):
        try:
            importlib.import_module(name.strip())
        except (ImportError, SyntaxError) as error:
            raise ConfigInvalid(f"REGENT_PLUGINS={named}: cannot be imported: {error}") from error


def environment() -> Mapping[str, str]:
    """The process environment over `.env`, for settings that a config file may also hold."""
    return {**{k: v for k, v in dotenv_values(".env").items() if v is not None}, **os.environ}


def wall_clock() -> datetime:
    """Now, UTC."""
    return datetime.now(UTC)


def open_ledger() -> Ledger:
    """The books of this installation; made when first written to."""
    here = settings()
    return _ledger(here.ledger_path, here.ledger_timeout_s)


@lru_cache(maxsize=8)
def _ledger(path: Path, timeout_s: float) -> Ledger:
    """One object a file: it looks at the schema once, and looking costs."""
    return Ledger(path, timeout_s=timeout_s)


def market_store() -> MarketStore:
    """The bars that were downloaded here: beside the ledger, and never a copy."""
    from data.store.market.store import MarketStore

    with _installed():
        here = settings()
    return MarketStore(here.home.absolute() / "market.duckdb", timeout_s=here.ledger_timeout_s)


def backup_folder() -> Path:
    """Where the backups of this installation are, unless somebody says otherwise."""
    return settings().home.absolute() / "backups"


def account_guard(account: AccountId, timeout_s: float | None = None) -> Guard:
    """One process at a time sends for one account."""
    here = settings()
    folder = here.home.absolute() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / account.replace("/", "_")
    name = path.with_name(f"{path.name}.account")
    if not name.exists():
        fresh = name.with_name(f"{name.name}.{os.getpid()}")
        fresh.write_text(account)
        fresh.replace(name)
    return Guard(path, here.ledger_timeout_s if timeout_s is None else timeout_s)


def guarded_accounts() -> tuple[AccountId, ...]:
    """Every account that anything was ever sent for from here, whatever the ledger knows."""
    notes = (settings().home.absolute() / "locks").glob("*.account")
    return tuple(sorted(AccountId(note.read_text()) for note in notes))


def build_feed(config: RunConfig) -> Feed:
    """The feed a config names; heavy libraries load only when theirs is named."""
    load_plugins()
    if config.feed in FEEDS:
        return FEEDS[config.feed](config)
    if config.feed == "sample":
        from data.feeds.sample import SampleFeed

        return SampleFeed(config.venue_id)
    if config.feed == "files":
        from data.feeds.files import FilesFeed

        return FilesFeed(config.bars, config.venue_id)
    if config.feed == STORE:
        from data.feeds.stored import StoreFeed

        return StoreFeed(market_store(), config.source, config.timeframe or "1d", config.venue_id)
    if config.feed == ALPACA:
        from data.feeds.alpaca import AlpacaFeed

        keys = credentials_for(ALPACA, config.mode, environment()).reveal()
        return AlpacaFeed(
            config.symbols,
            config.timeframe or "1d",
            config.venue_id,
            keys,
            limiter=rate_limiter(),
        )
    if config.feed.startswith(CCXT_PREFIX):
        from data.feeds.ccxt import CcxtFeed

        exchange = config.feed.removeprefix(CCXT_PREFIX)
        return CcxtFeed(
            exchange,
            config.symbols,
            config.timeframe or "1d",
            config.venue_id,
            limiter=rate_limiter(),
        )
    import ccxt

    hint = f"; did you mean ccxt:{config.feed}?" if config.feed in ccxt.exchanges else ""
    raise ConfigInvalid(
        f"feed={config.feed!r}: use sample, files, store, alpaca, or ccxt:EXCHANGE{hint}"
    )


def build_source(name: str, symbols: tuple[str, ...], timeframe: str | None) -> Source:
    """The feed of that name, to download from; ConfigInvalid for one that keeps no history."""
    from data.feeds.base import Source

    feed = build_feed(make_config({"feed": name, "symbols": symbols, "timeframe": timeframe}))
    if not isinstance(feed, Source):
        raise ConfigInvalid(f"source={name!r}: nothing can be downloaded from it")
    return feed


def build_venue(
    config: RunConfig,
    instruments: Mapping[InstrumentId, Instrument],
    plan: TradingPlan | None = None,
    approval: Approval | None = None,
) -> Venue:
    """The venue behind the port.

    In live mode it submits the orders of `plan` and no others, and only if the ledger says
    that `approval` was given for that plan and redeemed; without both it submits nothing but
    what was approved earlier to be held until it is due.
    """
    require_available(config)
    if config.mode is RunMode.DRY_RUN:
        accounts = SimulatedLedger(open_ledger())
        currency = account_currency(config, instruments)
        accounts.open(config.account_id, currency, config.starting_cash)
        return SimulatedVenue(
            accounts, config.account_id, instruments, FillModel(), config.venue_id
        )
    venue = VENUES.get(config.venue, _real_venue)(config, instruments)
    if config.mode is RunMode.PAPER:
        return venue
    return _approved_venue(config, venue, plan, approval)


def _approved_venue(
    config: RunConfig, venue: Venue, plan: TradingPlan | None, approval: Approval | None
) -> ApprovedVenue:
    """The guard before a live venue; every refusal of it is an alert."""
    from tasks.refusals import NO_RUN, refusals_told, tell_refusal

    run_id = NO_RUN if plan is None else plan.run_id
    tell = partial(tell_refusal, config.account_id, run_id)
    if approval is None or plan is None:
        return ApprovedVenue(venue, None, _being_sent, _held, tell)
    with refusals_told(config.account_id, run_id):
        if (plan.account, plan.venue) != (config.account_id, config.venue_id):
            raise ApprovalRefused(f"plan {plan.digest[:12]} is of account {plan.account}")
        with open_ledger().reading() as books:
            books.approvals.require_redeemed(approval, plan)
        return ApprovedVenue(venue, plan, _being_sent, _held, tell)


def _real_venue(config: RunConfig, instruments: Mapping[InstrumentId, Instrument]) -> Venue:
    """The adapter of a venue outside, with the keys and the play money that the mode asks for."""
    from tasks.credentials import credentials_for

    keys = credentials_for(config.venue, config.mode, environment()).reveal()
    if config.venue == ALPACA:
        from execution.venues.alpaca.venue import AlpacaVenue

        return AlpacaVenue(instruments, config.account_id, keys, rate_limiter(), wall_clock)
    from execution.venues.ccxt.venue import CcxtVenue

    return CcxtVenue(config.venue, instruments, config.account_id, keys, rate_limiter(), wall_clock)


def rate_limiter() -> RateLimiter:
    """One count of requests for all processes of this installation."""
    folder = settings().home.absolute() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return RateLimiter(folder / "rates.sqlite")


@asynccontextmanager
async def open_venue(
    config: RunConfig,
    instruments: Mapping[InstrumentId, Instrument],
    plan: TradingPlan | None = None,
    approval: Approval | None = None,
) -> AsyncIterator[Venue]:
    """The venue of `build_venue`, for as long as it is used in one event loop."""
    venue = build_venue(config, instruments, plan, approval)
    try:
        yield venue
    finally:
        await venue.close()


def _held(client_order_id: ClientOrderId) -> OrderIntent | None:
    """What a person has approved with an earlier plan, to be sent when it is due."""
    with open_ledger().reading() as books:
        return books.orders.approved(client_order_id)


def _being_sent(client_order_id: ClientOrderId) -> bool:
    with open_ledger().reading() as books:
        order = books.orders.get(client_order_id)
    return order is not None and order.status is OrderStatus.SUBMITTED


def require_available(config: RunConfig) -> None:
    """Raise NotYetAvailable, naming what is missing, for what this version cannot do.

    Raises ConfigInvalid for missing keys. Strategies are not looked at: who watches, closes
    or reconciles needs none, and must not be stopped by a person's file.
    """
    require_known(config)
    if config.mode in (RunMode.PAPER, RunMode.LIVE) and config.venue not in VENUES:
        credentials_for(config.venue, config.mode, environment())


def known_strategies(config: RunConfig) -> Mapping[str, Definition]:
    """Every strategy a run can name: ours, installed packages', and those of its files.

    Raises ConfigInvalid for a file that cannot be used, and for a name that is there twice.
    """
    own = (one for path in config.strategy_files for one in load_file(path))
    return together((*STRATEGIES.values(), *installed(), *own))


def choose_strategies(config: RunConfig) -> dict[RegimeLabel, Strategy | None]:
    """The strategy of each regime with its parameters; ConfigInvalid for what is unknown."""
    return choose(config.strategies, config.strategy_params, known_strategies(config))


def require_known(config: RunConfig) -> None:
    """Raise for a mode, regime model or venue that is not in this installation."""
    load_plugins()
    from execution.regime.registry import require_four

    require_four(config.regime.model)
    if config.quality.severity:
        from data.quality.suites import require_expectations

        require_expectations(config.quality)
    if config.mode is RunMode.BACKTEST:
        raise NotYetAvailable(
            "backtest mode is not there yet: the backtest engine is missing; "
            "use --mode dry-run --as-of DATE to replay one cycle"
        )
    venues = known_venues()
    if config.venue not in venues:
        near = difflib.get_close_matches(config.venue, venues, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigInvalid(f"venue={config.venue!r} is unknown{hint}: `regent venues` lists them")


def known_venues() -> set[str]:
    """Every venue of this installation, by name."""
    return {*VENUES, *VENUE_NAMES, SIMULATED}


def require_live_allowed(config: RunConfig, ledger: Ledger) -> None:
    """Raise unless everything that live trading needs, short of the approval, is there."""
    for error in missing_for_live(config, ledger):
        raise error


def missing_for_live(config: RunConfig, ledger: Ledger) -> Iterator[TradingError]:
    """Each switch of live trading that is off, as the error that it is."""
    here = fresh_settings()  # a switch that cannot be read is off
    if config.dry_run:
        yield ConfigInvalid("live mode cannot run with dry_run: true; set dry_run: false")
    if not config.confirm_live:
        yield ConfigInvalid(
            "live mode is not confirmed; set confirm_live: true in the configuration"
        )
    if not here.allow_live:
        yield LiveNotAllowed(
            "live mode is not allowed here; set REGENT_ALLOW_LIVE=true in the environment"
        )
    if here.live_confirmation != LIVE_CONFIRMATION:
        yield LiveNotAllowed(
            "live mode is not confirmed here; set "
            f"REGENT_LIVE_CONFIRMATION={LIVE_CONFIRMATION} in the environment"
        )
    with ledger.transaction() as books:
        enabled = books.live_trading.enabled()
    if not enabled:
        yield LiveNotAllowed("live trading is not enabled here; regent live enable, by a person")


def approval_rules(config: RunConfig) -> ApprovalRules:
    """Who must approve a run's plan: by its own rules, and by those of this installation."""
    here = settings()
    installed = {name: getattr(here, f"approval_{name}") for name in ApprovalRules.model_fields}
    try:
        return stricter(config.approval, ApprovalRules.model_validate(installed))
    except ValidationError as error:
        problems = (
            f"REGENT_{'_'.join(('APPROVAL', *(str(part).upper() for part in e['loc'])))}: "
            f"{e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise ConfigInvalid("\n".join(problems)) from None


def account_currency(config: RunConfig, instruments: Mapping[InstrumentId, Instrument]) -> str:
    """The one currency that every instrument of the account is quoted in."""
    quotes = sorted({i.quote for i in instruments.values()})
    if config.stake_currency:
        others = [q for q in quotes if q != config.stake_currency]
        if others:
            raise ConfigInvalid(
                f"stake_currency={config.stake_currency}, but instruments are quoted in "
                f"{', '.join(others)}; choose others with symbols: [...]"
            )
        return config.stake_currency
    if len(quotes) != 1:
        raise ConfigInvalid(
            f"instruments are quoted in {', '.join(quotes) or 'nothing'}; one account has one "
            "currency: choose instruments with symbols: [...]"
        )
    return quotes[0]
