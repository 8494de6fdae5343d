import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from data.store.books import Books
from data.store.connection import Ledger
from execution.model.enums import OrderSide, TransferKind
from execution.model.enums import OrderStatus as S
from execution.model.identifiers import RunId, VenueOrderId
from tests.execution.examples import (
    ACCOUNT,
    NOW,
    OTHER,
    VENUE,
    make_event,
    make_fill,
    make_intent,
    make_transfer,
)


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "empty.duckdb")
    with ledger.transaction():
        pass
    return ledger.path


@pytest.fixture
def ledger(empty_ledger: Path, tmp_path: Path) -> Ledger:
    return Ledger(Path(shutil.copy(empty_ledger, tmp_path / "ledger.duckdb")), timeout_s=5)


@pytest.fixture
def books(ledger: Ledger) -> Iterator[Books]:
    """One open transaction, for tests that do not care where it ends."""
    with ledger.transaction() as books:
        yield books


@pytest.fixture
def traded(books: Books) -> Books:
    """Two accounts: a filled buy and a half filled one that was canceled; a foreign sell."""
    for account in (ACCOUNT, OTHER):
        books.transfers.record(
            make_transfer(account, "opening", TransferKind.OPENING, "USD", Decimal(5_000), NOW)
        )
    third = Decimal(100) / 3
    px = third.quantize(Decimal("1E-12"))
    intents = [make_intent("order-a"), make_intent("order-b", account=OTHER)]
    books.orders.commit_intents(RunId("run-1"), "digest", intents, NOW)
    for intent in intents:
        key = intent.client_order_id
        books.orders.append(make_event(key, status=S.SUBMITTED))
        books.orders.append(
            make_event(key, status=S.ACCEPTED, venue_order_id=VenueOrderId(f"V-{key}"))
        )
        for number, qty in enumerate(["3", "4", "3"] if key == "order-a" else ["1.5", "2.5"]):
            fill = make_fill(
                f"T-{key}-{number}",
                account=intent.account,
                client_order_id=key,
                venue_order_id=VenueOrderId(f"V-{key}"),
                last_qty=Decimal(qty),
                last_px=px + number,
                commission=Decimal("0.01"),
            )
            books.fills.record(VENUE, fill, "AAPL", "USD")
    books.orders.append(make_event("order-b", status=S.CANCELED))
    foreign = make_fill("T-x", client_order_id=None, side=OrderSide.SELL, last_qty=Decimal(2))
    books.fills.record(VENUE, foreign, "AAPL", "USD")
    return books
