"""What an answer, or the lack of one, proves; whatever proves nothing is UNKNOWN.

never left the machine                            NOT_SENT
200 with this order's ids                         ACCEPTED
"client_order_id must be unique"                  UNKNOWN   an earlier send has landed
400, 401, 403, 404, 422 with Alpaca's own code    REJECTED
429, 5xx, a redirect, HTML, nothing, cut off      UNKNOWN   Alpaca promises nothing of them
"""

from __future__ import annotations

import re

from execution.model.identifiers import ClientOrderId, VenueOrderId
from execution.venues.alpaca.client import NoReply, Reply
from execution.venues.base import LookupOutcome, SubmitOutcome

REFUSALS = {400, 401, 403, 404, 422}
NOT_FOUND = 404
OK, NO_CONTENT = 200, 204
# The words may change, so anything that speaks of the id is taken for it.
DUPLICATE = re.compile(r"client.?order.?id|unique|duplicate|already exists", re.IGNORECASE)
ID = re.compile(r"[0-9A-Za-z-]{1,64}")

Answer = Reply | NoReply


def submitted(
    answer: Answer, client_order_id: ClientOrderId
) -> tuple[SubmitOutcome, VenueOrderId | None, str]:
    """What became of a POST of an order: the outcome, Alpaca's id when ACCEPTED, a reason."""
    if isinstance(answer, Reply) and answer.status == OK:
        venue_order_id = id_of(answer.body, client_order_id)
        if venue_order_id is not None:
            return SubmitOutcome.ACCEPTED, venue_order_id, ""
        return SubmitOutcome.UNKNOWN, None, f"{answer} without the order's ids"
    if isinstance(answer, Reply) and DUPLICATE.search(_message(answer)):
        return SubmitOutcome.UNKNOWN, None, f"{answer}: the id is taken, so it may have landed"
    return _refused(answer), None, str(answer)


def canceled(answer: Answer) -> tuple[SubmitOutcome, str]:
    """What became of a DELETE of an order; it is REJECTED, too, when it can end no more."""
    if isinstance(answer, Reply) and answer.status == NO_CONTENT:
        return SubmitOutcome.ACCEPTED, ""
    return _refused(answer), str(answer)


def looked_up(answer: Answer, client_order_id: ClientOrderId) -> tuple[LookupOutcome, str]:
    """What a GET by our id proves."""
    if not isinstance(answer, Reply):
        return LookupOutcome.UNKNOWN, str(answer)
    if answer.status == OK and id_of(answer.body, client_order_id) is not None:
        return LookupOutcome.FOUND, ""
    if answer.status == NOT_FOUND and _is_refusal(answer):
        return LookupOutcome.ABSENT, str(answer)
    return LookupOutcome.UNKNOWN, str(answer)


def id_of(body: object, client_order_id: ClientOrderId) -> VenueOrderId | None:
    """Alpaca's id in an order's JSON that carries ours; None where either is not so."""
    if not isinstance(body, dict) or body.get("client_order_id") != client_order_id:
        return None
    venue_order_id = body.get("id")
    if not isinstance(venue_order_id, str) or not ID.fullmatch(venue_order_id):
        return None
    return VenueOrderId(venue_order_id)


def _refused(answer: Answer) -> SubmitOutcome:
    if isinstance(answer, NoReply):
        return SubmitOutcome.UNKNOWN if answer.sent else SubmitOutcome.NOT_SENT
    return SubmitOutcome.REJECTED if _is_refusal(answer) else SubmitOutcome.UNKNOWN


def _is_refusal(reply: Reply) -> bool:
    """Whether it is Alpaca's own no: another's, on the way, has no code of this form."""
    return (
        reply.status in REFUSALS
        and reply.code is not None
        and 40_000_000 <= reply.code < 43_000_000
        and bool(_message(reply))
    )


def _message(reply: Reply) -> str:
    message = reply.body.get("message") if isinstance(reply.body, dict) else None
    return message if isinstance(message, str) else ""
