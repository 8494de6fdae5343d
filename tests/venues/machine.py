"""The steps of the state machine: what a process, an exchange and people may do next."""

from __future__ import annotations

import itertools
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from execution.model.enums import ExternalPolicy, OrderSide, OrderType, TimeInForce, TradingState
from execution.model.identifiers import StrategyId, client_order_id
from execution.model.instrument import Instrument
from execution.model.order import OrderIntent
from tests.venues.lying_exchange.lies import Fault, Kind, Lie
from tests.venues.lying_exchange.records import NewOrder, Refused
from tests.venues.lying_exchange.server import LyingExchange
from tests.venues.machine_checks import Checks, books_equal_venue, settle
from tests.venues.machine_choices import (
    DOOMS,
    HIDES,
    INSTRUMENTS,
    PAUSES_S,
    RESUMES,
    SKEWS_S,
    WISHES,
    Doom,
    Wish,
    in_short,
    lies,
)
from tests.venues.machine_parts import WINDOW_S, Clock
from tests.venues.machine_tally import Tally
from tests.venues.machine_world import World

WORTH = Decimal(60)  # of the smallest wish, in the quote currency
FEES_IN_QUOTE = {"coinbase", "kraken"}  # they have no words for any other fee
STRATEGY = StrategyId("machine")


@dataclass(frozen=True)
class Place:
    """Where all examples of this module happen."""

    exchange: LyingExchange
    clock: Clock
    blank: Path  # a ledger in which nothing is written yet


class Machine(RuleBasedStateMachine):
    """One account, from its opening until all is settled."""

    world: World
    checks: Checks

    def __init__(self, place: Place, dialect: str, tally: Tally) -> None:
        super().__init__()
        self.place, self.dialect, self.tally = place, dialect, tally
        self.numbers = itertools.count()
        tally.begin()

    @initialize(skew_s=SKEWS_S, external=st.sampled_from(ExternalPolicy))
    def begin(self, skew_s: float, external: ExternalPolicy) -> None:
        """An account with some money, and a process that has seen it."""
        home = Path(mkdtemp(dir=self.place.blank.parent))
        place = self.place
        self.world = World(
            place.exchange, self.dialect, place.clock, place.blank, home, skew_s, external
        )
        self.checks = Checks(self.world)
        self.tally.tell("begin", skew_s, external)

    # What the process does

    @rule(wish=WISHES, doom=DOOMS)
    def buy(self, wish: Wish, doom: Doom) -> None:
        """Something new, on one instrument or on both."""
        self.send("buy", OrderSide.BUY, wish, doom)

    @rule(wish=WISHES, doom=DOOMS)
    def sell(self, wish: Wish, doom: Doom) -> None:
        """What is held, or more than that."""
        self.send("sell", OrderSide.SELL, wish, doom)

    @rule(wish=WISHES, told=lies(Kind.SUBMIT), hides=st.booleans(), doom=DOOMS)
    def buy_in_a_bad_moment(self, wish: Wish, told: Lie, hides: bool, doom: Doom) -> None:
        """A lie happens to the very request, and what became of it may not show for a while."""
        self.tell_lies(told, *[HIDES] * hides)
        self.send("buy_in_a_bad_moment", OrderSide.BUY, wish, doom, in_short(told), hides)

    @rule(wish=WISHES, told=lies(Kind.SUBMIT), hides=st.booleans(), doom=DOOMS)
    def sell_in_a_bad_moment(self, wish: Wish, told: Lie, hides: bool, doom: Doom) -> None:
        """The same of what is held."""
        self.tell_lies(told, *[HIDES] * hides)
        self.send("sell_in_a_bad_moment", OrderSide.SELL, wish, doom, in_short(told), hides)

    @precondition(lambda self: self.world.wishes)
    @rule(which=st.integers(0, 99), size=st.integers(1, 3), doom=DOOMS)
    def wish_the_same(self, which: int, size: int, doom: Doom) -> None:
        wishes = list(self.world.wishes.values())
        intent = wishes[which % len(wishes)]
        intent = replace(intent, order_qty=intent.order_qty * size)
        self.world.doom = doom
        self.tally.tell("wish_the_same", self.world.wish([intent]), intent.client_order_id, doom)

    @rule(doom=DOOMS)
    def wish_what_is_left(self, doom: Doom) -> None:
        self.world.doom = doom
        self.tally.tell("wish_what_is_left", self.world.wish_again(), doom)

    @rule(after_s=PAUSES_S, doom=DOOMS)
    def look(self, after_s: float, doom: Doom) -> None:
        """What became of everything, asked early or late."""
        self.world.pass_time(after_s)
        self.world.doom = doom
        self.tally.tell("look", self.world.look(), after_s, doom)

    @rule(after_s=PAUSES_S, told=lies(Kind.LOOKUP))
    def look_in_a_bad_moment(self, after_s: float, told: Lie) -> None:
        """A question that fails is no answer."""
        self.world.pass_time(after_s)
        self.tell_lies(told)
        how = self.world.look()
        self.tally.tell("look_in_a_bad_moment", how, after_s, in_short(told))

    @rule(doom=DOOMS)
    def reconcile(self, doom: Doom) -> None:
        self.world.doom = doom
        self.tally.tell("reconcile", self.world.reconcile(), doom)

    @precondition(lambda self: self.world.wishes)
    @rule(which=st.integers(0, 99), doom=DOOMS)
    def cancel(self, which: int, doom: Doom) -> None:
        keys = list(self.world.wishes)
        key = keys[-1 - which % min(len(keys), 4)]
        self.world.doom = doom
        self.tally.tell("cancel", self.world.cancel(key), key, doom)

    # What the exchange does

    @rule(told=st.lists(lies(), max_size=3))
    def lie(self, told: list[Lie]) -> None:
        """Tell other lies than before; with none, be honest."""
        self.world.be_honest()
        self.tell_lies(*told)
        self.tally.tell("lie", *map(in_short, told))

    @rule(
        instrument=INSTRUMENTS,
        permille=st.integers(-25, 25),
        liquidity=st.sampled_from([None, None, 0, 1, 3]),
    )
    def move_market(self, instrument: int, permille: int, liquidity: int | None) -> None:
        """What rests fills, as far as others want to trade."""
        it, engine = self._instrument(instrument), self.world.engine
        qty = None if liquidity is None else self._qty(instrument, liquidity)
        engine.set_liquidity(it.instrument_id.symbol, qty)
        px = self._engine_px(instrument) * (1 + Decimal(permille) / 1000)
        engine.set_price(it.instrument_id.symbol, it.quantize_px(px, OrderSide.BUY))
        self.tally.tell("move_market", instrument, permille, liquidity)

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, WINDOW_S, 2 * WINDOW_S]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)
        self.tally.tell("pass_time", seconds)

    # What people do

    @rule(
        state=st.sampled_from(
            [TradingState.ACTIVE] * 3 + [TradingState.REDUCING, TradingState.HALTED]
        )
    )
    def set_state(self, state: TradingState) -> None:
        self.world.set_state(state)
        self.tally.tell("set_state", state)

    @rule(instrument=INSTRUMENTS, after=st.integers(1, 6), resumes=RESUMES)
    def wish_and_halt_in_between(self, instrument: int, after: int, resumes: bool) -> None:
        """A person halts while orders go out, and often resumes soon."""
        both = (Wish(instrument=instrument), Wish(instrument=1 - instrument))
        intents = [self._intent(OrderSide.BUY, wish) for wish in both]
        self.world.doom = ("halt", after)
        self.tally.tell("wish_and_halt_in_between", self.world.wish(intents), after, resumes)
        if resumes and self.world.state is TradingState.HALTED:
            self.checks.hold()
            self.world.set_state(TradingState.ACTIVE)

    @rule(
        what=st.sampled_from(["rests", "market", "transfer", "liquidation"]),
        instrument=INSTRUMENTS,
        side=st.sampled_from(OrderSide),
    )
    def happen(self, what: str, instrument: int, side: OrderSide) -> None:
        """Something that is not our doing: a trade by hand, money moved, a liquidation."""
        engine, key = self.world.engine, self.world.key
        symbol = self._instrument(instrument).instrument_id.symbol
        if what == "transfer":
            engine.transfer(key, self.world.quote, side.sign * 300)
        elif what == "liquidation":
            self.world.strangers |= engine.liquidate(key, symbol) is not None
        else:
            with suppress(Refused):
                engine.place(key, self._by_hand(instrument, side, rests=what == "rests"))
                self.world.strangers = True
        self.tally.tell("happen", what, instrument, side)

    # What must hold

    @invariant()
    def promises_hold(self) -> None:
        """After every step."""
        self.checks.hold()

    def teardown(self) -> None:
        """Once everybody is honest and has had time, books and venue are equal."""
        if not hasattr(self, "checks"):
            return
        error = sys.exc_info()[1]
        try:
            if error is None:
                settle(self.world)
                self.checks.hold()
                books_equal_venue(self.world)
        except Exception as broken:
            error = broken
            raise
        finally:
            if isinstance(error, Exception):
                self.tally.failed = self.tally.failed or self.tally.story
            self.tally.hear(self.world.requests)
            self.world.close()

    # Inside

    def tell_lies(self, *lies: Lie) -> None:
        for lie in lies:
            if lie.fault is not Fault.FEE_IN_BASE or self.dialect not in FEES_IN_QUOTE:
                self.place.exchange.lie(lie)
            self.world.strangers |= lie.fault is Fault.FORCED_LIQUIDATION

    def send(self, name: str, side: OrderSide, wish: Wish, doom: Doom, *facts: object) -> None:
        intents = [self._intent(side, wish)]
        if wish.twice:
            intents.append(self._intent(side, Wish(instrument=1 - wish.instrument)))
        self.world.doom = doom
        how = self.world.wish(intents)
        self.tally.tell(name, how, wish, doom, *facts, *(i.client_order_id for i in intents))

    def _intent(self, side: OrderSide, wish: Wish) -> OrderIntent:
        instrument, size, offset = wish.instrument, wish.size, wish.offset
        it, px = self._instrument(instrument), self._engine_px(instrument)
        now = self.place.clock.now()
        account, leg = self.world.config.account_id, f"wish {next(self.numbers)}"
        limit_px = None
        if offset is not None:
            limit_px = it.quantize_px(px * (1 + side.sign * Decimal(offset) / 1000), side)
        return OrderIntent(
            client_order_id=client_order_id(account, STRATEGY, it.instrument_id, now, leg),
            account=account,
            instrument_id=it.instrument_id,
            strategy=STRATEGY,
            signal_time=now,
            leg=leg,
            side=side,
            order_qty=self._qty(instrument, size),
            order_type=OrderType.MARKET if limit_px is None else OrderType.LIMIT,
            time_in_force=TimeInForce.GTC if limit_px is None else wish.tif,
            reduce_only=side is OrderSide.SELL and wish.exits,
            px_ref=px,
            confidence=Decimal(1),
            reason="the machine wants it",
            limit_px=limit_px,
        )

    def _by_hand(self, instrument: int, side: OrderSide, *, rests: bool) -> NewOrder:
        it = self._instrument(instrument)
        px = self._engine_px(instrument) * (1 - side.sign * Decimal("0.01"))
        return NewOrder(
            symbol=it.instrument_id.symbol,
            side=side,
            type=OrderType.LIMIT if rests else OrderType.MARKET,
            qty=self._qty(instrument, 2),
            limit_px=it.quantize_px(px, side) if rests else None,
            client_id=f"hand-{next(self.numbers)}",
        )

    def _instrument(self, number: int) -> Instrument:
        return list(self.world.instruments.values())[number]

    def _engine_px(self, instrument: int) -> Decimal:
        return self.world.engine.price(self._instrument(instrument).instrument_id.symbol)

    def _qty(self, instrument: int, size: int) -> Decimal:
        it = self._instrument(instrument)
        return it.quantize_qty(size * WORTH / self._engine_px(instrument))
