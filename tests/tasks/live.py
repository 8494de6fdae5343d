"""A live installation at the scripted venue, and a plan just before anything would be sent."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from data.store.approvals import ApprovalStatus
from data.store.orders import Orders
from execution.model.approval import ApprovalRules
from execution.model.enums import OrderStatus as S
from execution.model.enums import RunMode, TradingState
from execution.model.order import OrderIntent
from execution.model.plan import Approval, TradingPlan
from tasks import wiring
from tasks.config import RunConfig
from tasks.cycle import Cycle, open_cycle
from tasks.encoding import plan_document
from tasks.market_data import Market
from tasks.orders import execute_orders
from tests.cycles import plan_cycle

CONFIG = RunConfig(
    mode=RunMode.LIVE,
    venue="scripted",
    feed="scripted",
    symbols=("GOOG", "MSFT"),
    dry_run=False,
    confirm_live=True,
)


def install(monkeypatch: pytest.MonkeyPatch, home: Path, log: Path) -> None:
    """A live installation with every switch of the environment on."""
    monkeypatch.setenv("REGENT_HOME", str(home))
    monkeypatch.setenv("REGENT_PLUGINS", "tests.scripted_plugin")
    monkeypatch.setenv("REGENT_ALLOW_LIVE", "true")
    monkeypatch.setenv("REGENT_LIVE_CONFIRMATION", wiring.LIVE_CONFIRMATION)
    monkeypatch.setenv("SCRIPTED_VENUE_LOG", str(log))
    monkeypatch.setenv("SCRIPTED_DRIFT", str(log.with_name("drift")))


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A live installation, all of its switches on; returns where the venue logs orders."""
    path = tmp_path / "venue.jsonl"
    install(monkeypatch, tmp_path / "home", path)
    enable_live(True)
    return path


@dataclass(frozen=True)
class Ready:
    """A live cycle with a plan, just before anything would be sent."""

    cycle: Cycle
    market: Market
    plan: TradingPlan
    log: Path

    def ruled(self, **rules: object) -> Ready:
        """The same with these rules of approval, in the configuration and in the plan."""
        approval = ApprovalRules.model_validate(rules)
        config = self.cycle.config.model_copy(update={"approval": approval})
        cycle = replace(self.cycle, config=config)
        return replace(self, cycle=cycle, plan=replace(self.plan, rules=approval))

    @contextmanager
    def run(self) -> Iterator[Ready]:
        """The same in a run that starts and ends: a refusal that leaves it ends it."""
        with open_cycle(self.cycle.config) as cycle:
            yield replace(self, cycle=cycle, plan=replace(self.plan, run_id=cycle.run_id))

    def approve(
        self,
        plan: TradingPlan | None = None,
        *,
        approver: str = "Ann",
        status: ApprovalStatus = ApprovalStatus.APPROVED,
        trigger_user: str | None = None,
    ) -> Approval:
        """What a person's word leaves in the ledger; returned as if it had been a yes."""
        plan = plan or self.plan
        with wiring.open_ledger().transaction() as books:
            approval_id = f"approval-{plan.digest[:8]}-{books.approvals.count(plan.digest)}"
            now = wiring.wall_clock()
            document = plan_document(plan)
            books.approvals.request(approval_id, plan, document, now, trigger_user=trigger_user)
            if status is not ApprovalStatus.WAITING:
                books.approvals.decide(approval_id, status, approver, "", now)
        return Approval(
            approval_id=approval_id,
            run_id=plan.run_id,
            digest=plan.digest,
            approver=approver,
            decided_at=now,
            expires_at=plan.expires_at,
        )

    def execute(self, approval: Approval | None, plan: TradingPlan | None = None) -> None:
        execute_orders.fn(self.cycle, self.market, plan or self.plan, approval)

    def redeem(self, approval: Approval, plan: TradingPlan | None = None) -> Approval:
        """Use an approval up, as the transaction that writes the orders does."""
        with wiring.open_ledger().transaction() as books:
            books.approvals.redeem(approval, plan or self.plan, wiring.wall_clock())
        return approval

    def submit(self, intent: OrderIntent, approval: Approval | None = None) -> None:
        """Hand an order to the live venue itself, past all stages."""
        plan = self.plan if approval else None
        venue = wiring.build_venue(self.cycle.config, self.market.traded, plan, approval)
        asyncio.run(venue.submit(intent, wiring.wall_clock()))

    def edited(self, **changes: object) -> TradingPlan:
        """The plan with another first order."""
        first, *others = self.plan.intents
        decision = replace(
            self.plan.decision,
            approved=(replace(first, **changes), *others),  # type: ignore[arg-type]
        )
        return replace(self.plan, decision=decision)


@dataclass(frozen=True)
class Template:
    """What every test of a module starts from: made once, copied for each."""

    ledger: Path
    ready: Ready


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    """A run of a live cycle up to its plan, and its ledger as it was then."""
    folder = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        install(patch, folder / "home", folder / "venue.jsonl")
        enable_live(True)
        with open_cycle(CONFIG) as cycle:
            market, planned = plan_cycle(cycle)
            with wiring.open_ledger().quiesced() as ledger:
                shutil.copyfile(ledger, folder / "template.duckdb")
    assert planned.plan.intents
    # Its prices are as good as new for every test of the module, however long that takes.
    lasting = replace(market, price_age_max=dict.fromkeys(market.price_age_max, timedelta(hours=1)))
    ready = Ready(cycle, lasting, planned.plan, folder / "venue.jsonl")
    yield Template(folder / "template.duckdb", ready)


@pytest.fixture
def ready(template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ready:
    """A live cycle with a plan, in an installation of the test's own."""
    ready = template.ready
    install(monkeypatch, tmp_path / "home", ready.log)
    ready.log.unlink(missing_ok=True)
    (tmp_path / "home").mkdir()
    shutil.copyfile(template.ledger, tmp_path / "home" / "ledger.duckdb")
    return ready


def enable_live(enabled: bool) -> None:
    with wiring.open_ledger().transaction() as books:
        books.live_trading.set(enabled, "Ann", wiring.wall_clock())


def set_state(state: TradingState) -> None:
    with wiring.open_ledger().transaction() as books:
        books.trading_state.set(CONFIG.account_id, state, "a test", "Ann", wiring.wall_clock())


def sent(log: Path) -> int:
    """How many orders the venue was given."""
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(json.loads(line)["call"] == "submit" for line in lines)


def written_as_sent() -> int:
    """How often the books say that an order was being sent."""
    with wiring.open_ledger().reading() as books:
        orders: Orders = books.orders
        every = orders.all(CONFIG.account_id)
        return sum(e.status is S.SUBMITTED for o in every for e in orders.events(o.client_order_id))


def alerts() -> list[tuple[str, str]]:
    """Topic and text of every alert, newest first."""
    with wiring.open_ledger().reading() as books:
        return [(str(alert.topic), alert.text) for alert in books.alerts.latest(100)]
