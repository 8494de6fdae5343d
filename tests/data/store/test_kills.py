import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.store.connection import Ledger
from data.store.verify import verify
from execution.model.enums import OrderStatus as S
from execution.model.order import Order
from tests.execution.examples import ACCOUNT

ROOT = Path(__file__).parents[3]
WRITERS, KILLS, PAUSE_S = 8, 14, 0.5
MORE = 4  # acknowledged before each kill, however busy the machine is
PATIENCE_S = 60


class Writers:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.acks: list[Path] = []
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        name = f"w{len(self.acks)}"
        acks = self.ledger.path.with_name(f"{name}.acks")
        command = [sys.executable, "-m", "tests.data.store.writer"]
        command += [str(self.ledger.path), str(acks), name]
        self.acks.append(acks)
        self.running.append(subprocess.Popen(command, cwd=ROOT))

    def kill(self, index: int) -> None:
        writer = self.running.pop(index)
        writer.kill()
        writer.wait()

    def wait(self, acknowledged: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.acknowledged()) < acknowledged:
            assert time.monotonic() < deadline, f"only {len(self.acknowledged())} acknowledged"
            time.sleep(0.1)

    def acknowledged(self) -> set[str]:
        # A line without its end was being written: nobody was told.
        texts = [path.read_text() for path in self.acks if path.exists()]
        return {line for text in texts for line in text.rpartition("\n")[0].split("\n") if line}


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nothing_is_half_done_under_kills(tmp_path: Path):
    """Eight writers from a ledger that is not there yet; fourteen die wherever they are."""
    dice = random.Random(7)  # noqa: S311 - the same kills every time
    writers = Writers(Ledger(tmp_path / "ledger.duckdb"))
    try:
        for _ in range(WRITERS):
            writers.start()
        for number in range(1, KILLS + 1):
            writers.wait(number * MORE)
            time.sleep(dice.uniform(0, 2 * PAUSE_S))
            writers.kill(dice.randrange(WRITERS))
            writers.start()
        writers.ledger.path.with_name("stop").touch()
        assert [writer.wait(PATIENCE_S) for writer in writers.running] == [0] * WRITERS
    finally:
        for writer in writers.running:
            writer.kill()
            writer.wait()

    acknowledged = writers.acknowledged()
    with writers.ledger.reading() as books:
        orders = books.orders.all(ACCOUNT)
        assert verify(books) == ()
        story = {o.client_order_id: _story(books.orders.events(o.client_order_id)) for o in orders}
        fills = books.fills.of(ACCOUNT)
    print(f"{len(acknowledged)} acknowledged, {len(orders)} written, {KILLS} kills")

    assert len(acknowledged) > 50
    assert acknowledged <= story.keys()
    assert len(story) - len(acknowledged) <= KILLS  # committed, and killed before saying so
    assert {_summary(order) for order in orders} == {(S.FILLED, "10.000000000000")}
    assert set(story.values()) == {(S.SUBMITTED, S.ACCEPTED)}
    assert len(fills) == 3 * len(orders)


def _story(events: tuple[object, ...]) -> tuple[S, ...]:
    return tuple(event.status for event in events)


def _summary(order: Order) -> tuple[S, str]:
    return order.status, str(order.cum_qty)
