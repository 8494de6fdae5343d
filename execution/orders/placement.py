"""Where an order goes: to the venue as it is, to us until it is due, or nowhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from execution.errors import InputInvalid, TooSmall
from execution.model.enums import OrderType, TimeInForce
from execution.model.instrument import Instrument
from execution.model.order import STOPS, OrderIntent
from execution.venues.capabilities import Capabilities


class Place(StrEnum):
    """Who works an order."""

    NATIVE = "native"  # the venue, in exactly its terms
    HELD = "held"  # we hold it and send what it becomes when it is due
    REFUSED = "refused"  # neither is safe


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where one order goes, and why it does not simply go to the venue as it is."""

    place: Place
    reason: str = ""


def place(intent: OrderIntent, capabilities: Capabilities, now: datetime) -> Placement:
    """Decide by the allow-list alone; what is neither listed nor safe to emulate is refused.

    Held are stops that the venue does not do, slices before their time, children before
    their parent has filled, and targets: they may not rest beside the stop of their group.
    """
    refusal = _malformed(intent) or _unplaceable(intent, capabilities)
    if refusal:
        return Placement(place=Place.REFUSED, reason=refusal)
    why = _held(intent, capabilities, now)
    if why:
        return Placement(place=Place.HELD, reason=why)
    return Placement(place=Place.NATIVE, reason=gtc_note(intent, capabilities))


def as_placed(intent: OrderIntent, capabilities: Capabilities) -> OrderIntent:
    """The terms in which a NATIVE order goes out.

    Only GTD may differ: where the venue does not know it the order goes out as GTC, and we
    cancel it at `expire_at`.
    """
    gtd = intent.time_in_force is TimeInForce.GTD
    if gtd and TimeInForce.GTD not in capabilities.time_in_force:
        return replace(intent, time_in_force=TimeInForce.GTC)
    return intent


def gtc_note(intent: OrderIntent, capabilities: Capabilities) -> str:
    """Say in words when GTD goes out as GTC: nothing is changed silently."""
    if as_placed(intent, capabilities) == intent:
        return ""
    return f"the venue knows no gtd: sent as gtc, canceled by us at {intent.expire_at}"


def is_target(intent: OrderIntent) -> bool:
    """Whether it is the side of a group that takes profit: held until its limit is reached."""
    return intent.protects and intent.order_type is OrderType.LIMIT


def quantized(intent: OrderIntent, instrument: Instrument) -> OrderIntent:
    """The intent in the instrument's steps: never larger, no price worse for us.

    A stop's trigger is rounded towards the market: it is reached sooner, never later.
    Raises TooSmall, with the minimum, when what is left is too small to be sent, InputInvalid
    when a price is below the least step.
    """
    after = replace(
        intent,
        order_qty=instrument.quantize_qty(intent.order_qty),
        limit_px=intent.limit_px and instrument.quantize_px(intent.limit_px, intent.side),
        stop_px=intent.stop_px and instrument.quantize_px(intent.stop_px, intent.side),
        display_qty=intent.display_qty and instrument.quantize_qty(intent.display_qty),
    )
    what = f"{intent.client_order_id} on {intent.instrument_id}"
    for name in ("limit_px", "stop_px"):
        px = getattr(after, name)
        if px is not None and px <= 0:
            raise InputInvalid(
                f"{what}: {name}={getattr(intent, name)} is below the venue's least step "
                f"{instrument.px_increment}"
            )
    qty_min = max(instrument.qty_min, instrument.qty_increment)
    if after.order_qty < qty_min:
        raise TooSmall(f"{what}: order_qty={intent.order_qty} is below the venue's least {qty_min}")
    px = after.limit_px or after.stop_px or after.px_ref
    if after.order_qty * px < instrument.notional_min:
        raise TooSmall(
            f"{what}: order_qty={intent.order_qty} at {px} is worth less than the venue's least "
            f"{instrument.notional_min}"
        )
    return after


def _malformed(intent: OrderIntent) -> str:
    """Say which term does not go with the order's type, or nothing."""
    order_type = intent.order_type
    terms = {
        "limit_px": (intent.limit_px, order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT}),
        "stop_px": (intent.stop_px, order_type in {OrderType.STOP, OrderType.STOP_LIMIT}),
        "trail_pct": (intent.trail_pct, order_type is OrderType.TRAILING_STOP),
        "expire_at": (intent.expire_at, intent.time_in_force is TimeInForce.GTD),
    }
    for name, (value, wanted) in terms.items():
        if (value is not None) != wanted:
            tif = intent.time_in_force
            return f"{name}={value} does not go with a {order_type} order that is {tif}"
    if intent.trail_pct is not None and not 0 < intent.trail_pct < 1:
        return f"trail_pct={intent.trail_pct} is not between 0 and 1"
    return ""


def _unplaceable(intent: OrderIntent, capabilities: Capabilities) -> str:
    """Say what neither the venue nor we can do, or nothing."""
    tif = intent.time_in_force
    # What we hold goes out as a plain order, so that must be possible at least.
    plain = sent_type(intent.order_type)
    if not {intent.order_type, plain} & capabilities.order_types:
        return f"the venue takes no {plain} orders"
    if tif not in capabilities.time_in_force and tif is not TimeInForce.GTD:
        return f"the venue does not know time in force {tif}, and we cannot do it for it"
    if tif is TimeInForce.GTD and not {tif, TimeInForce.GTC} & capabilities.time_in_force:
        return "the venue knows neither gtd nor gtc"
    if tif is TimeInForce.DAY and intent.order_type not in capabilities.order_types:
        return f"a {intent.order_type} order that we hold cannot end with the venue's day"
    if intent.post_only and not capabilities.post_only:
        return "the venue takes no post-only orders: as a plain limit it could take liquidity"
    if intent.post_only and intent.order_type is not OrderType.LIMIT:
        return f"post_only does not go with a {intent.order_type} order"
    if intent.display_qty is not None and not capabilities.iceberg:
        return "the venue does no icebergs: the whole quantity would show"
    return ""


def sent_type(order_type: OrderType) -> OrderType:
    """What a held order of this type goes out as."""
    if order_type in {OrderType.STOP, OrderType.TRAILING_STOP}:
        return OrderType.MARKET
    return OrderType.LIMIT if order_type is OrderType.STOP_LIMIT else order_type


def _held(intent: OrderIntent, capabilities: Capabilities, now: datetime) -> str:
    """Say why it waits with us, or nothing."""
    if intent.parent_id is not None:
        return f"waits for its parent {intent.parent_id} to fill"
    if intent.not_before is not None and intent.not_before > now:
        return f"waits until {intent.not_before:%Y-%m-%d %H:%M:%S}Z"
    if is_target(intent):
        return f"waits for limit_px={intent.limit_px} to be reached"
    if intent.order_type in STOPS and intent.order_type not in capabilities.order_types:
        return f"the venue does no {intent.order_type} orders: we watch its price"
    return ""
