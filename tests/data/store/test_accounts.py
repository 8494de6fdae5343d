import pytest

from data.store.connection import Ledger
from execution.errors import SafetyViolation
from execution.model.identifiers import AccountId
from tests.execution.examples import ACCOUNT, NOW, VENUE

OTHER = AccountId("other")


def test_an_account_is_opened_once(ledger: Ledger):
    with ledger.transaction() as books:
        assert books.accounts.opened_at(ACCOUNT) is None
        assert books.accounts.open(ACCOUNT, VENUE, "uid-1", NOW)
        assert not books.accounts.open(ACCOUNT, VENUE, "uid-1", NOW)
        assert books.accounts.open(OTHER, VENUE, "uid-2", NOW)
        assert books.accounts.opened_at(ACCOUNT) == NOW
        assert books.accounts.names() == tuple(sorted((ACCOUNT, OTHER)))


def test_the_same_money_under_a_second_name_is_refused(ledger: Ledger):
    """It would start with clean books, out of reach of the first one's halt."""
    with ledger.transaction() as books:
        books.accounts.open(ACCOUNT, VENUE, "uid-1", NOW)
        with pytest.raises(SafetyViolation, match="a second name for the same money"):
            books.accounts.open(OTHER, VENUE, "uid-1", NOW)


def test_other_money_under_a_known_name_is_refused(ledger: Ledger):
    """New keys in the environment may be those of another account."""
    with ledger.transaction() as books:
        books.accounts.open(ACCOUNT, VENUE, "uid-1", NOW)
        with pytest.raises(SafetyViolation, match="another one at"):
            books.accounts.open(ACCOUNT, VENUE, "uid-2", NOW)
