"""Where the keys of a venue are said: the environment, a file, or a Prefect block."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from execution.errors import ConfigInvalid
from execution.model.enums import RunMode
from tasks.credential_files import read_sections

SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
PLACEHOLDER = "your_"  # as guides write it: nobody's key
ENVIRONMENT = "the environment"
BLOCK = "block"
# Documents of Prefect that hold the keys of a venue for one mode; then the plain name.
ENDS: dict[RunMode | None, tuple[str, ...]] = {
    RunMode.PAPER: ("-testnet", ""),
    RunMode.LIVE: ("-live", ""),
}
ANY_END = ("-testnet", "", "-live")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Said:
    """What one source says of one venue. It holds secrets, so it has no `repr`."""

    source: str
    values: Mapping[str, str] = field(default_factory=dict)  # api_key, secret, passphrase
    names: Mapping[str, str]  # what each field, and testnet, is called there
    testnet: bool | None = None  # None: not said


def variables(venue: str) -> dict[str, tuple[str, ...]]:
    """The environment's names of each field of a venue, the usual one first."""
    prefix = venue.upper()
    names = {
        "api_key": (f"{prefix}_API_KEY",),
        "secret": (f"{prefix}_SECRET_KEY", f"{prefix}_API_SECRET"),
        "passphrase": (f"{prefix}_PASSPHRASE",),
        "testnet": (f"{prefix}_TESTNET",),
    }
    if venue == "alpaca":
        names["api_key"] += ("APCA_API_KEY_ID",)
        names["secret"] += ("APCA_API_SECRET_KEY",)
        names["testnet"] = ("ALPACA_PAPER", "ALPACA_TESTNET")
    return names


def said_of(
    venue: str, venues: Collection[str], mode: RunMode | None, environment: Mapping[str, str]
) -> Said:
    """What the strongest source says that has a key of the venue; else the environment.

    The keys come from one source whole: half a pair from here and half from there is
    nobody's. Only the switch between play and real money may stand in the environment
    beside keys that do not. Raises ConfigInvalid for what cannot be read or is contradictory.
    """
    ours = _from_environment(venue, environment)
    named = environment.get("REGENT_CREDENTIALS", "").strip()
    if ours.values or not named:
        return ours
    if named == BLOCK:
        theirs = _from_block(venue, mode)
    else:
        theirs = _from_file(venue, venues, Path(named).expanduser())
    if theirs is None or ours.testnet is None:
        return theirs or ours
    names = {**theirs.names, "testnet": ours.names["testnet"]}
    return Said(source=theirs.source, values=theirs.values, names=names, testnet=ours.testnet)


def _from_environment(venue: str, environment: Mapping[str, str]) -> Said:
    values: dict[str, str] = {}
    names: dict[str, str] = {}
    for key, aliases in variables(venue).items():
        said = {name: _text(environment.get(name, "")) for name in aliases}
        said = {name: text for name, text in said.items() if text}
        if len(set(said.values())) > 1:
            raise ConfigInvalid(f"{' and '.join(said)} differ, but are one setting: keep one")
        names[key] = next(iter(said), aliases[0])
        values |= {key: said[names[key]]} if said else {}
    switch = _switch(values.pop("testnet", None), ENVIRONMENT, names["testnet"])
    return Said(source=ENVIRONMENT, values=values, names=names, testnet=switch)


def _from_file(venue: str, venues: Collection[str], path: Path) -> Said | None:
    section = read_sections(path, venues).get(venue)
    if section is None:
        return None
    names = {key: f"{venue}.{key}" for key in variables(venue)}
    names |= {key: name for key, (name, _) in section.items()}
    switch = section.pop("testnet", (None, None))[1]
    for name, value in section.values():
        if not isinstance(value, str):
            raise ConfigInvalid(f"{path}: {name}: expected text; write it in quotes")
    values = {key: _text(str(value)) for key, (_, value) in section.items()}
    return Said(
        source=str(path),
        values={key: text for key, text in values.items() if text},
        names=names,
        testnet=_switch(switch, str(path), names["testnet"]),
    )


def _from_block(venue: str, mode: RunMode | None) -> Said | None:
    from tasks.credential_blocks import load_block

    loaded = load_block([f"{venue}{end}" for end in ENDS.get(mode, ANY_END)])
    if loaded is None:
        return None
    name, block = loaded
    secrets = {"api_key": block.api_key, "secret": block.secret, "passphrase": block.passphrase}
    values = {k: _text(v.get_secret_value()) for k, v in secrets.items() if v is not None}
    return Said(
        source=f"Prefect block {name}",
        values={key: text for key, text in values.items() if text},
        names={key: key for key in variables(venue)},
        testnet=block.testnet,
    )


def _text(value: str) -> str:
    """What was meant: nothing, where a guide's placeholder was left standing."""
    text = value.strip()
    return "" if text.lower().startswith(PLACEHOLDER) else text


def _switch(value: object, source: str, name: str) -> bool | None:
    if value is None:
        return None
    word = str(value).strip().lower()
    if word not in SWITCH:
        raise ConfigInvalid(f"{name} in {source} is neither true nor false")
    return SWITCH[word]
