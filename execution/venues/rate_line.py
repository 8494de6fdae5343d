"""What the shared rate limits keep, and whose turn it is: each function inside a transaction.

`taken` holds what was sent inside the window, `waiting` the line of those who could not send
yet, `blocked` until when a venue told us to stay away. Times are microseconds of one clock,
costs are millionths of a unit, so sums are exact.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

MICRO = 1_000_000
LEASE_US = 3 * MICRO  # of a place in the line: who died there holds up others no longer
TICKET_MAX = 2**63 - 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS taken (
    key TEXT, window_us INTEGER, until_us INTEGER, cost INTEGER
);
CREATE INDEX IF NOT EXISTS taken_by_end ON taken (key, window_us, until_us, cost);
CREATE TABLE IF NOT EXISTS waiting (
    ticket INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT, window_us INTEGER, urgent INTEGER, cost INTEGER, lease_until_us INTEGER
);
CREATE TABLE IF NOT EXISTS blocked (key TEXT PRIMARY KEY, since_us INTEGER, until_us INTEGER);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request under one limit of one key."""

    key: str
    window_us: int
    cost: int  # 0 <= cost <= budget
    urgent: bool
    budget: int
    reserve: int  # kept for urgent requests

    def taken_max(self, cost: int, *, urgent: bool) -> int:
        """What may be taken in one window once such a request is in it.

        An ordinary one that is larger than its share goes alone, or it would never go.
        """
        return self.budget if urgent else max(self.budget - self.reserve, cost)


def take(con: sqlite3.Connection, request: Request, now_us: int, ticket: int | None = None) -> int:
    """Take and return 0, or return the microseconds after which it is this request's turn."""
    _follow_clock(con, request.key, now_us)
    con.execute(
        "DELETE FROM taken WHERE key = ? AND window_us = ? AND until_us <= ?",
        (request.key, request.window_us, now_us),
    )
    con.execute("DELETE FROM waiting WHERE lease_until_us <= ?", (now_us,))
    wait_us = _turn_us(con, request, now_us, ticket) - now_us
    if not wait_us:
        con.execute(
            "INSERT INTO taken VALUES (?, ?, ?, ?)",
            (request.key, request.window_us, now_us + request.window_us, request.cost),
        )
        leave_line(con, ticket)
    return wait_us


def stand_in_line(
    con: sqlite3.Connection, request: Request, now_us: int, ticket: int | None
) -> int | None:
    """Take the last place, or keep the one that a ticket stands for; return the ticket."""
    return con.execute(
        "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?, ?)",
        (
            ticket,
            request.key,
            request.window_us,
            request.urgent,
            request.cost,
            now_us + LEASE_US,
        ),
    ).lastrowid


def leave_line(con: sqlite3.Connection, ticket: int | None) -> None:
    """Give a place up."""
    con.execute("DELETE FROM waiting WHERE ticket = ?", (ticket,))


def block(con: sqlite3.Connection, key: str, now_us: int, length_us: int) -> None:
    """Let nobody take anything for so long; a block that ends later stays."""
    _follow_clock(con, key, now_us)
    con.execute(
        "INSERT INTO blocked VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
        "since_us = excluded.since_us, until_us = max(until_us, excluded.until_us)",
        (key, now_us, now_us + length_us),
    )


def forget(con: sqlite3.Connection, now_us: int) -> None:
    """Drop what is over, of keys that nobody uses any more too."""
    con.execute("DELETE FROM taken WHERE until_us <= ?", (now_us,))
    con.execute("DELETE FROM blocked WHERE until_us <= ?", (now_us,))


def _turn_us(con: sqlite3.Connection, request: Request, now_us: int, ticket: int | None) -> int:
    """When the request may be sent at the earliest: after all that stand before it."""
    counted = (request.key, request.window_us)
    blocked = con.execute("SELECT until_us FROM blocked WHERE key = ?", (request.key,)).fetchone()
    turn_us: int = max(now_us, *blocked or (now_us,))
    (total,) = con.execute(
        "SELECT coalesce(sum(cost), 0) FROM taken WHERE key = ? AND window_us = ?", counted
    ).fetchone()
    line: list[tuple[int, int]] = con.execute(
        "SELECT cost, urgent FROM waiting WHERE key = ? AND window_us = ? "
        "AND (urgent, -ticket) > (?, ?) ORDER BY urgent DESC, ticket",
        (*counted, request.urgent, -(ticket or TICKET_MAX)),
    ).fetchall()
    planned: list[tuple[int, int]] = []
    # Who takes later ends later, so the ends are in order; read only as far as needed.
    ends: Iterator[tuple[int, int]] = chain(
        con.execute(
            "SELECT until_us, cost FROM taken WHERE key = ? AND window_us = ? ORDER BY until_us",
            counted,
        ),
        planned,
    )
    for cost, is_urgent in [*line, (request.cost, request.urgent)]:
        # An empty window is enough for all: one in the line may be of another, larger limit.
        while total and total + cost > request.taken_max(cost, urgent=bool(is_urgent)):
            until_us, freed = next(ends)
            turn_us = max(turn_us, until_us)
            total -= freed
        planned.append((turn_us + request.window_us, cost))
        total += cost
    return turn_us


def _follow_clock(con: sqlite3.Connection, key: str, now_us: int) -> None:
    """Where the clock was set back, count from now on what seems to come from the future."""
    con.execute(
        "UPDATE taken SET until_us = ?1 + window_us WHERE key = ?2 AND until_us > ?1 + window_us",
        (now_us, key),
    )
    con.execute(
        "UPDATE waiting SET lease_until_us = ?1 + ?2 WHERE lease_until_us > ?1 + ?2",
        (now_us, LEASE_US),
    )
    con.execute(
        "UPDATE blocked SET since_us = ?1, until_us = ?1 + until_us - since_us "
        "WHERE key = ?2 AND since_us > ?1",
        (now_us, key),
    )
