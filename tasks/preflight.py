"""Before a run: is everything there that it needs? One line a check, each within a deadline.

Checks run side by side, each in a thread that nobody waits for any longer than the deadline:
one that hangs, or that breaks, is a failure, and holds up no other.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from prefect import get_run_logger, task
from prefect.runtime import task_run

from execution.errors import LedgerUnavailable, PreflightFailed, TradingError, VenueUnavailable
from execution.model.enums import RunMode, Severity, Topic
from execution.monitoring.health import Level, Line, failed, failed_by, gravest_last, warned
from tasks import artifacts, health_here, health_venue, wiring
from tasks.alerts import alert, require_channels
from tasks.config import RunConfig
from tasks.cycle import Cycle
from tasks.policies import READS

DEADLINE_S = 9.0
FEED_PATIENCE_S = 3.0  # the venue is asked without its instruments rather than not at all
LATE = "try again; look at the network here, and at the venue's status page"
SPARE = {"alerts", "worker"}  # a run is safe without them
OUTSIDE = (RunMode.PAPER, RunMode.LIVE)
TRANSIENT = (VenueUnavailable, LedgerUnavailable)

Check = Callable[[RunConfig], list[Line]]
Answer = list[Line] | Exception
Told = tuple[str, Answer]

HERE: dict[str, Check] = {
    "configuration": health_here.configuration,
    "credentials": health_here.credentials,
    "live switches": health_here.live_switches,
    "limits": health_here.limits,
    "ledger": health_here.ledger,
    "backup": health_here.backup,
    "disk": health_here.disk,
    "versions": health_here.versions,
    "alerts": health_here.alert_channels,
    "worker": health_here.worker,
}
# Of our own simulated venue, which has no keys and no clock.
INSIDE: dict[str, Check] = {
    "bars": health_here.inputs,
    "symbols": lambda config: [health_venue.symbols(config)[0]],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What was found."""

    lines: tuple[Line, ...]  # the gravest last
    errors: tuple[Exception, ...]  # what checks raised; their lines say so

    def of(self, level: Level) -> tuple[Line, ...]:
        """The lines of one level."""
        return tuple(line for line in self.lines if line.level is level)

    def require(self) -> None:
        """Raise what failed, each with its remedy; nothing was sent.

        VenueUnavailable when nothing failed but the way to venue or ledger: asking again is
        safe, and may help. Else PreflightFailed.
        """
        failures = self.of(Level.FAILURE)
        if not failures:
            return
        told = "\n".join(f"  {line}" for line in failures)
        text = f"preflight: {len(failures)} of {len(self.lines)} failed; nothing was sent\n{told}"
        passing = [error for error in self.errors if isinstance(error, TRANSIENT)]
        raise VenueUnavailable(text) if len(passing) == len(failures) else PreflightFailed(text)


def quick(config: RunConfig, *, opens: bool = False) -> None:
    """Raise within a second what a run would fail on: settings, bars, signals, ledger, disk.

    One that `opens` positions fails on wrong channels and limits of unknown symbols, too.
    """
    wiring.require_known(config)
    health_here.credentials(config)
    if opens:
        require_channels()
    health_here.inputs(config, opens=opens)
    health_here.require_ledger()
    health_here.require_room()


def look(config: RunConfig, deadline_s: float = DEADLINE_S) -> Preflight:
    """Run every check that the mode has; ends at the deadline at the latest."""
    with suppress(TradingError):  # `configuration` will tell
        wiring.load_plugins()
    told: queue.SimpleQueue[Told] = queue.SimpleQueue()
    checks = HERE if config.mode in OUTSIDE else HERE | INSIDE
    for name, check in checks.items():
        _start(name, partial(check, config), told)
    names = tuple(checks)
    if config.mode in OUTSIDE:
        names += ("symbols", *health_venue.ASKED)
        _ask_outside(config, told)
    answers = _without_repeats(_collect(names, told, deadline_s))
    return Preflight(
        lines=gravest_last(line for name in answers for line in _lines(name, answers[name])),
        errors=tuple(answer for answer in answers.values() if isinstance(answer, Exception)),
    )


@task(name="preflight", **READS)
def preflight(cycle: Cycle) -> tuple[Line, ...]:
    """Stop a run outside before it does anything, if something that it needs is not there."""
    if cycle.config.mode not in OUTSIDE:
        return ()
    with cycle.stage("preflight") as outcome:
        found = look(cycle.config)
        artifacts.preflight(found.lines)
        for line in found.of(Level.WARNING):
            get_run_logger().warning("preflight: %s", line)
        try:
            found.require()
        except TradingError as error:
            if not isinstance(error, VenueUnavailable) or task_run.run_count > READS["retries"]:
                severity = Severity.CRITICAL if cycle.live else Severity.WARNING
                alert(cycle.account, cycle.run_id, severity, Topic.PREFLIGHT, str(error))
            raise
        outcome.update({line.name: f"{line.level} {line.facts}" for line in found.lines})
    return found.lines


def _collect(
    names: Iterable[str], told: queue.SimpleQueue[Told], deadline_s: float
) -> dict[str, Answer]:
    """Everybody's answer, or that there was none in time."""
    late = f"no answer within {deadline_s:g} s"
    answers: dict[str, Answer] = {
        name: [warned(name, late, LATE)] if name in SPARE else VenueUnavailable(f"{late}; {LATE}")
        for name in names
    }
    waiting, until = set(answers), time.monotonic() + deadline_s
    while waiting and (left_s := until - time.monotonic()) > 0:
        with suppress(queue.Empty):
            name, answer = told.get(timeout=left_s)
            answers[name] = answer
            waiting.discard(name)
    return answers


def _without_repeats(answers: dict[str, Answer]) -> dict[str, Answer]:
    """One word on keys that are missing, not one more for each question that takes keys."""
    problem = str(answers.get("credentials"))
    unasked = [n for n in health_venue.ASKED if str(answers.get(n)) == problem]
    if not unasked or not isinstance(answers["credentials"], Exception):
        return answers
    told = {name: answer for name, answer in answers.items() if name not in unasked}
    facts = f"not asked for {', '.join(unasked)}: that takes keys"
    return told | {"venue": [warned("venue", facts, "see credentials")]}


def _ask_outside(config: RunConfig, told: queue.SimpleQueue[Told]) -> None:
    """Ask feed and venue, the venue as soon as the instruments are known."""
    found: queue.SimpleQueue[health_venue.Instruments] = queue.SimpleQueue()

    def symbols() -> list[Line]:
        try:
            line, instruments = health_venue.symbols(config)
        except BaseException:
            found.put({})
            raise
        found.put(instruments)
        return [line]

    def ask() -> None:
        try:
            try:
                instruments = found.get(timeout=FEED_PATIENCE_S)
            except queue.Empty:
                instruments = {}
            asyncio.run(health_venue.ask(config, instruments, told.put))
        except Exception as error:  # noqa: BLE001 - it becomes the lines' own failure
            for name in health_venue.ASKED:
                told.put((name, error))

    _start("symbols", symbols, told)
    _thread(ask)


def _start(name: str, check: Callable[[], list[Line]], told: queue.SimpleQueue[Told]) -> None:
    def work() -> None:
        try:
            told.put((name, check()))
        except Exception as error:  # noqa: BLE001 - it becomes the line's own failure
            told.put((name, error))

    _thread(work)


def _thread(work: Callable[[], None]) -> None:
    """A daemon: who hangs must not keep the process from ending."""
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), daemon=True).start()


def _lines(name: str, answer: Answer) -> Iterable[Line]:
    if not isinstance(answer, Exception):
        return answer
    if isinstance(answer, TradingError):
        return [failed_by(name, str(answer))]
    # Only the class: another library's text may quote a secret.
    what = f"the check itself broke: {type(answer).__name__}"
    return [failed(name, what, "regent doctor --verbose shows where")]
