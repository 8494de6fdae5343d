import pytest

from execution.venues.alpaca.classify import canceled, looked_up, submitted
from execution.venues.alpaca.client import NoReply, Reply
from execution.venues.base import LookupOutcome, SubmitOutcome
from tests.execution.venues.alpaca.examples import CLIENT_ORDER_ID, order_json

Found, Sent = LookupOutcome, SubmitOutcome
NEVER_LEFT, CUT_OFF = NoReply("refused", sent=False), NoReply("reset", sent=True)


def no(status: int, code: object = None, message: object = "words") -> Reply:
    body = {"code": code or int(f"{status}10000"), "message": message}
    return Reply(status=status, body=body)


ANSWERS = [
    # the answer, what it proves of a submit, of a cancel, of a lookup
    (NEVER_LEFT, Sent.NOT_SENT, Sent.NOT_SENT, Found.UNKNOWN),
    (CUT_OFF, Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (Reply(status=200, body=order_json()), Sent.ACCEPTED, Sent.UNKNOWN, Found.FOUND),
    (Reply(status=200, body=None), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (Reply(status=200, body=[]), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (Reply(status=204, body=None), Sent.UNKNOWN, Sent.ACCEPTED, Found.UNKNOWN),
    (no(400), Sent.REJECTED, Sent.REJECTED, Found.UNKNOWN),
    (no(401), Sent.REJECTED, Sent.REJECTED, Found.UNKNOWN),
    (no(403), Sent.REJECTED, Sent.REJECTED, Found.UNKNOWN),
    (no(404), Sent.REJECTED, Sent.REJECTED, Found.ABSENT),
    (no(422), Sent.REJECTED, Sent.REJECTED, Found.UNKNOWN),
    (
        no(422, 40010001, "client_order_id must be unique"),
        Sent.UNKNOWN,
        Sent.REJECTED,
        Found.UNKNOWN,
    ),
    (no(422, 42210000, "order is not cancelable"), Sent.REJECTED, Sent.REJECTED, Found.UNKNOWN),
    (Reply(status=404, body=None), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (Reply(status=404, body={"message": "no route"}), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (no(404, message=None), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (no(404, True), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (no(404, 404), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (no(408), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (no(409), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (no(429), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (no(500), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (no(503), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (no(504), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
    (Reply(status=302, body=None), Sent.UNKNOWN, Sent.UNKNOWN, Found.UNKNOWN),
]


@pytest.mark.parametrize(("answer", "of_submit", "of_cancel", "of_lookup"), ANSWERS)
def test_what_an_answer_proves(
    answer: Reply | NoReply, of_submit: Sent, of_cancel: Sent, of_lookup: Found
):
    assert of_submit is submitted(answer, CLIENT_ORDER_ID)[0]
    assert of_cancel is canceled(answer)[0]
    assert of_lookup is looked_up(answer, CLIENT_ORDER_ID)[0]


def test_a_reason_never_quotes_the_venues_words():
    """They may quote what was asked, keys and all."""
    answer = no(403, 40310000, "forbidden for key PKTESTKEY")

    assert submitted(answer, CLIENT_ORDER_ID)[2] == "HTTP 403 code 40310000"
    assert canceled(answer)[1] == "HTTP 403 code 40310000"
    assert looked_up(answer, CLIENT_ORDER_ID)[1] == "HTTP 403 code 40310000"


def test_an_order_of_another_is_not_ours_found():
    other = Reply(status=200, body=order_json(client_order_id="z" * 18))

    assert Found.UNKNOWN is looked_up(other, CLIENT_ORDER_ID)[0]
