"""What a run is told: one frozen model, from flow parameters or a YAML or JSON file."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from data.quality.rules import DEFAULT_RULES, QualityRules
from execution.errors import ConfigInvalid
from execution.model.approval import ApprovalRules
from execution.model.enums import ExternalPolicy, RegimeLabel, RunMode
from execution.model.identifiers import AccountId, VenueId
from execution.regime.config import RegimeSettings
from execution.risk.limits import RiskLimits
from execution.risk.protections import METHODS, SETTINGS, Protection
from execution.strategies.registry import DEFAULT_STRATEGIES

SIMULATED = "simulated"
STORE = "store"
ALPACA = "alpaca"
CCXT_PREFIX = "ccxt:"


class RunConfig(BaseModel):
    """Everything a trading cycle is told; secrets are never part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: RunMode = Field(RunMode.DRY_RUN, description="Where orders go")
    venue: str = Field(SIMULATED, description="Who holds the account; simulated in dry-run")
    account: str | None = Field(
        None, description="Name of the account; the feed's name when left out"
    )
    feed: str = Field(
        "sample",
        description="Bars from: sample, files, store, alpaca, or ccxt:EXCHANGE; the venue's own in "
        "paper and live mode when left out",
    )
    source: str | None = Field(
        None, description="Which downloaded bars, such as ccxt:binance (feed: store)"
    )
    bars: tuple[Path, ...] = Field((), description="Files of bars, CSV or Parquet (feed: files)")
    symbols: tuple[str, ...] = Field((), description="What to trade; all the feed has when empty")
    timeframe: str | None = Field(
        None, description="Length of a bar (feed: store, ccxt or alpaca); 1d when left out"
    )
    as_of: AwareDatetime | None = Field(
        None, description="Replay the bars closed by then; the newest when left out"
    )
    signals: Path | None = Field(None, description="Trade this file instead of our own analysis")
    skip_bad_rows: bool = Field(False, description="Trade the good rows of a file with bad ones")
    strategies: dict[RegimeLabel, str | None] = Field(
        DEFAULT_STRATEGIES, description="Which strategy runs in which regime"
    )
    regime: RegimeSettings = Field(
        RegimeSettings(), description="Which model says the regime, and how often it is fitted"
    )
    strategy_params: dict[str, dict[str, bool | int | float | str]] = Field(
        {}, description="Parameters of strategies, by the strategy's name"
    )
    strategy_files: tuple[Path, ...] = Field(
        (), description="Files with strategies of your own, Python"
    )
    limits: RiskLimits = Field(RiskLimits(), description="What risk approves")
    quality: QualityRules = Field(
        DEFAULT_RULES, description="What is expected of the bars, and how grave it is"
    )
    protections: tuple[Protection, ...] = Field(
        (), description="What locks instruments for a while after losses"
    )
    starting_cash: Decimal = Field(
        Decimal(100_000), gt=0, description="Opening balance of a simulated account"
    )
    stake_currency: str | None = Field(
        None, description="Currency of the account; the instruments' own when left out"
    )
    order_timeout_s: int = Field(300, ge=1, description="Cancel an order still open after this")
    external: ExternalPolicy = Field(
        ExternalPolicy.FLAG,
        description="Holdings and trades of the account that are not ours: flag or adopt",
    )
    monitor_s: int = Field(
        30, ge=0, description="How long a run watches its open orders (paper and live)"
    )
    twap_slices: int = Field(1, ge=1, le=100, description="Parts that a large order is sent in")
    twap_spacing_s: int = Field(60, ge=1, description="Seconds from one part to the next")
    twap_above_notional: Decimal | None = Field(
        None, gt=0, description="What counts as large, in the account's currency; all when left out"
    )
    dry_run: bool = Field(True, description="Live mode needs false")
    confirm_live: bool = Field(False, description="Live mode needs true")
    approval_timeout_s: int = Field(
        900, ge=5, le=86_400, description="How long a plan waits for a person's approval"
    )
    approval: ApprovalRules = Field(
        ApprovalRules(), description="Who approves a live plan, and how much at most"
    )
    price_drift_max_pct: Decimal = Field(
        Decimal("0.01"), gt=0, le=1, description="A larger move after planning makes a new plan"
    )

    @field_validator("as_of", mode="before")
    @classmethod
    def _end_of_a_day(cls, value: object) -> object:
        """Take a plain date, as text or from YAML, for the end of that day."""
        if isinstance(value, date) and not isinstance(value, datetime):
            value = value.isoformat()
        return parse_time(value) if isinstance(value, str) and len(value) <= 10 else value

    @field_validator("symbols", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Take one text for a list: AAPL, or A,B."""
        if not isinstance(value, str):
            return value
        return [part.strip() for part in value.split(",") if part.strip()]

    @field_validator("bars", "strategy_files", mode="before")
    @classmethod
    def _one_file(cls, value: object) -> object:
        """Take one file for a list of it."""
        return [value] if isinstance(value, str | Path) else value

    @model_validator(mode="before")
    @classmethod
    def _own_feed(cls, settings: object) -> object:
        """Take the bars from the venue that is traded on, where nothing else was said."""
        if not isinstance(settings, Mapping) or "feed" in settings or "bars" in settings:
            return settings
        venue = settings.get("venue", SIMULATED)
        if str(settings.get("mode")) not in (RunMode.PAPER, RunMode.LIVE) or venue == SIMULATED:
            return settings
        return {**settings, "feed": venue if venue == ALPACA else f"{CCXT_PREFIX}{venue}"}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.feed == "files") != bool(self.bars):
            raise ValueError("feed: files and bars: [...] go together")
        if self.source is not None and self.feed != STORE:
            raise ValueError(f"source={self.source} is for feed: {STORE}, not for {self.feed}")
        if self.timeframe is not None and not self.feed.startswith((CCXT_PREFIX, ALPACA, STORE)):
            raise ValueError(
                f"timeframe={self.timeframe} is for feed: ccxt:EXCHANGE, alpaca or store; the "
                f"bars of feed: {self.feed} have a length already (the sample's are daily)"
            )
        if self.mode is RunMode.DRY_RUN and self.venue != SIMULATED:
            raise ValueError(f"dry-run trades on venue: {SIMULATED}, not on {self.venue}")
        if self.mode in (RunMode.PAPER, RunMode.LIVE) and self.venue == SIMULATED:
            raise ValueError(f"{self.mode} mode needs a real venue, not venue: {SIMULATED}")
        return self

    @property
    def account_id(self) -> AccountId:
        """Mode, venue and account in one: simulated books never mix with real ones.

        Unnamed, a simulated account is its feed's; a real one does not change with the feed.
        """
        simulated = self.feed.removeprefix(CCXT_PREFIX) if self.venue == SIMULATED else "main"
        name = self.account or simulated
        return AccountId(f"{self.mode}/{self.venue}/{name}")

    @property
    def venue_id(self) -> VenueId:
        """Who holds the account."""
        return VenueId(self.venue)


# What a settings file may also say, in the words of older guides.
ALIASES = {
    "execution.mode": "mode",
    "execution.confirm_live": "confirm_live",
    "exchange.name": "venue",
    **{f"execution.{name}": f"limits.{name}" for name in RiskLimits.model_fields},
}
# Percent in the environment (2.0 is two percent), as a fraction in the config.
ENVIRONMENT: dict[str, tuple[str, Callable[[str], Any]]] = {
    "EXECUTION_MODE": ("mode", lambda text: {"demo": "dry-run"}.get(text, text)),
    "RISK_PROFILE": ("limits.profile", str),
    "MAX_POSITIONS": ("limits.max_positions", str),
    "DAILY_LOSS_LIMIT_PCT": ("limits.max_daily_loss_pct", lambda text: Decimal(text) / 100),
    "MAX_DRAWDOWN_PCT": ("limits.max_drawdown_pct", lambda text: Decimal(text) / 100),
}
# A file may leave these empty: `limits:` with nothing below says nothing.
SECTIONS = {
    "limits",
    "regime",
    "approval",
    "quality",
    "execution",
    "exchange",
    "symbols",
    "bars",
}
SECRETS = ("key", "secret", "password", "passphrase", "token")  # how such names end


def load_config(
    path: Path | None, overrides: Mapping[str, Any], environment: Mapping[str, str]
) -> RunConfig:
    """Merge a YAML or JSON file, the environment and `overrides`, the later the stronger.

    Raises ConfigInvalid with one line a problem: the key, the value, the rule, and for an
    unknown key the nearest right one. What a file or the environment said is told under
    its name there.
    """
    settings: dict[str, Any] = {}
    said: dict[str, str] = {}
    for name, (key, value) in _from_file(path).items() if path else ():
        _put(settings, name, value, path)
        said[name] = f"{path}: {key}={_text(value)}"
    for variable, (name, parse) in ENVIRONMENT.items():
        if variable in environment:
            text = environment[variable]
            said[name] = f"{variable}={text!r}"
            try:
                value = parse(text)
            except ArithmeticError:
                raise ConfigInvalid(f"{said[name]} is not a number") from None
            _put(settings, name, value, path)
            if value != text:
                said[name] += f", which is {name}={_text(value)}"
    for name, value in overrides.items():
        if value is not None:
            _put(settings, name, value, path)
            said.pop(name, None)
    return make_config(settings, said, path)


def make_config(
    settings: Mapping[str, Any], said: Mapping[str, str] | None = None, path: Path | None = None
) -> RunConfig:
    """Validate settings; raise ConfigInvalid with one line a problem.

    `said` tells of a setting where it was said, and how; `path` is named where that does
    not tell.
    """
    try:
        return RunConfig.model_validate(settings)
    except ValidationError as error:
        lines = [line for e in error.errors() for line in _explain(e, said or {}, path)]
        raise ConfigInvalid("\n".join(lines)) from None


def _from_file(path: Path) -> dict[str, tuple[str, Any]]:
    """Our names, each with the file's own name for it and the value."""
    found: dict[str, tuple[str, Any]] = {}
    for key, value in _flatten(_read(path)):
        name = ALIASES.get(key, key)
        if name in found:
            raise ConfigInvalid(f"{path}: {found[name][0]} and {key} are one setting; keep one")
        if value is not None or key not in SECTIONS:
            found[name] = key, value
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        settings = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        _refuse_secrets(settings)
    except ConfigInvalid as error:
        raise ConfigInvalid(f"{path}: {error}") from None
    except FileNotFoundError:
        raise ConfigInvalid(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{path}: cannot be read: {error}") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:  # 2012-13-45 is a ValueError
        problem = " ".join(str(error).split())
        raise ConfigInvalid(f"{path}: not valid {path.suffix.lstrip('.')}: {problem}") from None
    if not isinstance(settings, dict):
        raise ConfigInvalid(f"{path}: expected settings as `name: value`, found {settings!r:.60}")
    return settings


def _refuse_secrets(settings: object, prefix: str = "") -> None:
    """Refuse a secret by its name, however deep; its value is never told."""
    for item in settings if isinstance(settings, list) else ():
        _refuse_secrets(item, prefix)
    for name, value in settings.items() if isinstance(settings, Mapping) else ():
        key = f"{prefix}{name}"
        if key.lower().endswith(SECRETS):
            raise ConfigInvalid(f"{key}: secrets are read from the environment, never from a file")
        if key.endswith("safety_phrase"):
            raise ConfigInvalid(f"{key}: is typed by the person who approves, never kept in a file")
        _refuse_secrets(value, f"{key}.")


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted keys and their values; `strategies: {}` is a value too: trade none."""
    rows: list[tuple[str, Any]] = []
    for name, value in settings.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and (value or key != "strategies"):
            rows += _flatten(value, f"{key}.")
        else:
            rows.append((key, value))
    return rows


def _put(settings: dict[str, Any], key: str, value: object, path: Path | None) -> None:
    head, dot, rest = key.partition(".")
    if dot:
        inner = settings.setdefault(head, {})
        if not isinstance(inner, dict):  # only a file can have said so
            raise ConfigInvalid(f"{path}: {head}={inner!r}: expected settings as `name: value`")
        _put(inner, rest, value, path)
    else:
        settings[head] = value


def _explain(error: ErrorDetails, said: Mapping[str, str], path: Path | None) -> list[str]:
    """One line a problem: key, value, rule."""
    key = ".".join(str(part) for part in error["loc"])
    file = f"{path}: " if path else ""
    if error["type"] == "extra_forbidden":
        inside = error["input"] if isinstance(error["input"], Mapping) else {}
        names = [k for k, _ in _flatten(inside, f"{key}.")] or [key]
        return [f"{file}{_unknown(name)}" for name in names]
    if error["type"] == "union_tag_invalid":  # a protection that there is not
        return [f"{file}{_no_method(key, error['ctx']['tag'])}"]
    message = str(error["msg"]).removeprefix("Value error, ")
    if key in said:
        return [f"{said[key]}: {message}"]
    typed = key and not any(key.startswith(f"{name}.") for name in said)
    where = "" if typed else file
    return [f"{where}{key}={_text(error['input'])}: {message}" if key else f"{where}{message}"]


def _text(value: object) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


def _no_method(key: str, method: str) -> str:
    near = difflib.get_close_matches(method, METHODS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(METHODS)}"
    return f"{key}.method={method!r} is unknown; {hint}"


def _unknown(key: str) -> str:
    known = [*RunConfig.model_fields, *ALIASES]
    known += [f"limits.{name}" for name in RiskLimits.model_fields]
    known += [f"regime.{name}" for name in RegimeSettings.model_fields]
    known += [f"approval.{name}" for name in ApprovalRules.model_fields]
    known += [f"quality.{name}" for name in QualityRules.model_fields]
    wanted = key
    if key.startswith("protections."):
        known, wanted = list(SETTINGS), key.rpartition(".")[2]
    near = difflib.get_close_matches(wanted, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown setting {key}{hint}"


def parse_time(text: str) -> datetime:
    """Read an ISO time; a plain date means the end of that day, UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigInvalid(f"{text!r} is not a time such as 2012-06-01T20:00Z") from None
    if len(text) <= 10:
        return datetime.combine(moment.date(), time.max, UTC)
    if moment.tzinfo is None:
        raise ConfigInvalid(f"{text!r} has no time zone; write {text}Z for UTC")
    return moment
