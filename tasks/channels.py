"""Where alerts go: what REGENT_ALERTS says, and never a word of an address.

    REGENT_ALERTS="ntfy://my-topic mailto://user:password@example.com"   # addresses of apprise
    REGENT_ALERTS=alerts.yaml                                            # or a private file:

    - {name: phone, url: "tgram://...", severity: critical}
    - {name: desk, url: "slack://...", severity: info, topics: [books differ, breaker],
       per_minute: 5}

An address holds a password or a token. It stays in the `Channel`, which has no `repr` of
it; every text speaks of a channel by its name or its number.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from execution.alerting.subscription import PER_MINUTE, ChannelName, Subscription
from execution.errors import ConfigInvalid
from execution.model.enums import Severity, Topic
from tasks.credential_files import read_private

VARIABLE = "REGENT_ALERTS"
FIELDS = ("name", "url", "severity", "topics", "per_minute")
PER_MINUTE_MAX = 600
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+-]{0,19})://.", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way to a person."""

    subscription: Subscription
    url: SecretStr = field(repr=False)

    @property
    def name(self) -> ChannelName:
        """How texts speak of it."""
        return self.subscription.channel


def read_channels(environment: Mapping[str, str]) -> tuple[Channel, ...]:
    """The channels that are configured, none when none are; apprise is not asked yet.

    Raises ConfigInvalid for a file that others can read, for what is no address, and for a
    severity, a topic or a setting that there is not.
    """
    said = environment.get(VARIABLE, "").strip()
    if not said:
        return ()
    channels = _from_addresses(said.split()) if "://" in said else _from_file(Path(said))
    twice = [name for name, count in Counter(c.name for c in channels).items() if count > 1]
    if twice:
        raise ConfigInvalid(f"{VARIABLE}: two channels are called {twice[0]}: rename one")
    return channels


def _from_addresses(urls: Iterable[str]) -> tuple[Channel, ...]:
    """Channels called by their scheme: ntfy, mailto, mailto-2."""
    seen: Counter[str] = Counter()
    channels = []
    for number, url in enumerate(urls, start=1):
        scheme = _scheme(url, f"{VARIABLE}: address {number}")
        seen[scheme] += 1
        name = ChannelName(scheme if seen[scheme] == 1 else f"{scheme}-{seen[scheme]}")
        channels.append(Channel(subscription=Subscription(channel=name), url=SecretStr(url)))
    return tuple(channels)


def _from_file(path: Path) -> tuple[Channel, ...]:
    told = f"{VARIABLE}={path}"
    document = read_private(path.expanduser(), told)
    listed = document.get("channels") if isinstance(document, Mapping) else document
    if not isinstance(listed, list):
        raise ConfigInvalid(f"{told}: expected a list of channels, each with a name and a url")
    return tuple(_channel(entry, told, number) for number, entry in enumerate(listed, start=1))


def _channel(entry: object, told: str, number: int) -> Channel:
    here = f"{told}: channel {number}"
    if not isinstance(entry, Mapping):
        raise ConfigInvalid(f"{here}: expected name, url, and what it is for")
    for key in entry:
        if key not in FIELDS:
            raise ConfigInvalid(f"{here}: a setting that there is not{_near(key, FIELDS)}")
    name = entry.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigInvalid(f"{here}: name: needs letters, digits, '-', '_' or '.', at most 40")
    here = f"{here} ({name})"
    url = entry.get("url")
    if not isinstance(url, str):
        raise ConfigInvalid(f"{here}: url is missing")
    _scheme(url, here)
    per_minute = entry.get("per_minute", PER_MINUTE)
    if type(per_minute) is not int or not 1 <= per_minute <= PER_MINUTE_MAX:
        raise ConfigInvalid(f"{here}: per_minute: needs a number from 1 to {PER_MINUTE_MAX}")
    severities = {severity.value: severity for severity in Severity}
    topics = {topic.value: topic for topic in Topic}
    wanted = entry.get("topics", list(topics))
    if not isinstance(wanted, list):
        raise ConfigInvalid(f"{here}: topics: expected a list, as [books differ, breaker]")
    return Channel(
        subscription=Subscription(
            channel=ChannelName(name),
            severity_min=severities[
                _one_of(entry.get("severity", "warning"), severities, f"{here}: severity")
            ],
            topics=frozenset(topics[_one_of(t, topics, f"{here}: topic")] for t in wanted),
            messages_per_minute=per_minute,
        ),
        url=SecretStr(url),
    )


def _scheme(url: str, here: str) -> str:
    found = SCHEME.match(url.strip())
    if found is None:
        raise ConfigInvalid(f"{here}: is no address as apprise writes them, scheme://...")
    return found[1].lower()


def _one_of(said: object, known: Collection[str], here: str) -> str:
    """The word of `known` that was meant; how its parts are joined does not matter."""
    word = re.sub(r"[\s_-]+", " ", str(said)).strip().lower()
    if word in known:
        return word
    raise ConfigInvalid(f"{here}: there is no such one{_near(said, known)}")


def _near(said: object, known: Collection[str]) -> str:
    """The nearest right word. What was said is not repeated: it may be in the wrong place."""
    near = difflib.get_close_matches(str(said).lower(), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known)}"
