"""From an intent to the exact words that are sent to Alpaca, or a reason not to.

`can` is what the venue is used for with the instrument. Where that has brackets, an entry with
both `stop_loss` and `take_profit` is one; where it has OCO, so is a limit order that closes at
its own `take_profit` and has a `stop_loss`. Any other order goes out plain, and what protects
it is an order of its own.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from execution.errors import InputInvalid
from execution.model.enums import AssetClass, OrderSide, OrderType, TimeInForce
from execution.model.instrument import Instrument
from execution.model.money import ZERO, plain
from execution.model.order import STOPS, OrderIntent
from execution.orders.placement import quantized
from execution.venues.alpaca.facts import CLIENT_ORDER_ID_MAX
from execution.venues.capabilities import Capabilities

CENT, SUBPENNY = Decimal("0.01"), Decimal("0.0001")
CENTS_FROM = Decimal(1)  # dollars
ONE_SHARE = Decimal(1)
WAITING = {TimeInForce.DAY, TimeInForce.GTC}
PLAIN = {OrderType.MARKET, OrderType.LIMIT}
LIMITED = {OrderType.LIMIT, OrderType.STOP_LIMIT}
STOPPED = {OrderType.STOP, OrderType.STOP_LIMIT}
OPPOSITE = {OrderSide.BUY: OrderSide.SELL, OrderSide.SELL: OrderSide.BUY}


def payload(intent: OrderIntent, instrument: Instrument, can: Capabilities) -> dict[str, object]:
    """The body of POST /v2/orders, numbers as text; raises InputInvalid where it cannot be.

    Regular hours only: `extended_hours` is never asked for.
    """
    reason = refusal(intent, instrument, can)
    if reason:
        raise InputInvalid(f"{intent.instrument_id}: {reason}; nothing was sent")
    body: dict[str, object] = {
        "symbol": instrument.instrument_id.symbol,
        "qty": plain(intent.order_qty),
        "side": intent.side.value,
        "type": intent.order_type.value,
        "time_in_force": intent.time_in_force.value,
        "client_order_id": intent.client_order_id,
    }
    if intent.limit_px is not None:
        body["limit_price"] = plain(intent.limit_px)
    if intent.stop_px is not None:
        body["stop_price"] = plain(intent.stop_px)
    if intent.trail_pct is not None:
        body["trail_percent"] = plain(intent.trail_pct * 100)
    order_class = order_class_of(intent, can)
    if order_class and intent.take_profit is not None and intent.stop_loss is not None:
        body["order_class"] = order_class
        body["take_profit"] = {"limit_price": plain(intent.take_profit)}
        body["stop_loss"] = {"stop_price": plain(intent.stop_loss)}
    return body


def order_class_of(intent: OrderIntent, can: Capabilities) -> str | None:
    """What Alpaca is to bind together for it: `bracket`, `oco`, or None."""
    if intent.stop_loss is None or intent.take_profit is None:
        return None
    if not intent.reduce_only:
        return "bracket" if can.bracket else None
    at_target = intent.order_type is OrderType.LIMIT and intent.limit_px == intent.take_profit
    return "oco" if can.oco and at_target else None


def refusal(intent: OrderIntent, instrument: Instrument, can: Capabilities) -> str:
    """Why it must not be sent in exactly its terms; empty where it may."""
    if not 0 < len(intent.client_order_id) <= CLIENT_ORDER_ID_MAX:
        length = len(intent.client_order_id)
        return f"a client_order_id of {length} characters breaks 1 to {CLIENT_ORDER_ID_MAX}"
    if intent.order_qty <= 0:
        return f"order_qty={intent.order_qty} breaks > 0"
    if intent.order_type not in can.order_types:
        return f"Alpaca has no {intent.order_type} orders for {instrument.asset_class}"
    if intent.time_in_force not in can.time_in_force:
        return f"Alpaca has no {intent.time_in_force} for {instrument.asset_class}"
    if intent.post_only or intent.display_qty is not None:
        return "Alpaca has neither post-only nor iceberg orders"
    stock = instrument.asset_class is AssetClass.EQUITY
    return _terms_refusal(intent) or (_stock_refusal(intent, can) if stock else "")


def _terms_refusal(intent: OrderIntent) -> str:
    """Each order type has exactly its own prices, or it would be sent as another."""
    for name, px, types in (
        ("limit_px", intent.limit_px, LIMITED),
        ("stop_px", intent.stop_px, STOPPED),
        ("trail_pct", intent.trail_pct, {OrderType.TRAILING_STOP}),
    ):
        if (px is not None) != (intent.order_type in types) or (px is not None and px <= 0):
            return f"{name}={px} does not go with a {intent.order_type} order"
    if intent.trail_pct is not None and intent.trail_pct >= 1:
        return f"trail_pct={intent.trail_pct} breaks < 1"
    return ""


def _stock_refusal(intent: OrderIntent, can: Capabilities) -> str:
    if intent.order_type in STOPS and intent.time_in_force not in WAITING:
        return f"Alpaca takes a {intent.order_type} order for day or gtc only"
    bound = order_class_of(intent, can)
    if bound and not (intent.order_type in PLAIN and intent.time_in_force in WAITING):
        return f"Alpaca's {bound} starts with a market or limit order, day or gtc"
    whole = intent.order_qty == intent.order_qty.to_integral_value()
    if whole or _may_be_fractional(intent, can):
        return ""
    return (
        f"order_qty={plain(intent.order_qty)}: Alpaca takes part of a share only in a simple "
        "order for the day, and not in a trailing stop"
    )


def quantize(intent: OrderIntent, instrument: Instrument, can: Capabilities) -> OrderIntent:
    """The intent in Alpaca's steps, never worse or larger than asked.

    A stock's price has whole cents from a dollar on and four places below; its quantity is
    whole shares, but in a simple day order that does not trail. Raises InputInvalid, with
    the minimum, when less than that is left.
    """
    if instrument.asset_class is AssetClass.EQUITY:
        # The highest, for whole cents are right on either side of a dollar.
        px = max(intent.limit_px or ZERO, intent.stop_px or ZERO) or intent.px_ref
        fractional = _may_be_fractional(intent, can)
        instrument = replace(
            instrument,
            px_increment=CENT if px >= CENTS_FROM else SUBPENNY,
            qty_increment=instrument.qty_increment if fractional else ONE_SHARE,
        )
    rounded = quantized(intent, instrument)
    if intent.stop_loss is None or intent.take_profit is None or not order_class_of(intent, can):
        return rounded
    side = intent.side if intent.reduce_only else OPPOSITE[intent.side]
    return replace(
        rounded,
        stop_loss=instrument.quantize_px(intent.stop_loss, side),
        take_profit=instrument.quantize_px(intent.take_profit, side),
    )


def waits_safely(intent: OrderIntent) -> bool:
    """Whether a stock order may be sent while the market is closed, to wait for its opening.

    What bounds its price may wait, and what only reduces: it is in line for the first moment
    at which risk can be taken off. Any other would fill at an opening price that nobody saw
    when it was sized; and what may not wait at all could only be refused.
    """
    if intent.time_in_force not in WAITING:
        return False
    return intent.reduce_only or intent.order_type in LIMITED


def _may_be_fractional(intent: OrderIntent, can: Capabilities) -> bool:
    simple = order_class_of(intent, can) is None
    trails = intent.order_type is OrderType.TRAILING_STOP
    return simple and not trails and intent.time_in_force is TimeInForce.DAY
