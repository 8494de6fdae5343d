"""How often a channel is spoken to: the rate limit, the digest, and the wait after a failure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from execution.alerting.message import digest_line
from execution.model.alert import Alert
from execution.model.enums import Severity

MINUTE = timedelta(seconds=60)
RETRY_S, RETRY_S_MAX = 2, 300
DIGEST_CHARS_MAX = 3_500  # what most services take in one message

Parcel = tuple[Alert, ...]  # one message: an alert, or several as a digest


def retry_after(attempts: int) -> timedelta:
    """How long to wait after so many failures in a row, > 0; it is never given up."""
    return timedelta(seconds=min(RETRY_S_MAX, RETRY_S * 2 ** min(attempts - 1, 20)))


def pack(due: Sequence[Alert], messages_per_minute: int, sent: int) -> tuple[Parcel, ...]:
    """Put alerts into messages; `sent` is how many left within the last minute.

    The critical ones go first, and a fifth of the messages is kept for them. What does not
    fit singly is one digest; what that cannot hold waits. Nothing is left out for good.
    """
    room = messages_per_minute - sent
    critical = [a for a in due if a.severity is Severity.CRITICAL]
    parcels = _bundle(critical, room)
    kept = max(1, messages_per_minute // 5) if messages_per_minute > 1 else 0
    others = [a for a in due if a.severity is not Severity.CRITICAL]
    return (*parcels, *_bundle(others, room - kept - len(parcels)))


def _bundle(alerts: Sequence[Alert], room: int) -> list[Parcel]:
    """At most `room` messages: each alert its own, or the last one a digest."""
    if room <= 0:
        return []
    if len(alerts) <= room:
        return [(alert,) for alert in alerts]
    singles, rest = alerts[: room - 1], alerts[room - 1 :]
    return [*((alert,) for alert in singles), _digest(rest)]


def _digest(alerts: Sequence[Alert]) -> Parcel:
    """As many as one message holds, at least one."""
    chars, fitting = 0, 0
    for alert in alerts:
        chars += len(digest_line(alert)) + 1
        if fitting and chars > DIGEST_CHARS_MAX:
            break
        fitting += 1
    return tuple(alerts[:fitting])
