import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.store.books import Books
from data.store.connection import Ledger


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
