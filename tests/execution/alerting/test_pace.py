"""How often a channel is spoken to, and that nothing is lost over it."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from execution.alerting.message import written
from execution.alerting.pace import DIGEST_CHARS_MAX, pack, retry_after
from execution.alerting.runbook import anchor, remedy
from execution.model.alert import Alert
from execution.model.enums import Severity, Topic
from execution.model.identifiers import AccountId, RunId
from tests.execution.examples import NOW


def make_alert(number: int, severity: Severity = Severity.WARNING, text: str = "text") -> Alert:
    return Alert(
        alert_id=str(number),
        account=AccountId("live/binance/main"),
        run_id=RunId("0f8fad5b-d9cb-469f"),
        severity=severity,
        topic=Topic.BREAKER,
        text=text,
        ts=NOW,
    )


def test_within_the_limit_each_alert_is_a_message_of_its_own():
    alerts = [make_alert(n) for n in range(8)]
    assert pack(alerts, 10, 0) == tuple((a,) for a in alerts)


def test_what_is_over_the_limit_is_one_digest():
    alerts = [make_alert(n) for n in range(20)]
    *singles, digest = pack(alerts, 10, 0)
    assert (len(singles), len(digest)) == (7, 13)


def test_a_full_minute_sends_nothing_but_what_is_kept_for_the_critical():
    warning, critical = make_alert(1), make_alert(2, Severity.CRITICAL)
    assert pack([warning, critical], 10, 8) == ((critical,),)
    assert pack([warning, critical], 10, 10) == ()


def test_a_limit_of_one_still_sends():
    assert len(pack([make_alert(1), make_alert(2)], 1, 0)) == 1


@given(
    severities=st.lists(st.sampled_from(Severity), max_size=60),
    lengths=st.integers(0, 1_000),
    limit=st.integers(1, 20),
    sent=st.integers(0, 25),
)
def test_whatever_waits_the_limit_holds_and_nothing_is_doubled(
    severities: list[Severity], lengths: int, limit: int, sent: int
):
    alerts = [make_alert(n, s, "x" * lengths) for n, s in enumerate(severities)]

    parcels = pack(alerts, limit, sent)

    flat = [alert.alert_id for parcel in parcels for alert in parcel]
    assert len(parcels) <= max(0, limit - sent)
    assert len(flat) == len(set(flat))
    assert all(parcel for parcel in parcels)
    if alerts and sent == 0:
        assert parcels
    for parcel in parcels:
        if len(parcel) > 1:
            assert len(written(parcel).body) <= DIGEST_CHARS_MAX + 100


def test_the_wait_after_a_failure_doubles_up_to_five_minutes():
    waits = [retry_after(n).total_seconds() for n in (1, 2, 3, 8, 9, 10_000)]
    assert waits == [2, 4, 8, 256, 300, 300]
    assert retry_after(1) > timedelta(0)


def test_a_digest_says_how_many_and_how_grave():
    message = written((make_alert(1), make_alert(2, Severity.CRITICAL, "a\nb " + "x" * 400)))
    first, second, _ = message.body.splitlines()
    assert message.severity is Severity.CRITICAL
    assert message.title == "CRITICAL: 2 alerts, 1 of them critical"
    assert first == "- WARNING breaker (live/binance/main), run 0f8fad5b: text"
    assert second.endswith("…")


def test_every_topic_has_a_remedy_and_a_place_in_the_runbook():
    """An alert that leaves a person helpless at night is half an alert."""
    for topic in Topic:
        assert remedy(topic)
        assert anchor(topic).replace("-", "").isalpha()
