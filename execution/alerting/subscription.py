"""What one channel wants to hear. Its address is a secret, and no part of this."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NewType

from execution.model.enums import Severity, Topic

ChannelName = NewType("ChannelName", str)

GRAVITY = list(Severity)  # the gravest last
PER_MINUTE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One channel by name: the alerts it is for, and how many messages it bears."""

    channel: ChannelName
    severity_min: Severity = Severity.WARNING
    topics: frozenset[Topic] = field(default_factory=lambda: frozenset(Topic))
    messages_per_minute: int = PER_MINUTE  # > 0

    @property
    def severities(self) -> tuple[Severity, ...]:
        """Those that are grave enough."""
        return tuple(GRAVITY[GRAVITY.index(self.severity_min) :])

    def wants(self, severity: Severity, topic: Topic) -> bool:
        """Whether the channel is for such an alert."""
        return severity in self.severities and topic in self.topics
