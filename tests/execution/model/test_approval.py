from collections.abc import Callable
from decimal import Decimal

import pytest
from pydantic import ValidationError

from execution.errors import ConfigInvalid
from execution.model.approval import (
    ApprovalRules,
    beyond_caps,
    not_entitled,
    same_person,
    signatures_missing,
    stricter,
)

FREE = ApprovalRules()
CAPPED = ApprovalRules(notional_max=Decimal(1_000), daily_notional_max=Decimal(2_500))
NAMED = ApprovalRules(approvers=("Ann Lee", "Bob"))


@pytest.mark.parametrize(
    ("above", "notional", "people"),
    [
        (None, "1000000000", 1),
        ("1000", "1000", 1),  # exactly the limit is allowed
        ("1000", "1000.000000000001", 2),
        ("0", "0.01", 2),
        ("0", "0", 1),
    ],
)
def test_a_plan_above_the_limit_needs_two_people(above: str | None, notional: str, people: int):
    rules = ApprovalRules(two_person_above=None if above is None else Decimal(above))

    assert rules.people_needed(Decimal(notional)) == people


@pytest.mark.parametrize(
    ("opens", "today", "names"),
    [
        ("1000", "0", None),
        ("1000.000000000001", "0", "approval.notional_max=1000"),
        ("1000", "1500", None),
        ("1000", "1500.000000000001", "approval.daily_notional_max=2500"),
        ("0", "99999", "approval.daily_notional_max=2500"),
    ],
)
def test_a_cap_may_be_reached_and_not_passed(opens: str, today: str, names: str | None):
    problem = beyond_caps(CAPPED, Decimal(opens), Decimal(today))

    assert (problem is None) if names is None else (problem is not None and names in problem)
    assert beyond_caps(FREE, Decimal(opens), Decimal(today)) is None


@pytest.mark.parametrize("name", ["ann", " Ann\t", "ANN", "\uff21nn", "A\u200bnn", "\u00a0ann"])
def test_one_name_written_otherwise_is_one_person(name: str):
    assert same_person(name) == "ann"


def test_different_names_are_different_people():
    assert len({same_person(name) for name in ("Ann", "Anna", "Ann Lee", "An n")}) == 4
    assert same_person("Ann \t Lee") == same_person("ann lee")


@pytest.mark.parametrize("name", ["", "  ", "\u200b", "\n"])
def test_nobody_approves_without_a_name(name: str):
    assert not_entitled(name, FREE, [], None) == "the approver gave no name"


@pytest.mark.parametrize(
    ("name", "rules", "signed", "trigger", "says"),
    [
        ("Cid", FREE, [], None, None),
        ("ann lee", NAMED, [], None, None),
        ("Cid", NAMED, [], None, "is not one of approval.approvers: Ann Lee, Bob"),
        ("Cid", FREE, [], " CID", "started the run, and somebody else must approve"),
        ("Cid", FREE, ["cid "], None, "has approved the plan already"),
        ("Cid", FREE, ["Bob"], "Ann", None),
    ],
)
def test_whose_word_counts(
    name: str, rules: ApprovalRules, signed: list[str], trigger: str | None, says: str | None
):
    problem = not_entitled(name, rules, signed, trigger)

    assert (problem is None) if says is None else (problem is not None and says in problem)


def test_the_people_of_a_plan_are_counted_and_each_must_count():
    assert signatures_missing(["Ann", "Bob"], 2, FREE, None) is None
    assert signatures_missing(["Ann", "Bob", "Cid"], 2, FREE, None) is None
    for names in ([], ["Ann"], ["Ann", "ann"], ["Ann", ""], ["Ann", "Cid"]):
        assert signatures_missing(names, 2, FREE, "Cid") is not None
    assert signatures_missing([], 0, FREE, None) is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"approvers": ["Ann", "ann "]}, "one person twice"),
        ({"approvers": ["Ann", " "]}, "an empty name"),
        ({"approvers": ["Ann"], "two_person_above": 0}, "needs two people"),
        ({"notional_max": 0}, "greater than 0"),
        ({"daily_notional_max": -1}, "greater than 0"),
        ({"two_person_above": "NaN"}, "finite number"),
        ({"two_persons_above": 1}, "Extra inputs are not permitted"),
    ],
)
def test_rules_that_nobody_could_follow_are_refused(settings: dict[str, object], says: str):
    with pytest.raises(ValidationError, match=says):
        ApprovalRules.model_validate(settings)


def test_one_text_is_a_list_of_names():
    assert ApprovalRules.model_validate({"approvers": "Ann, Bob"}).approvers == ("Ann", "Bob")


@pytest.mark.parametrize(
    "change",
    [
        lambda: ApprovalRules(two_person_above=Decimal(1)),
        lambda: ApprovalRules(notional_max=Decimal(1)),
        lambda: ApprovalRules(daily_notional_max=Decimal(1)),
        lambda: NAMED,
    ],
)
def test_rules_are_frozen_and_compared_by_what_they_say(change: Callable[[], ApprovalRules]):
    rules = change()
    assert rules == change() != FREE
    with pytest.raises(ValidationError, match="frozen"):
        rules.notional_max = None  # type: ignore[misc]


def test_the_rules_of_an_installation_can_be_made_stricter_and_never_laxer():
    installed = ApprovalRules(
        two_person_above=Decimal(1_000), notional_max=Decimal(5_000), approvers=("Ann", "Bob")
    )

    assert stricter(FREE, installed) == installed == stricter(installed, FREE)
    laxer = ApprovalRules(two_person_above=Decimal(9_000), notional_max=Decimal(9_000))
    assert stricter(laxer, installed) == installed
    asked = ApprovalRules(
        two_person_above=Decimal(10), daily_notional_max=Decimal(7), approvers=("bob", "ANN", "Cid")
    )
    assert stricter(asked, installed) == ApprovalRules(
        two_person_above=Decimal(10),
        notional_max=Decimal(5_000),
        daily_notional_max=Decimal(7),
        approvers=("bob", "ANN"),
    )


def test_rules_that_leave_nobody_are_refused_and_never_read_as_anybody():
    """An empty list of approvers means anybody: two lists with nobody in common must not."""
    with pytest.raises(ConfigInvalid, match="none of them may approve here"):
        stricter(ApprovalRules(approvers=("Cid",)), NAMED)
    with pytest.raises(ConfigInvalid, match="needs two people"):
        stricter(ApprovalRules(approvers=("Bob",)), ApprovalRules(two_person_above=Decimal(1)))
