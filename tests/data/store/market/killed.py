"""Downloads again and again, killed one statement later each time, until one comes to its end.

Run as `python -m tests.data.store.market.killed STORE URL`; prints how many were killed, and
how many bars there were after each.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from data.store.market.download import download
from data.store.market.frames import Frames
from data.store.market.store import MarketStore
from data.store.session import Row, Session
from tests.data.feeds.candle_exchange import endpoint_feed
from tests.data.store.market.conftest import NOW, SINCE


def main(path: str, url: str) -> None:
    kills, killed = 0, True
    while killed:
        kills += 1
        # Nothing is open here: DuckDB must never be forked.
        child = os.fork()
        if not child:
            _die_at(kills)
            _download(Path(path), url)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        if not killed and os.waitstatus_to_exitcode(status):
            sys.exit("a download failed by itself")
    sys.stdout.write(f"{kills - 1}\n")


def _download(path: Path, url: str) -> None:
    feed = endpoint_feed(url)
    (instrument,) = feed.instruments()
    download(MarketStore(path), "ccxt:binance", feed, instrument, NOW, since=SINCE)


def _die_at(nth: int) -> None:
    """Have this process end, as by kill -9, in place of its nth statement that writes."""
    left = nth

    def count() -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    rows, put = Session.rows, Frames.put

    def counted_rows(self: Session, sql: str, *params: object) -> list[Row]:
        count()
        return rows(self, sql, *params)

    def counted_put(self: Frames, *args: object) -> None:
        put(self, *args)
        count()  # written, and not committed

    Session.rows, Frames.put = counted_rows, counted_put  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    main(*sys.argv[1:])
