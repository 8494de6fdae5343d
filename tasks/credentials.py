"""Whose account: the keys with which a mode trades at a venue, and what is missing.

They come from the environment, or from what `REGENT_CREDENTIALS` names: a file (see
credential_files), or `block` for Prefect's store (see credential_blocks). No value is ever
told: not in an error, not in `repr`, not in JSON.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, SecretStr

from execution.errors import ConfigInvalid
from execution.model.enums import RunMode
from execution.venues.alpaca.facts import ALPACA
from execution.venues.capabilities import CAPABILITIES
from execution.venues.ccxt.facts import FACTS
from execution.venues.keys import Keys
from tasks.credential_sources import Said, said_of

VENUE_NAMES = (*FACTS, str(ALPACA))
PEM = "-----BEGIN"
HOW = (
    "set them in the environment or .env, or name a file or `block` with REGENT_CREDENTIALS; "
    "`regent venues` shows all"
)


class Credentials(BaseModel):
    """The keys of one account. Printed or dumped, the secrets are stars."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    venue: str
    api_key: SecretStr
    secret: SecretStr
    passphrase: SecretStr | None = None
    testnet: bool
    source: str  # the environment, a file's path, or a block's name

    def reveal(self) -> Keys:
        """Give the keys in the clear, to the adapter that opens the account."""
        return Keys(
            api_key=self.api_key.get_secret_value(),
            secret=self.secret.get_secret_value(),
            passphrase=self.passphrase.get_secret_value() if self.passphrase else "",
            testnet=self.testnet,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """Whether the keys of a venue are there, and what is missing or wrong; no value."""

    venue: str
    configured: bool
    missing: tuple[str, ...] = ()  # the names of variables, or of fields of the source
    testnet: bool | None = None  # what the keys are for; None without keys
    source: str | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()


def has_play_money(venue: str) -> bool:
    """Whether paper mode is possible there."""
    return any(c.testnet for c in CAPABILITIES[venue].values())


def credentials_for(venue: str, mode: RunMode, environment: Mapping[str, str]) -> Credentials:
    """The keys with which `mode` trades at a venue: play money in paper, real in live mode.

    Other modes only read prices there, for which both kinds do. Where nobody set the switch,
    it says play money. Raises ConfigInvalid with all that is missing at once, or with the
    switch that does not fit the mode.
    """
    _require_venue(venue)
    if mode is RunMode.PAPER and not has_play_money(venue):
        others = ", ".join(filter(has_play_money, VENUE_NAMES))
        raise ConfigInvalid(
            f"{venue} has no testnet: paper mode needs one of {others}; or use "
            f"--mode dry-run --feed ccxt:{venue}, which trades its prices on our simulated venue"
        )
    said = said_of(venue, VENUE_NAMES, mode, environment)
    missing = _missing(venue, said)
    if missing:
        raise ConfigInvalid(f"{venue}: missing in {said.source}: {', '.join(missing)}; {HOW}")
    if mode in {RunMode.PAPER, RunMode.LIVE}:
        _require_switch(venue, mode, said)
    secrets = {name: SecretStr(_clear(venue, name, said)) for name in _wanted(venue)}
    return Credentials(
        venue=venue,
        api_key=secrets["api_key"],
        secret=secrets["secret"],
        passphrase=secrets.get("passphrase"),
        testnet=said.testnet is not False,
        source=said.source,
    )


def configured(venue: str, environment: Mapping[str, str]) -> Configured:
    """Say whether the keys of a venue are there; what is wrong with them is not raised."""
    _require_venue(venue)
    try:
        said = said_of(venue, VENUE_NAMES, None, environment)
        missing = _missing(venue, said)
        for name in () if missing else _wanted(venue):
            _clear(venue, name, said)
    except ConfigInvalid as error:
        return Configured(venue=venue, configured=False, problem=str(error))
    return Configured(
        venue=venue,
        configured=not missing,
        missing=missing,
        testnet=said.testnet is not False if said.values else None,
        source=said.source if said.values else None,
        notes=_notes(venue, said),
    )


def _require_venue(venue: str) -> None:
    if venue not in VENUE_NAMES:
        near = difflib.get_close_matches(venue, VENUE_NAMES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigInvalid(f"venue {venue!r} is unknown{hint}; there are {', '.join(VENUE_NAMES)}")


def _wanted(venue: str) -> tuple[str, ...]:
    """The fields that the venue asks for."""
    passphrase = venue in FACTS and FACTS[venue].passphrase
    return ("api_key", "secret", "passphrase") if passphrase else ("api_key", "secret")


def _missing(venue: str, said: Said) -> tuple[str, ...]:
    return tuple(said.names[name] for name in _wanted(venue) if name not in said.values)


def _require_switch(venue: str, mode: RunMode, said: Said) -> None:
    """Refuse keys for real money in paper mode, and keys for play money in live mode."""
    play = mode is RunMode.PAPER
    if (said.testnet is not False) is play:
        return
    name = said.names["testnet"]
    said_word = "not set" if said.testnet is None else str(said.testnet).lower()
    money = "play money" if play else "real money"
    raise ConfigInvalid(
        f"{venue}: {name} is {said_word} (keys from {said.source}), but {mode} mode trades "
        f"{money}: set {name}={'true' if play else 'false'}, with keys made for {money}"
    )


def _clear(venue: str, name: str, said: Said) -> str:
    """A value as the venue wants it; ConfigInvalid for one that it cannot want."""
    value, called = said.values[name], f"{said.names[name]} in {said.source}"
    if name == "api_key" and value.startswith(PEM):
        raise ConfigInvalid(f"{venue}: {called} holds a private key; that one is the secret")
    if name == "secret" and value.startswith(PEM):
        return value.replace("\\n", "\n")  # as a file of one line a setting writes it
    # With any other secret ccxt signs as for the old kind of keys, without a word.
    if name == "secret" and venue == "coinbase" and not value.endswith("="):
        raise ConfigInvalid(
            f"{venue}: {called} is neither an EC key (PEM) nor an Ed25519 key (base64): "
            "Advanced Trade takes CDP keys only"
        )
    return value


def _notes(venue: str, said: Said) -> tuple[str, ...]:
    """What is said in vain."""
    notes = []
    if venue == "coinbase" and "passphrase" in said.values:
        notes.append(f"{said.names['passphrase']} is not used: keys of Advanced Trade have none")
    if said.values and said.testnet is not False and not has_play_money(venue):
        notes.append(f"there is no testnet, so the keys need {said.names['testnet']}=false")
    return tuple(notes)
