"""Keys of venues from a YAML or JSON file that nobody else can read.

    binance: {api_key: ..., secret: ..., testnet: true}          # a section a venue,
    execution: {alpaca: {enabled: true, api_key: ..., api_secret: ...}}   # or below execution,
    exchange: {name: okx, key: ..., secret: ..., password: ...}  # or one exchange by its name

Nothing that the file says is ever told, save the names in it: a parser's own message quotes
the line it stumbles over, and that line may hold a secret.
"""

from __future__ import annotations

import difflib
import json
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from execution.errors import ConfigInvalid

# Our field, by the names that guides and libraries give it.
FIELDS = {
    "api_key": "api_key",
    "key": "api_key",
    "apiKey": "api_key",
    "secret": "secret",
    "secret_key": "secret",
    "api_secret": "secret",
    "apiSecret": "secret",
    "passphrase": "passphrase",
    "password": "passphrase",
    "testnet": "testnet",
    "sandbox": "testnet",
    "paper": "testnet",
}
ABOUT = {"enabled", "name"}  # of the section itself
NAMED = "exchange"  # the section that says whose it is
PRIVATE = stat.S_IRWXG | stat.S_IRWXO


def read_sections(path: Path, venues: Collection[str]) -> dict[str, dict[str, tuple[str, object]]]:
    """By venue: each field that is said, with its dotted name in the file and its value.

    A section with `enabled: false` is as good as none. Raises ConfigInvalid for a file that
    others can read (mode 0600 is asked for), that cannot be read, or whose sections hold keys
    under names that mean nothing here.
    """
    found: dict[str, dict[str, tuple[str, object]]] = {}
    for name, section in _sections(_read(path)):
        venue = str(section.get("name", "")) if name == NAMED else name.rpartition(".")[2]
        fields = {
            FIELDS[key]: (f"{name}.{key}", value)
            for key, value in section.items()
            if key in FIELDS and value is not None
        }
        if venue not in venues:
            if fields:
                whose = f"of {_unknown(venue, venues)}" if venue else "but no name"
                raise ConfigInvalid(f"{path}: {name} has keys, {whose}")
            continue
        _require_known(path, name, section)
        if section.get("enabled", True) is not True:
            continue
        if venue in found:
            raise ConfigInvalid(f"{path}: {name} is a second section of {venue}; keep one")
        found[venue] = fields
    return found


def _sections(document: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The mappings at the top and below `execution`; the rest of such a file is not ours."""
    below = document.get("execution")
    sections = [(k, v) for k, v in document.items() if k != "execution"]
    if isinstance(below, Mapping):
        sections += [(f"execution.{k}", v) for k, v in below.items()]
    return [(str(k), v) for k, v in sections if isinstance(v, Mapping)]


def _require_known(path: Path, name: str, section: Mapping[str, Any]) -> None:
    """Refuse unknown names and a field said twice; an `exchange` of others may say more."""
    said: dict[str, str] = {}
    for key in map(str, section):
        field = FIELDS.get(key)
        if field is None and key not in ABOUT and name != NAMED:
            raise ConfigInvalid(f"{path}: {name}: {_unknown(key, [*FIELDS, *ABOUT])}")
        if field in said:
            raise ConfigInvalid(f"{path}: {name}.{said[field]} and {name}.{key} are one; keep one")
        if field is not None:
            said[field] = key


def read_private(path: Path, told: str) -> object:
    """What a YAML or JSON file says that only its owner can read; `told` names it in errors."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & PRIVATE:
                raise ConfigInvalid(f"{told}: others can read it (mode {mode:04o}): chmod 600 it")
            text = file.read()
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise ConfigInvalid(f"{told}: cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ConfigInvalid(f"{told}: line {error.lineno} is not valid JSON") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1} is" if mark else "is"
        raise ConfigInvalid(f"{told}: {where} not valid YAML or text") from None


def _read(path: Path) -> Mapping[str, Any]:
    told = f"REGENT_CREDENTIALS={path}"
    document = read_private(path, told)
    if not isinstance(document, Mapping):
        raise ConfigInvalid(f"{told}: expected sections as `venue: {{api_key: ...}}`")
    return document


def _unknown(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"unknown {name!r}" + (f"; did you mean {near[0]}?" if near else "")
