"""Every way round the live gate that we could think of; each time nothing is sent.

The venue is scripted and writes each order it is given to a file, so "nothing is sent" is
what the venue saw, not what we believe.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from data.store.approvals import ApprovalStatus
from execution.errors import ApprovalRefused, ConfigInvalid, SafetyViolation
from execution.model.enums import RunMode, TradingState
from execution.model.identifiers import AccountId, RunId
from execution.model.plan import APPROVAL_PHRASE, Approval, TradingPlan
from flows.approval import LiveApproval, _problem, drift
from tasks import wiring
from tasks.config import RunConfig
from tasks.cycle import Cycle, open_cycle
from tasks.encoding import plan_document
from tasks.market_data import Market
from tasks.orders import execute_orders
from tasks.risk import Planned
from tests.cycles import finish_cycle, plan_cycle, run_cycle

CONFIG = RunConfig(
    mode=RunMode.LIVE, venue="scripted", feed="scripted", dry_run=False, confirm_live=True
)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A live installation, all of its switches on; returns where the venue logs orders."""
    path = tmp_path / "venue.jsonl"
    monkeypatch.setenv("REGENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REGENT_PLUGINS", "tests.scripted_plugin")
    monkeypatch.setenv("REGENT_ALLOW_LIVE", "true")
    monkeypatch.setenv("REGENT_LIVE_CONFIRMATION", wiring.LIVE_CONFIRMATION)
    monkeypatch.setenv("SCRIPTED_VENUE_LOG", str(path))
    monkeypatch.setenv("SCRIPTED_DRIFT", str(tmp_path / "drift"))
    enable_live(True)
    return path


@dataclass(frozen=True)
class Ready:
    """A live cycle with a plan, just before anything would be sent."""

    cycle: Cycle
    market: Market
    plan: TradingPlan
    log: Path

    def approve(self, plan: TradingPlan | None = None, *, approver: str = "Ann") -> Approval:
        """What a person's yes leaves in the ledger."""
        plan = plan or self.plan
        approval_id, now = f"approval-{plan.digest[:8]}", wiring.wall_clock()
        with wiring.open_ledger().transaction() as books:
            books.approvals.request(approval_id, plan, plan_document(plan), now)
            books.approvals.decide(approval_id, ApprovalStatus.APPROVED, approver, "", now)
            approval = books.approvals.get(approval_id)
        assert approval is not None
        assert approval.approval is not None
        return approval.approval

    def execute(self, approval: Approval | None, plan: TradingPlan | None = None) -> None:
        execute_orders.fn(self.cycle, self.market, plan or self.plan, approval)


@pytest.fixture
def ready(log: Path) -> Iterator[Ready]:
    with open_cycle(CONFIG) as cycle:
        market, planned = plan_cycle(cycle)
        assert planned.plan.intents
        yield Ready(cycle, market, planned.plan, log)


def enable_live(enabled: bool) -> None:
    with wiring.open_ledger().transaction() as books:
        books.live_trading.set(enabled, "Ann", wiring.wall_clock())


def sent(log: Path) -> int:
    """How many orders the venue was given."""
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(json.loads(line)["call"] == "submit" for line in lines)


def test_with_everything_in_place_exactly_the_approved_orders_are_sent(ready: Ready):
    """The control: without it, all the tests below would pass on a gate that is bricked up."""
    planned = Planned(plan=ready.plan, skipped=())
    finish_cycle(ready.cycle, ready.market, planned, ready.approve())
    assert sent(ready.log) == len(ready.plan.intents)
    with wiring.open_ledger().reading() as books:
        assert books.discrepancies.open(CONFIG.account_id) == ()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"dry_run": True}, "dry_run"),
        ({"confirm_live": False}, "confirm_live"),
        ({"feed": "sample"}, "replay"),
        ({"as_of": datetime(2013, 3, 1, tzinfo=UTC)}, "replay"),
    ],
)
def test_a_configuration_that_is_not_live_through_and_through(
    log: Path, changes: dict[str, object], names: str
):
    with pytest.raises(ConfigInvalid, match=names):
        run_cycle(CONFIG.model_copy(update=changes))
    assert sent(log) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REGENT_ALLOW_LIVE", None),
        ("REGENT_ALLOW_LIVE", "false"),
        ("REGENT_LIVE_CONFIRMATION", None),
        ("REGENT_LIVE_CONFIRMATION", "I understand the risks"),
        ("REGENT_LIVE_CONFIRMATION", "true"),
    ],
)
def test_an_environment_that_does_not_allow_it(
    log: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
):
    monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    with pytest.raises(SafetyViolation, match=name):
        run_cycle(CONFIG)
    assert sent(log) == 0


def test_an_installation_where_live_is_not_enabled(log: Path):
    enable_live(False)
    with pytest.raises(SafetyViolation, match="live enable"):
        run_cycle(CONFIG)
    assert sent(log) == 0


def test_a_whole_cycle_without_asking(log: Path):
    """Calling the stages one by one skips the flow's question, not the gate."""
    with pytest.raises(ApprovalRefused, match="no person approved"):
        run_cycle(CONFIG)
    assert sent(log) == 0


def _forged(ready: Ready) -> Approval:
    now = wiring.wall_clock()
    return Approval(
        approval_id="made-up",
        run_id=ready.plan.run_id,
        digest=ready.plan.digest,
        approver="Mallory",
        decided_at=now,
        expires_at=now + timedelta(days=1),
    )


def _asked_only(ready: Ready) -> Approval:
    forged = replace(_forged(ready), approval_id="asked")
    with wiring.open_ledger().transaction() as books:
        books.approvals.request("asked", ready.plan, "{}", wiring.wall_clock())
    return forged


def _refused(ready: Ready) -> Approval:
    forged = _asked_only(ready)
    with wiring.open_ledger().transaction() as books:
        books.approvals.decide("asked", ApprovalStatus.REFUSED, "Ann", "no", wiring.wall_clock())
    return forged


def _of_another_plan(ready: Ready) -> Approval:
    return ready.approve(replace(ready.plan, created_at=wiring.wall_clock()))


def _of_another_account(ready: Ready) -> Approval:
    return ready.approve(replace(ready.plan, account=AccountId("live/scripted/other")))


def _of_another_run(ready: Ready) -> Approval:
    return ready.approve(replace(ready.plan, run_id=RunId("another")))


def _of_another_mode(ready: Ready) -> Approval:
    return ready.approve(replace(ready.plan, mode=RunMode.DRY_RUN))


def _relabeled(ready: Ready) -> Approval:
    """Another plan's approval with this plan's digest written over it."""
    return replace(_of_another_plan(ready), digest=ready.plan.digest)


def _under_another_name(ready: Ready) -> Approval:
    return replace(ready.approve(), approver="Mallory")


def _used(ready: Ready) -> Approval:
    approval = ready.approve()
    with wiring.open_ledger().transaction() as books:
        books.approvals.redeem(approval, ready.plan, wiring.wall_clock())
    return approval


def _void(ready: Ready) -> Approval:
    approval = ready.approve()
    with wiring.open_ledger().transaction() as books:
        books.approvals.void(approval.approval_id, "prices moved", wiring.wall_clock())
    return approval


WAYS: list[Callable[[Ready], Approval | None]] = [
    lambda ready: None,
    _forged,
    _asked_only,
    _refused,
    _of_another_plan,
    _of_another_account,
    _of_another_run,
    _of_another_mode,
    _relabeled,
    _under_another_name,
    _used,
    _void,
]


@pytest.mark.parametrize("way", WAYS)
def test_an_approval_that_is_none(ready: Ready, way: Callable[[Ready], Approval | None]):
    approval = way(ready)
    with pytest.raises(ApprovalRefused):
        ready.execute(approval)
    assert sent(ready.log) == 0


def test_an_approval_that_has_expired(ready: Ready):
    plan = replace(ready.plan, expires_at=wiring.wall_clock() + timedelta(seconds=0.3))
    approval = ready.approve(plan)
    late = replace(approval, expires_at=approval.expires_at + timedelta(hours=1))
    asyncio.run(asyncio.sleep(0.4))
    for presented in (approval, late):  # what counts is the row, not the object in hand
        with pytest.raises(ApprovalRefused, match="expired"):
            ready.execute(presented, plan)
    assert sent(ready.log) == 0


def test_an_approval_used_twice_sends_once(ready: Ready):
    approval = ready.approve()
    ready.execute(approval)
    before = sent(ready.log)
    with pytest.raises(SafetyViolation, match=r"was used already at .*; nothing more is sent"):
        ready.execute(approval)
    assert sent(ready.log) == before == len(ready.plan.intents)


@pytest.mark.parametrize(
    "edit",
    [
        {"order_qty": Decimal(1_000)},
        {"limit_px": Decimal(1)},
        {"px_ref": Decimal(1)},
        {"stop_loss": Decimal(1)},
        {"reduce_only": True},
    ],
)
def test_a_plan_edited_after_the_approval(ready: Ready, edit: dict[str, object]):
    approval = ready.approve()
    intent = replace(ready.plan.intents[0], **edit)  # type: ignore[arg-type]
    decision = replace(ready.plan.decision, approved=(intent, *ready.plan.intents[1:]))
    with pytest.raises(SafetyViolation):
        ready.execute(approval, replace(ready.plan, decision=decision))
    assert sent(ready.log) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: enable_live(False),
        lambda patch: patch.setenv("REGENT_ALLOW_LIVE", "false"),
        lambda patch: patch.delenv("REGENT_LIVE_CONFIRMATION"),
        lambda patch: set_state(TradingState.HALTED),
        lambda patch: set_state(TradingState.REDUCING),
    ],
)
def test_a_switch_turned_off_between_the_approval_and_the_send(
    ready: Ready, monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None]
):
    approval = ready.approve()
    change(monkeypatch)
    with pytest.raises(SafetyViolation):
        ready.execute(approval)
    assert sent(ready.log) == 0


def set_state(state: TradingState) -> None:
    with wiring.open_ledger().transaction() as books:
        books.trading_state.set(CONFIG.account_id, state, "a test", "Ann", wiring.wall_clock())


def test_the_venue_itself_without_an_approval(ready: Ready):
    venue = wiring.build_venue(CONFIG, ready.market.traded)
    with pytest.raises(ApprovalRefused, match="no person approved"):
        asyncio.run(venue.submit(ready.plan.intents[0], wiring.wall_clock()))
    assert sent(ready.log) == 0


@pytest.mark.parametrize("way", [_forged, _asked_only, _refused, lambda ready: ready.approve()])
def test_the_venue_is_not_built_on_an_approval_that_was_not_redeemed(
    ready: Ready, way: Callable[[Ready], Approval]
):
    with pytest.raises(ApprovalRefused, match="not redeemed"):
        wiring.build_venue(CONFIG, ready.market.traded, ready.plan, way(ready))
    assert sent(ready.log) == 0


def test_the_approved_venue_takes_no_order_of_another_plan(ready: Ready):
    venue = wiring.build_venue(CONFIG, ready.market.traded, ready.plan, _used(ready))
    larger = replace(ready.plan.intents[0], order_qty=ready.plan.intents[0].order_qty + 1)
    with pytest.raises(ApprovalRefused, match="exactly its terms"):
        asyncio.run(venue.submit(larger, wiring.wall_clock()))
    assert sent(ready.log) == 0


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (None, "nobody"),
        ({"decision": "refuse"}, "refused"),
        ({"phrase": "i understand the risks"}, "phrase"),
        ({"phrase": ""}, "phrase"),
        ({"plan_digest": "0" * 64}, "another plan"),
        ({"approver": "  "}, "no name"),
    ],
)
def test_a_form_filled_in_wrongly_is_no_approval(
    ready: Ready, answer: dict[str, str] | None, names: str
):
    right = {
        "decision": "approve",
        "approver": "Ann",
        "phrase": APPROVAL_PHRASE,
        "plan_digest": ready.plan.digest,
    }
    assert _problem(LiveApproval.model_validate(right), ready.plan) is None
    given = None if answer is None else LiveApproval.model_validate({**right, **answer})
    problem = _problem(given, ready.plan)
    assert problem is not None
    assert names in problem


def test_a_price_past_the_drift_limit_is_named(ready: Ready):
    limit = Decimal("0.01")
    marks = dict(ready.market.marks)
    assert drift(ready.plan, marks, limit) == ()
    first = ready.plan.intents[0].instrument_id
    assert drift(ready.plan, {**marks, first: marks[first] * Decimal("1.01")}, limit) == ()
    assert len(drift(ready.plan, {**marks, first: marks[first] * Decimal("1.0101")}, limit)) == 1
    del marks[first]
    assert drift(ready.plan, marks, limit) == (f"{first} has no price",)
