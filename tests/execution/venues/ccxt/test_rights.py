"""What keys may do, as each exchange says it; the shapes are those of their documentation."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from execution.errors import VenueUnavailable
from execution.venues.base import Permissions
from execution.venues.ccxt.facts import FACTS
from tests.execution.venues.ccxt.places import VENUES
from tests.execution.venues.ccxt.scripted import Asked
from tests.execution.venues.ccxt.test_conformance import ask

TRADES, ALL, READS = (
    Permissions(trade=True, withdraw=False),
    Permissions(trade=True, withdraw=True),
    Permissions(trade=False, withdraw=False),
)
NOT_TOLD = ("gate", "cryptocom")


def _binance(trade: bool, withdraw: bool) -> dict[str, Any]:
    return {"enableReading": True, "enableSpotAndMarginTrading": trade} | {
        "enableWithdrawals": withdraw
    }


def _bybit(spot: list[str], wallet: list[str], read_only: int = 0) -> dict[str, Any]:
    permissions = {"Spot": spot, "Wallet": wallet, "Options": []}
    return {"retCode": 0, "result": {"readOnly": read_only, "permissions": permissions}}


def _kraken(*words: str) -> dict[str, Any]:
    return {"error": [], "result": {"api_key_name": "k", "permissions": list(words)}}


def _data(code: str, **fields: object) -> dict[str, Any]:
    return {"code": code, "data": fields}


REPLIES: list[tuple[str, str, object, Permissions]] = [
    ("binance", "/account/apiRestrictions", _binance(True, False), TRADES),
    ("binance", "/account/apiRestrictions", _binance(True, True), ALL),
    ("binance", "/account/apiRestrictions", _binance(False, False), READS),
    ("bybit", "/user/query-api", _bybit(["SpotTrade"], ["AccountTransfer"]), TRADES),
    ("bybit", "/user/query-api", _bybit(["SpotTrade"], ["AccountTransfer", "Withdraw"]), ALL),
    ("bybit", "/user/query-api", _bybit([], []), READS),
    ("bybit", "/user/query-api", _bybit(["SpotTrade"], ["Withdraw"], read_only=1), READS),
    ("coinbase", "/key_permissions", {"can_trade": True, "can_transfer": False}, TRADES),
    ("coinbase", "/key_permissions", {"can_trade": True, "can_transfer": True}, ALL),
    ("coinbase", "/key_permissions", {"can_trade": False, "can_transfer": False}, READS),
    ("okx", "/account/config", {"code": "0", "data": [{"perm": "read_only,trade"}]}, TRADES),
    ("okx", "/account/config", {"code": "0", "data": [{"perm": "read_only,withdraw,trade"}]}, ALL),
    ("okx", "/account/config", {"code": "0", "data": [{"perm": "read_only"}]}, READS),
    ("kucoin", "/user/api-key", _data("200000", permission="General, Spot"), TRADES),
    ("kucoin", "/user/api-key", _data("200000", permission="General,Spot,InnerTransfer"), TRADES),
    ("kucoin", "/user/api-key", _data("200000", permission="General,Spot,Transfer"), ALL),
    ("kucoin", "/user/api-key", _data("200000", permission="General"), READS),
    ("bitget", "/account/info", _data("00000", authorities=["stow", "stor"]), TRADES),
    ("bitget", "/account/info", _data("00000", authorities=["trade", "readonly"]), TRADES),
    ("bitget", "/account/info", _data("00000", authorities=["stow", "wwow"]), ALL),
    ("bitget", "/account/info", _data("00000", authorities=["stor", "wtor"]), READS),
    ("mexc", "/account", {"canTrade": True, "canWithdraw": False, "balances": []}, TRADES),
    ("mexc", "/account", {"canTrade": True, "canWithdraw": True, "balances": []}, ALL),
    ("mexc", "/account", {"canTrade": False, "canWithdraw": False, "balances": []}, READS),
    ("bitfinex", "/permissions", [["orders", 1, 1], ["withdraw", 0, 0]], TRADES),
    ("bitfinex", "/permissions", [["orders", 1, 1], ["withdraw", 1, 1]], ALL),
    ("bitfinex", "/permissions", [["orders", 1, 0], ["withdraw", 1, 0]], READS),
    ("kraken", "/GetApiKeyInfo", _kraken("query-funds", "modify-trades"), TRADES),
    ("kraken", "/GetApiKeyInfo", _kraken("withdraw-funds", "modify-trades"), ALL),
    # Its words are known for what they contain alone: a missing one is no proof.
    ("kraken", "/GetApiKeyInfo", _kraken("query-funds"), Permissions(trade=None, withdraw=False)),
]


@pytest.mark.parametrize(("name", "path", "reply", "told"), REPLIES)
def test_rights_are_read_from_each_shape(name: str, path: str, reply: object, told: Permissions):
    assert ask(name, {path: reply}, lambda venue: venue.permissions()) == told


def test_htx_is_asked_of_this_key_among_the_accounts_own():
    def keys(asked: Asked) -> object:
        right = (asked.params.get("uid"), asked.params.get("accessKey")) == ("4242", "key")
        words = "readOnly,trade" if right else "readOnly,trade,withdraw"
        return {"code": 200, "data": [{"accessKey": "key", "permission": words}]}

    answers = {"/user/uid": {"code": 200, "data": 4242}, "/user/api-key": keys}
    assert ask("htx", answers, lambda venue: venue.permissions()) == TRADES


@pytest.mark.parametrize("name", NOT_TOLD)
def test_who_does_not_say_is_not_guessed_at(name: str):
    assert ask(name, {}, lambda venue: venue.permissions()) == Permissions()
    assert {n for n, facts in FACTS.items() if facts.queries.rights is None} == set(NOT_TOLD)


@pytest.mark.parametrize("name", [name for name in VENUES if name not in (*NOT_TOLD, "htx")])
@pytest.mark.parametrize("nonsense", [{}, None, "<html>"])
def test_a_reply_that_makes_no_sense_is_no_answer(name: str, nonsense: object):
    """Not even "the keys may do nothing": that would be an answer."""
    path = next(path for venue, path, *_ in REPLIES if venue == name)
    html = web.Response(text="<html>", content_type="text/html")
    reply = html if nonsense == "<html>" else nonsense
    with pytest.raises(VenueUnavailable, match=name):
        ask(name, {path: reply}, lambda venue: venue.permissions())
