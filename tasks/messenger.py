"""Apprise, asked for one thing at a time, and kept from telling anybody an address."""

from __future__ import annotations

import difflib
import logging
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from execution.alerting.message import Message
from execution.errors import ConfigInvalid
from execution.model.enums import Severity
from tasks.channels import VARIABLE, Channel

if TYPE_CHECKING:  # takes a third of a second to import, and another one to know its services
    from apprise import NotifyBase

# Whose log records quote addresses, or requests with a token in them.
TALKERS = ("apprise", "urllib3.connectionpool", "requests_oauthlib.oauth2_session")
SECONDS_BETWEEN_MAX = 1.0  # ours is the limit that counts; a service may ask for a little more
STATUS = re.compile(r"\berror=(\d{3})\b")
PORTS = {"http": 80, "https": 443}
CONNECT_TIMEOUT_S = 3

_hearing = threading.local()


class _Hush(logging.Filter):
    """Drops what is said while a channel is spoken to; keeps the status that was answered."""

    def filter(self, record: logging.LogRecord) -> bool:
        heard: list[str] | None = getattr(_hearing, "statuses", None)
        if heard is None:
            return True
        heard += STATUS.findall(record.getMessage())
        return False


_HUSH = _Hush()


@contextmanager
def _hushed() -> Iterator[list[str]]:
    """Nothing that apprise says in this thread is logged; yields the HTTP errors it met."""
    for name in TALKERS:
        logging.getLogger(name).addFilter(_HUSH)  # once, however often it is added
    heard: list[str] = []
    _hearing.statuses = heard
    try:
        yield heard
    finally:
        del _hearing.statuses


class Messenger:
    """Sends to one channel. Making one raises ConfigInvalid for an address that is none."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._service = _service(channel)

    def send(self, message: Message) -> str:
        """Send it; returns "" when the service took it, else why not, no secret in it."""
        from apprise import NotifyFormat, NotifyType

        kinds = {Severity.INFO: NotifyType.INFO, Severity.WARNING: NotifyType.WARNING}
        with _hushed() as statuses:
            try:
                taken = self._service.notify(
                    title=message.title,
                    body=message.body,
                    notify_type=kinds.get(message.severity, NotifyType.FAILURE),
                    body_format=NotifyFormat.TEXT,
                )
            except Exception as error:  # noqa: BLE001 - of a hundred services; told, and tried again
                return f"failed: {type(error).__name__}"
        if taken:
            return ""
        return f"answered {statuses[-1]}" if statuses else "could not be reached, or refused"

    def reach(self) -> str:
        """Whether its host takes a connection: "" when it does, else why not; nothing is sent."""
        address = self._address()
        if address is None:
            return ""  # a service whose host only apprise knows: a test message would tell
        try:
            socket.create_connection(address, timeout=CONNECT_TIMEOUT_S).close()
        except OSError as error:
            return f"no connection: {error.strerror or type(error).__name__}"
        return ""

    def _address(self) -> tuple[str, int] | None:
        """Host and port, where the service's address has them; neither is told to anybody."""
        fixed = re.match(r"(https?)://([^/:]+)(?::(\d+))?", _text(self._service, "notify_url"))
        if fixed:
            scheme, host, port = fixed.groups()
            return host, int(port or PORTS[scheme])
        host = _text(self._service, "smtp_host") or _text(self._service, "host")
        port = (
            getattr(self._service, "port", None)
            or PORTS["https" if self._service.secure else "http"]
        )
        # A bare word is a topic or an account there, not a host.
        return (host, int(port)) if "." in host or host == "localhost" else None


def _text(service: object, name: str) -> str:
    value = getattr(service, name, None)
    return value if isinstance(value, str) else ""


def _service(channel: Channel) -> NotifyBase:
    from apprise import Apprise, AppriseAsset, NotifyBase
    from apprise.common import OverflowMode
    from apprise.manager_plugins import NotificationManager

    url = channel.url.get_secret_value()
    with _hushed():
        # In memory: nothing of it is written anywhere.
        asset = AppriseAsset(app_id="Regent", async_mode=False, secure_logging=True)
        made = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if not isinstance(made, NotifyBase):
            scheme = url.partition("://")[0].strip().lower()
            known = NotificationManager().schemas()  # type: ignore[no-untyped-call]
            near = difflib.get_close_matches(scheme, known, n=1)
            hint = "" if scheme in known or not near else f"; did you mean {near[0]}://?"
            raise ConfigInvalid(f"{VARIABLE}: channel {channel.name}: not an address{hint}")
    made.request_rate_per_sec = min(made.request_rate_per_sec, SECONDS_BETWEEN_MAX)
    made.overflow_mode = OverflowMode.SPLIT  # a text too long for the service is not refused
    return made
