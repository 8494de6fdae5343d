"""From a row of a reply, through ccxt's reading of it, to a report of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from execution.errors import VenueUnavailable
from execution.model.fill import Fill
from execution.model.identifiers import AccountId, ClientOrderId, InstrumentId
from execution.model.order import Order
from execution.model.reports import OrderReport
from execution.venues.ccxt import reading
from execution.venues.ccxt.exchange import Facts


class Rows:
    """The rows of one account, and which of our ids they speak of."""

    def __init__(
        self,
        facts: Facts,
        instruments: Iterable[InstrumentId],
        account: AccountId,
        clock: Callable[[], datetime],
    ) -> None:
        self._facts = facts
        self._queries = facts.queries
        self._by_symbol = {instrument_id.symbol: instrument_id for instrument_id in instruments}
        self._account = account
        self._clock = clock
        self._ours: dict[str, ClientOrderId] = {}  # by their id on the wire, as far as was told

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is traded here."""
        return tuple(self._by_symbol)

    def remember(self, client_order_id: ClientOrderId) -> str:
        """Note an id of ours, and return it as it is on the wire."""
        wire_id = str(self._facts.wire_id(client_order_id))
        self._ours[wire_id] = client_order_id
        return wire_id

    def report(self, exchange: Any, row: Any, order: Order) -> OrderReport:  # noqa: ANN401
        """Read what was found for one order of ours."""
        instrument_id = order.intent.instrument_id
        parsed = self._parsed(exchange.parse_order, exchange, row, instrument_id.symbol)
        theirs = str(parsed.get("clientOrderId") or "")
        if theirs not in ("", "0", str(self._facts.wire_id(order.client_order_id))):
            raise VenueUnavailable(f"{self._facts.name}: lookup: the reply is another order's")
        return reading.order_report(
            parsed, instrument_id, order.client_order_id, order.intent.order_qty
        )

    def order(self, exchange: Any, row: Any, symbol: str | None) -> OrderReport | None:  # noqa: ANN401
        """Read an order; None for one of a symbol that is not traded here."""
        parsed = self._parsed(exchange.parse_order, exchange, row, symbol)
        instrument_id = self._by_symbol.get(parsed.get("symbol", ""))
        if instrument_id is None:
            return None
        return reading.order_report(parsed, instrument_id, self.our_id(parsed), None)

    def fill(self, exchange: Any, row: Any, symbol: str | None) -> Fill | None:  # noqa: ANN401
        """Read an execution; None for one of a symbol that is not traded here."""
        parsed = self._parsed(exchange.parse_trade, exchange, row, symbol)
        instrument_id = self._by_symbol.get(parsed.get("symbol", ""))
        if instrument_id is None:
            return None
        theirs = row.get(self._queries.trade_cid) if self._queries.trade_cid else None
        return reading.fill(
            parsed,
            exchange.market(instrument_id.symbol)["id"],
            instrument_id,
            self._account,
            self.our_id({"clientOrderId": theirs}),
            self._clock(),
        )

    def wire_id(self, exchange: Any, row: Any, symbol: str) -> str:  # noqa: ANN401
        """The client order id of an order, as it is on the wire."""
        return str(self._parsed(exchange.parse_order, exchange, row, symbol).get("clientOrderId"))

    def _parsed(
        self,
        parse: Callable[..., dict[str, Any]],
        exchange: Any,  # noqa: ANN401
        row: Any,  # noqa: ANN401
        symbol: str | None,
    ) -> dict[str, Any]:
        wrap = self._queries.wrap
        market = exchange.market(symbol) if symbol else None
        return parse({wrap: row} if wrap else row, market)

    def our_id(self, parsed: Mapping[str, Any]) -> ClientOrderId | None:
        """Our id as the venue repeats it; Kraken's userref is 0 where there is none."""
        theirs = str(parsed.get("clientOrderId") or "")
        if theirs in ("", "0"):
            return None
        if theirs in self._ours or self._facts.cid_is_int:
            return self._ours.get(theirs)
        return ClientOrderId(theirs.removeprefix(self._facts.cid_prefix))
