from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import ccxt
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from execution.errors import ConfigInvalid
from execution.model.enums import RunMode
from flows.documents import to_json
from tasks.credential_sources import variables
from tasks.credentials import VENUE_NAMES, configured, credentials_for, has_play_money

KEY, SECRET, PHRASE = "KEY-5d1c", "SECRET-77aa", "PHRASE-0b9e"
BINANCE = {"BINANCE_API_KEY": KEY, "BINANCE_SECRET_KEY": SECRET}
LIVE = {**BINANCE, "BINANCE_TESTNET": "false"}
PLAY = [name for name in VENUE_NAMES if has_play_money(name)]


def credentials_file(folder: Path, content: object, name: str = "keys.yaml") -> dict[str, str]:
    """A private file of credentials, and the environment that names it."""
    file = folder / name
    text = json.dumps(content) if name.endswith("json") else yaml.safe_dump(content)
    file.write_text(content if isinstance(content, str) else text)
    file.chmod(0o600)
    return {"REGENT_CREDENTIALS": str(file)}


def everything_of(venue: str) -> dict[str, str]:
    """All variables of a venue under their usual names."""
    names = {field: aliases[0] for field, aliases in variables(venue).items()}
    secret = f"{SECRET}=" if venue == "coinbase" else SECRET
    return {names["api_key"]: KEY, names["secret"]: secret, names["passphrase"]: PHRASE}


def refusal(venue: str, mode: RunMode, environment: dict[str, str]) -> str:
    with pytest.raises(ConfigInvalid) as refused:
        credentials_for(venue, mode, environment)
    told = str(refused.value)
    assert not any(value in told for value in (KEY, SECRET, PHRASE))
    return told


def test_the_venues_are_the_twelve_exchanges_and_alpaca():
    assert (
        *("binance", "bybit", "coinbase", "okx", "kucoin", "kraken", "gate", "bitget", "mexc"),
        *("htx", "bitfinex", "cryptocom", "alpaca"),
    ) == VENUE_NAMES


@pytest.mark.parametrize("venue", VENUE_NAMES)
def test_keys_come_from_the_environment(venue: str):
    switch = variables(venue)["testnet"][0]

    live = credentials_for(venue, RunMode.LIVE, {**everything_of(venue), switch: "false"})

    assert live.api_key.get_secret_value() == KEY
    assert live.secret.get_secret_value().startswith(SECRET)
    assert live.testnet is live.reveal().testnet is False
    assert live.source == "the environment"
    needs = ccxt.__dict__[venue]().requiredCredentials if venue != "alpaca" else {}
    assert live.reveal().passphrase == (PHRASE if needs.get("password") else "")


@pytest.mark.parametrize("venue", PLAY)
def test_nobody_trades_real_money_who_did_not_say_so(venue: str):
    """Where the switch is not set, the keys are for play money."""
    switch = variables(venue)["testnet"][0]

    assert credentials_for(venue, RunMode.PAPER, everything_of(venue)).testnet is True
    assert refusal(venue, RunMode.LIVE, everything_of(venue)) == (
        f"{venue}: {switch} is not set (keys from the environment), but live mode trades real "
        f"money: set {switch}=false, with keys made for real money"
    )


def test_a_switch_that_does_not_fit_the_mode_is_told_by_its_name():
    assert "BINANCE_TESTNET is true" in refusal(
        "binance", RunMode.LIVE, {**BINANCE, "BINANCE_TESTNET": "true"}
    )
    assert "set BINANCE_TESTNET=true, with keys made for play money" in refusal(
        "binance", RunMode.PAPER, LIVE
    )
    alpaca = {"ALPACA_API_KEY": KEY, "ALPACA_SECRET_KEY": SECRET, "ALPACA_PAPER": "true"}
    assert "ALPACA_PAPER is true" in refusal("alpaca", RunMode.LIVE, alpaca)
    assert refusal("binance", RunMode.LIVE, {**BINANCE, "BINANCE_TESTNET": SECRET}) == (
        "BINANCE_TESTNET in the environment is neither true nor false"
    )


@pytest.mark.parametrize("venue", [name for name in VENUE_NAMES if name != "alpaca"])
def test_play_money_is_where_the_library_can_go(venue: str):
    """Where it cannot, paper mode is refused, and what to use instead is named."""
    exchange = ccxt.__dict__[venue]()
    try:
        exchange.set_sandbox_mode(True)
    except TypeError:  # ccxt's way of saying that there is none
        told = refusal(venue, RunMode.PAPER, everything_of(venue))
        assert told.startswith(f"{venue} has no testnet: paper mode needs one of binance, bybit")
        assert f"--feed ccxt:{venue}" in told
    else:
        assert has_play_money(venue)


def test_all_that_is_missing_is_told_at_once():
    told = refusal("kucoin", RunMode.LIVE, {"KUCOIN_PASSPHRASE": PHRASE})

    assert "missing in the environment: KUCOIN_API_KEY, KUCOIN_SECRET_KEY;" in told
    assert configured("okx", {}).missing == ("OKX_API_KEY", "OKX_SECRET_KEY", "OKX_PASSPHRASE")
    assert configured("okx", {}).testnet is None


@pytest.mark.parametrize(
    ("venue", "environment"),
    [
        ("binance", {"BINANCE_API_KEY": KEY, "BINANCE_API_SECRET": SECRET}),
        ("alpaca", {"ALPACA_API_KEY": KEY, "ALPACA_API_SECRET": SECRET}),
        ("alpaca", {"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": SECRET, "ALPACA_PAPER": "1"}),
        ("binance", {**BINANCE, "BINANCE_API_SECRET": SECRET, "BINANCE_TESTNET": "TRUE"}),
    ],
)
def test_other_names_for_the_same_are_known(venue: str, environment: dict[str, str]):
    keys = credentials_for(venue, RunMode.PAPER, environment).reveal()

    assert (keys.api_key, keys.secret) == (KEY, SECRET)


def test_two_names_that_say_different_things_are_refused():
    told = refusal("binance", RunMode.PAPER, {**BINANCE, "BINANCE_API_SECRET": PHRASE})

    assert told == "BINANCE_SECRET_KEY and BINANCE_API_SECRET differ, but are one setting: keep one"


def test_a_placeholder_of_a_guide_is_no_key():
    example = {"BYBIT_API_KEY": "your_bybit_api_key", "BYBIT_SECRET_KEY": "your_bybit_secret_key"}

    assert configured("bybit", example).missing == ("BYBIT_API_KEY", "BYBIT_SECRET_KEY")


def test_a_pem_on_one_line_signs_with_the_real_library():
    r"""As a file of settings holds it, with `\n` in place of each line's end."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    name = "organizations/3b91/apiKeys/0e93"
    environment = {
        "COINBASE_API_KEY": name,
        "COINBASE_SECRET_KEY": pem.replace("\n", "\\n"),
        "COINBASE_TESTNET": "false",
    }

    keys = credentials_for("coinbase", RunMode.LIVE, environment).reveal()
    exchange = ccxt.coinbase({"apiKey": keys.api_key, "secret": keys.secret})
    signed = exchange.sign("brokerage/accounts", ["v3", "private"], "GET")

    header, claims, _ = signed["headers"]["Authorization"].removeprefix("Bearer ").split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["kid"] == name
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"] == name


def test_an_old_key_of_coinbase_is_refused():
    """The library would sign with it in a way that the venue no longer takes."""
    environment = {"COINBASE_API_KEY": KEY, "COINBASE_SECRET_KEY": SECRET}
    told = refusal("coinbase", RunMode.LIVE, {**environment, "COINBASE_TESTNET": "false"})

    assert "COINBASE_SECRET_KEY in the environment is neither an EC key (PEM) nor" in told
    assert "Advanced Trade takes CDP keys only" in configured("coinbase", environment).problem


def test_a_passphrase_of_coinbase_is_said_to_be_of_no_use():
    found = configured("coinbase", {**everything_of("coinbase"), "COINBASE_TESTNET": "false"})

    assert found.configured
    assert found.notes == ("COINBASE_PASSPHRASE is not used: keys of Advanced Trade have none",)


def test_keys_for_play_money_where_there_is_none_are_told():
    found = configured("kraken", everything_of("kraken"))

    assert found.notes == ("there is no testnet, so the keys need KRAKEN_TESTNET=false",)
    assert not configured("kraken", {}).notes


def test_a_private_key_in_the_place_of_the_public_name_is_refused():
    """It would be sent to the venue with each request."""
    told = refusal("binance", RunMode.PAPER, {**BINANCE, "BINANCE_API_KEY": f"-----BEGIN {KEY}"})

    assert "BINANCE_API_KEY in the environment holds a private key" in told


@pytest.mark.parametrize(
    ("venue", "name", "content"),
    [
        (
            "alpaca",
            "settings.yaml",
            {
                "execution": {
                    "alpaca": {"enabled": True, "api_key": KEY, "api_secret": SECRET},
                    "coinbase": {"enabled": False, "api_key": "x", "api_secret": "y"},
                    "max_positions": 10,
                }
            },
        ),
        (
            "binance",
            "config.json",
            {
                "strategy": "any",
                "exchange": {
                    "name": "binance",
                    "key": KEY,
                    "secret": SECRET,
                    "pair_whitelist": ["BTC/USDT"],
                },
                "execution": {"mode": "simulated"},
            },
        ),
        ("gate", "keys.yaml", {"gate": {"api_key": KEY, "secret": SECRET, "testnet": True}}),
    ],
)
def test_keys_come_from_a_file_as_guides_write_it(
    tmp_path: Path, venue: str, name: str, content: dict[str, Any]
):
    environment = credentials_file(tmp_path, content, name)

    found = credentials_for(venue, RunMode.PAPER, environment)

    assert (found.reveal().api_key, found.reveal().secret) == (KEY, SECRET)
    assert found.source == str(tmp_path / name)
    assert configured("kraken", environment).missing == ("KRAKEN_API_KEY", "KRAKEN_SECRET_KEY")
    assert not configured("coinbase", environment).configured


def test_a_passphrase_in_a_file_may_be_called_a_password(tmp_path: Path):
    exchange = {"name": "okx", "key": KEY, "secret": SECRET, "password": PHRASE}
    environment = credentials_file(tmp_path, {"exchange": exchange})

    assert credentials_for("okx", RunMode.PAPER, environment).reveal().passphrase == PHRASE


def test_the_environment_is_stronger_than_a_file(tmp_path: Path):
    content = {"binance": {"api_key": "of the file", "secret": "of the file"}}
    environment = credentials_file(tmp_path, content)

    found = credentials_for("binance", RunMode.PAPER, {**environment, **BINANCE})

    assert found.reveal().api_key == KEY
    assert found.source == "the environment"


def test_halves_of_a_pair_from_two_sources_are_no_pair(tmp_path: Path):
    environment = credentials_file(tmp_path, {"binance": {"secret": SECRET, "api_key": KEY}})

    told = refusal("binance", RunMode.PAPER, {**environment, "BINANCE_API_KEY": KEY})

    assert "missing in the environment: BINANCE_SECRET_KEY" in told


def test_the_switch_in_the_environment_is_stronger_than_the_file(tmp_path: Path):
    content = {"binance": {"api_key": KEY, "secret": SECRET, "testnet": False}}
    environment = credentials_file(tmp_path, content)

    assert credentials_for("binance", RunMode.LIVE, environment).testnet is False
    told = refusal("binance", RunMode.LIVE, {**environment, "BINANCE_TESTNET": "true"})
    assert f"BINANCE_TESTNET is true (keys from {tmp_path}/keys.yaml)" in told


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int):
    environment = credentials_file(tmp_path, {"binance": {"api_key": KEY, "secret": SECRET}})
    (tmp_path / "keys.yaml").chmod(mode)

    told = refusal("binance", RunMode.PAPER, environment)

    assert f"others can read it (mode {mode:04o}): chmod 600 it" in told


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "keys.yaml",
            {"binanse": {"api_key": KEY}},
            "of unknown 'binanse'; did you mean binance?",
        ),
        ("keys.yaml", {"exchange": {"key": KEY}}, "exchange has keys, but no name"),
        ("keys.yaml", {"binance": {"api_kay": KEY}}, "unknown 'api_kay'; did you mean api_key?"),
        (
            "keys.yaml",
            {"binance": {"key": KEY, "api_key": PHRASE}},
            "are one; keep one",
        ),
        ("keys.yaml", {"binance": {"key": 12}}, "binance.key: expected text; write it in quotes"),
        ("keys.yaml", {"binance": {"key": KEY, "testnet": SECRET}}, "neither true nor false"),
        (
            "keys.yaml",
            {"binance": {"key": KEY}, "execution": {"binance": {"key": KEY}}},
            "execution.binance is a second section of binance",
        ),
        ("keys.yaml", f"binance:\n  api_key: '{KEY}\n  secret: {SECRET}\n", "is not valid YAML"),
        ("keys.json", f'{{"binance": {{\n"key": "{KEY}", {SECRET}}}}}', "line 2 is not valid JSON"),
        ("keys.yaml", f"[{KEY}]", "expected sections as"),
        (
            "keys.yaml",
            {"binance": {"api_key": KEY, "secret": None}},
            "yaml: binance.secret; set",
        ),
    ],
)
def test_a_file_that_is_wrong_is_told_without_what_it_holds(
    tmp_path: Path, name: str, content: object, told: str
):
    environment = credentials_file(tmp_path, content, name)

    said = refusal("binance", RunMode.PAPER, environment)

    assert told in said
    found = configured("binance", environment)
    assert not found.configured
    assert not any(value in to_json(found) for value in (KEY, SECRET, PHRASE))


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    told = refusal("binance", RunMode.PAPER, {"REGENT_CREDENTIALS": str(tmp_path / "none.yaml")})

    assert (
        told
        == f"REGENT_CREDENTIALS={tmp_path}/none.yaml: cannot be read: No such file or directory"
    )


def test_no_form_of_them_shows_a_secret():
    environment = {"OKX_API_KEY": KEY, "OKX_SECRET_KEY": SECRET, "OKX_PASSPHRASE": PHRASE}
    found = credentials_for("okx", RunMode.PAPER, environment)

    forms = [
        *(repr(found), str(found), f"{found!r:s}", str(found.model_dump())),
        *(found.model_dump_json(), to_json(found), str(vars(found)), str(dict(found))),
        *(repr(found.reveal()), str(found.reveal()), repr([found.reveal()])),
        *(str(found.model_json_schema()), to_json(configured("okx", environment))),
        repr(configured("okx", environment)),
    ]

    assert not [form for form in forms for value in (KEY, SECRET, PHRASE) if value in form]
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own bytes


@pytest.mark.parametrize("mode", [RunMode.DRY_RUN, RunMode.BACKTEST])
def test_who_only_reads_prices_may_use_either_kind_of_keys(mode: RunMode):
    assert credentials_for("binance", mode, BINANCE).testnet is True
    assert credentials_for("binance", mode, LIVE).testnet is False


def test_a_venue_that_is_none_is_told_with_the_nearest():
    assert "venue 'binanse' is unknown; did you mean binance?" in refusal(
        "binanse", RunMode.LIVE, {}
    )
