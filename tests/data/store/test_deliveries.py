"""The outbox: who may send what, when, and how often; with the time given."""

from __future__ import annotations

from datetime import timedelta

import pytest

from data.store.books import Books
from data.store.deliveries import LEASE, OTHERS_LOOK, Claim, DeliveryStatus
from execution.alerting.pace import MINUTE, retry_after
from execution.alerting.subscription import ChannelName, Subscription
from execution.model.alert import Alert
from execution.model.enums import Severity, Topic
from tests.execution.examples import ACCOUNT, NOW

PHONE = Subscription(channel=ChannelName("phone"))
SECOND = timedelta(seconds=1)


def write(books: Books, *texts: str, severity: Severity = Severity.WARNING) -> None:
    for text in texts:
        books.alerts.append(
            Alert(
                alert_id=text,
                account=ACCOUNT,
                run_id=None,
                severity=severity,
                topic=Topic.BREAKER,
                text=text,
                ts=NOW,
            )
        )


def claim(
    books: Books,
    after: timedelta = timedelta(0),
    *,
    by: str = "us",
    dead: str = "",
    subscription: Subscription = PHONE,
) -> Claim:
    return books.deliveries.claim(subscription, by, NOW + after, lambda process: process == dead)


def texts(claimed: Claim) -> list[list[str]]:
    return [[alert.text for alert in parcel] for parcel in claimed.parcels.values()]


@pytest.fixture
def met(books: Books) -> Books:
    """The channel is known."""
    books.deliveries.meet([PHONE], NOW)
    return books


def test_what_was_written_before_the_first_sight_of_a_channel_is_not_for_it(books: Books):
    write(books, "old")
    assert texts(claim(books)) == []
    write(books, "new")
    assert texts(claim(books)) == [["new"]]


def test_what_reached_nobody_goes_out_on_a_channel_that_is_new(met: Books):
    """A channel by another name, or one that was added because the first one is down."""
    write(met, "arrived", "unwanted by severity", "stuck", "not looked at yet")
    (arrived, *_) = claim(met).parcels
    met.deliveries.delivered(PHONE.channel, arrived, NOW)
    met.session.rows("UPDATE deliveries SET status = 'unwanted' WHERE alert_id LIKE 'unw%'")
    met.session.rows("DELETE FROM deliveries WHERE alert_id LIKE 'not%'")
    handy, desk = (Subscription(channel=ChannelName(name)) for name in ("handy", "desk"))

    met.deliveries.meet([handy, desk], NOW)

    for renamed in (handy, desk):
        assert texts(claim(met, subscription=renamed)) == [["stuck"], ["not looked at yet"]]


def test_what_is_claimed_is_nobody_else_s_until_its_lease_is_over(met: Books):
    write(met, "a")
    assert texts(claim(met)) == [["a"]]

    others = claim(met, SECOND, by="them")
    assert others.parcels == {}
    assert others.next_at == NOW + SECOND + OTHERS_LOOK  # until then it may have died
    assert texts(claim(met, LEASE, by="them")) == [["a"]]


def test_a_dead_process_has_no_lease(met: Books):
    write(met, "a")
    claim(met)
    assert texts(claim(met, SECOND, by="them", dead="us")) == [["a"]]


def test_what_arrived_is_never_claimed_again(met: Books):
    write(met, "a")
    (message_id,) = claim(met).parcels
    met.deliveries.delivered(PHONE.channel, message_id, NOW)

    assert claim(met, 10 * LEASE, dead="us") == Claim(parcels={}, next_at=None)
    ((delivery,),) = met.deliveries.of(["a"]).values()
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.DELIVERED, 1)
    assert met.deliveries.undelivered(PHONE) == ()


def test_what_failed_waits_longer_each_time_and_is_never_given_up(met: Books):
    write(met, "a")
    at = timedelta(0)
    for attempt in range(1, 15):
        (message_id,) = claim(met, at).parcels
        met.deliveries.failed(message_id, "answered 503", NOW + at)
        assert claim(met, at).next_at == NOW + at + retry_after(attempt)
        at += retry_after(attempt)
    ((delivery,),) = met.deliveries.of(["a"]).values()
    assert (delivery.attempts, delivery.error) == (14, "answered 503")


def test_what_was_not_tried_does_not_count_as_a_try(met: Books):
    write(met, "a")
    (message_id,) = claim(met).parcels
    met.deliveries.give_back(message_id, "not tried yet", NOW)
    ((delivery,),) = met.deliveries.of(["a"]).values()
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.WAITING, 0)
    assert claim(met, retry_after(1)).parcels


def test_an_arrival_means_that_the_channel_is_up_for_all_that_waits(met: Books):
    write(met, "a")
    (failed,) = claim(met).parcels
    met.deliveries.failed(failed, "answered 503", NOW)
    write(met, "b")
    (message_id,) = claim(met).parcels
    assert claim(met).parcels == {}

    met.deliveries.delivered(PHONE.channel, message_id, NOW)

    assert texts(claim(met)) == [["a"]]


def test_one_that_the_channel_never_takes_does_not_keep_the_others_back(met: Books):
    write(met, "poison")
    (message_id,) = claim(met).parcels
    met.deliveries.failed(message_id, "answered 400", NOW)
    write(met, "a", "b")
    assert texts(claim(met, retry_after(1))) == [["a"], ["b"], ["poison"]]


def test_the_critical_ones_go_first_and_the_limit_counts_over_all_processes(met: Books):
    subscription = Subscription(channel=PHONE.channel, messages_per_minute=5)
    write(met, *(f"w{n}" for n in range(6)))
    write(met, "c", severity=Severity.CRITICAL)

    first = claim(met, subscription=subscription)
    assert texts(first) == [["c"], ["w0"], ["w1"], ["w2", "w3", "w4", "w5"][:4]]
    write(met, "more")

    second = claim(met, SECOND, by="them", subscription=subscription)
    assert second.parcels == {}
    assert second.next_at == NOW + MINUTE
    for message_id in first.parcels:
        met.deliveries.delivered(PHONE.channel, message_id, NOW + SECOND)
    assert texts(claim(met, MINUTE, subscription=subscription)) == [["more"]]


def test_what_is_undelivered_is_known_before_anybody_has_looked(met: Books):
    """The control that stops trading must not depend on a courier being alive."""
    write(met, "a")
    write(met, "info", severity=Severity.INFO)
    assert [alert.text for alert in met.deliveries.undelivered(PHONE)] == ["a"]
    claim(met)
    assert [alert.text for alert in met.deliveries.undelivered(PHONE)] == ["a"]
    unknown = Subscription(channel=ChannelName("new"))
    assert met.deliveries.undelivered(unknown) == ()
