"""From an intent to the arguments of ccxt's `create_order`: what is not listed is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from execution.errors import VenueRefused
from execution.model.enums import OrderSide, OrderType, TimeInForce
from execution.model.money import plain
from execution.model.order import OrderIntent
from execution.venues.ccxt.exchange import Facts, Form

COST_QUANTUM = Decimal("1E-8")
AT_ONCE = {TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC}  # alike for what fills at once
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateCall:
    """The arguments of `create_order`, after the symbol; numbers are plain decimal texts."""

    kind: str  # market or limit
    side: str
    amount: str
    price: str | None
    params: Mapping[str, Any]


def create_call(intent: OrderIntent, facts: Facts, now: datetime) -> CreateCall:
    """Ask for exactly what the intent says; raise VenueRefused where that cannot be asked.

    `reduce_only` is not sent: on spot nothing but what is held can be sold. Nor are
    `stop_loss` and `take_profit`, which are orders of their own here.
    """
    form = facts.forms.get(intent.order_type)
    if form is None:
        raise VenueRefused(f"{facts.name} does no {intent.order_type} orders that we trust")
    if not facts.takes_id(intent.client_order_id):
        raise VenueRefused(f"{facts.name} does not take {intent.client_order_id!r} as an id")
    _require_terms(intent, form, facts)
    values = _values(intent, facts, now)
    params = {
        facts.cid_param: facts.wire_id(intent.client_order_id),
        **fill(facts.always, values),
        **fill(form.params, values),
        **_handling(intent, form, facts, values),
    }
    if intent.order_type is OrderType.MARKET and intent.side is OrderSide.BUY:
        params |= fill(facts.market_buy, values)
        if facts.buys_by_cost:
            params["cost"] = plain(_cost(intent))
    return CreateCall(
        kind=form.kind,
        side=intent.side.value,
        amount=plain(intent.order_qty),
        price=plain(intent.limit_px) if intent.limit_px is not None else None,
        params=params,
    )


def fill(template: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Put values where a text in braces stands for one, at any depth; types are kept."""
    return {key: _filled(value, values) for key, value in template.items()}


def _filled(value: Any, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        return fill(value, values)
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    name = PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
    return values[name[1]] if name else value


def _require_terms(intent: OrderIntent, form: Form, facts: Facts) -> None:
    """A term that is missing, or that would be dropped, is a refusal."""
    order_type, tif = intent.order_type, intent.time_in_force
    terms = {
        "limit_px": (intent.limit_px, form.kind == "limit"),
        "stop_px": (intent.stop_px, order_type in {OrderType.STOP, OrderType.STOP_LIMIT}),
        "trail_pct": (intent.trail_pct, order_type is OrderType.TRAILING_STOP),
        "expire_at": (intent.expire_at, tif is TimeInForce.GTD),
    }
    for name, (value, wanted) in terms.items():
        if (value is not None) != wanted:
            raise VenueRefused(f"{name}={value} does not go with a {order_type} order, {tif}")
    plain_limit = order_type is OrderType.LIMIT
    rests = plain_limit and tif in {TimeInForce.GTC, TimeInForce.GTD}
    if intent.post_only and not rests:
        raise VenueRefused(f"post_only does not go with a {order_type} order, {tif}")
    if intent.display_qty is not None and not (rests and facts.display_param):
        raise VenueRefused(f"{facts.name} does no iceberg of a {order_type} order, {tif}")
    known = AT_ONCE if form.kind == "market" else {TimeInForce.GTC}
    if tif not in known and not (plain_limit and tif in facts.time_in_force):
        raise VenueRefused(f"{facts.name} does not know {tif} for a {order_type} order")


def _handling(
    intent: OrderIntent, form: Form, facts: Facts, values: Mapping[str, Any]
) -> dict[str, Any]:
    """How long it stays, whether it may take, and what of it shows."""
    params: dict[str, Any] = {}
    if form.kind == "limit":
        params |= fill(facts.time_in_force.get(intent.time_in_force, {}), values)
    if intent.post_only:
        params["postOnly"] = True
    if intent.display_qty is not None:
        params[facts.display_param] = plain(intent.display_qty)
    return params


def _values(intent: OrderIntent, facts: Facts, now: datetime) -> dict[str, Any]:
    """What the texts in braces stand for."""
    values: dict[str, Any] = {
        "order_qty": plain(intent.order_qty),
        "deadline": _iso(now + timedelta(seconds=facts.window_s)),
    }
    if intent.stop_px is not None:
        values["stop_px"] = plain(intent.stop_px)
    if intent.trail_pct is not None:
        values["trail_percent"] = plain(intent.trail_pct * 100)
    if intent.expire_at is not None:
        seconds = int((intent.expire_at - now).total_seconds())
        if seconds < 1:
            raise VenueRefused(f"expire_at={intent.expire_at.isoformat()} has passed")
        values |= {
            "expire_at": _iso(intent.expire_at),
            "expire_at_s": int(intent.expire_at.timestamp()),
            "expire_in_s": seconds,
        }
    return values


def _cost(intent: OrderIntent) -> Decimal:
    """What a buy spends where the venue wants to be told that: quote units, never more."""
    return (intent.order_qty * intent.px_ref).quantize(COST_QUANTUM, ROUND_DOWN)


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
