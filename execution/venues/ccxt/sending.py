"""What changes something at an exchange: sent once, and judged by what came back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from execution.errors import InputInvalid, VenueRefused
from execution.model.enums import OrderSide, OrderType
from execution.model.identifiers import InstrumentId, VenueOrderId
from execution.model.instrument import Instrument
from execution.model.money import ceil_to, floor_to, plain
from execution.model.order import Order, OrderIntent
from execution.orders.placement import quantized
from execution.venues.base import SubmitOutcome, SubmitResult
from execution.venues.ccxt.classify import Verdict, accepted, at, code_of, refused
from execution.venues.ccxt.client import Client
from execution.venues.ccxt.exchange import Action
from execution.venues.ccxt.orders import CreateCall, create_call, fill
from execution.venues.ccxt.wire import watched
from execution.venues.rate_limit import urgent


class Sender:
    """Orders, cancels and amendments of one account. Nothing here raises for a fault."""

    def __init__(
        self, client: Client, instruments: Mapping[InstrumentId, Instrument], deadline_s: float
    ) -> None:
        self._client = client
        self._facts = client.facts
        self._instruments = instruments
        self._deadline_s = deadline_s

    def quantize(self, intent: OrderIntent) -> OrderIntent:
        """The intent in the venue's steps; InputInvalid when too little of it is left."""
        instrument = self._instruments.get(intent.instrument_id)
        if instrument is None:
            raise InputInvalid(f"{intent.instrument_id} is not an instrument of this venue")
        digits = self._facts.px_digits
        if digits is not None:
            intent = replace(
                intent,
                limit_px=_coarse(intent.limit_px, digits, intent.side),
                stop_px=_coarse(intent.stop_px, digits, intent.side),
            )
        return quantized(intent, instrument)

    async def submit(self, intent: OrderIntent, now: datetime) -> SubmitResult:
        """Send one order; REJECTED before anything is sent where it cannot go as it is."""
        try:
            call = create_call(intent, self._facts, now)
            if self.quantize(intent) != intent:
                raise VenueRefused("its quantity or a price is not in the venue's steps")
        except (VenueRefused, InputInvalid) as refusal:
            return _result(Verdict(outcome=SubmitOutcome.REJECTED, reason=str(refusal)), now)
        protective = intent.protects or intent.reduce_only
        with urgent() if protective else nullcontext():
            return _result(await self._create(intent, call), now)

    async def cancel(
        self, order: Order, order_id: VenueOrderId | None, now: datetime
    ) -> SubmitResult:
        """Ask to cancel the order that the venue calls `order_id`."""
        if order_id is None:
            verdict = Verdict(outcome=SubmitOutcome.UNKNOWN, reason="its venue order id is unknown")
            return _result(verdict, now)
        with urgent():
            verdict = await self._act(self._facts.queries.cancel, order, order_id, {})
        return _result(verdict, now)

    async def amend(
        self, order: Order, order_qty: Decimal, limit_px: Decimal | None, now: datetime
    ) -> SubmitResult:
        """Change a resting limit order where the venue keeps its ids; else REJECTED."""
        action, intent = self._facts.queries.amend, order.intent
        px = intent.limit_px if limit_px is None else limit_px
        why = ""
        if action is None or intent.order_type is not OrderType.LIMIT:
            why = f"not amendable here: {self._facts.name}, {intent.order_type}"
        elif order.venue_order_id is None:
            why = "not amendable before the venue's id of it is known"
        else:
            try:
                wanted = replace(intent, order_qty=order_qty, limit_px=px)
                if self.quantize(wanted) != wanted:
                    why = "its new quantity or price is not in the venue's steps"
            except InputInvalid as refusal:
                why = str(refusal)
        if why or action is None or order.venue_order_id is None or px is None:
            return _result(Verdict(outcome=SubmitOutcome.REJECTED, reason=why), now)
        terms = {"order_qty": plain(order_qty), "limit_px": plain(px)}
        return _result(await self._act(action, order, order.venue_order_id, terms), now)

    async def _create(self, intent: OrderIntent, call: CreateCall) -> Verdict:
        wire_id = self._facts.wire_id(intent.client_order_id)
        symbol = intent.instrument_id.symbol
        with watched(str(wire_id)) as wire:
            try:
                exchange = await self._client.open()
                _require_exact(exchange, symbol, call)
                async with asyncio.timeout(self._deadline_s):
                    order = await exchange.create_order(
                        symbol, call.kind, call.side, call.amount, call.price, call.params
                    )
            except VenueRefused as refusal:
                return Verdict(outcome=SubmitOutcome.REJECTED, reason=str(refusal))
            except Exception as error:  # noqa: BLE001 - whatever it was, it has to be judged
                return refused(error, wire, self._facts)
        return accepted(order, wire_id, wire)

    async def _act(
        self, action: Action, order: Order, order_id: VenueOrderId, terms: Mapping[str, str]
    ) -> Verdict:
        """Send a change of an order, and look for the proof that it was taken."""
        with watched() as wire:
            try:
                exchange = await self._client.open()
                values = {
                    "symbol": exchange.market(order.intent.instrument_id.symbol)["id"],
                    "order_id": str(order_id),
                    "order_number": int(order_id) if order_id.isdigit() else order_id,
                    **terms,
                }
                async with asyncio.timeout(self._deadline_s):
                    reply = await getattr(exchange, action.call)(fill(action.params, values))
            except Exception as error:  # noqa: BLE001 - whatever it was, it has to be judged
                return refused(error, wire, self._facts, missing=True)
        proof = at(reply, action.proof)
        if proof is None:
            return Verdict(outcome=SubmitOutcome.UNKNOWN, reason="the reply does not say it")
        if action.expected is not None and proof != action.expected:
            code = code_of(reply, self._facts)
            return Verdict(outcome=SubmitOutcome.REJECTED, reason=f"refused {code}".strip())
        return Verdict(outcome=SubmitOutcome.ACCEPTED, order_id=str(order_id))


def _require_exact(exchange: Any, symbol: str, call: CreateCall) -> None:  # noqa: ANN401
    """Ccxt rounds what is not in a market's steps; what it would change is not sent."""
    stop = call.params.get("stopLossPrice") or call.params.get("triggerPrice")
    steps = {
        "quantity": (call.amount, exchange.amount_to_precision),
        "limit price": (call.price, exchange.price_to_precision),
        "stop price": (stop, exchange.price_to_precision),
    }
    for name, (wanted, rounded) in steps.items():
        if wanted is not None and Decimal(wanted) != Decimal(rounded(symbol, wanted)):
            raise VenueRefused(f"{name} {wanted} would be sent as {rounded(symbol, wanted)}")


def _coarse(px: Decimal | None, digits: int, side: OrderSide) -> Decimal | None:
    """The price in so many significant digits, never worse for us."""
    if px is None or px <= 0:
        return px
    step = Decimal(1).scaleb(px.adjusted() - digits + 1)
    return floor_to(px, step) if side is OrderSide.BUY else ceil_to(px, step)


def _result(verdict: Verdict, now: datetime) -> SubmitResult:
    return SubmitResult(
        outcome=verdict.outcome,
        ts_event=now,
        venue_order_id=VenueOrderId(verdict.order_id) if verdict.order_id else None,
        reason=verdict.reason,
    )
