"""What the state machine may choose from: wishes, lies, and how a piece of work is cut short."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from execution.model.enums import TimeInForce
from tests.venues.lying_exchange.lies import ANY, ONLY, WIRE, Fault, Kind, Lie
from tests.venues.machine_parts import WINDOW_S

TOLD = frozenset(Fault) - {Fault.CLOCK_SKEW, Fault.STREAM_SILENCE, Fault.STREAM_DUPLICATES}
# A clock that is off stays off: one that is set back would hide what is there already.
SKEWS_S = st.sampled_from([0.0, 0.0, 0.0, 0.3, -0.3])
Doom = tuple[str, int] | None  # how a piece of work is cut short, and at which step
DOOMS = st.one_of(
    st.none(),
    st.none(),
    st.tuples(st.just("ledger"), st.integers(1, 12)),
    st.tuples(st.just("wire"), st.integers(1, 6)),
)
INSTRUMENTS = st.integers(0, 1)
PAUSES_S = st.sampled_from([0.0, 0.0, WINDOW_S])
RESUMES = st.sampled_from([True, True, False])
HIDDEN_S = WINDOW_S / 2
HIDES = Lie(Fault.NOT_FOUND_AT_FIRST, ONLY[Fault.NOT_FOUND_AT_FIRST], times=None, delay_s=HIDDEN_S)


@st.composite
def lies(draw: st.DrawFn, about: Kind | None = None) -> Lie:
    """One lie, in a test's time: nothing stays hidden for longer than a send may be under way.

    `about` are the requests that it happens to at once; else it comes when it comes.
    """
    fault = draw(st.sampled_from(sorted(TOLD if about is None else TOLD & WIRE)))
    apt = sorted(ONLY.get(fault, ANY))
    on_wire = fault in WIRE
    return Lie(
        fault,
        frozenset([about] if about else apt),
        nth=1 if about or not on_wire else draw(st.integers(1, 3)),
        times=draw(st.sampled_from([1, 2, 4, None])) if on_wire else None,
        probability=1.0 if about else draw(st.sampled_from([1.0, 0.5])),
        seed=draw(st.integers(0, 99)),
        delay_s=0.01 if on_wire else draw(st.sampled_from([0.2, HIDDEN_S])),
        status=draw(st.sampled_from([500, 502, 503, 504])),
    )


def in_short(lie: Lie) -> str:
    """For the story of an example."""
    about = "any" if len(lie.kinds) > 1 else next(iter(lie.kinds))
    return f"{lie.fault} of {about} x{lie.times} from {lie.nth}"


@dataclass(frozen=True)
class Wish:
    """What to ask for: `size` times the smallest, at the market or around its price."""

    instrument: int
    size: int = 1
    offset: int | None = None  # of a limit: permille that it is worse than the price of now
    tif: TimeInForce = TimeInForce.GTC
    exits: bool = False  # a sale that only reduces: one at a time, and allowed while REDUCING
    twice: bool = False  # and the smallest of the other instrument, at the market


WISHES = st.builds(
    Wish,
    instrument=INSTRUMENTS,
    size=st.integers(1, 6),
    offset=st.one_of(st.none(), st.integers(-20, 5)),
    tif=st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC]),
    exits=st.booleans(),
    twice=st.booleans(),
)
