"""What a person should hear of: written to the ledger first, then sent by couriers."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from data.store.books import Books
from data.store.connection import Ledger
from execution.alerting.message import Message
from execution.alerting.subscription import ChannelName
from execution.errors import ConfigInvalid
from execution.model.alert import Alert
from execution.model.enums import Severity, Topic
from execution.model.identifiers import AccountId, RunId
from tasks import wiring
from tasks.channels import Channel, read_channels
from tasks.delivery import call_couriers
from tasks.messenger import Messenger

AGAIN_AFTER = timedelta(hours=1)

_log = logging.getLogger(__name__)


def alert(account: AccountId, run_id: RunId, severity: Severity, topic: Topic, text: str) -> None:
    """Write an alert once, and have it sent: the same words in the same run are the same alert.

    It is in the ledger when this returns. Nothing here waits for a channel, and settings of
    channels that are wrong keep no alert from being written.
    """
    with wiring.open_ledger().transaction() as books:
        write_alert(books, account, run_id, severity, topic, text)
    send_alerts()


def write_alert(
    books: Books,
    account: AccountId | None,
    run_id: RunId | None,
    severity: Severity,
    topic: Topic,
    text: str,
) -> None:
    """Write an alert in a transaction that is open; `send_alerts` follows its commit.

    The same words in the same run are one alert, for an hour: what lasts, or comes back in a
    watch of weeks, is told again.
    """
    words = "\x1f".join((run_id or "", topic, text))
    now = wiring.wall_clock()
    told_at = books.alerts.times(run_id, topic, text)
    if told_at and now - told_at[-1] < AGAIN_AFTER:
        return
    if told_at:
        words = "\x1f".join((words, told_at[-1].isoformat()))
    # Before the alert: a channel that is new with it is told of it.
    books.deliveries.meet([channel.subscription for channel in _known_channels()], now)
    books.alerts.append(
        Alert(
            alert_id=hashlib.sha256(words.encode()).hexdigest()[:32],
            account=account,
            run_id=run_id,
            severity=severity,
            topic=topic,
            text=text,
            ts=now,
        )
    )


def send_alerts(ledger: Ledger | None = None) -> None:
    """Have what is in the outbox sent, in the background; what an earlier process left, too."""
    if not wiring.on_a_copy():
        call_couriers(ledger or wiring.open_ledger(), _known_channels())


def channels() -> tuple[Channel, ...]:
    """The channels that are configured now; raises ConfigInvalid, no address in its text."""
    return read_channels(wiring.environment())


def require_channels() -> None:
    """Raise ConfigInvalid unless every channel that is configured can be made."""
    for channel in channels():
        Messenger(channel)


# The last settings that were right, and what was wrong with those that came after.
_last: tuple[Channel, ...] = ()
_wrong = ""


def _known_channels() -> tuple[Channel, ...]:
    """The channels, or those of before when their settings have become wrong meanwhile."""
    global _last, _wrong
    try:
        _last, _wrong = channels(), ""
    except ConfigInvalid as error:
        if str(error) != _wrong:
            _wrong = str(error)
            fate = "go out as before" if _last else "stay in the ledger, and nobody is told"
            _log.error("alerts %s: %s", fate, error)
    return _last


def channels_problem() -> str:
    """What is wrong with the settings of the channels, "" when nothing is."""
    try:
        channels()
    except ConfigInvalid as error:
        return str(error)
    return ""


def undelivered_since(books: Books) -> datetime | None:
    """When the oldest critical alert was written that a configured channel still lacks.

    None when all have arrived, or when no channel is configured. An alert that one channel
    has and another lacks counts: both were asked for. Raises ConfigInvalid for settings of
    channels that are wrong.
    """
    waiting = [
        found.ts
        for channel in channels()
        for found in books.deliveries.undelivered(channel.subscription)
        if found.severity is Severity.CRITICAL
    ]
    return min(waiting, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCheck:
    """One channel, looked at; `problem` is "" when it can be used."""

    channel: ChannelName
    problem: str

    @property
    def ok(self) -> bool:
        """Whether alerts get out there."""
        return not self.problem


def check_channels(*, send: bool = False) -> tuple[ChannelCheck, ...]:
    """Whether each channel's host takes a connection, or, with `send`, a test message.

    Without `send` nobody is disturbed, and a service that only apprise can find counts as
    reachable. Raises ConfigInvalid for settings that are wrong.
    """
    return tuple(
        ChannelCheck(channel=channel.name, problem=_checked(Messenger(channel), send=send))
        for channel in channels()
    )


def _checked(messenger: Messenger, *, send: bool) -> str:
    if not send:
        return messenger.reach()
    return messenger.send(
        Message(
            severity=Severity.INFO,
            title="INFO: test",
            body=f"Regent can reach you here, on channel {messenger.channel.name}.",
        )
    )
