"""The outbox: which alert is still to go out on which channel, and who is at it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import uuid4

from data.store.alerts import alert_from
from data.store.session import Session
from execution.alerting.pace import MINUTE, Parcel, pack, retry_after
from execution.alerting.subscription import ChannelName, Subscription
from execution.model.alert import Alert
from execution.model.enums import Severity

# How long a process may take over its messages before another may send them.
LEASE = timedelta(seconds=120)
OTHERS_LOOK = timedelta(seconds=5)  # when to see again whether who sends is still alive

# All alerts but those that a channel lacks, enlisted there or not yet, and no channel has.
LEAVE_OUT = """
    INSERT INTO deliveries
    SELECT alert_id, ?, 'unwanted', 0, NULL, NULL, NULL, NULL, NULL, '' FROM alerts a
    WHERE EXISTS (
        SELECT 1 FROM deliveries d WHERE d.alert_id = a.alert_id AND d.status = 'delivered'
    ) OR NOT EXISTS (
        SELECT 1 FROM channels c
        LEFT JOIN deliveries d ON d.channel = c.channel AND d.alert_id = a.alert_id
        WHERE coalesce(d.status, 'waiting') IN ('waiting', 'sending')
    )
"""

IsDead = Callable[[str], bool]


class DeliveryStatus(StrEnum):
    """How an alert stands with a channel."""

    UNWANTED = "unwanted"  # not for this channel, or older than it
    WAITING = "waiting"
    SENDING = "sending"  # by the process that has claimed it
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One alert on one channel."""

    alert_id: str
    channel: ChannelName
    status: DeliveryStatus
    attempts: int
    next_at: datetime | None  # UTC; waiting: not before
    delivered_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one process is to send now, by message id; and when there is more to look at."""

    parcels: dict[str, Parcel]
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """An alert that has not arrived yet."""

    alert: Alert
    attempts: int
    next_at: datetime
    claimed_by: str | None

    def free(self, now: datetime, is_dead: IsDead) -> bool:
        """Whether it may be claimed: nobody sends it, or who did is gone."""
        return self.next_at <= now or (self.claimed_by is not None and is_dead(self.claimed_by))


class Deliveries:
    """The `deliveries` and `channels` tables."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def meet(self, subscriptions: Iterable[Subscription], now: datetime) -> None:
        """At first sight of a channel, leave out what was written before and is told or unwanted.

        What some channel should have had, and none has, is for the new one, too: it may be
        the old one by another name, or be there because the old one was down.
        """
        known = {name for (name,) in self._session.rows("SELECT channel FROM channels")}
        for subscription in subscriptions:
            if subscription.channel not in known:
                self._session.rows(LEAVE_OUT, subscription.channel)
                self._session.insert("channels", [(subscription.channel, now)])

    def claim(
        self, subscription: Subscription, process: str, now: datetime, is_dead: IsDead
    ) -> Claim:
        """Take what is due for `process` to send; nobody else does before its lease is over.

        A process that `is_dead` has no lease any more.
        """
        channel = subscription.channel
        self.meet([subscription], now)
        self._enlist(subscription, now)
        waiting = self._open(channel)
        due = sorted(
            (w for w in waiting if w.free(now, is_dead)),
            key=lambda w: (w.alert.severity is not Severity.CRITICAL, w.attempts),
        )
        sent, oldest = self._sent_since(channel, now - MINUTE)
        parcels = {
            str(uuid4()): parcel
            for parcel in pack([w.alert for w in due], subscription.messages_per_minute, sent)
        }
        for message_id, parcel in parcels.items():
            self._session.rows(
                "UPDATE deliveries SET status = 'sending', attempts = attempts + 1, next_at = ?, "
                "message_id = ?, claimed_by = ?, sent_at = ? "
                "WHERE channel = ? AND list_contains(?, alert_id)",
                now + LEASE,
                message_id,
                process,
                now,
                channel,
                [alert.alert_id for alert in parcel],
            )
        claimed = {a.alert_id for parcel in parcels.values() for a in parcel}
        later = [w for w in waiting if w.alert.alert_id not in claimed]
        limited = any(w in due for w in later)
        looks = [min(w.next_at, now + OTHERS_LOOK) if w.claimed_by else w.next_at for w in later]
        return Claim(
            parcels=parcels,
            next_at=(oldest or now) + MINUTE if limited else min(looks, default=None),
        )

    def delivered(self, channel: ChannelName, message_id: str, now: datetime) -> None:
        """Note that a message arrived; what failed before may be tried at once again."""
        self._session.rows(
            "UPDATE deliveries SET status = 'delivered', delivered_at = ?, next_at = NULL, "
            "claimed_by = NULL, error = '' WHERE message_id = ? AND status = 'sending'",
            now,
            message_id,
        )
        self._session.rows(
            "UPDATE deliveries SET next_at = ? WHERE channel = ? AND status = 'waiting'",
            now,
            channel,
        )

    def failed(self, message_id: str, error: str, now: datetime) -> None:
        """Note why a message did not arrive; it is tried again, later and later."""
        rows = self._session.rows(
            "SELECT max(attempts) FROM deliveries WHERE message_id = ?", message_id
        )
        self._give_back(message_id, error, now + retry_after(rows[0][0] or 1))

    def give_back(self, message_id: str, error: str, now: datetime) -> None:
        """Take back a message that was not tried; it does not count as a try."""
        self._session.rows(
            "UPDATE deliveries SET attempts = attempts - 1 "
            "WHERE message_id = ? AND status = 'sending'",
            message_id,
        )
        self._give_back(message_id, error, now + retry_after(1))

    def _give_back(self, message_id: str, error: str, next_at: datetime) -> None:
        self._session.rows(
            "UPDATE deliveries SET status = 'waiting', next_at = ?, error = ?, claimed_by = NULL, "
            "message_id = NULL, sent_at = NULL WHERE message_id = ? AND status = 'sending'",
            next_at,
            error,
            message_id,
        )

    def of(self, alert_ids: Iterable[str]) -> dict[str, tuple[Delivery, ...]]:
        """By alert: how it stands with each channel that it is for."""
        rows = self._session.rows(
            "SELECT alert_id, channel, status, attempts, next_at, delivered_at, error "
            "FROM deliveries WHERE list_contains(?, alert_id) AND status != 'unwanted' "
            "ORDER BY channel",
            list(alert_ids),
        )
        found: dict[str, list[Delivery]] = defaultdict(list)
        for alert_id, channel, status, attempts, next_at, delivered_at, error in rows:
            found[alert_id].append(
                Delivery(
                    alert_id=alert_id,
                    channel=ChannelName(channel),
                    status=DeliveryStatus(status),
                    attempts=attempts,
                    next_at=next_at,
                    delivered_at=delivered_at,
                    error=error,
                )
            )
        return {alert_id: tuple(deliveries) for alert_id, deliveries in found.items()}

    def undelivered(self, subscription: Subscription) -> tuple[Alert, ...]:
        """What the channel wants and does not have yet, oldest first; it need not be enlisted."""
        sql = "SELECT channel FROM channels WHERE channel = ?"
        if self._session.row(sql, subscription.channel) is None:
            return ()  # whatever there is was written before it
        rows = self._session.rows(
            "SELECT a.* FROM alerts a LEFT JOIN deliveries d "
            "ON d.alert_id = a.alert_id AND d.channel = ? "
            "WHERE coalesce(d.status, 'new') NOT IN ('delivered', 'unwanted') "
            "ORDER BY a.ts, a.rowid",
            subscription.channel,
        )
        found = map(alert_from, rows)
        return tuple(a for a in found if subscription.wants(a.severity, a.topic))

    def _enlist(self, subscription: Subscription, now: datetime) -> None:
        """Give every alert that has none a row of this channel."""
        channel = subscription.channel
        new = map(
            alert_from,
            self._session.rows(
                "SELECT alerts.* FROM alerts ANTI JOIN deliveries d "
                "ON d.alert_id = alerts.alert_id AND d.channel = ?",
                channel,
            ),
        )
        self._session.insert(
            "deliveries",
            [
                (alert.alert_id, channel, _first(alert, subscription), 0, now, *([None] * 4), "")
                for alert in new
            ],
        )

    def _open(self, channel: ChannelName) -> list[_Open]:
        """All that has not arrived, oldest first."""
        rows = self._session.rows(
            "SELECT d.attempts, d.next_at, d.claimed_by, a.* "
            "FROM deliveries d JOIN alerts a USING (alert_id) "
            "WHERE d.channel = ? AND d.status IN ('waiting', 'sending') ORDER BY a.ts, a.rowid",
            channel,
        )
        return [
            _Open(
                alert=alert_from(tuple(row)),
                attempts=attempts,
                next_at=next_at,
                claimed_by=claimed_by,
            )
            for attempts, next_at, claimed_by, *row in rows
        ]

    def _sent_since(self, channel: ChannelName, since: datetime) -> tuple[int, datetime | None]:
        """How many messages left, or are leaving, and when the oldest of them did."""
        ((count, oldest),) = self._session.rows(
            "SELECT count(DISTINCT message_id), min(sent_at) FROM deliveries "
            "WHERE channel = ? AND sent_at > ?",
            channel,
            since,
        )
        return count, oldest


def _first(alert: Alert, subscription: Subscription) -> DeliveryStatus:
    wanted = subscription.wants(alert.severity, alert.topic)
    return DeliveryStatus.WAITING if wanted else DeliveryStatus.UNWANTED
