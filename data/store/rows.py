"""Intents, events, orders and fills as rows: the shapes that more than one reader needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from data.store.session import Row
from execution.model.enums import FillKind, OrderSide, OrderStatus, OrderType, TimeInForce
from execution.model.fill import Fill
from execution.model.identifiers import InstrumentId, RunId, VenueId
from execution.model.order import Order, OrderEvent, OrderIntent

INTENTS = "SELECT * EXCLUDE (run_id, plan_digest, created_at) FROM intents"
INTENTS_WITH_ORDERS = """
    SELECT i.* EXCLUDE (run_id, plan_digest, created_at),
           o.status, o.venue_order_id, o.cum_qty, o.avg_px, o.reason,
           coalesce(o.order_qty, i.order_qty), coalesce(o.limit_px, i.limit_px)
    FROM intents i JOIN orders o USING (client_order_id)
"""
EVENTS = "SELECT * EXCLUDE (seq) FROM order_events"
FILLS = "SELECT * EXCLUDE (venue, seq, base, quote) FROM fills"


def intent_row(i: OrderIntent, run_id: RunId, plan_digest: str, now: datetime) -> Row:
    """A whole row of `intents`."""
    return (
        i.client_order_id,
        run_id,
        plan_digest,
        i.account,
        i.instrument_id,
        i.strategy,
        i.signal_time,
        i.leg,
        i.side,
        i.order_qty,
        i.order_type,
        i.time_in_force,
        i.reduce_only,
        i.px_ref,
        i.confidence,
        i.reason,
        i.limit_px,
        i.stop_loss,
        i.take_profit,
        now,
        i.stop_px,
        i.trail_pct,
        i.post_only,
        i.display_qty,
        i.expire_at,
        i.not_before,
        i.parent_id,
        i.group_id,
    )


def order_row(o: Order, now: datetime) -> Row:
    """A whole row of `orders`."""
    return (
        o.client_order_id,
        o.status,
        o.venue_order_id,
        o.cum_qty,
        o.avg_px,
        o.reason,
        now,
        o.intent.order_qty,
        o.intent.limit_px,
    )


def order_from(row: Row) -> Order:
    """Read a row of `INTENTS_WITH_ORDERS`: the intent comes with its terms of now."""
    *intent, status, venue_order_id, cum_qty, avg_px, reason, order_qty, limit_px = row
    return Order(
        intent=replace(intent_from(tuple(intent)), order_qty=order_qty, limit_px=limit_px),
        status=OrderStatus(status),
        venue_order_id=venue_order_id,
        cum_qty=cum_qty,
        avg_px=avg_px,
        reason=reason,
    )


def intent_from(row: Row) -> OrderIntent:
    """Read a row of `INTENTS`."""
    client_order_id, account, instrument, strategy, signal_time, leg, side, order_qty, *rest = row
    order_type, time_in_force, reduce_only, px_ref, confidence, reason, *rest = rest
    limit_px, stop_loss, take_profit, stop_px, trail_pct, post_only, display_qty, *rest = rest
    expire_at, not_before, parent_id, group_id = rest
    return OrderIntent(
        client_order_id=client_order_id,
        account=account,
        instrument_id=InstrumentId.parse(instrument),
        strategy=strategy,
        signal_time=signal_time,
        leg=leg,
        side=OrderSide(side),
        order_qty=order_qty,
        order_type=OrderType(order_type),
        time_in_force=TimeInForce(time_in_force),
        reduce_only=reduce_only,
        px_ref=px_ref,
        confidence=confidence,
        reason=reason,
        limit_px=limit_px,
        stop_loss=stop_loss,
        take_profit=take_profit,
        stop_px=stop_px,
        trail_pct=trail_pct,
        post_only=bool(post_only),
        display_qty=display_qty,
        expire_at=expire_at,
        not_before=not_before,
        parent_id=parent_id,
        group_id=group_id,
    )


def event_from(row: Row) -> OrderEvent:
    """Read a row of `EVENTS`."""
    client_order_id, event_key, status, venue_order_id, reason, ts_event, ts_init, *terms = row
    order_qty, limit_px = terms
    return OrderEvent(
        client_order_id=client_order_id,
        event_key=event_key,
        status=OrderStatus(status),
        venue_order_id=venue_order_id,
        reason=reason,
        ts_event=ts_event,
        ts_init=ts_init,
        order_qty=order_qty,
        limit_px=limit_px,
    )


def fill_row(venue: VenueId, seq: int, f: Fill, base: str, quote: str) -> Row:
    """A whole row of `fills`."""
    return (
        venue,
        f.account,
        f.trade_id,
        seq,
        f.client_order_id,
        f.venue_order_id,
        f.instrument_id,
        base,
        quote,
        f.side,
        f.last_qty,
        f.last_px,
        f.commission,
        f.commission_ccy,
        f.ts_event,
        f.ts_init,
        f.kind,
    )


def fill_from(row: Row) -> Fill:
    """Read a row of `FILLS`."""
    account, trade_id, client_order_id, venue_order_id, instrument, side, *rest = row
    last_qty, last_px, commission, commission_ccy, ts_event, ts_init, kind = rest
    return Fill(
        trade_id=trade_id,
        account=account,
        instrument_id=InstrumentId.parse(instrument),
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        side=OrderSide(side),
        last_qty=last_qty,
        last_px=last_px,
        commission=commission,
        commission_ccy=commission_ccy,
        ts_event=ts_event,
        ts_init=ts_init,
        kind=FillKind(kind or FillKind.TRADE),
    )
