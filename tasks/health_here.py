"""What can be looked at without asking the venue: settings, ledger, backups, disk, versions.

Each check returns its lines. What it raises is a failure, with the error's own words.
"""

from __future__ import annotations

import shutil
import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from data import signal_files
from data.store.backup import backups
from data.store.verify import verify
from execution.errors import LedgerUnavailable
from execution.model.enums import OrderStatus, RunMode
from execution.monitoring import health
from execution.monitoring.health import Level, Line, failed, warned, well
from execution.risk.limits import RiskLimits
from tasks import halting, wiring
from tasks.alerts import check_channels
from tasks.config import CCXT_PREFIX, RunConfig
from tasks.credentials import credentials_for
from tasks.limit_symbols import require_known_symbols

FREE_MB_MIN = 50  # for Prefect's database, the ledger, its snapshot and the report
VERIFY_ROWS_MAX = 5_000  # more than this is folded by `regent verify` and by every backup
NAME_ONE = "name one in REGENT_ALERTS, see .env.example"
POOL = "regent"  # the work pool of prefect.yaml
# Others fail without a word: schedules stop, deployments die, commits are lost, stops go out plain.
PINNED = ("prefect", "sqlalchemy", "fastapi", "duckdb", "ccxt", "alpaca-py")


def configuration(config: RunConfig) -> list[Line]:
    """Strategies known, mode there, venue known."""
    wiring.require_known(config)
    wiring.choose_strategies(config)
    feed = f"feed={config.feed} timeframe={config.timeframe or '1d'}"
    return [well("configuration", f"mode={config.mode} venue={config.venue} {feed}")]


def credentials(config: RunConfig) -> list[Line]:
    """Keys there, and for the kind of money that the mode trades; no value is told."""
    if config.mode not in (RunMode.PAPER, RunMode.LIVE) or config.venue in wiring.VENUES:
        return [well("credentials", f"venue {config.venue} needs none")]
    keys = credentials_for(config.venue, config.mode, wiring.environment())
    return [well("credentials", f"from {keys.source}, {'play' if keys.testnet else 'real'} money")]


def live_switches(config: RunConfig) -> list[Line]:
    """Each switch that is off is a line of its own."""
    if config.mode is not RunMode.LIVE:
        return [well("live switches", "not used: no real money")]
    missing = wiring.missing_for_live(config, wiring.open_ledger())
    lines = [health.failed_by("live switches", str(error)) for error in missing]
    return lines or [well("live switches", "all on; every plan still needs its own approval")]


def limits(config: RunConfig) -> list[Line]:
    """Which differ from the defaults."""
    default = RiskLimits().model_dump()
    changed = {k: str(v) for k, v in config.limits.model_dump().items() if v != default.get(k)}
    said = bool(changed) or "limits" in config.model_fields_set
    return [health.limits("limits", changed, said=said, live=config.mode is RunMode.LIVE)]


def inputs(config: RunConfig, *, opens: bool = False) -> list[Line]:
    """Bars and signals of files; those of a live feed are left to the run: asking twice costs."""
    from tasks.market_data import read_market

    if config.feed.startswith(CCXT_PREFIX):
        wiring.build_feed(config)  # is there such an exchange, and such a timeframe
        return [well("bars", f"feed={config.feed} is known")]
    market = read_market(config)
    currency = wiring.account_currency(config, market.traded)
    if opens:
        require_known_symbols(config.limits, market.instruments.values())
    lines = [well("bars", f"instruments={len(market.traded)} currency={currency}")]
    if config.signals is not None:
        signal_files.read_signals(
            config.signals, market.traded.values(), skip_bad_rows=config.skip_bad_rows
        )
        lines.append(well("signals", f"{config.signals.name} can be read"))
    return lines


def ledger(config: RunConfig) -> list[Line]:
    """It opens in this code's tables, folds exactly, and nothing of the account is open."""
    here = wiring.open_ledger()
    if not here.path.exists():
        return [well("ledger", f"none yet at {here.path}: the first run makes it")]
    account = config.account_id
    with here.transaction() as books:
        schema = books.session.rows("SELECT max(version) FROM schema_migrations")[0][0]
        rows = sum(
            books.session.rows(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608 - our names
            for table in ("intents", "order_events", "fills")
        )
        findings = verify(books) if rows <= VERIFY_ROWS_MAX else ()
        unknown = len(books.orders.by_status(account, {OrderStatus.UNKNOWN}))
        open_ = [str(d) for d in books.discrepancies.open(account)]
        state = halting.trading_state(books, account)
    facts = f"schema={schema} rows={rows}"
    if findings:
        line = failed(
            "ledger", f"{facts} not exact: {findings[0]}", "regent verify; then regent restore"
        )
    elif rows > VERIFY_ROWS_MAX:
        line = well("ledger", f"{facts}; too many to fold here: regent verify")
    else:
        line = well("ledger", f"{facts} exact")
    return [
        line,
        health.books("books and venue", unknown, open_, account),
        health.trading("trading", state, account),
    ]


def require_ledger() -> None:
    """Raise LedgerUnavailable unless it can be opened for writing; a missing one is made."""
    with wiring.open_ledger().transaction():
        pass


def backup(config: RunConfig) -> list[Line]:
    """How old the newest one is."""
    if not wiring.open_ledger().path.exists():
        return [well("backup", "nothing to back up yet")]
    found = backups(wiring.backup_folder())
    age = wiring.wall_clock() - found[0].made_at if found else None
    return [health.backup_age("backup", age, len(found))]


def disk(config: RunConfig) -> list[Line]:
    """Room where the ledger is."""
    return [_room()]


def require_room() -> None:
    """Raise LedgerUnavailable where a run would fill the disk."""
    line = _room()
    if line.level is Level.FAILURE:
        where = wiring.settings().home.absolute()
        raise LedgerUnavailable(f"{where}: {line.facts}; {line.remedy}; nothing was sent")


def _room() -> Line:
    home = wiring.settings().home.absolute()
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    return health.room("disk", shutil.disk_usage(there).free // 1_000_000, FREE_MB_MIN)


def versions(config: RunConfig) -> list[Line]:
    """What `pyproject.toml` pins for a reason, and Python, as they are installed."""
    wanted = {r.name: r for r in map(Requirement, metadata.requires("regent") or ())}
    python = ".".join(map(str, sys.version_info[:3]))
    needs = SpecifierSet(str(metadata.metadata("regent")["Requires-Python"]))
    found, wrong = {"python": python}, {} if python in needs else {"python": str(needs)}
    for name in PINNED:
        found[name] = _version(name)
        if found[name] not in wanted[name].specifier:
            wrong[name] = str(wanted[name].specifier)
    return [health.versions("versions", found, wrong)]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "0"  # in no range


def alert_channels(config: RunConfig) -> list[Line]:
    """Whether a person is told of what goes wrong."""
    found = [(check.channel, check.problem) for check in check_channels()]
    lines = [
        well("alerts", f"{name} can be reached")
        if not problem
        else warned("alerts", f"{name}: {problem}", "mend the channel; alerts wait in the ledger")
        for name, problem in found
    ]
    if found:
        return lines
    if config.mode is RunMode.LIVE:
        return [
            warned(
                "alerts",
                "NOBODY will be told: there is no channel, and this is real money",
                f"{NAME_ONE}, before you let it trade alone",
            )
        ]
    text = "there is no channel: alerts are in the ledger only"
    return [
        warned("alerts", text, NAME_ONE) if config.mode is RunMode.PAPER else well("alerts", text)
    ]


def worker(config: RunConfig) -> list[Line]:
    """Whether the worker of `make serve` lives, where runs are started by one."""
    from prefect.settings import get_current_settings

    if get_current_settings().api.url is None:
        return [well("worker", "not used: an ad-hoc run needs none")]
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            workers = client.read_workers_for_work_pool(POOL)
    except Exception as error:  # noqa: BLE001 - whatever it was: a run started by hand needs none
        facts = f"pool {POOL} cannot be asked for: {type(error).__name__}"
        return [warned("worker", facts, "make serve, if runs are to start by themselves")]
    now = wiring.wall_clock()
    heard = [w.last_heartbeat_time for w in workers]
    return [health.worker("worker", [None if at is None else now - at for at in heard])]
