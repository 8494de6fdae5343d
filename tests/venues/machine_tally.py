"""What a state machine has done: how often each step was taken, and the story of an example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.venues.lying_exchange.lies import Fault, Kind
from tests.venues.lying_exchange.server import Logged


@dataclass
class Tally:
    """What was done in all, and the story of the example that runs."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    submits: Counter[str] = field(default_factory=Counter)
    examples: int = 0
    story: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # the story of the first that failed

    def begin(self) -> None:
        """Another example begins."""
        self.story, self.examples = [], self.examples + 1

    def tell(self, name: str, *facts: object) -> None:
        """One step was taken."""
        self.counts[name] += 1
        self.story.append(" ".join((name, *map(str, facts))))

    def hear(self, requests: Iterable[Logged]) -> None:
        """Count what was sent, and which lies happened to it."""
        for request in requests:
            if request.kind is Kind.SUBMIT:
                self.submits.update(set(request.lies) - {Fault.CLOCK_SKEW} or {"honest"})

    def __str__(self) -> str:
        return (
            f"seed={self.seed} steps={self.counts.total()} examples={self.examples}\n"
            f"  steps: {_listed(self.counts)}\n  submits: {_listed(self.submits)}"
        )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))
