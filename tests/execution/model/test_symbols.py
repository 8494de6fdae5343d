import pytest

from execution.errors import InputInvalid
from execution.model.enums import AssetClass
from execution.model.identifiers import InstrumentId, VenueId
from execution.model.symbols import canonical, resolve
from tests.execution.examples import make_instrument


def listed(*symbols: str, venue: str = "binance"):
    ids = [InstrumentId(symbol, VenueId(venue)) for symbol in symbols]
    return [make_instrument(i, asset_class=AssetClass.CRYPTO) for i in ids]


@pytest.mark.parametrize(
    "text", ["BTC/USDT", "btcusdt", "BTC-USDT", "X:BTCUSDT", " btc_usdt ", "BTC/USDT.BINANCE"]
)
def test_every_spelling_of_a_pair_names_the_same_instrument(text: str):
    assert InstrumentId("BTC/USDT", VenueId("binance")) == resolve(
        text, listed("BTC/USDT", "ETH/USDT", "BTC/USDC")
    )


@pytest.mark.parametrize("text", ["AAPL", "aapl", "AAPL.BINANCE"])
def test_case_does_not_matter(text: str):
    assert resolve(text, listed("AAPL", "MSFT")).symbol == "AAPL"


def test_the_exact_pair_wins_over_a_longer_one():
    assert resolve("X:BTCUSD", listed("BTC/USDC", "BTC/USD", "BTC/USDT")).symbol == "BTC/USD"


def test_a_dollar_is_never_taken_for_a_stablecoin():
    """A person who says USD must not find out later that they hold tethers."""
    with pytest.raises(InputInvalid, match=r"'X:BTCUSD' is unknown; did you mean BTC/USDT\?"):
        resolve("X:BTCUSD", listed("BTC/USDT", "DOGE/EUR"))


def test_at_most_three_symbols_are_suggested():
    with pytest.raises(InputInvalid) as error:
        resolve("BTCUS", listed("BTC/USD", "BTC/USDT", "BTC/USDC", "BTC/EUR", "BTC/BUSD"))

    assert str(error.value).count(", ") == 2


def test_a_symbol_at_two_venues_is_ambiguous_until_the_venue_is_named():
    both = [*listed("BTC/USD", venue="kraken"), *listed("BTC/USD", venue="coinbase")]

    with pytest.raises(InputInvalid, match=r"ambiguous: BTC/USD.KRAKEN, BTC/USD.COINBASE"):
        resolve("BTCUSD", both)

    assert resolve("btc/usd.kraken", both).venue == "kraken"


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BTCUSDT", "BTC/USDT"),
        ("btc-usd", "BTC/USD"),
        ("X:ETHBTC", "ETH/BTC"),
        ("1INCHUSDT", "1INCH/USDT"),
        ("AAPL", "AAPL"),
        ("AEUR", "AEUR"),
        ("BRK-B", "BRK-B"),
        ("X", "X"),
    ],
)
def test_symbols_are_spelled_one_way(text: str, symbol: str):
    assert symbol == canonical(text)
