"""From an alert in the ledger to a message at a real server: soon, once, whatever happens."""

from __future__ import annotations

import logging
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from execution.model.enums import Severity, Topic
from tasks import wiring
from tasks.alerts import alert, send_alerts, undelivered_since
from tasks.delivery import GOODBYE_S, GRACE_S, finish_deliveries
from tests.tasks.channel import (
    ACCOUNT,
    SECRET,
    Channel,
    alert_from_many,
    configure,
    installation,
    open_channel,
    start_alerting,
    tell,
    undelivered,
)

SOON_S = 5.0


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with installation(tmp_path / "home", monkeypatch):
        yield tmp_path / "home"


@pytest.fixture
def channel() -> Iterator[Channel]:
    with open_channel() as opened:
        yield opened


def test_an_alert_arrives_within_five_seconds_and_its_writer_does_not_wait(
    channel: Channel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    configure(monkeypatch, tmp_path, {"name": "phone", "url": channel.url, "per_minute": 600})
    tell("warm-up.")  # the first one imports apprise
    channel.wait(lambda c: len(c.arrived) == 1)
    told, took = {}, []
    for number in range(50):
        told[f"number {number}."] = time.time()
        tell(f"number {number}.")
        took.append(time.time() - told[f"number {number}."])
        time.sleep(0.03)
    channel.wait(lambda c: len(c.arrived) == 51)

    late = sorted(at - told[text.partition("\n")[0]] for at, _, text in channel.arrived[1:])
    with capsys.disabled():
        print(
            f"\n50 alerts: p50 {statistics.median(late) * 1000:.0f} ms, "
            f"p99 {late[-1] * 1000:.0f} ms; alert() itself p50 "
            f"{statistics.median(took) * 1000:.0f} ms"
        )
    assert late[-1] < SOON_S


def test_a_message_says_what_it_is_about_and_what_to_do(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REGENT_ALERTS", channel.url)

    alert(ACCOUNT, "0f8fad5b-d9cb", Severity.CRITICAL, Topic.BOOKS_DIFFER, "cash USD: 1, 2")
    channel.wait(lambda c: bool(c.arrived))

    ((_, title, text),) = channel.arrived
    assert title == "CRITICAL: books differ (paper/binance/main)"
    assert text.startswith("cash USD: 1, 2\n")
    assert "run 0f8fad5b," in text
    assert "Next: `regent reconcile`" in text
    assert "README.md#books-differ" in text


def test_a_channel_that_is_down_gets_everything_once_it_is_up(monkeypatch: pytest.MonkeyPatch):
    with open_channel() as down:
        down.status = 503
        monkeypatch.setenv("REGENT_ALERTS", down.url)
        for number in range(3):
            tell(f"number {number}.")
        down.wait(lambda c: c.refused >= 2)
        assert sorted(undelivered("json")) == ["number 0.", "number 1.", "number 2."]
        with wiring.open_ledger().reading() as books:
            assert undelivered_since(books) is not None
    assert channel_error() == "answered 503"

    with open_channel(down.port) as up:
        up.wait(lambda c: len(c.arrived) >= 3)
        finish_deliveries()
        assert Counter(t.partition("\n")[0] for t in up.texts) == {
            f"number {number}.": 1 for number in range(3)
        }
    assert undelivered("json") == []
    with wiring.open_ledger().reading() as books:
        assert undelivered_since(books) is None


def channel_error() -> str:
    sql = "SELECT DISTINCT error FROM deliveries WHERE error LIKE 'answered%'"
    with wiring.open_ledger().reading() as books:
        return str(books.session.rows(sql)[0][0])


@pytest.mark.slow
def test_what_a_killed_process_has_written_is_sent_by_the_next(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
):
    """Killed before it has sent anything, and killed in the middle of sending it."""
    monkeypatch.setenv("REGENT_ALERTS", channel.url)
    assert start_alerting("killed", then="die").wait() == -9

    began = time.monotonic()
    send_alerts()
    channel.wait(lambda c: bool(c.arrived))

    assert time.monotonic() - began < SOON_S
    finish_deliveries()
    assert [text.partition("\n")[0] for text in channel.texts] == ["killed-0."]


@pytest.mark.slow
def test_a_claim_ends_with_the_process_that_made_it(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
):
    """Its lease of two minutes need not be waited for: the dead do not send."""
    channel.delay_s = 30
    monkeypatch.setenv("REGENT_ALERTS", channel.patient_url)
    process = start_alerting("killed", count=1)
    deadline = time.monotonic() + 60
    while not (found := claims()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(found) == 1
    process.kill()
    process.wait()
    channel.delay_s = 0

    send_alerts()
    channel.wait(lambda c: bool(c.arrived), timeout_s=15)

    assert channel.texts[0].startswith("killed-0.")


def claims() -> list[object]:
    ledger = wiring.open_ledger()
    if not ledger.path.exists():
        return []
    with ledger.transaction() as books:
        return list(books.session.rows("SELECT * FROM deliveries WHERE status = 'sending'"))


@pytest.mark.slow
def test_a_process_that_ends_at_once_still_sends_and_does_not_wait_for_one_that_hangs(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with open_channel() as hanging:
        hanging.delay_s = 20
        configure(
            monkeypatch,
            tmp_path,
            {"name": "hangs", "url": hanging.url},
            {"name": "works", "url": channel.url},
        )
        process = start_alerting("short")
        channel.wait(lambda c: bool(c.arrived))
        arrived = time.monotonic()
        assert process.wait(timeout=60) == 0
        assert time.monotonic() - arrived < GOODBYE_S + GRACE_S


@pytest.mark.slow
def test_eight_processes_at_once_lose_nothing_and_double_nothing(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    configure(monkeypatch, tmp_path, {"name": "phone", "url": channel.url, "per_minute": 600})
    assert alert_from_many(8, count=5) == 0

    send_alerts()  # what somebody was still sending at its end is sent by the next
    finish_deliveries(30)

    told = Counter(name for text in channel.texts for name in re.findall(r"p\d-\d\.", text))
    assert told == {f"p{number}-{i}.": 1 for number in range(8) for i in range(5)}


def test_what_is_over_the_limit_comes_in_digests_and_nothing_is_left_out(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Five messages a minute: one of them is kept for what is critical."""
    configure(
        monkeypatch,
        tmp_path,
        {"name": "phone", "url": channel.url, "per_minute": 5, "severity": "info"},
    )
    with wiring.open_ledger().transaction():
        pass
    monkeypatch.setenv("REGENT_ALERTS", "")  # nobody sends while they come together
    send_all = [f"n{number}." for number in range(30)]
    for text in send_all:
        tell(text, Severity.WARNING if text != "n29." else Severity.CRITICAL)
    monkeypatch.setenv("REGENT_ALERTS", str(tmp_path / "alerts.json"))
    with wiring.open_ledger().transaction() as books:  # as if it had been known all the time
        books.session.rows("INSERT INTO channels VALUES ('phone', now())")

    send_alerts()
    channel.wait(lambda c: sum(text.count("n") > 0 for text in c.texts) >= 4)
    finish_deliveries()

    told = Counter(n for text in channel.texts for n in re.findall(r"\bn\d+\.", text))
    assert told == dict.fromkeys(send_all, 1)
    assert channel.texts[0].startswith("n29.")  # the critical one first
    assert len(channel.arrived) == 4
    assert channel.arrived[-1][1] == "WARNING: 27 alerts, 0 of them critical"

    tell("n30.", Severity.WARNING)
    tell("n31.", Severity.CRITICAL)
    channel.wait(lambda c: len(c.arrived) == 5)
    assert channel.texts[-1].startswith("n31.")  # what was kept for it
    finish_deliveries()
    assert undelivered("phone") == ["n30."]  # waits for the minute to be over


def test_a_channel_that_hangs_holds_up_neither_the_run_nor_the_others(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with open_channel() as hanging:
        hanging.delay_s = 8
        configure(
            monkeypatch,
            tmp_path,
            {"name": "hangs", "url": hanging.patient_url},
            {"name": "works", "url": channel.url},
        )
        tell("warm-up.")
        channel.wait(lambda c: len(c.arrived) == 1)
        began = time.monotonic()
        for number in range(5):
            tell(f"number {number}.")
        wrote = time.monotonic() - began
        channel.wait(lambda c: len(c.arrived) == 6)

        assert hanging.arrived == []
        assert wrote < hanging.delay_s / 2
        finish_deliveries(0.0, 0.0)


def test_alerts_older_than_a_channel_do_not_flood_it(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
):
    for number in range(20):
        tell(f"old {number}.")
    monkeypatch.setenv("REGENT_ALERTS", channel.url)

    tell("new.")
    channel.wait(lambda c: bool(c.arrived))
    finish_deliveries()

    assert [text.partition("\n")[0] for text in channel.texts] == ["new."]
    with wiring.open_ledger().reading() as books:
        assert undelivered_since(books) is None


def test_only_what_a_channel_is_for_is_sent_there(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    configure(
        monkeypatch,
        tmp_path,
        {"name": "phone", "url": channel.url, "severity": "critical", "topics": ["breaker"]},
    )
    alert(ACCOUNT, "run", Severity.CRITICAL, Topic.TRANSFER, "another topic.")
    tell("not grave enough.", Severity.WARNING)
    tell("wanted.")
    tell("wanted.")  # the same words in the same run
    channel.wait(lambda c: bool(c.arrived))
    finish_deliveries()

    assert [text.partition("\n")[0] for text in channel.texts] == ["wanted."]


def test_an_address_is_told_to_nobody(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Not by apprise either, which logs addresses, nor by what makes its requests."""
    caplog.set_level(logging.DEBUG)
    with open_channel() as channel:
        channel.status = 500
        monkeypatch.setenv("REGENT_ALERTS", channel.url)
        tell("first.")
        channel.wait(lambda c: c.refused >= 1)
        finish_deliveries()
    assert any("answered 500" in record.getMessage() for record in caplog.records)
    assert SECRET not in caplog.text
    assert SECRET.encode() not in (home / "ledger.duckdb").read_bytes()
    assert SECRET not in repr(__import__("tasks.alerts", fromlist=["channels"]).channels())


def test_settings_of_channels_that_are_wrong_keep_no_alert_from_being_written(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("REGENT_ALERTS", "/nowhere/alerts.yaml")

    tell("all the same.")

    with wiring.open_ledger().reading() as books:
        assert [found.text for found in books.alerts.latest(5)] == ["all the same."]


def test_channels_that_become_wrong_meanwhile_stay_as_they_were(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A person mends a file while a watch runs for days, and mistypes."""
    configure(monkeypatch, tmp_path, {"name": "phone", "url": channel.url})
    tell("before.")
    configure(monkeypatch, tmp_path, {"name": "phone", "uri": channel.url})
    tell("while it is wrong.")
    channel.wait(lambda c: len(c.arrived) == 2)

    with open_channel() as other:
        configure(monkeypatch, tmp_path, {"name": "phone", "url": other.url})
        tell("mended.")
        other.wait(lambda c: len(c.arrived) == 1)
    assert len(channel.arrived) == 2
