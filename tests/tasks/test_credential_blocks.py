"""Keys in the store of a real Prefect server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from execution.errors import ConfigInvalid
from execution.model.enums import RunMode
from tasks.credential_blocks import VenueCredentials, load_block
from tasks.credentials import configured, credentials_for

KEY, SECRET = "KEY-5d1c", "SECRET-77aa"
ENVIRONMENT = {"REGENT_CREDENTIALS": "block"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        VenueCredentials(api_key=KEY, secret=SECRET).save("binance-testnet")
        VenueCredentials(api_key=KEY, secret=SECRET, testnet=False).save("binance-live")
        VenueCredentials(api_key=KEY, secret=SECRET, testnet=False).save("bybit")
        VenueCredentials(api_key=KEY, secret=SECRET).save("okx")
        yield


def test_each_mode_finds_its_own_block():
    paper = credentials_for("binance", RunMode.PAPER, ENVIRONMENT)
    live = credentials_for("binance", RunMode.LIVE, ENVIRONMENT)

    assert (paper.source, paper.testnet) == ("Prefect block binance-testnet", True)
    assert (live.source, live.testnet) == ("Prefect block binance-live", False)
    assert live.reveal().secret == SECRET


def test_a_block_for_the_other_money_is_refused():
    assert credentials_for("bybit", RunMode.LIVE, ENVIRONMENT).source == "Prefect block bybit"
    with pytest.raises(ConfigInvalid, match=r"testnet is false .keys from Prefect block bybit"):
        credentials_for("bybit", RunMode.PAPER, ENVIRONMENT)


def test_what_a_block_lacks_is_told():
    with pytest.raises(ConfigInvalid, match="okx: missing in Prefect block okx: passphrase;"):
        credentials_for("okx", RunMode.PAPER, ENVIRONMENT)


def test_without_a_block_the_variables_are_named():
    assert configured("kraken", ENVIRONMENT).missing == ("KRAKEN_API_KEY", "KRAKEN_SECRET_KEY")
    assert not configured("binance", {}).configured, "blocks are looked at only when asked for"


def test_a_block_loads_inside_an_event_loop():
    async def load() -> object:
        return load_block(["binance", "binance-live"])

    assert asyncio.run(load()) == load_block(["binance-live"])


def test_prefect_keeps_the_secrets_masked():
    async def document() -> str:
        async with get_client() as client:
            found = await client.read_block_document_by_name(
                "binance-live", "venue-credentials", include_secrets=False
            )
        return found.model_dump_json()

    text = asyncio.run(document())
    assert '"api_key":"****' in text
    assert not any(value in text for value in (KEY, SECRET))


def test_a_server_that_does_not_answer_is_told():
    closed = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}
    with temporary_settings(closed):
        problem = configured("binance", ENVIRONMENT).problem

    assert problem.startswith("REGENT_CREDENTIALS=block: Prefect's server gives no block binance")
