"""An account has one emergency at a time, and its instruments outlive the feed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from data.store.books import Books
from data.store.emergencies import Emergency, EmergencyStatus
from execution.model.identifiers import AccountId, VenueId
from tests.execution.examples import AAPL, MSFT, NOW, make_instrument

ACCOUNT = AccountId("paper/scripted/main")
FIRST = Emergency(
    emergency_id="first",
    account=ACCOUNT,
    actor="Ann",
    reason="a test",
    flatten=False,
    started_at=NOW,
)


def test_a_second_press_goes_on_with_the_open_emergency_and_may_ask_for_more(books: Books):
    """Its orders' ids come from its start: another start would be another order."""
    assert books.emergencies.begin(FIRST) == FIRST
    later = replace(FIRST, emergency_id="second", started_at=NOW + timedelta(hours=1))

    assert books.emergencies.begin(later) == FIRST
    assert books.emergencies.begin(replace(later, flatten=True)) == replace(FIRST, flatten=True)
    assert books.emergencies.begin(later).flatten  # never less again


def test_after_its_end_a_press_begins_anew(books: Books):
    books.emergencies.begin(FIRST)
    books.emergencies.report(ACCOUNT, "{}")
    books.emergencies.end(ACCOUNT, NOW)

    second = books.emergencies.begin(replace(FIRST, emergency_id="second"))

    assert second.emergency_id == "second"
    first, _ = books.emergencies.of(ACCOUNT)
    assert (first.status, first.ended_at, first.report) == (EmergencyStatus.ENDED, NOW, "{}")


def test_accounts_have_emergencies_of_their_own(books: Books):
    other = replace(FIRST, account=AccountId("paper/scripted/other"))
    books.emergencies.begin(FIRST)
    books.emergencies.begin(other)

    books.emergencies.end(ACCOUNT, NOW)

    assert books.emergencies.open(ACCOUNT) is None
    assert books.emergencies.open(other.account) == other


def test_instruments_are_kept_as_last_described(books: Books):
    aapl = make_instrument(AAPL)
    books.instruments.save([aapl, make_instrument(MSFT)])
    finer = replace(aapl, qty_increment=Decimal("0.001"), notional_min=Decimal(1))

    books.instruments.save([finer])
    books.instruments.save([finer])

    assert books.instruments.get([AAPL]) == {AAPL: finer}
    assert set(books.instruments.of(AAPL.venue)) == {AAPL, MSFT}
    assert books.instruments.of(VenueId("elsewhere")) == {}
