"""An order of unknown fate, and books that differ: from the venue to the person's phone.

The other topics are raised where their situation is tested: a plan denied whole and a safety
violation in test_recovery, a crash in test_crashes, a position without a stop in test_held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from execution.model.enums import OrderStatus as S
from execution.model.enums import Severity, Topic, TransferKind
from execution.model.identifiers import ClientOrderId, RunId
from execution.model.order import OrderEvent
from execution.model.transfer import Transfer
from tasks import alerts, wiring
from tasks.alerts import ChannelCheck, alert, check_channels
from tests.cycles import run_cycle
from tests.scripted_venue import EVERYTHING, ScriptedVenue, cannot_tell
from tests.tasks.channel import Channel, installation, open_channel
from tests.tasks.paper import PAPER, install, placed, read, reconciled

AT_ONCE = replace(EVERYTHING, lookup_waits_s=(0.0,))
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    with installation(tmp_path / "home", monkeypatch), open_channel() as opened:
        monkeypatch.setenv("REGENT_ALERTS", opened.url)
        yield opened


def topics(channel: Channel) -> set[str]:
    return {title.partition(": ")[2].partition(" (")[0] for _, title, _ in channel.arrived}


def test_an_order_that_nobody_can_tell_about_is_told_of(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    venue = install(
        monkeypatch, tmp_path / "home", ScriptedVenue(on_lookup=cannot_tell(), capabilities=AT_ONCE)
    )
    run_cycle(PAPER.model_copy(update={"symbols": ("MSFT",)}))
    model = placed(venue, "model").intent
    lost = replace(model, client_order_id=ClientOrderId("lost"))
    sent_at = wiring.wall_clock() - HALF_AN_HOUR
    with wiring.open_ledger().transaction() as books:
        (order,) = books.orders.commit_intents(RunId("run"), "digest", [lost], sent_at)
        books.orders.append(
            OrderEvent(
                client_order_id=lost.client_order_id,
                status=S.SUBMITTED,
                event_key="lost:submitted",
                ts_event=sent_at,
                ts_init=sent_at,
            )
        )
    assert order.client_order_id == "lost"

    reconciled()

    channel.wait(lambda c: "order unknown" in topics(c))
    (text,) = [t for t in channel.texts if "order lost" in t and "is unknown since" in t]
    assert "Next: look at the venue or ask its support" in text


def test_books_that_differ_are_told_of(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    venue = install(monkeypatch, tmp_path / "home", ScriptedVenue())
    run_cycle(PAPER)
    venue.cash -= Decimal(1)

    assert reconciled()

    channel.wait(lambda c: "books differ" in topics(c))
    assert any("CRITICAL: books differ" in title for _, title, _ in channel.arrived)


def test_money_that_came_is_told_to_those_who_want_to_know(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """For information only: a channel that says nothing is not told."""
    venue = install(monkeypatch, tmp_path / "home", ScriptedVenue())
    run_cycle(PAPER)
    venue.move(
        Transfer(
            transfer_id="t",
            account=PAPER.account_id,
            kind=TransferKind.DEPOSIT,
            currency="USD",
            amount=Decimal(5),
            ts_event=wiring.wall_clock(),
        )
    )

    assert reconciled() == ()

    alerts: Any = read(lambda b: b.alerts.latest(1))
    assert alerts[0].topic is Topic.TRANSFER
    assert topics(channel) == set()


def test_a_channel_can_be_checked_without_a_message_and_with_one(channel: Channel):
    assert check_channels() == (ChannelCheck(channel="json", problem=""),)
    assert channel.arrived == []
    assert check_channels(send=True)[0].ok
    assert [title for _, title, _ in channel.arrived] == ["INFO: test"]


def test_the_same_words_are_told_again_when_an_hour_has_passed(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
):
    """A watch of weeks must not be silent about what comes back."""
    begin = wiring.wall_clock()
    for minutes in (0, 59, 61, 100, 122):
        monkeypatch.setattr(wiring, "wall_clock", lambda m=minutes: begin + timedelta(minutes=m))
        alert(PAPER.account_id, RunId("watch"), Severity.CRITICAL, Topic.BOOKS_DIFFER, "GOOG")

    told: Any = read(lambda b: b.alerts.times(RunId("watch"), Topic.BOOKS_DIFFER, "GOOG"))
    assert [(ts - begin) / timedelta(minutes=1) for ts in told] == [0, 61, 122]


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ("", "alerts stay in the ledger, and nobody is told"),
        ("json://a", "alerts go out as before"),
    ],
)
def test_settings_that_are_wrong_are_told_with_what_becomes_of_the_alerts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    before: str,
    told: str,
):
    """Only a process that knew right ones has any to go on with."""
    with installation(tmp_path / "home", monkeypatch):
        monkeypatch.setattr(alerts, "_last", ())
        monkeypatch.setattr(alerts, "_wrong", "")
        monkeypatch.setattr(alerts, "call_couriers", lambda *_: None)
        for said in (before, "nonsense"):
            monkeypatch.setenv("REGENT_ALERTS", said)
            alert(PAPER.account_id, RunId("r"), Severity.CRITICAL, Topic.BOOKS_DIFFER, said)

    assert [r.message.partition(":")[0] for r in caplog.records] == [told]
