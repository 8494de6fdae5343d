"""Who must say yes to a live plan, and how much money a yes may cover."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from execution.errors import ConfigInvalid
from execution.model.money import plain

LIMITS = ("two_person_above", "notional_max", "daily_notional_max")


class ApprovalRules(BaseModel):
    """Money is in the account's currency; exactly a limit is allowed, None is no limit.

    They are part of every plan and of its digest: whoever approves a plan approves them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    two_person_above: Decimal | None = Field(
        None, ge=0, description="A plan worth more needs the approval of two different people"
    )
    notional_max: Decimal | None = Field(
        None, gt=0, description="Most that one plan may open; what only reduces is not counted"
    )
    daily_notional_max: Decimal | None = Field(
        None, gt=0, description="Most that all approved plans of a day (UTC) may open"
    )
    approvers: tuple[str, ...] = Field(
        (), description="Who may approve, by name; anybody with a name when empty"
    )

    @field_validator("approvers", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Take one text for a list: Ann, or Ann,Bob."""
        if not isinstance(value, str):
            return value
        return [part.strip() for part in value.split(",") if part.strip()]

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        people = {same_person(name) for name in self.approvers}
        if "" in people or len(people) < len(self.approvers):
            raise ValueError("approvers: an empty name, or one person twice")
        if self.two_person_above is not None and len(people) == 1:
            raise ValueError(
                f"two_person_above={plain(self.two_person_above)} needs two people, and approvers "
                f"names only {self.approvers[0]}"
            )
        return self

    def people_needed(self, notional: Decimal) -> int:
        """How many different people must approve a plan of that worth."""
        limit = self.two_person_above
        return 2 if limit is not None and notional > limit else 1


def stricter(asked: ApprovalRules, installed: ApprovalRules) -> ApprovalRules:
    """Both at once: the lower limits, and only people whom both name.

    Raises ConfigInvalid when then nobody could approve.
    """
    people = {same_person(name) for name in installed.approvers}
    both = tuple(name for name in asked.approvers if not people or same_person(name) in people)
    approvers = both if asked.approvers else installed.approvers
    if asked.approvers and not both:
        raise ConfigInvalid(
            f"approval.approvers={', '.join(asked.approvers)}: none of them may approve here: "
            f"REGENT_APPROVAL_APPROVERS={', '.join(installed.approvers)}"
        )
    limits = {name: _lower(asked, installed, name) for name in LIMITS}
    try:
        return ApprovalRules(approvers=approvers, **limits)
    except ValidationError as error:
        problems = "; ".join(e["msg"].removeprefix("Value error, ") for e in error.errors())
        raise ConfigInvalid(f"approval, with REGENT_APPROVAL_*: {problems}") from None


def _lower(one: ApprovalRules, other: ApprovalRules, name: str) -> Decimal | None:
    limits = [limit for limit in (getattr(one, name), getattr(other, name)) if limit is not None]
    return min(limits, default=None)


def same_person(name: str) -> str:
    """What two spellings of one name have in common; empty for no name at all."""
    normal = unicodedata.normalize("NFKC", name)
    shown = "".join(c for c in normal if c.isprintable() or c.isspace())
    return " ".join(shown.casefold().split())


def beyond_caps(rules: ApprovalRules, opens: Decimal, opened_today: Decimal) -> str | None:
    """Why no person may approve a plan that opens so much; None when it is within the caps.

    `opened_today` is what the day's other approved plans open.
    """
    most, most_today = rules.notional_max, rules.daily_notional_max
    if most is not None and opens > most:
        return (
            f"the plan opens {plain(opens)}, approval.notional_max={plain(most)}: make it smaller, "
            "or have the limit raised"
        )
    if most_today is not None and opened_today + opens > most_today:
        return (
            f"the plan opens {plain(opens)} and the day's approved plans {plain(opened_today)}, "
            f"approval.daily_notional_max={plain(most_today)}: make it smaller, wait for the next "
            "day (UTC), or have the limit raised"
        )
    return None


def not_entitled(
    name: str, rules: ApprovalRules, signed: Iterable[str], trigger_user: str | None
) -> str | None:
    """Why the word of `name` does not count for a plan; None when it does.

    `signed` are those who have approved it already, `trigger_user` who started the run, where
    that is known.
    """
    person = same_person(name)
    if not person:
        return "the approver gave no name"
    if rules.approvers and person not in {same_person(one) for one in rules.approvers}:
        return f"{name} is not one of approval.approvers: {', '.join(rules.approvers)}"
    if trigger_user is not None and person == same_person(trigger_user):
        return f"{name} started the run, and somebody else must approve its plan"
    if person in {same_person(one) for one in signed}:
        return f"{name} has approved the plan already, and a different person must be the second"
    return None


def signatures_missing(
    names: Iterable[str], needed: int, rules: ApprovalRules, trigger_user: str | None
) -> str | None:
    """Why the people of `names` are not those that a plan needs; None when they are."""
    signed: list[str] = []
    for name in names:
        problem = not_entitled(name, rules, signed, trigger_user)
        if problem is not None:
            return problem
        signed.append(name)
    if len(signed) < needed:
        return f"{len(signed)} of {needed} different people approved the plan"
    return None
