import os
import signal
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from data.store.connection import Guard, Ledger, LockTimeout
from execution.errors import InvariantBroken, LedgerUnavailable
from execution.model.enums import TransferKind
from tests.execution.examples import ACCOUNT, NOW, make_transfer

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from data.store.connection import Guard
with Guard(Path(sys.argv[1]), 5).hold():
    print("held", flush=True)
    time.sleep(60)
"""
# Ten-kilobyte rows until the file may grow no more; what was committed is printed.
FILLER = """
import resource, sys
from pathlib import Path
from data.store.connection import Ledger
from execution.errors import LedgerUnavailable
from tests.execution.examples import NOW
ledger = Ledger(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (ledger.path.stat().st_size + 1_500_000,) * 2)
number = 0
try:
    while True:
        with ledger.transaction() as books:
            texts = [f"{number}-{i}-" + str(hash((number, i))) * 500 for i in range(50)]
            for i, text in enumerate(texts):
                books.stages.append(f"run-{number}", 1, "fill", "started", text, NOW)
        number += 1
        print("committed", number, flush=True)
except LedgerUnavailable as error:
    print("error", error, flush=True)
"""


def deposit(ledger: Ledger, transfer_id: str) -> None:
    with ledger.transaction() as books:
        books.transfers.record(
            make_transfer(ACCOUNT, transfer_id, TransferKind.DEPOSIT, "USD", Decimal("1.5"), NOW)
        )


def cash(ledger: Ledger) -> dict[str, Decimal]:
    with ledger.reading() as books:
        return books.cash(ACCOUNT)


def open_files() -> list[str]:
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(fd.readlink()))
        except FileNotFoundError:  # the listing's own descriptor
            continue
    return found


def test_what_is_committed_is_there_for_the_next_ledger_object(ledger: Ledger):
    deposit(ledger, "t-1")

    assert {"USD": Decimal("1.5")} == cash(Ledger(ledger.path))


def test_a_missing_ledger_is_made_with_its_folder(tmp_path: Path):
    ledger = Ledger(tmp_path / "var" / "a'b" / "ledger.duckdb")

    deposit(ledger, "t-1")

    assert {"USD": Decimal("1.5")} == cash(ledger)


def test_an_exception_rolls_everything_back(ledger: Ledger):
    with pytest.raises(KeyboardInterrupt), ledger.transaction() as books:
        books.transfers.record(
            make_transfer(ACCOUNT, "t-1", TransferKind.DEPOSIT, "USD", Decimal(1), NOW)
        )
        raise KeyboardInterrupt

    assert cash(ledger) == {}


def test_ctrl_c_inside_a_query_is_ctrl_c_and_no_error_of_the_database(ledger: Ledger):
    """DuckDB ends its own calls with an error; who catches errors must not go on."""
    press = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    long = "SELECT count(*) FROM range(10_000_000) a, range(1_000_000) b WHERE a.range < b.range"

    with pytest.raises(KeyboardInterrupt), ledger.transaction() as books:
        books.transfers.record(
            make_transfer(ACCOUNT, "t-1", TransferKind.DEPOSIT, "USD", Decimal(1), NOW)
        )
        press.start()
        books.session.rows(long)

    assert cash(ledger) == {}


def test_another_errors_text_is_not_taken_for_ctrl_c(ledger: Ledger):
    with pytest.raises(RuntimeError, match="another"), ledger.transaction():
        raise RuntimeError("another")


def test_a_swallowed_database_error_does_not_pass_for_a_commit(ledger: Ledger):
    """After an error DuckDB answers OK to COMMIT and discards the transaction."""
    with (
        pytest.raises(LedgerUnavailable, match="nothing of this step was written"),
        ledger.transaction() as books,
    ):
        books.transfers.record(
            make_transfer(ACCOUNT, "t-1", TransferKind.DEPOSIT, "USD", Decimal(1), NOW)
        )
        with pytest.raises(duckdb.ConversionException):
            books.session.rows("SELECT 'x'::INTEGER")


def test_a_broken_rule_of_the_tables_is_not_worth_a_retry(ledger: Ledger):
    with (
        pytest.raises(InvariantBroken, match=r"CHECK constraint.*; nothing of this step"),
        ledger.transaction() as books,
    ):
        books.session.rows("INSERT INTO live_trading VALUES (1, true, 'a', now(), NULL)")
        books.session.rows("INSERT INTO transfers VALUES ('a', 'b', 'gift', 'USD', 1, now())")


def test_reading_cannot_write(ledger: Ledger):
    with pytest.raises(LedgerUnavailable, match="read-only"), ledger.reading() as books:
        books.transfers.record(
            make_transfer(ACCOUNT, "t-1", TransferKind.DEPOSIT, "USD", Decimal(1), NOW)
        )


def test_reading_does_not_make_a_missing_ledger(tmp_path: Path):
    path = tmp_path / "ledger.duckdb"

    with (
        pytest.raises(LedgerUnavailable, match=f"no ledger at {path}: run `regent run` first"),
        Ledger(path).reading(),
    ):
        pass

    assert list(tmp_path.iterdir()) == []


def test_a_transaction_inside_a_transaction_is_refused_and_not_waited_for(ledger: Ledger):
    with ledger.transaction() as books:
        with (
            pytest.raises(InvariantBroken, match="a transaction inside a transaction"),
            Ledger(ledger.path).reading(),
        ):
            pass
        books.transfers.record(
            make_transfer(ACCOUNT, "t-1", TransferKind.DEPOSIT, "USD", Decimal(1), NOW)
        )

    assert {"USD": Decimal(1)} == cash(ledger)


def test_threads_of_one_process_take_turns(ledger: Ledger):
    """Two opens in one process would share a lock and lose each other's commits."""
    threads = [
        threading.Thread(target=lambda n=n: [deposit(ledger, f"{n}-{i}") for i in range(5)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {"USD": Decimal(30)} == cash(ledger)


def test_nothing_stays_open_after_a_transaction_however_it_ended(ledger: Ledger):
    deposit(ledger, "t-1")
    with pytest.raises(ZeroDivisionError), ledger.transaction():
        raise ZeroDivisionError
    with pytest.raises(LedgerUnavailable), ledger.transaction() as books:
        books.session.rows("SELECT * FROM nowhere")

    assert [name for name in open_files() if "ledger.duckdb" in name] == []


def test_a_held_ledger_times_out_with_one_clear_line(ledger: Ledger):
    command = [sys.executable, "-c", HOLDER, str(ledger.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        started = time.monotonic()

        with pytest.raises(LockTimeout) as caught, Ledger(ledger.path, timeout_s=0.3).reading():
            pass

        assert 0.3 <= time.monotonic() - started < 2
        assert (
            f"{ledger.path}: somebody else has held it for 0.3 s; nothing of this step was written"
        ) == str(caught.value)
        holder.kill()

    deposit(ledger, "t-1")  # a dead process holds nothing


def test_who_waits_goes_before_who_has_just_released(tmp_path: Path):
    """Otherwise a busy process starves all others."""
    guard, order = Guard(tmp_path / "ledger.duckdb", 5), []

    def wait() -> None:
        with guard.hold():
            order.append("waited")

    with guard.hold():
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.1)
    with guard.hold():
        order.append("came back")
    thread.join()

    assert order == ["waited", "came back"]


@pytest.mark.parametrize("content", ["", "instrument,qty\nAAPL,10\n" * 1000])
def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path, content: str):
    path = tmp_path / "ledger.duckdb"
    path.write_text(content)

    for opened in (Ledger(path).transaction, Ledger(path).reading):
        with (
            pytest.raises(LedgerUnavailable, match="not a valid DuckDB database file") as caught,
            opened(),
        ):
            pass
        assert "\n" not in str(caught.value)

    assert content == path.read_text()


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path):
    (tmp_path / "var").write_text("a file where the folder should be")

    with pytest.raises(LedgerUnavailable, match="nothing of this step was written"):
        deposit(Ledger(tmp_path / "var" / "ledger.duckdb"), "t-1")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_clear_line(tmp_path: Path):
    tmp_path.chmod(0o500)

    with pytest.raises(LedgerUnavailable, match="Permission denied"):
        deposit(Ledger(tmp_path / "ledger.duckdb"), "t-1")


def test_a_kill_while_the_ledger_is_made_leaves_no_half_made_one(tmp_path: Path):
    """A file cut short could never be opened again; it is made beside its place."""
    path = tmp_path / "ledger.duckdb"
    (tmp_path / "ledger.duckdb.new").write_bytes(b"\0" * 4096)
    (tmp_path / "ledger.duckdb.new.wal").write_bytes(b"\0" * 10)

    deposit(Ledger(path), "t-1")

    assert {"USD": Decimal("1.5")} == cash(Ledger(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "ledger.duckdb",
        "ledger.duckdb.lock",
        "ledger.duckdb.queue",
    ]


def test_a_full_disk_loses_nothing_that_was_acknowledged(ledger: Ledger):
    done = subprocess.run(
        [sys.executable, "-c", FILLER, str(ledger.path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    *committed, error = done.stdout.splitlines()

    assert error.startswith(f"error {ledger.path}: ")
    assert error.endswith(("; nothing of this step was written", "may be repeated safely"))
    with ledger.reading() as books:
        whole = [len(books.stages.of(f"run-{n}")) for n in range(len(committed) + 1)]
    assert len(committed) >= 1
    assert [50] * len(committed) == whole[:-1]
    assert whole[-1] in {0, 50}  # the last one is unknown, but never half there


def test_a_forked_child_writes_and_ends_like_any_process(ledger: Ledger):
    """A pool of worker processes may fork after the ledger was used; nobody hangs for it."""
    with ledger.transaction() as books:
        assert not books.live_trading.enabled()

    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with ledger.transaction() as books:
                books.live_trading.set(True, "a child", NOW)
            code = 3
        finally:
            os._exit(code)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    with ledger.reading() as books:
        assert books.live_trading.enabled()


def test_a_slow_query_never_draws_into_what_a_command_writes(ledger: Ledger):
    """`python -c` has no script, which DuckDB takes for a person at a prompt."""
    code = (
        "import sys; from pathlib import Path; from data.store.connection import attached\n"
        "with attached(Path(sys.argv[1])) as con:\n"
        "    print(con.execute(\"SELECT current_setting('enable_progress_bar')\").fetchall())"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code, str(ledger.path)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout.strip() == "[(False,)]"
