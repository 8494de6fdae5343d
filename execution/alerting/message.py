"""An alert in words that are understood on a phone, in the night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from execution.alerting.runbook import anchor, remedy
from execution.alerting.subscription import GRAVITY
from execution.model.alert import Alert
from execution.model.enums import Severity

LINE_CHARS_MAX = 240
RUN_CHARS = 8  # of a run's id: enough for every command that asks for one


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one channel is sent at once."""

    severity: Severity
    title: str
    body: str


def written(parcel: Sequence[Alert]) -> Message:
    """The message of one alert, or the digest of several."""
    return _single(parcel[0]) if len(parcel) == 1 else _digest(parcel)


def _single(alert: Alert) -> Message:
    lines = [
        alert.text,
        "",
        f"{_where(alert)}, {alert.ts:%Y-%m-%d %H:%M:%S}Z",
        f"Next: {remedy(alert.topic)}",
        f"Runbook: README.md#{anchor(alert.topic)}",
    ]
    title = f"{alert.severity.upper()}: {alert.topic}" + _of(alert)
    return Message(severity=alert.severity, title=title, body="\n".join(lines))


def _digest(parcel: Sequence[Alert]) -> Message:
    gravest = max((alert.severity for alert in parcel), key=GRAVITY.index)
    critical = sum(alert.severity is Severity.CRITICAL for alert in parcel)
    lines = [digest_line(alert) for alert in parcel]
    return Message(
        severity=gravest,
        title=f"{gravest.upper()}: {len(parcel)} alerts, {critical} of them critical",
        body="\n".join([*lines, "More of each: regent alerts"]),
    )


def digest_line(alert: Alert) -> str:
    """One alert among several; a long text is cut, `regent alerts` has it whole."""
    text = " ".join(alert.text.split())
    line = f"- {alert.severity.upper()} {alert.topic}{_of(alert)}, {_where(alert)}: {text}"
    return line if len(line) <= LINE_CHARS_MAX else f"{line[: LINE_CHARS_MAX - 1]}…"


def _of(alert: Alert) -> str:
    return f" ({alert.account})" if alert.account else ""


def _where(alert: Alert) -> str:
    return f"run {alert.run_id[:RUN_CHARS]}" if alert.run_id else "no run"
