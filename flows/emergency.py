"""The emergency stop, for the UI's button and for the automation on a tripped breaker.

Cancels every open order of every account at once, then closes what is held. In live mode
closing takes the phrase, typed when the button is pressed; without it the account's part
waits in a run of its own, as a plan waits, until a person has approved it.
"""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed
from pydantic import Field

from execution.errors import TradingError
from execution.model.identifiers import AccountId
from flows.approval import require_approval
from tasks import artifacts
from tasks.cycle import open_cycle
from tasks.emergency import EmergencyStop
from tasks.emergency_consent import Consent
from tasks.emergency_report import EmergencyReport


@flow(name="emergency-stop", retries=0, persist_result=False)
def emergency_stop(
    reason: Annotated[str, Field(min_length=1)],
    actor: Annotated[str, Field(min_length=1)],
    accounts: tuple[str, ...] = (),
    flatten: bool = True,
    confirmation: str = "",
    keep_protection: bool = False,
) -> EmergencyReport | State[Any]:
    """Halt, cancel everything everywhere, close everything; pressed again, it goes on.

    Args:
        reason: Why, for the record.
        actor: Your name, for the record (--name of the command).
        accounts: Which accounts, such as live/binance/main; all of them when none is named.
        flatten: Close what is held, too.
        confirmation: To close a live account at once, type I UNDERSTAND THE RISKS (--phrase).
        keep_protection: Let stops rest while a live account waits for a person.

    """
    stop = EmergencyStop(
        reason=reason,
        actor=actor,
        accounts=tuple(map(AccountId, accounts)),
        flatten=flatten,
        confirmation=confirmation,
        keep_protection=keep_protection,
    )
    stop.start()
    for account in stop.waiting:
        _close_when_approved(stop, account)
    report = stop.finish()
    artifacts.emergency(report)
    if report.done:
        return report
    left = (*report.problems, *(f"{a.account}: {text}" for a in report.accounts for text in a.left))
    message = "\n".join([report.summary, *left])
    get_run_logger().error(message)
    return Cancelled(message=message) if report.refused else Failed(message=message)


def _close_when_approved(stop: EmergencyStop, account: AccountId) -> None:
    """Wait for a person in a run of the account's own, which `regent approve` can name."""

    @flow(name="close-live-account", retries=0, persist_result=False)
    def close_live_account(account: str) -> State[Any]:
        name = AccountId(account)
        try:
            with open_cycle(stop.config(name), sends=False) as cycle:
                plan = stop.plan(name, cycle)
                if not plan.intents:
                    stop.refuse(name, "no order that closes it may be sent now")
                    return Cancelled(message=stop.outcomes[name].awaits)
                approval = require_approval(cycle, plan)
                stop.close(name, Consent(name=approval.approver, approved=(plan, approval)), cycle)
        except TradingError as error:
            stop.refuse(name, str(error))
            return Cancelled(message=str(error))
        return Completed(message=stop.outcomes[name].summary)

    close_live_account(account, return_state=True)
