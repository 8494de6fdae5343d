"""What REGENT_ALERTS may say, and that what is wrong with it is told without an address."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from execution.errors import ConfigInvalid
from execution.model.enums import Severity, Topic
from tasks.channels import read_channels
from tasks.messenger import Messenger

SECRET = "t0ken-of-mine"
URL = f"json://127.0.0.1:9/{SECRET}"


def written(folder: Path, document: object, *, mode: int = 0o600) -> dict[str, str]:
    path = folder / "alerts.json"
    path.write_text(json.dumps(document))
    path.chmod(mode)
    return {"REGENT_ALERTS": str(path)}


def test_without_a_word_there_is_no_channel():
    assert read_channels({}) == ()
    assert read_channels({"REGENT_ALERTS": "  "}) == ()


def test_addresses_by_blanks_are_named_for_their_scheme_and_told_of_warnings():
    said = f"{URL}\n  ntfy://{SECRET}   JSON://other.example.com/{SECRET}"

    first, second, third = read_channels({"REGENT_ALERTS": said})

    assert [c.name for c in (first, second, third)] == ["json", "ntfy", "json-2"]
    assert first.subscription.severities == (Severity.WARNING, Severity.CRITICAL)
    assert first.subscription.topics == frozenset(Topic)


def test_a_file_says_who_is_told_of_what(tmp_path: Path):
    path = tmp_path / "alerts.yaml"
    path.write_text(
        f"- {{name: phone, url: '{URL}', severity: critical}}\n"
        f"- {{name: desk, url: '{URL}', severity: info, topics: [books differ, RUN_CRASHED],"
        " per_minute: 3}\n"
    )
    path.chmod(0o600)

    phone, desk = read_channels({"REGENT_ALERTS": str(path)})

    assert phone.subscription.severities == (Severity.CRITICAL,)
    assert desk.subscription.topics == {Topic.BOOKS_DIFFER, Topic.RUN_CRASHED}
    assert desk.subscription.messages_per_minute == 3
    assert desk.subscription.wants(Severity.INFO, Topic.BOOKS_DIFFER)
    assert not desk.subscription.wants(Severity.CRITICAL, Topic.BREAKER)


GOOD = {"name": "phone", "url": URL}


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"phone": GOOD}, "expected a list of channels"),
        ([URL], "channel 1: expected name, url"),
        ([{**GOOD, "serverity": "info"}], "channel 1: .*did you mean 'severity'"),
        ([{**GOOD, SECRET: "x"}], "channel 1: a setting that there is not"),
        ([GOOD, {"name": URL, "url": URL}], "channel 2: name: needs letters"),
        ([{"name": "phone"}], r"channel 1 \(phone\): url is missing"),
        ([{"name": "phone", "url": SECRET}], r"channel 1 \(phone\): is no address"),
        ([{**GOOD, "severity": "grave"}], r"\(phone\): severity: .*info, warning, critical"),
        ([{**GOOD, "topics": ["book difer"]}], r"\(phone\): topic: .*mean 'books differ'"),
        ([{**GOOD, "topics": "breaker"}], r"\(phone\): topics: expected a list"),
        ([{**GOOD, "per_minute": 0}], r"\(phone\): per_minute: needs a number from 1"),
        ([{**GOOD, "per_minute": True}], r"\(phone\): per_minute: needs a number from 1"),
        ([GOOD, GOOD], "two channels are called phone"),
    ],
)
def test_what_is_wrong_is_told_by_number_name_and_the_right_word_never_by_address(
    tmp_path: Path, document: object, complaint: str
):
    with pytest.raises(ConfigInvalid, match=complaint) as caught:
        read_channels(written(tmp_path, document))

    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_others_can_read_is_refused(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match=r"mode 0640.*chmod 600"):
        read_channels(written(tmp_path, [GOOD], mode=0o640))


@pytest.mark.parametrize("text", [f"- name: [{SECRET}", f"\t{SECRET}: {{"])
def test_a_file_that_cannot_be_parsed_is_not_quoted(tmp_path: Path, text: str):
    path = tmp_path / "alerts.yaml"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(ConfigInvalid, match="not valid YAML") as caught:
        read_channels({"REGENT_ALERTS": str(path)})

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        (f"jsn://{SECRET}", r"channel jsn: not an address; did you mean json://\?"),
        (f"tgram://{SECRET}", "channel tgram: not an address$"),
    ],
)
def test_an_address_that_apprise_does_not_know_is_refused_without_a_word_of_it(
    url: str, complaint: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    """Apprise itself would log the whole of it."""
    (channel,) = read_channels({"REGENT_ALERTS": url})

    with pytest.raises(ConfigInvalid, match=complaint) as caught:
        Messenger(channel)

    out, err = capfd.readouterr()
    assert SECRET not in f"{caught.value}{caplog.text}{out}{err}{channel!r}"


def test_a_channel_is_reached_or_not_without_a_message():
    (nobody,) = read_channels({"REGENT_ALERTS": "json://127.0.0.1:9/x"})
    (no_host,) = read_channels({"REGENT_ALERTS": "ntfy://a-topic"})

    assert Messenger(nobody).reach().startswith("no connection")
    assert Messenger(no_host).reach() == ""
