import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.enums import OrderStatus as S
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.records import (
    Dedupe,
    Event,
    FeeIn,
    FeePolicy,
    Happening,
    Instrument,
    NewOrder,
    Refused,
    Rules,
    Trigger,
    Why,
)

SYMBOL = "BTC/USDT"
BTC_USDT = Instrument(
    symbol=SYMBOL,
    px_step=Decimal("0.01"),
    qty_step=Decimal("0.001"),
    qty_min=Decimal("0.001"),
    notional_min=Decimal(10),
)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NO_FEES = FeePolicy(rate=Decimal(0))


class Clock:
    """A time that tests set."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now


def make_engine(dedupe: Dedupe = Dedupe.FOREVER, **rules: bool) -> Engine:
    """BTC at 100; the account `key` holds 10 BTC and 1000 USDT, and pays no fees."""
    engine = Engine([BTC_USDT], Rules(dedupe=dedupe, **rules), Clock())
    engine.open_account("key", {"USDT": 1000, "BTC": 10}, NO_FEES)
    engine.set_price(SYMBOL, 100)
    return engine


def order(side: str = "buy", type_: str = "market", qty: str = "1", **fields: object) -> NewOrder:
    asked = {"symbol": SYMBOL, "side": OrderSide(side), "type": OrderType(type_)}
    numbers = {n: Decimal(str(v)) for n, v in fields.items() if n.endswith(("px", "trail", "rate"))}
    return NewOrder(**{**asked, "qty": Decimal(qty), **fields, **numbers})


def refusal(act: Callable[[], object]) -> Why:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.why


def total(engine: Engine, ccy: str) -> Decimal:
    return engine.balances("key")[ccy].total


def test_a_market_order_fills_at_the_price():
    engine = make_engine()

    placed = engine.place("key", order(qty="2"))

    assert (placed.status, placed.cum_qty, placed.avg_px) == (S.FILLED, 2, 100)
    assert (total(engine, "BTC"), total(engine, "USDT")) == (12, 800)


def test_a_limit_order_rests_locks_money_and_fills_at_its_own_price():
    engine = make_engine()
    placed = engine.place("key", order(type_="limit", limit_px=90, qty="2"))
    assert (placed.status, engine.balances("key")["USDT"].locked) == (S.ACCEPTED, 180)

    engine.set_price(SYMBOL, 80)

    (fill,) = engine.fills("key")
    assert (fill.px, fill.maker) == (90, True)
    assert (total(engine, "USDT"), engine.balances("key")["USDT"].locked) == (820, 0)


def test_a_limit_order_that_crosses_takes_the_better_price():
    engine = make_engine()

    assert engine.place("key", order(type_="limit", limit_px=110)).avg_px == 100
    assert not engine.fills("key")[0].maker


@pytest.mark.parametrize(
    ("side", "stop_px", "quiet", "crossed"),
    [("sell", 95, 96, 95), ("buy", 105, 104, 106)],
)
def test_a_stop_waits_for_its_price_and_then_fills_at_the_market(
    side: str, stop_px: int, quiet: int, crossed: int
):
    engine = make_engine()
    stop = engine.place("key", order(side, "stop", stop_px=stop_px))
    engine.set_price(SYMBOL, quiet)
    assert engine.order(stop.order_id).waits

    engine.set_price(SYMBOL, crossed)

    assert (S.FILLED, crossed) == (engine.order(stop.order_id).status, engine.fills()[0].px)


def test_a_take_profit_is_crossed_the_other_way():
    engine = make_engine()
    engine.place("key", order("sell", "stop", stop_px=120, trigger=Trigger.ABOVE))

    engine.set_price(SYMBOL, 121)

    assert engine.fills()[0].px == 121


def test_a_triggered_stop_limit_rests_at_its_limit():
    engine = make_engine()
    placed = engine.place("key", order("sell", "stop_limit", stop_px=95, limit_px=94))

    engine.set_price(SYMBOL, 90)
    assert (
        engine.order(placed.order_id).triggered,
        engine.order(placed.order_id).status,
    ) == (True, S.ACCEPTED)
    engine.set_price(SYMBOL, 96)

    assert engine.fills()[0].px == 94


@pytest.mark.parametrize("trail", [{"trail": 10}, {"trail_rate": "0.1"}])
def test_a_trailing_stop_follows_the_price_one_way(trail: dict[str, object]):
    engine = make_engine()
    placed = engine.place("key", order("sell", "trailing_stop", **trail))
    assert placed.stop_px == 90

    engine.set_price(SYMBOL, 110)
    highest = engine.order(placed.order_id).stop_px
    engine.set_price(SYMBOL, 105)

    assert highest == engine.order(placed.order_id).stop_px == (100 if "trail" in trail else 99)
    engine.set_price(SYMBOL, highest)
    assert S.FILLED is engine.order(placed.order_id).status


@pytest.mark.parametrize(
    ("tif", "filled", "status"),
    [
        (TimeInForce.IOC, "1.5", S.EXPIRED),
        (TimeInForce.FOK, "0", S.EXPIRED),
        (TimeInForce.GTC, "1.5", S.PARTIALLY_FILLED),
    ],
)
def test_what_liquidity_leaves_depends_on_the_time_in_force(
    tif: TimeInForce, filled: str, status: S
):
    engine = make_engine()
    engine.set_liquidity(SYMBOL, "1.5")

    placed = engine.place("key", order(type_="limit", limit_px=100, qty="2", tif=tif))

    assert (Decimal(filled), status) == (placed.cum_qty, placed.status)


def test_orders_share_what_liquidity_there_is():
    engine = make_engine()
    engine.set_liquidity(SYMBOL, "1.5")

    placed = [engine.place("key", order()) for _ in range(3)]

    assert [1, Decimal("0.5"), 0] == [one.cum_qty for one in placed]


@pytest.mark.parametrize(("rests", "status"), [(False, S.EXPIRED), (True, S.PARTIALLY_FILLED)])
def test_the_rest_of_a_market_order_expires_or_waits_as_the_venue_has_it(rests: bool, status: S):
    engine = make_engine(market_rests=rests)
    engine.set_liquidity(SYMBOL, "0.4")

    placed = engine.place("key", order())

    assert (Decimal("0.4"), status) == (placed.cum_qty, placed.status)


def test_a_fill_can_be_forced_in_parts_and_anywhere():
    engine = make_engine()
    placed = engine.place("key", order(type_="limit", limit_px=90))

    engine.fill_next(placed.order_id, "0.3")
    engine.fill_next(placed.order_id, px="89")

    assert [Decimal("0.3"), Decimal("0.7")] == [fill.qty for fill in engine.fills()]
    assert Decimal("89.3") == engine.order(placed.order_id).avg_px
    assert Why.NOT_OPEN is refusal(lambda: engine.fill_next(placed.order_id))


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (order(qty="11"), Why.INSUFFICIENT_FUNDS),
        (order("sell", qty="11"), Why.INSUFFICIENT_FUNDS),
        (order(qty="0"), Why.QTY_TOO_SMALL),
        (order(qty="1.0005"), Why.QTY_STEP),
        (order(type_="limit", limit_px="90.001"), Why.PX_STEP),
        (order(qty="0.05"), Why.NOTIONAL_TOO_SMALL),
        (order(type_="limit", limit_px=100, post_only=True), Why.WOULD_TAKE),
        (order("sell", "stop", stop_px=101), Why.WOULD_TRIGGER),
        (order(reduce_only=True), Why.REDUCE_ONLY),
    ],
    ids=lambda value: value if isinstance(value, Why) else "",
)
def test_what_a_venue_would_not_take_is_refused_and_leaves_nothing(asked: NewOrder, why: Why):
    engine = make_engine()

    assert why is refusal(lambda: engine.place("key", asked))
    assert (engine.orders(), engine.events) == ([], [])


def test_money_that_one_order_locks_is_not_there_for_another():
    engine = make_engine()
    first = engine.place("key", order(type_="limit", limit_px=90, qty="10"))

    assert Why.INSUFFICIENT_FUNDS is refusal(lambda: engine.place("key", order(qty="2")))
    engine.cancel(first.order_id)

    assert S.FILLED is engine.place("key", order(qty="2")).status


@pytest.mark.parametrize("dedupe", Dedupe)
def test_an_id_that_was_used_before_is_treated_as_the_venue_does(dedupe: Dedupe):
    """A blind resend of a filled order is a second order where ids are free again."""
    engine = make_engine(dedupe)
    resting = engine.place("key", order(type_="limit", limit_px=90, client_id="open"))
    filled = engine.place("key", order(client_id="done"))

    def again(client_id: str) -> object:
        return engine.place("key", order(client_id=client_id))

    if dedupe is Dedupe.RETURN_EXISTING:
        assert [resting, filled] == [again("open"), again("done")]
        return
    assert Why.DUPLICATE_CLIENT_ID is refusal(lambda: again("open"))
    if dedupe is Dedupe.FOREVER:
        assert Why.DUPLICATE_CLIENT_ID is refusal(lambda: again("done"))
    else:
        assert filled != again("done")
    ones = engine.by_client_id("key", "done")
    assert (1 if dedupe is Dedupe.FOREVER else 2) == len(ones)


@pytest.mark.parametrize(
    ("fee_in", "side", "fee_ccy", "fee"),
    [
        (FeeIn.QUOTE, "buy", "USDT", "0.1"),
        (FeeIn.RECEIVED, "buy", "BTC", "0.001"),
        (FeeIn.RECEIVED, "sell", "USDT", "0.1"),
        (FeeIn.THIRD, "buy", "BNB", "0.0002"),
    ],
)
def test_a_fee_is_taken_from_the_currency_of_the_account(
    fee_in: FeeIn, side: str, fee_ccy: str, fee: str
):
    engine = make_engine()
    engine.open_account("key", {"USDT": 1000, "BTC": 10, "BNB": 1}, FeePolicy(fee_in=fee_in))
    before = total(engine, fee_ccy)

    engine.place("key", order(side))

    (fill,) = engine.fills()
    moved = {"BTC": fill.side.sign, "USDT": -100 * fill.side.sign}.get(fee_ccy, 0)
    assert (fee_ccy, Decimal(fee)) == (fill.fee_ccy, fill.fee)
    assert before + moved - Decimal(fee) == total(engine, fee_ccy)


def test_a_third_currency_that_has_run_out_leaves_the_fee_to_what_is_received():
    engine = make_engine()
    engine.open_account("key", {"USDT": 1000, "BNB": "0.0001"}, FeePolicy(fee_in=FeeIn.THIRD))

    engine.place("key", order())

    assert engine.fills()[0].fee_ccy == "BTC"


def test_a_stop_that_its_money_no_longer_covers_expires_unfilled():
    """The price may jump past what was locked; an account never goes below nothing."""
    engine = make_engine()
    placed = engine.place("key", order(type_="stop", stop_px=110, qty="9"))

    engine.set_price(SYMBOL, 120)

    assert engine.order(placed.order_id).status is S.EXPIRED
    assert total(engine, "USDT") == 1000


def test_a_liquidation_cancels_sells_everything_and_has_no_client_id():
    engine = make_engine()
    resting = engine.place("key", order("sell", "limit", limit_px=200, client_id="mine"))

    fill = engine.liquidate("key", SYMBOL)

    assert S.CANCELED is engine.order(resting.order_id).status
    assert (fill.qty, fill.client_id, fill.liquidation) == (10, None, True)
    assert (total(engine, "BTC"), total(engine, "USDT")) == (0, 2000)


def test_a_transfer_moves_money_and_is_no_fill():
    engine = make_engine()

    engine.transfer("key", "USDT", 50)
    engine.transfer("key", "BTC", -3)

    assert [done.amount for done in engine.transfers("key")] == [50, -3]
    assert (total(engine, "USDT"), total(engine, "BTC"), engine.fills()) == (1050, 7, [])


def place_exits(engine: Engine) -> tuple[str, str]:
    above = order("sell", "limit", "10", limit_px=120)
    below = order("sell", "stop", "10", stop_px=80)
    first, second = engine.place_oco("key", [above, below], "7")
    return first.order_id, second.order_id


@pytest.mark.parametrize(("px", "filled"), [(120, 0), (80, 1)])
def test_of_an_oco_only_one_ever_fills_and_both_lock_the_same_coins(px: int, filled: int):
    engine = make_engine()
    ids = place_exits(engine)
    assert engine.balances("key")["BTC"].locked == 10

    engine.set_price(SYMBOL, px)

    statuses = [engine.order(order_id).status for order_id in ids]
    assert (statuses[filled], statuses[1 - filled]) == (S.FILLED, S.CANCELED)
    assert total(engine, "BTC") == 0


def test_to_cancel_one_of_an_oco_cancels_both():
    engine = make_engine()
    ids = place_exits(engine)

    engine.cancel(ids[0])

    assert [engine.order(order_id).status for order_id in ids] == [S.CANCELED] * 2


def test_the_legs_of_a_bracket_are_live_once_its_entry_has_filled():
    engine = make_engine()
    entry = order(type_="limit", limit_px=90)
    legs = [order("sell", "limit", limit_px=120), order("sell", "stop", stop_px=80)]
    placed = engine.place_bracket("key", entry, legs, "8")
    assert [placed[0]] == engine.open_orders("key")

    engine.set_price(SYMBOL, 90)
    assert [leg.order_id for leg in placed[1:]] == [o.order_id for o in engine.open_orders("key")]
    engine.set_price(SYMBOL, 120)

    assert [engine.order(one.order_id).status for one in placed] == [S.FILLED, S.FILLED, S.CANCELED]


def test_a_bracket_ends_with_an_entry_that_never_filled():
    engine = make_engine()
    entry, leg = order(type_="limit", limit_px=90), order("sell", "limit", limit_px=120)
    first, second = engine.place_bracket("key", entry, [leg], "8")

    engine.cancel(first.order_id)

    assert S.CANCELED is engine.order(second.order_id).status


def test_a_bracket_protects_what_its_canceled_entry_had_filled():
    engine = make_engine()
    entry = order(type_="limit", limit_px=90, qty="3")
    leg = order("sell", "limit", "3", limit_px=120)
    first, second = engine.place_bracket("key", entry, [leg], "8")
    engine.fill_next(first.order_id, 1)

    engine.cancel(first.order_id)

    assert [(second.order_id, 1)] == [(o.order_id, o.qty) for o in engine.open_orders("key")]


def test_an_order_can_be_amended_in_place_but_not_below_what_has_filled():
    engine = make_engine()
    placed = engine.place("key", order(type_="limit", limit_px=90, qty="2"))
    engine.fill_next(placed.order_id, 1)

    amended = engine.amend(placed.order_id, limit_px=Decimal(95), qty=Decimal(3))

    assert (placed.order_id, 95, 2) == (amended.order_id, amended.limit_px, amended.leaves_qty)
    too_small = Decimal(1)
    assert Why.BAD_PARAMETER is refusal(lambda: engine.amend(placed.order_id, qty=too_small))
    too_much = Decimal(100)
    assert Why.INSUFFICIENT_FUNDS is refusal(lambda: engine.amend(placed.order_id, qty=too_much))


def test_an_order_expires_at_its_date():
    engine = make_engine()
    until = NOON + timedelta(minutes=1)
    placed = engine.place("key", order(type_="limit", limit_px=90, expires_at=until))
    engine.now.now = until

    assert engine.open_orders("key") == []
    assert S.EXPIRED is engine.order(placed.order_id).status


def test_listeners_hear_everything_and_the_past_is_kept():
    engine = make_engine()
    heard: list[Event] = []
    engine.subscribe(heard.append)
    placed = engine.place("key", order(type_="limit", limit_px=90))
    engine.now.now = NOON + timedelta(seconds=1)

    engine.set_price(SYMBOL, 90)

    assert [event.happening for event in heard] == [Happening.NEW, Happening.TRADE]
    assert heard[1].fill == engine.fills()[0]
    assert S.ACCEPTED is engine.order_at(placed.order_id, NOON).status
    assert engine.order_at(placed.order_id, NOON - timedelta(seconds=1)) is None


def test_many_threads_cannot_spend_the_same_money_twice():
    """A clock that takes its time, between the check and the order, is where they would meet."""
    engine = make_engine()

    def slow() -> datetime:
        time.sleep(0.0003)
        return NOON

    engine.now = slow
    done: list[bool] = []

    def spend() -> None:
        for _ in range(10):
            try:
                engine.place("key", order(qty="0.4"))
            except Refused:
                done.append(False)
            else:
                done.append(True)

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(done), sum(done)) == (40, 25)
    assert (total(engine, "USDT"), total(engine, "BTC")) == (0, 20)
    assert len({fill.trade_id for fill in engine.fills()}) == 25


def test_candles_end_at_the_price_of_now_and_are_the_same_at_every_asking():
    engine = make_engine()
    hour, start = timedelta(hours=1), NOON - timedelta(hours=3)

    found = engine.candles(SYMBOL, hour, start, 10)

    assert [start + i * hour for i in range(4)] == [candle.ts_open for candle in found]
    assert found[-1].close == 100
    assert all(c.low < min(c.open, c.close) <= max(c.open, c.close) < c.high for c in found)
    assert found[1:] == engine.candles(SYMBOL, hour, start + timedelta(seconds=1), 3)
