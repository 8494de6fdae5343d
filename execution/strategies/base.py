"""What a strategy is: a function of bars, what it may be told, how many bars it wants first."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any, TypeVar, cast, get_type_hints

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from execution.errors import ConfigInvalid
from execution.model.order import EMERGENCY

BarCount = Annotated[int, Field(ge=1)]  # a length, in bars
Said = pd.Series | pd.DataFrame | np.ndarray  # what a strategy may give for the bars
Asked = Callable[[pd.DataFrame], Said]
FLAT = "flat"  # stands where a regime is not traded: it closes
RESERVED = {
    EMERGENCY: "orders of that name are the emergency stop's own",
    FLAT: "it stands where a regime is not traded",
}
MARK = "__regent_strategies__"  # where a module keeps what it declares

Make = TypeVar("Make", bound="Callable[..., Any]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A strategy as its file declares it, before its parameters are said."""

    name: str
    make: Callable[..., Any]  # the function, or the class whose objects are called with bars
    warmup: int | Callable[..., int]  # bars, or a function of the parameters
    types: Mapping[str, Any]  # of the parameters, by name
    defaults: Mapping[str, Any]
    source: str  # where it is, for people: the module, or the file as it was named
    path: Path  # the file, absolute
    sha256: str = ""  # of the file, as it was when it ran; 64 hex

    def __str__(self) -> str:
        return f"strategy {self.name} ({self.source})"

    def with_params(self, given: Mapping[str, Any], setting: str = "") -> Strategy:
        """The strategy with these parameters, the others as the file says.

        Raises ConfigInvalid for an unknown parameter, naming the nearest, for a value that
        is not of its type, and for what the strategy itself raises; `setting` begins the
        text of what a person has said wrongly.
        """
        params = dict(self.defaults)
        for name, value in given.items():
            where = f"{setting}{name}={value!r}"
            if name not in self.types:
                raise ConfigInvalid(f"{where} is unknown to {self}{nearest(name, self.types)}")
            try:
                adapter = TypeAdapter(self.types[name], config=ConfigDict(allow_inf_nan=False))
                params[name] = adapter.validate_python(value)
            except ValidationError as error:
                raise ConfigInvalid(f"{where} of {self}: {error.errors()[0]['msg']}") from None
        try:
            warmup = self.warmup if isinstance(self.warmup, int) else self.warmup(**params)
            made = cast("Asked", self.make(**params)) if inspect.isclass(self.make) else None
        except Exception as error:
            said = ", ".join(f"{k}={v!r}" for k, v in params.items()) or "no parameters"
            raise ConfigInvalid(f"{self} with {said}: {raised(error, self.path)}") from error
        if not isinstance(warmup, int) or warmup < 1:
            raise ConfigInvalid(f"{self}: warmup_bars={warmup!r} breaks warmup_bars >= 1")
        return Strategy(definition=self, params=params, warmup_bars=warmup, made=made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A strategy ready to be asked; see `execution.strategies.wishes` for how."""

    definition: Definition
    params: Mapping[str, Any]  # every one
    warmup_bars: int  # with fewer bars than these it says nothing
    made: Asked | None = None  # the object, where it is a class

    @property
    def name(self) -> str:
        """What the ledger knows it by."""
        return self.definition.name

    def document(self) -> dict[str, object]:
        """Which code this is and what it was told, for the record.

        A parameter that is a path of a file, such as a fitted model's, has its hash beside it.
        """
        files = {
            name: hashlib.sha256(value.read_bytes()).hexdigest()
            for name, value in self.params.items()
            if isinstance(value, Path) and value.is_file()
        }
        return {
            "source": self.definition.source,
            "sha256": self.definition.sha256,
            "params": dict(self.params),
            "files": files,
        }

    def __str__(self) -> str:
        return str(self.definition)

    def __call__(self, bars: pd.DataFrame) -> Said:
        """Ask it, unchecked; whatever it raises comes out."""
        said: Said = (
            self.definition.make(bars, **self.params) if self.made is None else self.made(bars)
        )
        return said


def strategy(name: str, *, warmup_bars: int | Callable[..., int]) -> Callable[[Make], Make]:
    """Declare a strategy: a function of bars and its parameters, or a class of parameters.

    The function gets a frame of bars (ts_open, ts_close, open, high, low, close, volume) and
    gives, for every bar, a side: 1 long, -1 short, 0 flat, wanted from that bar's close on; or
    a frame with `side` and if wanted `weight`, `confidence`, `stop_loss`, `take_profit`. It
    may depend on that bar and the ones before it alone. Of a class, an object is made with the
    parameters and then called with the bars. Every parameter has a default; an annotation, of
    pydantic's if wanted, says what it may be.

    `warmup_bars`: how many bars it wants before what it says counts; a number, or a function
    of the same parameters by name. `regent check-warmup` tells whether that is enough.

    Raises ConfigInvalid for a name that is none or reserved, and a parameter without default.
    """
    if not re.fullmatch(r"\w[\w-]*", name, re.ASCII):
        raise ConfigInvalid(f"strategy {name!r}: a name is letters, digits, _ and -")
    if name in RESERVED:
        raise ConfigInvalid(
            f"strategy {name!r} is reserved: {RESERVED[name]}; give it another name"
        )

    def declare(make: Make) -> Make:
        if not (inspect.isfunction(make) or inspect.isclass(make)):
            raise ConfigInvalid(f"strategy {name!r}: @strategy goes on a function or a class")
        if inspect.isclass(make) and not any("__call__" in vars(c) for c in make.__mro__):
            raise ConfigInvalid(f"strategy {name!r}: its class has no __call__(self, bars)")
        module = vars(sys.modules[make.__module__])
        types, defaults = _parameters(name, make, module)
        found = Definition(
            name=name,
            make=make,
            warmup=warmup_bars,
            types=types,
            defaults=defaults,
            source=make.__module__,
            path=Path(module.get("__file__", "?")),
        )
        module.setdefault(MARK, []).append(found)
        return make

    return declare


def declared_in(module: ModuleType) -> tuple[Definition, ...]:
    """What a module declares itself, in the order of its text; not what it imports."""
    return tuple(vars(module).get(MARK, ()))


def nearest(name: str, known: Iterable[str]) -> str:
    """Name what was probably meant, or else all there is."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are {', '.join(names)}" if names else "; it takes none"


def raised(error: BaseException, path: Path) -> str:
    """What a person's file raised, in one line, with the line of that file where it did."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"line {line}: {text}" if line else text


def _parameters(
    name: str, make: Callable[..., Any], module: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Type and default of each parameter; the bars are none."""
    taken = list(inspect.signature(make).parameters.values())
    own = taken if inspect.isclass(make) else taken[1:]
    if not inspect.isclass(make) and not taken:
        raise ConfigInvalid(f"strategy {name!r}: its function takes bars first")
    for one in own:
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            raise ConfigInvalid(f"strategy {name!r}: parameter {one} must be a plain one")
        if one.default is one.empty:
            raise ConfigInvalid(f"strategy {name!r}: parameter {one.name} has no default")
    # Of the parameters alone: what else is annotated may exist for type checkers only.
    told = {p.name: p.annotation for p in own if p.annotation is not p.empty}
    try:
        hints = get_type_hints(
            SimpleNamespace(__annotations__=told), dict(module), include_extras=True
        )
    except Exception as error:
        raise ConfigInvalid(
            f"strategy {name!r}: an annotation cannot be read: {type(error).__name__}: {error}"
        ) from error
    defaults = {p.name: p.default for p in own}
    return {n: hints.get(n, type(default)) for n, default in defaults.items()}, defaults
