"""The lying exchange itself: a local server that trades, remembers, counts and lies.

    with LyingExchange("binance") as exchange:
        exchange.engine("binance").open_account("key", {"USDT": "10000"})
        exchange.lie(Lie(Fault.TIMEOUT_AFTER))
        ...
        assert 1 == exchange.count(Kind.SUBMIT)

A dialect is a module of this package that looks like `Dialect`. Its handlers are plain
functions from a `Call` to a `Reply` and know nothing of lies: the server lies around them,
and `Call.view` lies to them.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any, Protocol, Self, cast
from urllib.parse import parse_qs

from aiohttp import web

from tests.venues.lying_exchange import control, wire
from tests.venues.lying_exchange.engine import Engine
from tests.venues.lying_exchange.lies import BEFORE, WIRE, Fault, Kind, Lie, Lies, View
from tests.venues.lying_exchange.records import Event, FeeIn, Refused, Why
from tests.venues.lying_exchange.wire import Reply

HALF = Decimal("0.5")
STOP_S = 2  # what does not end by then ends with the loop


@dataclass(frozen=True, slots=True)
class Logged:
    """One request, as it came in; `params` are those of path, query and body together."""

    dialect: str
    kind: Kind
    method: str
    path: str  # with the dialect's prefix
    params: Mapping[str, Any]
    body: str
    at: datetime
    lies: tuple[Fault, ...]  # what happened to it


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as a handler sees it."""

    kind: Kind
    method: str
    path: str
    params: Mapping[str, Any]  # of path, query and body; the last one of several wins
    query: Mapping[str, list[str]]  # every value of every query parameter
    headers: Mapping[str, str]
    body: str
    key: str | None  # as the dialect's `api_key` found it
    engine: Engine
    lies: tuple[Lie, ...]

    @property
    def account(self) -> str:
        """The key of the account; raises Refused for a key that the venue does not know."""
        if self.key is None or not self.engine.has_account(self.key):
            raise Refused(Why.UNKNOWN_KEY)
        return self.key

    @property
    def view(self) -> View:
        """The account's orders and fills, as this request gets to see them."""
        return View(self.engine, self.account, self.lies)


Handler = Callable[[Call], Reply]


class Dialect(Protocol):
    """What a dialect's module has."""

    def make_engine(self, clock: Callable[[], datetime]) -> Engine:
        """Make an engine with the venue's rules and a few instruments with a price."""
        ...

    def routes(self, exchange: LyingExchange) -> list[web.RouteDef]:
        """Every route under `/<dialect>`, most of them made by `exchange.route`."""
        ...

    def api_key(self, headers: Mapping[str, str], params: Mapping[str, Any]) -> str | None:
        """Find the key in a request; None where there is none."""
        ...

    def refuse(self, refused: Refused) -> Reply:
        """Say no in the venue's own words and codes; every `Why` has some."""
        ...


class LyingExchange:
    """Serves the named dialects on 127.0.0.1 from a background thread, each its own engine.

    `clock` is UTC and ours; the exchange's own is the same unless it lies about that.
    """

    def __init__(
        self,
        *dialects: str,
        port: int = 0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.requests: list[Logged] = []
        self.crashes: list[tuple[str, Exception]] = []  # what dialects did not foresee
        self._clock = clock
        self._lies = Lies()
        self._port = port
        self._dialects = {name: _module(name) for name in dialects}
        self.engines = {
            name: dialect.make_engine(self._clock_of(name))
            for name, dialect in self._dialects.items()
        }
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        finally:
            self._end()
        if self.crashes:
            dialect, error = self.crashes[0]
            raise RuntimeError(f"{dialect} could not serve {len(self.crashes)} requests") from error

    @property
    def url(self) -> str:
        """Where it listens; a dialect's base is `url + "/" + dialect`."""
        return f"http://127.0.0.1:{self._port}"

    def engine(self, dialect: str) -> Engine:
        """The truth of one dialect: set prices here, and read what really happened."""
        return self.engines[dialect]

    def lie(self, lie: Lie) -> None:
        """Lie from now on; several lies may happen to one request (one of them on the wire)."""
        self._lies.tell(lie, self._clock())

    def honest(self) -> None:
        """Stop lying. What was done to orders while lying stays done."""
        self._lies.clear()

    def count(self, kind: Kind | None = None, dialect: str | None = None) -> int:
        """How many requests of a kind came in, whatever became of them."""
        return sum(
            kind in (None, logged.kind) and dialect in (None, logged.dialect)
            for logged in self.requests
        )

    def lied(self, fault: Fault, dialect: str) -> int:
        """How many requests, or messages of a stream, a fault has happened to."""
        return self._lies.happened[dialect, fault]

    # For dialects

    def route(
        self,
        dialect: str,
        method: str,
        path: str,
        kind: Kind | Callable[[Mapping[str, Any]], Kind],
        handler: Handler,
    ) -> web.RouteDef:
        """A route that logs and lies around `handler`; `path` may hold `{parameters}`.

        `kind` is a function of the parameters where one path serves several purposes.
        """

        async def answer(http: web.Request) -> web.StreamResponse:
            params, query, body = await _read(http)
            of_kind = kind if isinstance(kind, Kind) else kind(params)
            lies = self._log(dialect, of_kind, http, params, body)
            call = Call(
                kind=of_kind,
                method=http.method,
                path=http.path.removeprefix(f"/{dialect}"),
                params=params,
                query=query,
                headers=http.headers,
                body=body,
                key=self._dialects[dialect].api_key(http.headers, params),
                engine=self.engines[dialect],
                lies=lies,
            )
            return await self._answer(http, dialect, call, handler)

        return web.route(method, f"/{dialect}{path}", answer)

    def serve(self, dialect: str, call: Call, handler: Handler) -> Reply:
        """Let a handler act for a request, and do to its order what the lies want done."""
        refuse = self._dialects[dialect].refuse
        faults = {lie.fault for lie in call.lies}
        engine = self.engines[dialect]
        stamp: dict[str, object] = {}
        if Fault.PARTIAL_FILLS in faults:
            stamp["fill_fraction"] = HALF
        if Fault.FEE_IN_BASE in faults:
            stamp["fee_in"] = FeeIn.RECEIVED
        with engine.lock, engine.stamping(**stamp):
            before = len(engine.orders())
            try:
                reply = handler(call)
            except Refused as refused:
                return refuse(refused)
            except Exception as error:
                # It gets out as a 500, which a client has to bear: so it is told at the end.
                self.crashes.append((dialect, error))
                raise
            placed = engine.orders()[before:]
            if Fault.REJECTED_THEN_FILLED in faults:
                for order in placed:
                    if order.open:
                        engine.fill_next(order.order_id)
                reply = refuse(Refused(Why.INSUFFICIENT_FUNDS))
            if Fault.FORCED_LIQUIDATION in faults:
                for symbol in {order.symbol for order in placed}:
                    engine.liquidate(call.account, symbol)
        return reply

    def stream(self, dialect: str, account: str) -> AsyncGenerator[Event, None]:
        """What happens to an account's orders from this call on; silent or doubled if it lies.

        To be called, read and closed (`aclose`) in a handler of a stream of the dialect's.
        """
        queue: asyncio.Queue[Event] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def listen(event: Event) -> None:
            if event.order.account == account:
                loop.call_soon_threadsafe(queue.put_nowait, event)

        return self._told(queue, self.engines[dialect].subscribe(listen), dialect)

    async def _told(
        self, queue: asyncio.Queue[Event], undo: Callable[[], None], dialect: str
    ) -> AsyncGenerator[Event, None]:
        try:
            while True:
                event = await queue.get()
                lies = self._lies.take(Kind.STREAM, dialect, self._clock())
                faults = {lie.fault for lie in lies}
                if Fault.STREAM_SILENCE in faults:
                    continue
                yield event
                if Fault.STREAM_DUPLICATES in faults:
                    yield event
        finally:
            undo()

    # Inside

    def _clock_of(self, dialect: str) -> Callable[[], datetime]:
        def clock() -> datetime:
            now = self._clock()
            return now + self._lies.skew(dialect, now)

        return clock

    def _log(
        self, dialect: str, kind: Kind, http: web.Request, params: Mapping[str, Any], body: str
    ) -> tuple[Lie, ...]:
        now = self._clock()
        lies = self._lies.take(kind, dialect, now)
        faults = tuple(lie.fault for lie in lies)
        logged = Logged(dialect, kind, http.method, http.path, params, body, now, faults)
        self.requests.append(logged)
        return lies

    async def _answer(
        self, http: web.Request, dialect: str, call: Call, handler: Handler
    ) -> web.StreamResponse:
        lie = next((lie for lie in call.lies if lie.fault in WIRE), None)
        if lie is not None and lie.fault in BEFORE:
            reply = self._dialects[dialect].refuse(Refused(Why.TOO_MANY_REQUESTS))
            reply.headers["Retry-After"] = wire.retry_after(lie)
            return await wire.put(http, lie, reply)
        return await wire.put(http, lie, self.serve(dialect, call, handler))

    async def _start(self) -> None:
        app = web.Application()
        app.add_routes(control.routes(self))
        for dialect in self._dialects.values():
            app.add_routes(dialect.routes(self))
        # A handler whose client has gone is ended; what hangs does not outlive the server.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=STOP_S)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class CcxtClient(Protocol):
    """What is needed of a ccxt client."""

    id: str
    urls: dict[str, Any]


def point_ccxt(client: CcxtClient, url: str) -> None:
    """Send a ccxt or ccxt.pro client to `exchange.url`, and to the dialect of its own name.

    `https://api.binance.com/api/v3` becomes `http://127.0.0.1:PORT/binance/api/v3`; streams
    become `ws://` in the same way. Every host of the client becomes this one.
    """
    client.urls["api"] = _pointed(client.urls["api"], f"{url}/{client.id}")


def _pointed(there: object, base: str) -> object:
    if isinstance(there, dict):
        return {name: _pointed(value, base) for name, value in there.items()}
    if not isinstance(there, str):
        return there
    scheme, _, rest = there.partition("://")
    path = rest.partition("/")[2]
    local = base.replace("http://", "ws://") if scheme.startswith("ws") else base
    return f"{local}/{path}" if path else local


async def _read(http: web.Request) -> tuple[dict[str, Any], dict[str, list[str]], str]:
    """The parameters of path, query and body, those of the query by themselves, and the body."""
    body = await http.text()
    query = {name: http.query.getall(name) for name in http.query}
    params: dict[str, Any] = {name: values[-1] for name, values in query.items()}
    params |= http.match_info
    if body.startswith("{"):
        params |= json.loads(body)
    else:
        params |= {name: values[-1] for name, values in parse_qs(body, True).items()}
    return params, query, body


def _module(dialect: str) -> Dialect:
    return cast(Dialect, import_module(f"{__package__}.{dialect}"))
