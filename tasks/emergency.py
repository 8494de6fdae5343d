"""The emergency stop: halt, cancel everything, close everything; each account by itself.

    halt file → ledger: HALTED → per account, side by side: cancel → book → close → book
                                                    (live: a person's word before closing)

It uses no Prefect and no feed, so it runs as well from the command without a server. What it
has to wait for, it waits for alone: one venue that hangs holds up no other account.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from uuid import uuid4

from data.store.runs import RunStatus
from execution.errors import InputInvalid, TradingError, TradingStopped
from execution.model.enums import RunMode, Severity, Topic
from execution.model.identifiers import AccountId, RunId
from execution.model.order import OPEN
from execution.model.plan import APPROVAL_PHRASE, TradingPlan
from tasks import wiring
from tasks.alerts import alert, channels_problem
from tasks.config import RunConfig
from tasks.cycle import Cycle, told
from tasks.emergency_account import PACE, Pace, insist, open_patiently
from tasks.emergency_consent import Consent, not_theirs
from tasks.emergency_flatten import Flattening
from tasks.emergency_halt import Declaration
from tasks.emergency_report import AccountOutcome, EmergencyReport, PositionFate, as_json
from tasks.emergency_work import Work

TOLD_MAX = 20  # things left, in one alert; the report has them all


@dataclass(kw_only=True)
class EmergencyStop:
    """One press of the button. `start`, then `close` what waits for a person, then `finish`."""

    reason: str
    actor: str  # AUTOMATION stops only what is halted already
    accounts: tuple[AccountId, ...] = ()  # all that have books here, when empty
    flatten: bool = True
    confirmation: str = ""  # the phrase, where a person typed it when they pressed
    keep_protection: bool = False  # stops rest while a live account waits for a person
    pace: Pace = PACE
    outcomes: dict[AccountId, AccountOutcome] = field(default_factory=dict)
    _ended: set[AccountId] = field(default_factory=set)  # whose outcome is written and told

    def start(self) -> None:
        """Halt, then cancel in all accounts at once; close what needs nobody's word.

        Pressed again, it goes on with what is open. Raises InputInvalid for a press without
        a name or a reason, and for an account that is not known here, LedgerUnavailable
        without a ledger: nothing was halted.
        """
        if not self.reason.strip() or not self.actor.strip():
            raise InputInvalid("an emergency stop has a reason, and somebody's name on it")
        self._began = time.monotonic()
        self._declaration = Declaration(
            emergency_id=str(uuid4()),
            reason=self.reason,
            actor=self.actor,
            flatten=self.flatten,
            accounts=self.accounts,
            now=wiring.wall_clock(),
            pace=self.pace,
        )
        self._declaration.halt()
        stopping = self._declaration.stopping
        phrase = self.confirmation == APPROVAL_PHRASE
        consent = Consent(name=self.actor) if phrase else None
        works = [self._work(account, self._allowed(account, consent)) for account in stopping]
        with ThreadPoolExecutor(max(1, len(works))) as pool:
            futures = [pool.submit(contextvars.copy_context().run, w.done) for w in works]
            self._declaration.insist()
            self._tell_start()
            for future in as_completed(futures):  # who hangs does not hold up the word of others
                outcome = future.result()
                self.outcomes[outcome.account] = outcome
                if not outcome.awaits:
                    self._end(outcome)
        for account in self.waiting:
            why = self._not_theirs(account) if phrase else ""
            if why:
                self.refuse(account, why)

    @property
    def waiting(self) -> tuple[AccountId, ...]:
        """The live accounts that are not closed before a person has said so."""
        return tuple(account for account, o in self.outcomes.items() if o.awaits)

    def config(self, account: AccountId) -> RunConfig:
        """What an account's last run was told."""
        return self._declaration.stopping[account].known.config

    def plan(self, account: AccountId, cycle: Cycle) -> TradingPlan:
        """What closing an account would send, for a person to approve; of the run `cycle`.

        Raises TradingStopped when the emergency is over.
        """
        why = self._over(account)
        if why:
            raise TradingStopped(why)
        work = self._work(account, None, cycle)

        async def make() -> TradingPlan:
            async with open_patiently(work.one.known, self.pace) as venue:
                await work.canceling.learn(venue)
                flattening = Flattening(canceling=work.canceling, venue=venue, consent=None)
                return await flattening.plan()

        with wiring.account_guard(account, self.pace.guard).hold():
            return asyncio.run(make())

    def close(self, account: AccountId, consent: Consent, cycle: Cycle | None = None) -> None:
        """Close an account that waited, now that a person has said so.

        Not one whose emergency was ended meanwhile, as by a person who let it trade again; nor
        by the phrase of somebody who may not approve.
        """
        one = self._declaration.stopping[account]
        why = self._over(account)
        if consent.approved is None:
            why = why or not_theirs(one.known.config, consent.name)
        if why:
            self.refuse(account, why)
            return
        with wiring.open_ledger().reading() as books:
            one.known = replace(one.known, orders=books.orders.working(account))
        after = self._work(account, consent, cycle).done()
        before = self.outcomes[account]
        again = {o.order for o in after.orders}  # the stops that were kept
        earlier = (o for o in before.orders if o.order not in again)
        self.outcomes[account] = replace(
            after, orders=(*earlier, *after.orders), cancel_s=before.cancel_s
        )

    def close_all(self, accounts: Iterable[AccountId], consent: Consent) -> None:
        """Close several that waited, side by side: none waits for the venue of another."""

        def close(account: AccountId) -> None:
            try:
                self.close(account, consent)
            except TradingError as error:  # told; the others go on
                self.refuse(account, told(error))

        given = tuple(accounts)
        with ThreadPoolExecutor(max(1, len(given))) as pool:
            futures = [
                pool.submit(contextvars.copy_context().run, close, account) for account in given
            ]
        for future in futures:
            future.result()

    def refuse(self, account: AccountId, why: str) -> None:
        """Leave an account that waited as it is: nobody said yes."""
        self.outcomes[account] = replace(
            self.outcomes[account], awaits=f"nothing was closed: {why}"
        )

    def finish(self) -> EmergencyReport:
        """What was done, and what could not be; written and told as well."""
        for outcome in self.outcomes.values():
            if outcome.account not in self._ended:
                self._end(outcome)
        return EmergencyReport(
            actor=self.actor,
            reason=self.reason,
            flatten=self.flatten,
            started_at=self._declaration.now,
            took_s=time.monotonic() - self._began,
            accounts=tuple(self.outcomes.values()),
            problems=tuple(self._declaration.problems),
            late=tuple(self._declaration.late),
            untold=channels_problem(),
        )

    def _over(self, account: AccountId) -> str:
        """Why nothing more is closed in an account, or ""."""
        mine = self._declaration.stopping[account].emergency
        with wiring.open_ledger().reading() as books:
            known = books.emergencies.open(account)
        if known is not None and known.emergency_id == mine.emergency_id:
            return ""
        return "the emergency was ended meanwhile: press again, if it is still to be closed"

    def _not_theirs(self, account: AccountId) -> str:
        return not_theirs(self._declaration.stopping[account].known.config, self.actor)

    def _allowed(self, account: AccountId, consent: Consent | None) -> Consent | None:
        """The word of who pressed, where it closes this account."""
        return None if consent is None or self._not_theirs(account) else consent

    def _end(self, outcome: AccountOutcome) -> None:
        """Write and tell what was done to one account, once."""
        self._ended.add(outcome.account)
        if self._declaration.failed:
            return  # there is no ledger to write it to, and that is told
        try:
            insist(self.pace, lambda: self._keep(outcome))
            insist(self.pace, lambda: self._tell_end(outcome))
        except TradingError as error:
            text = f"{outcome.account}: the report is not in the ledger: {error}"
            self._declaration.problems.append(text)

    def _work(
        self, account: AccountId, consent: Consent | None, cycle: Cycle | None = None
    ) -> Work:
        one = self._declaration.stopping[account]
        live = one.known.config.mode is RunMode.LIVE
        return Work(
            one=one,
            declaration=self._declaration,
            consent=consent if live else None,
            keep_protection=self.keep_protection,
            pace=self.pace,
            cycle=cycle,
        )

    def _keep(self, outcome: AccountOutcome) -> None:
        """Write the report; an emergency of which nothing is left is over."""
        with wiring.open_ledger().transaction() as books:
            now = wiring.wall_clock()
            one = self._declaration.stopping[outcome.account]
            known = books.emergencies.open(outcome.account)
            # A person may have ended it meanwhile, and another one begun: that is not ours.
            if known is not None and known.emergency_id == one.emergency.emergency_id:
                books.emergencies.report(outcome.account, as_json(outcome))
                # Pressed meanwhile to close as well, it is not over when all is canceled.
                if outcome.done and (self.flatten or not known.flatten):
                    books.emergencies.end(outcome.account, now)
            status = RunStatus.COMPLETED if outcome.done else RunStatus.FAILED
            books.runs.finish(one.cycle.run_id, status, outcome.summary, now)

    def _tell_start(self) -> None:
        """While the accounts are at work: nobody has to wait for this."""
        if self._declaration.failed:
            return
        pressed = f"{self._declaration.now:%Y-%m-%d %H:%M:%S}Z"  # each press is told of
        for account, one in self._declaration.stopping.items():
            if one.again:
                continue  # nothing has begun: what is found at the end is told
            what = "cancels everything and closes" if self.flatten else "cancels"
            text = (
                f"emergency stop of {account} by {self.actor}, {pressed}: {self.reason}: "
                f"it {what} all"
            )
            try:
                self._alert(account, one.cycle.run_id, Topic.EMERGENCY_STOP, text)
            except TradingError as error:
                self._declaration.problems.append(f"{account}: nobody was told: {error}")

    def _tell_end(self, outcome: AccountOutcome) -> None:
        run_id = RunId(outcome.run_id)
        if self._declaration.stopping[outcome.account].again and outcome.idle:
            text = (
                f"emergency stop of {outcome.account}, pressed again by {self.actor}: "
                f"{self.reason}: nothing was open; it stays HALTED"
            )
            alert(outcome.account, run_id, Severity.WARNING, Topic.EMERGENCY_STOP, text)
            return
        text = f"emergency stop of {outcome.account}: {outcome.summary}"
        if outcome.left:
            more = len(outcome.left) - TOLD_MAX
            rest = [f"and {more} more: see the report"] if more > 0 else []
            text = "\n".join([text, *outcome.left[:TOLD_MAX], *rest])
        self._alert(outcome.account, run_id, Topic.EMERGENCY_STOP, text)
        for name in self._bare(outcome):
            text = f"{name} is open, and after the emergency stop no stop of ours protects it"
            self._alert(outcome.account, run_id, Topic.POSITION_UNPROTECTED, text)

    def _bare(self, outcome: AccountOutcome) -> list[str]:
        """The positions that are left without a stop at the venue."""
        still_open = {PositionFate.LEFT, PositionFate.KEPT}
        left = [p.instrument for p in outcome.positions if p.fate in still_open]
        with wiring.open_ledger().reading() as books:
            working = books.orders.working(outcome.account)
        resting = {
            str(o.intent.instrument_id) for o in working if o.intent.protects and o.status in OPEN
        }
        return [name for name in left if name not in resting]

    @staticmethod
    def _alert(account: AccountId, run_id: RunId, topic: Topic, text: str) -> None:
        alert(account, run_id, Severity.CRITICAL, topic, text)
