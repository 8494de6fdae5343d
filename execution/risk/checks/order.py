"""Controls of the order itself: its price, its size, its signal, its twin."""

from __future__ import annotations

from decimal import Decimal

from execution.model.enums import OrderType
from execution.model.money import ZERO, plain, quantize
from execution.model.order import IN_FLIGHT, OPEN, OrderIntent
from execution.model.symbols import names
from execution.risk.checks.control import Finding, age, at_most, control, number
from execution.risk.collar import anchor, worst_px, worth_px
from execution.risk.limits import RiskLimits
from execution.risk.outlook import Outlook

BOOKED = {OrderType.MARKET, OrderType.LIMIT}  # what can meet an order of ours at the venue


@control("price collar", "price_collar_pct", number=1)
def price_collar(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny a price further from the market than the collar, where that is worse for us.

    Around the mark, for a stop around its own price. Without a limit the price that it was
    sized at has to be within, both ways.
    """
    mark = outlook.account.marks.get(intent.instrument_id)
    around, collar = anchor(intent, mark), limits.price_collar_pct
    if mark is None or around is None:
        return Finding(False, f"price=unknown collar={collar}")
    if intent.limit_px is None:
        passed = abs(intent.px_ref - mark) <= collar * mark
        return Finding(passed, f"px_ref={plain(intent.px_ref)} mark={plain(mark)} collar={collar}")
    passed = (intent.limit_px - around) * intent.side.sign <= collar * around
    facts = f"limit_px={plain(intent.limit_px)} around={plain(around)} collar={collar}"
    return Finding(passed, facts)


@control("max order value", "max_order_value", "price_collar_pct", number=2)
def order_value(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order that may come to be worth more than the largest order."""
    mark = outlook.account.marks.get(intent.instrument_id)
    px = worth_px(intent, mark, limits.price_collar_pct)
    value = None if px is None or mark is None else quantize(intent.order_qty * px)
    return at_most("order_value", value, "max_order_value", limits.max_order_value)


@control("max order volume", "max_order_volume", number=3)
def order_volume(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order of more base units than the largest order."""
    return Finding(
        intent.order_qty <= limits.max_order_volume,
        f"order_qty={plain(intent.order_qty)} max_order_volume={plain(limits.max_order_volume)}",
    )


@control("duplicate order", "duplicate_window_s", number=6, opens_only=False)
def duplicate_order(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an id that is under way, and an opening order like one that was just sent."""
    orders = (*(o.intent for o in outlook.account.working), *outlook.approved)
    same_id = sum(other.client_order_id == intent.client_order_id for other in orders)
    facts = f"same_id={same_id}"
    if intent.reduce_only:
        return Finding(not same_id, facts)
    activity = outlook.account.activity
    if activity is None or activity.sent_lately is None:
        return Finding(False, f"{facts} sent_lately=unknown")
    like = [
        sent
        for sent in activity.sent_lately
        if sent.like(intent)
        and (age(outlook.account.ts, sent.ts_init) or ZERO) < limits.duplicate_window_s
    ]
    facts = f"{facts} like_it={len(like)} duplicate_window_s={limits.duplicate_window_s}"
    return Finding(not same_id and not like, facts)


@control("restricted list", "restricted", number=13)
def restricted(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening what is on the list, however it is spelled there."""
    found = [text for text in limits.restricted if names(text, intent.instrument_id)]
    return Finding(not found, f"restricted={','.join(found) or 'no'}")


@control("tick, lot and minimum size", number=15, opens_only=False)
def order_steps(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny quantities and prices that are not in the instrument's steps, or too small."""
    instrument = outlook.account.instruments.get(intent.instrument_id)
    if instrument is None:
        return Finding(False, "instrument=unknown")
    qty, step = intent.order_qty, instrument.qty_increment
    prices = [px for px in (intent.limit_px, intent.stop_px) if px is not None]
    worth = qty * (intent.limit_px or intent.stop_px or intent.px_ref)
    problems = {
        "qty_increment": qty <= 0 or qty % step != 0,
        "qty_min": qty < instrument.qty_min,
        "px_increment": any(px <= 0 or px % instrument.px_increment != 0 for px in prices),
        # An emergency knows old prices only: whether it is worth enough, the venue decides.
        "notional_min": worth < instrument.notional_min and not intent.flattens,
    }
    broken = [f"{name}={plain(getattr(instrument, name))}" for name, bad in problems.items() if bad]
    told = " ".join([f"order_qty={plain(qty)}", *(f"px={plain(px)}" for px in prices)])
    return Finding(not broken, f"{told} broken={','.join(broken) or 'none'}")


@control("reduce-only", number=18, opens_only=False)
def reduce_only(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny an order marked reduce-only that could open or flip a position.

    A protective leg closes what is held, or what its parent is still to open.
    """
    if not intent.reduce_only:
        return Finding(True, "reduce_only=False")
    held = outlook.held(intent.instrument_id)
    if intent.protects:
        opening, others = outlook.opening(intent), outlook.protected(intent)
        covers = max(ZERO, -held * intent.side.sign) + opening - others
        facts = f"held={plain(held)} opening={plain(opening)} protected={plain(others)}"
        return Finding(intent.order_qty <= covers, f"reduce_only=True {facts}")
    pending = outlook.pending(intent.instrument_id, intent.side)
    shrinks = held * intent.side.sign < 0 and pending + intent.order_qty <= abs(held)
    return Finding(shrinks, f"reduce_only=True held={plain(held)} pending={plain(pending)}")


@control("self-match prevention", "price_collar_pct", number=19)
def self_match(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening by an order that could trade with one of ours on the other side.

    What waits with us, or for its price, is in nobody's book. A way out is never closed: the
    rest of its own entry, or an order that will not be canceled, must not trap a position.
    """
    mark = outlook.account.marks.get(intent.instrument_id)
    others = [
        order.intent for order in outlook.account.working if order.status in OPEN | IN_FLIGHT
    ] + [other for other in outlook.approved if other.parent_id is None]
    opposite = [
        other
        for other in others
        if other.instrument_id == intent.instrument_id
        and other.side is not intent.side
        and other.order_type in BOOKED
    ]
    if not opposite or intent.order_type not in BOOKED or intent.parent_id is not None:
        return Finding(True, "crosses=0")
    ours = worst_px(intent, mark, limits.price_collar_pct)
    theirs = [worst_px(other, mark, limits.price_collar_pct) for other in opposite]
    crossed = [px is None or ours is None or (ours - px) * intent.side.sign >= 0 for px in theirs]
    return Finding(not any(crossed), f"crosses={sum(crossed)} worst_px={number(ours)}")


@control("participation in average daily volume", "max_adv_pct", number=20)
def participation(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny more than a part of what is traded in a day, with all that is pending."""
    quote = outlook.account.quotes.get(intent.instrument_id)
    qty = outlook.after(intent).pending(intent.instrument_id, intent.side)
    adv = None if quote is None else quote.adv
    told = "unknown" if adv is None else f"{adv:.0f}"
    return Finding(
        adv is not None and qty <= limits.max_adv_pct * adv,
        f"order_qty={plain(qty)} adv={told} max_adv_pct={limits.max_adv_pct}",
    )


@control("least confidence", "min_confidence")
def confidence(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening on a signal below the least confidence."""
    return Finding(
        intent.confidence >= limits.min_confidence,
        f"confidence={plain(intent.confidence)} min_confidence={limits.min_confidence}",
    )


@control("age of the signal", "max_signal_age_h")
def signal_age(intent: OrderIntent, outlook: Outlook, limits: RiskLimits) -> Finding:
    """Deny opening on a signal that is too old, or of a time that has not come yet."""
    age_h = Decimal((outlook.account.ts - intent.signal_time).total_seconds()) / 3600
    return Finding(
        0 <= age_h <= limits.max_signal_age_h,
        f"signal_age_h={age_h:.1f} max_signal_age_h={limits.max_signal_age_h}",
    )
