"""What the answer to a send means: six rules, the first that fits.

    1. it had no connection to leave by                 → NOT_SENT
    2. the venue says that it has the id already        → UNKNOWN: look it up
    3. the reply names a refusal that cannot be         → REJECTED
       anything else, by its class and by its code
    4. the reply is a well-formed order with an id      → ACCEPTED
    5. and is not somebody else's                       (else UNKNOWN)
    6. everything else                                  → UNKNOWN

Classes alone are not believed: ccxt calls a venue's timeout an invalid order here, a failed
login there, and reads a page of HTML as an order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import ccxt

from execution.venues.base import SubmitOutcome
from execution.venues.ccxt.exchange import Facts, Path
from execution.venues.ccxt.wire import Call

REFUSALS = (
    ccxt.InsufficientFunds,
    ccxt.InvalidOrder,
    ccxt.BadSymbol,
    ccxt.BadRequest,
    ccxt.AuthenticationError,
    ccxt.NotSupported,
    ccxt.ArgumentsRequired,
    ccxt.OperationRejected,
    ccxt.InvalidNonce,
)
DUPLICATE = re.compile(
    r"duplicat|already exist|already been used|must be unique|repeated|not unique|id exists",
    re.IGNORECASE,
)
ORDER_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
CODE = re.compile(r"[A-Za-z0-9_:. -]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a send ended; `order_id` is set when ACCEPTED."""

    outcome: SubmitOutcome
    order_id: str = ""
    reason: str = ""  # class names and codes alone: other texts may quote a request


def refused(error: BaseException, call: Call, facts: Facts, *, missing: bool = False) -> Verdict:
    """Judge an exception out of a request that was to change something.

    `missing`: that there is no such order is a refusal too, as it is of a cancel.
    """
    code = code_of(call.replies[-1] if call.replies else None, facts)
    reason = f"{type(error).__name__} {code}".strip()
    if not call.left:
        return Verdict(outcome=SubmitOutcome.NOT_SENT, reason=reason)
    if DUPLICATE.search(str(error)) or not _is_refusal(error, code, facts, missing):
        return Verdict(outcome=SubmitOutcome.UNKNOWN, reason=reason)
    if isinstance(error, ccxt.InvalidNonce):  # refused for its time alone: the wish still stands
        return Verdict(outcome=SubmitOutcome.NOT_SENT, reason=reason)
    return Verdict(outcome=SubmitOutcome.REJECTED, reason=reason)


def accepted(order: object, wire_id: str | int, call: Call) -> Verdict:
    """Judge what ccxt made of the reply to a create, without an exception."""
    reply = call.replies[-1] if call.replies else None
    if not call.left:
        return Verdict(outcome=SubmitOutcome.NOT_SENT, reason="nothing was sent")
    if not isinstance(reply, dict | list) or not isinstance(order, dict):
        return Verdict(outcome=SubmitOutcome.UNKNOWN, reason="the reply is no order")
    order_id, theirs = order.get("id"), order.get("clientOrderId")
    if not isinstance(order_id, str) or not ORDER_ID.fullmatch(order_id):
        return Verdict(outcome=SubmitOutcome.UNKNOWN, reason="the reply has no order id")
    if not isinstance(order.get("info"), dict | list):
        return Verdict(outcome=SubmitOutcome.UNKNOWN, reason="the reply is no order")
    # Kraken's userref, 0 when there is none, is taken for an id of ours.
    if theirs not in (None, "", "0") and str(theirs) != str(wire_id):
        return Verdict(outcome=SubmitOutcome.UNKNOWN, reason="the reply is another order's")
    return Verdict(outcome=SubmitOutcome.ACCEPTED, order_id=order_id)


def code_of(reply: object, facts: Facts) -> str:
    """The refusal's code, "" when the reply names none that is short and plain."""
    for path in facts.queries.refusals:
        found = at(reply, path)
        if isinstance(found, str | int) and not isinstance(found, bool):
            code = str(found)
            if code and CODE.fullmatch(code):
                return code
    return ""


def at(reply: object, path: Path) -> object:
    """What is at `path` in a reply; None where there is nothing."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(reply, list) or len(reply) <= step:
                return None
            reply = reply[step]
        else:
            if not isinstance(reply, Mapping):
                return None
            reply = reply.get(step)
    return reply


def _is_refusal(error: BaseException, code: str, facts: Facts, missing: bool) -> bool:
    """Whether nothing but a refusal can have raised it."""
    return (
        (
            (isinstance(error, REFUSALS) and (missing or not isinstance(error, ccxt.OrderNotFound)))
            or (missing and code in facts.absent)
        )
        and error.__cause__ is None
        and bool(code)
        and code not in facts.ambiguous
    )
