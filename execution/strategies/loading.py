"""Strategies from outside: a person's file, or a package that is installed."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from execution.errors import ConfigInvalid
from execution.strategies.base import MARK, Definition, declared_in, raised

GROUP = "regent.strategies"
_RUNNING = threading.Lock()  # the checks of a preflight look side by side


def load_file(path: Path) -> tuple[Definition, ...]:
    """Run a file of strategies; the same text is run once a process.

    The hash is of exactly what ran. Its folder is not on the path of imports, and it can
    shadow no module. Raises ConfigInvalid, naming the file and the line, when it cannot be
    read or run, or declares nothing.
    """
    where = path.absolute()
    try:
        text = where.read_bytes()
    except OSError as error:
        raise ConfigInvalid(f"{path}: cannot be read: {error.strerror}") from None
    digest = hashlib.sha256(text).hexdigest()
    name = f"regent_strategy_file_{hashlib.sha256(f'{where}:{digest}'.encode()).hexdigest()[:16]}"
    with _RUNNING:
        if name not in sys.modules:
            _run(name, where, text)
    found = declared_in(sys.modules[name])
    if not found:
        raise ConfigInvalid(
            f"{path}: declares no strategy; put @strategy(NAME, warmup_bars=N) on a function or "
            "class (from execution.strategies import strategy)"
        )
    return tuple(replace(one, source=str(path), sha256=digest) for one in found)


def installed() -> tuple[Definition, ...]:
    """What installed packages bring under the entry point group `regent.strategies`.

    Each entry point names a module that declares strategies. Raises ConfigInvalid, naming
    it, when one cannot be imported or declares nothing: it may be the one that is meant.
    """
    found: list[Definition] = []
    for point in sorted(entry_points(group=GROUP)):
        told = f"entry point {point.name} = {point.value} ({GROUP})"
        try:
            module = point.load()
        except (Exception, SystemExit) as error:
            raise ConfigInvalid(
                f"{told}: cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        brought = declared_in(module) if isinstance(module, ModuleType) else ()
        if not brought:
            raise ConfigInvalid(f"{told}: must name a module that declares a strategy")
        found += map(hashed, brought)
    return tuple(found)


def hashed(one: Definition) -> Definition:
    """The same with the hash of its file as it is now."""
    return replace(one, sha256=hashlib.sha256(one.path.read_bytes()).hexdigest())


def together(found: Iterable[Definition]) -> dict[str, Definition]:
    """All of them by name; ConfigInvalid, naming both files, for a name that is there twice."""
    known: dict[str, Definition] = {}
    for one in found:
        if one.name in known:
            raise ConfigInvalid(
                f"strategy {one.name!r} is there twice: in {known[one.name].source} and in "
                f"{one.source}; give one of them another name"
            )
        known[one.name] = one
    return known


def _run(name: str, path: Path, text: bytes) -> None:
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses and type hints look there
    try:
        exec(compile(text, str(path), "exec"), vars(module))  # noqa: S102 - a person named it
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        if isinstance(error, SyntaxError) and error.filename == str(path):
            raise ConfigInvalid(f"{path}: line {error.lineno}: {error.msg}") from None
        if isinstance(error, ConfigInvalid):
            raise ConfigInvalid(f"{path}: {error}") from None
        raise ConfigInvalid(f"{path}: {raised(error, path)}") from error
    vars(module).setdefault(MARK, [])
