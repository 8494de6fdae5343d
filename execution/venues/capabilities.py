"""What each venue really does with an order: the allow-list that placement decides by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from execution.model.enums import AssetClass, OrderType, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What one venue does natively with one kind of instrument; anything else it does not.

    A library may claim more: what is not listed here is emulated by us or refused, because
    several venues take an unknown stop for a plain order and execute it at once.
    """

    order_types: frozenset[OrderType]
    time_in_force: frozenset[TimeInForce]
    post_only: bool = False
    bracket: bool = False  # entry, stop and target in one request, bound by the venue
    oco: bool = False  # stop and target in one request, bound by the venue
    amend: bool = False  # quantity and limit of a resting order, which keeps its ids
    iceberg: bool = False
    testnet: bool = False  # has a place to trade with play money
    validity_window_s: float = 60.0  # a send may still arrive this long after it left
    lookup_waits_s: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 4.0)  # before each of a round
    # A fee that it takes at once and reports later, as a share of what is received.
    fee_due: Decimal = Decimal(0)
    rounding: Decimal = Decimal(0)  # what the venue may round off a fill, in its currency
    note: str = ""  # what a trader should know


# By venue name; filled in by the adapters' own tables.
CAPABILITIES: dict[str, Mapping[AssetClass, Capabilities]] = {}
