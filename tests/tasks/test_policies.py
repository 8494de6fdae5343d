"""What a task may run again after, and what it must never."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prefect.cache_policies import NO_CACHE
from prefect.states import exception_to_failed_state

import execution.errors
from data.store.connection import LockTimeout
from execution.errors import LedgerUnavailable, TradingError, VenueUnavailable
from tasks.market_data import load_market
from tasks.monitoring import monitor_orders
from tasks.orders import execute_orders, recover_orders
from tasks.policies import READS, SENDS, TaskOptions
from tasks.quality import judge_bars
from tasks.reconciliation import reconcile
from tasks.regime import analyse_regime
from tasks.risk import approve_risk
from tasks.signals import validate_signals

POLICIES = pytest.mark.parametrize("policy", [READS, SENDS], ids=["reads", "sends"])
RETRIED = (LedgerUnavailable, VenueUnavailable)
NEVER = [
    error
    for error in vars(execution.errors).values()
    if isinstance(error, type) and issubclass(error, Exception) and error not in RETRIED
]


def retried(policy: TaskOptions, error: BaseException) -> bool:
    """Whether Prefect would run a task again that failed with this."""
    state = asyncio.run(exception_to_failed_state(error))
    answer: bool = policy["retry_condition_fn"](None, None, state)
    return answer


@POLICIES
@pytest.mark.parametrize("error", [*RETRIED, LockTimeout])
def test_what_was_certainly_not_done_may_be_done_again(
    policy: TaskOptions, error: type[TradingError]
):
    assert retried(policy, error("busy"))


def test_the_errors_of_the_domain_are_all_looked_at():
    assert {error.__name__ for error in NEVER} == {
        "TradingError",
        "InputInvalid",
        "ConfigInvalid",
        "TooSmall",
        "NotYetAvailable",
        "OutcomeUnknown",
        "VenueRefused",
        "SafetyViolation",
        "Refused",
        "ApprovalRefused",
        "NotApproved",
        "PreflightFailed",
        "LiveNotAllowed",
        "TradingStopped",
        "PlanOutdated",
        "InvariantBroken",
    }


@POLICIES
@pytest.mark.parametrize(
    "error", [*NEVER, ValueError, OSError, TimeoutError, KeyboardInterrupt, asyncio.CancelledError]
)
def test_nothing_else_is_ever_done_again(policy: TaskOptions, error: type[BaseException]):
    """A lost answer may hide a sent order, and a no is a no."""
    assert not retried(policy, error("scripted"))


@pytest.mark.parametrize(
    ("tasks", "retries", "delays_s"),
    [
        ((load_market, judge_bars, analyse_regime, validate_signals, approve_risk), 3, [1, 4, 16]),
        ((recover_orders, execute_orders, monitor_orders, reconcile), 1, [2]),
    ],
    ids=["reads", "sends"],
)
def test_every_stage_follows_its_policy(tasks: tuple[Any, ...], retries: int, delays_s: list[int]):
    for task in tasks:
        assert task.retries == retries
        assert task.retry_delay_seconds == delays_s
        assert task.retry_condition_fn is READS["retry_condition_fn"]
        assert task.cache_policy == NO_CACHE
        assert task.persist_result is False
