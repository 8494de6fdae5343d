from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from execution.model.enums import AssetClass, OrderType
from execution.orders.placement import Place
from execution.venues.capabilities import CAPABILITIES
from flows.cli_venues import VenueRow, placed, show_venues
from tasks.credentials import VENUE_NAMES, configured
from tests.flows.commands import regent

SECRET = "SECRET-77aa"
ENVIRONMENT = {
    "BINANCE_API_KEY": SECRET,
    "BINANCE_SECRET_KEY": SECRET,
    "KRAKEN_API_KEY": SECRET,
    "KRAKEN_SECRET_KEY": SECRET,
    "KRAKEN_TESTNET": "false",
    "OKX_API_KEY": SECRET,
    "GATE_TESTNET": SECRET,
}


def test_every_venue_is_told_with_its_keys_and_its_orders(tmp_path: Path):
    ended = regent(tmp_path, "venues", "--json", **ENVIRONMENT)

    assert ended.code == 0
    assert SECRET not in ended.out + ended.err
    told = {row["venue"]: row for row in ended.document["venues"]}
    assert tuple(told) == VENUE_NAMES
    assert told["binance"]["configured"]
    assert told["binance"]["testnet"] is True
    assert told["kraken"]["testnet"] is False
    assert told["okx"]["missing"] == ["OKX_SECRET_KEY", "OKX_PASSPHRASE"]
    assert told["gate"]["problem"] == ("GATE_TESTNET in the environment is neither true nor false")
    assert told["mexc"]["paper_mode"] is False
    assert told["mexc"]["instruments"]["crypto"]["native"] == ["market", "limit"]
    assert told["mexc"]["instruments"]["crypto"]["held"] == ["stop", "stop_limit", "trailing_stop"]
    assert told["alpaca"]["instruments"]["equity"]["native"] == list(OrderType)
    assert not (tmp_path / "ledger.duckdb").exists(), "it looks at no books"


def test_the_table_names_each_venue_and_what_is_missing(tmp_path: Path):
    ended = regent(tmp_path, "venues", **ENVIRONMENT)

    assert ended.code == 0
    assert SECRET not in ended.out + ended.err
    lines = ended.out.splitlines()
    assert all(any(line.startswith(venue) for line in lines) for venue in VENUE_NAMES)
    cells = {line.split()[0]: line.split() for line in lines if line[:1].isalpha()}
    assert cells["binance"][1:4] == ["play", "yes", "native"]
    assert cells["kraken"][1:4] == ["real", "no", "native"]
    assert cells["gate"][1] == "wrong"
    assert cells["mexc"][1:8] == ["none", "no", "native", "native", "held", "held", "held"]
    assert "  bybit: BYBIT_API_KEY, BYBIT_SECRET_KEY" in lines
    assert "  gate: GATE_TESTNET in the environment is neither true nor false" in lines


@pytest.mark.parametrize("venue", VENUE_NAMES)
def test_what_is_told_of_an_order_is_what_placement_goes_by(venue: str):
    for capabilities in CAPABILITIES[venue].values():
        for order_type in OrderType:
            native = placed(order_type, capabilities) is Place.NATIVE
            assert native == (order_type in capabilities.order_types)


def test_the_table_fits_eighty_columns():
    file = io.StringIO()
    rows = [
        VenueRow(
            venue=venue,
            keys=configured(venue, {}),
            play_money=True,
            client_order_id="",
            capabilities={AssetClass.CRYPTO: next(iter(CAPABILITIES[venue].values()))},
        )
        for venue in VENUE_NAMES
    ]

    show_venues(Console(file=file, width=80, force_terminal=True, color_system=None), rows)

    assert max(len(line.rstrip()) for line in file.getvalue().splitlines()) <= 80
    assert "…" not in file.getvalue()


def test_a_file_of_keys_is_read_and_told_by_its_name(tmp_path: Path):
    file = tmp_path / "keys.yaml"
    file.write_text(f"bybit: {{api_key: {SECRET}, secret: {SECRET}}}\n")
    file.chmod(0o600)

    ended = regent(tmp_path, "venues", "--json", REGENT_CREDENTIALS=str(file))

    row = next(r for r in ended.document["venues"] if r["venue"] == "bybit")
    assert (row["configured"], row["testnet"], row["source"]) == (True, True, str(file))
    assert SECRET not in ended.out + ended.err
