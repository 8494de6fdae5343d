import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from data.store.books import Books
from data.store.runs import RunStatus
from execution.errors import InputInvalid, InvariantBroken
from execution.model.enums import RegimeLabel, RunMode
from execution.model.identifiers import AccountId, RunId, StrategyId
from execution.model.plan import RiskDecision, Verdict
from execution.model.regime import Regime
from execution.model.signal import Signal
from tests.execution.examples import AAPL, ACCOUNT, MSFT, NOW, VENUE, make_intent

RUN = RunId("run-abc")


def start(books: Books, run_id: str, hours: int = 0, account: AccountId = ACCOUNT) -> int:
    now = NOW + timedelta(hours=hours)
    return books.runs.start(RunId(run_id), account, VENUE, RunMode.PAPER, '{"a": 1}', now)


def test_a_run_that_is_started_again_counts_its_attempts(books: Books):
    assert start(books, RUN) == 1
    books.runs.finish(RUN, RunStatus.FAILED, "venue down", NOW + timedelta(minutes=1))
    assert start(books, RUN, hours=1) == 2

    run = books.runs.get(RUN)

    assert run is not None
    assert (
        run.attempts,
        run.status,
        run.message,
        run.started_at,
        run.ended_at,
    ) == (2, RunStatus.RUNNING, "", NOW, None)
    assert (
        run.account,
        run.venue,
        run.mode,
        run.config,
    ) == (ACCOUNT, VENUE, RunMode.PAPER, '{"a": 1}')


def test_a_finished_run_says_how_it_ended(books: Books):
    start(books, RUN)

    books.runs.finish(RUN, RunStatus.REFUSED, "no approval", NOW + timedelta(minutes=1))

    run = books.runs.get(RUN)
    assert run is not None
    assert (run.status, run.message) == (RunStatus.REFUSED, "no approval")
    assert NOW + timedelta(minutes=1) == run.ended_at


def test_a_run_id_of_another_account_is_refused(books: Books):
    start(books, RUN)

    with pytest.raises(InputInvalid, match="run run-abc is paper on test at scripted, not paper"):
        start(books, RUN, account=AccountId("other"))


def test_a_run_that_never_started_cannot_end(books: Books):
    with pytest.raises(InvariantBroken):
        books.runs.finish(RUN, RunStatus.COMPLETED, "", NOW)


def test_the_latest_run_is_the_account_s_own(books: Books):
    start(books, "run-1", hours=0)
    start(books, "run-2", hours=2)
    start(books, "run-3", hours=1)
    start(books, "run-4", hours=3, account=AccountId("other"))

    latest = books.runs.latest(ACCOUNT)

    assert latest is not None
    assert latest.run_id == "run-2"
    assert books.runs.latest(AccountId("nobody")) is None


def test_a_short_run_id_finds_the_one_run_it_can_mean(books: Books):
    for run_id in ("abc", "abcd", "abce", "b"):
        start(books, run_id)

    assert books.runs.find("abcd").run_id == "abcd"
    assert books.runs.find("abc").run_id == "abc"  # whole, though it starts others too
    assert books.runs.find("b").run_id == "b"
    with pytest.raises(InputInvalid, match="several runs: abc, abcd, abce"):
        books.runs.find("ab")
    with pytest.raises(InputInvalid, match="no run starts with 'x'"):
        books.runs.find("x")


def test_stages_tell_the_run_s_story_in_order(books: Books):
    books.stages.append(RUN, 1, "risk", "started", "{}", NOW)
    books.stages.append(RUN, 1, "risk", "failed", '{"why": "x"}', NOW)
    books.stages.append(RunId("other"), 1, "risk", "started", "{}", NOW)

    story = [
        (event.attempt, event.stage, event.event, event.detail, event.ts)
        for event in books.stages.of(RUN)
    ]

    assert story == [(1, "risk", "started", "{}", NOW), (1, "risk", "failed", '{"why": "x"}', NOW)]


def test_a_repeated_run_replaces_its_own_regimes_and_signals(books: Books):
    regime = Regime(
        instrument_id=AAPL,
        label=RegimeLabel.TRENDING,
        confidence=0.1 + 0.2,
        volatility=1 / 3,
        trend_strength=31.25,
        ts_event=NOW,
        bars=250,
        bars_sha256="f" * 64,
    )
    signal = Signal(
        instrument_id=AAPL,
        ts_event=NOW,
        regime=RegimeLabel.TRENDING,
        side=-1,
        weight=Decimal("0.25"),
        confidence=Decimal("0.8"),
        strategy=StrategyId("donchian"),
        stop_loss=Decimal("90.5"),
    )
    again = replace(regime, label=RegimeLabel.CALM)
    other = replace(
        signal,
        instrument_id=MSFT,
        take_profit=Decimal(3),
        quantity=Decimal("1.5"),
        price=Decimal("2.25"),
        stop_loss=None,
    )

    books.regimes.save(RUN, [regime, replace(regime, instrument_id=MSFT)])
    books.regimes.save(RUN, [again])
    books.signals.save(RUN, "analysis", [signal])
    books.signals.save(RUN, "wishes.csv", [other, signal])
    books.signals.save(RunId("other"), "analysis", [signal])

    assert (again,) == books.regimes.of(RUN)  # floats to the last bit
    assert (other, signal) == books.signals.of(RUN)


def test_every_verdict_is_kept_with_the_intent_it_looked_at(books: Books):
    bought, denied = make_intent("order-a"), make_intent("order-b", limit_px=Decimal("99.50"))
    verdicts = (
        Verdict(client_order_id=bought.client_order_id, check="cash", passed=True, facts="a=1"),
        Verdict(client_order_id=denied.client_order_id, check="cash", passed=False, facts="a=2"),
    )
    decision = RiskDecision(approved=(bought,), denied=(denied,), verdicts=verdicts)

    books.risk_decisions.append(RUN, 2, "d" * 64, decision, NOW)

    first, second = books.risk_decisions.of(RUN)
    assert verdicts == (first.verdict, second.verdict)
    assert (first.attempt, first.plan_digest, first.ts) == (2, "d" * 64, NOW)
    intent = json.loads(second.intent)
    assert (
        intent["instrument_id"],
        intent["limit_px"],
        intent["side"],
    ) == ("AAPL.SCRIPTED", "99.50", "buy")
