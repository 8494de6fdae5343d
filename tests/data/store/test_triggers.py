"""How far a trailing stop has come outlives the process."""

from datetime import timedelta
from decimal import Decimal

from data.store.connection import Ledger
from execution.model.identifiers import ClientOrderId
from execution.orders.held import Trigger
from tests.execution.examples import NOW

KEY = ClientOrderId("order-a")


def trigger(px: str, seconds: int = 0, key: ClientOrderId = KEY) -> Trigger:
    ts_event = NOW + timedelta(seconds=seconds)
    return Trigger(client_order_id=key, extreme_px=Decimal(px), ts_event=ts_event)


def test_the_newest_trigger_is_kept_across_transactions(ledger: Ledger):
    for each in (trigger("100"), trigger("121.5", 1), trigger("7", key=ClientOrderId("order-b"))):
        with ledger.transaction() as books:
            books.triggers.save(each)

    with ledger.reading() as books:
        assert books.triggers.of([KEY]) == {KEY: trigger("121.5", 1)}
        assert books.triggers.of([ClientOrderId("ghost")]) == {}
        assert len(books.triggers.of([KEY, ClientOrderId("order-b")])) == 2


def test_an_older_trigger_changes_nothing(ledger: Ledger):
    """Two processes may look at the price at once; the later look wins, whoever writes last."""
    with ledger.transaction() as books:
        books.triggers.save(trigger("121.5", 5))
        books.triggers.save(trigger("100", 4))

        assert books.triggers.of([KEY])[KEY].extreme_px == Decimal("121.5")
