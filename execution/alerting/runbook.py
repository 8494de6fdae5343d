"""What a person does about each topic, in one sentence; the README's runbook has the rest."""

from __future__ import annotations

from execution.model.enums import Topic

REMEDIES = {
    Topic.APPROVAL_DIFFERS: "compare the plan with `regent orders --all`; halt if it is not clear.",
    Topic.APPROVAL_WANTED: "read the plan and `regent approve RUN`, or let it expire.",
    Topic.BOOKS_DIFFER: "`regent reconcile`; then `regent accept KEY` what is right at the venue.",
    Topic.BREAKER: "find the cause; a halt is lifted by a person: `regent breaker reset REASON`.",
    Topic.EMERGENCY_STOP: "look at the venue for what could not be closed, then `regent status`.",
    Topic.EXTERNAL_TRADE: "if it was yours, `regent accept KEY`; if not, change the keys.",
    Topic.HELD_ORDER: "trading is stopped while an order is due: close by hand, or lift the stop.",
    Topic.LIQUIDATION: "the venue closed a position by force: look at margin and positions there.",
    Topic.ORDER_MISSING: "look for the order at the venue, then `regent reconcile`.",
    Topic.ORDER_OVERDUE: "nothing, it was canceled; if it happens often, raise order_timeout_s.",
    Topic.ORDER_PARTIALLY_FILLED: "nothing, the rest is carried on.",
    Topic.ORDER_REJECTED: "read the venue's reason: balance, size, price or the rights of the key.",
    Topic.ORDER_UNKNOWN: "look at the venue or ask its support, then `regent reconcile`.",
    Topic.ORDER_UNREACHED: "is the venue up? The next run or `regent reconcile` asks again.",
    Topic.OTHER: "`regent alerts`, and the run's page.",
    Topic.PLAN_DENIED: "`regent plan` shows every verdict; change the signals or wait.",
    Topic.POSITION_UNPROTECTED: "place a stop at the venue by hand, or close the position.",
    Topic.PREFLIGHT: "`regent doctor` says what is wrong and the remedy.",
    Topic.RUN_CRASHED: "run it again or `regent reconcile`: nothing is sent twice.",
    Topic.RUN_FAILED: "`regent runs` says why; mend it and run again: nothing is sent twice.",
    Topic.RUN_REFUSED: "nothing to mend; if you wanted it to trade, do what the text says.",
    Topic.SAFETY_VIOLATION: "find out why before `regent state set active`: trading is halted.",
    Topic.SETTINGS_INVALID: "mend what the text names; until then the old settings are used.",
    Topic.TEST: "nothing: this channel works.",
    Topic.TRANSFER: "if you did not move it, lock the account at the venue.",
    Topic.WATCH_BLIND: "is the venue up, and the network? Orders are looked at when it answers.",
}


def remedy(topic: Topic) -> str:
    """What to do next, in one sentence."""
    return REMEDIES[topic]


def anchor(topic: Topic) -> str:
    """Where the README's runbook speaks of it, as in `README.md#books-differ`."""
    return topic.value.replace(" ", "-")
