"""The limits a trader sets, by profile; the names and numbers of the requirements.

`default` has the requirements' numbers. `strict` has those of their execution engine's guard
(5 positions, 2 % a day), `conservative` is for money that must not be lost. What a profile
sets is only a default: a limit that is named beside it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Profile(StrEnum):
    """A set of limits under one name."""

    CONSERVATIVE = "conservative"
    DEFAULT = "default"
    STRICT = "strict"


PROFILES: dict[Profile, dict[str, Any]] = {
    Profile.DEFAULT: {},
    Profile.STRICT: {
        "max_positions": 5,
        "max_daily_loss_pct": Decimal("0.02"),
        "price_collar_pct": Decimal("0.01"),
        "max_order_value": Decimal(100_000),
        "max_orders_per_minute": 30,
        "max_orders_per_day": 50,
        "max_repeats_per_day": 12,
        "max_open_orders": 20,
        "max_group_exposure_pct": Decimal("0.40"),
        "max_adv_pct": Decimal("0.02"),
        "max_stop_losses": 3,
        "max_failed_orders": 3,
        "max_venue_errors": 5,
        "max_discrepancies": 1,
        "cooldown_min": 120,
    },
    Profile.CONSERVATIVE: {
        "max_position_size_pct": Decimal("0.10"),
        "max_exposure_pct": Decimal("0.50"),
        "max_net_exposure_pct": Decimal("0.50"),
        "max_positions": 5,
        "min_confidence": Decimal("0.60"),
        "max_signal_age_h": Decimal(48),
        "max_daily_loss_pct": Decimal("0.01"),
        "max_drawdown_pct": Decimal("0.05"),
        "price_collar_pct": Decimal("0.01"),
        "max_order_value": Decimal(50_000),
        "max_orders_per_minute": 20,
        "max_orders_per_day": 20,
        "max_repeats_per_day": 6,
        "max_open_orders": 10,
        "max_group_exposure_pct": Decimal("0.30"),
        "max_adv_pct": Decimal("0.01"),
        "max_stop_losses": 2,
        "max_failed_orders": 2,
        "max_venue_errors": 3,
        "max_discrepancies": 1,
        "cooldown_min": 240,
    },
}


class RiskLimits(BaseModel):
    """Fractions are of the account's equity; money is in the account's currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Profile = Field(Profile.DEFAULT, description="What counts where no limit is named")

    max_position_size_pct: Decimal = Field(
        Decimal("0.20"), gt=0, le=1, description="Largest worth of one position"
    )
    max_exposure_pct: Decimal = Field(
        Decimal("0.95"), gt=0, le=1, description="Largest worth of all positions together (gross)"
    )
    max_net_exposure_pct: Decimal = Field(
        Decimal("0.95"), gt=0, le=1, description="Largest worth of longs less shorts, either way"
    )
    max_leverage: Decimal = Field(
        Decimal(1), gt=0, le=10, description="Largest worth of all positions, in equities"
    )
    groups: dict[str, tuple[str, ...]] = Field(
        {}, description="Instruments that move together, by a name: {majors: [BTC/USDT, ETH/USDT]}"
    )
    max_group_exposure_pct: Decimal = Field(
        Decimal("0.60"), gt=0, le=1, description="Largest worth of one group's positions"
    )
    max_positions: int = Field(10, ge=1, description="Most positions held at once")
    max_open_orders: int = Field(50, ge=1, description="Most orders not settled at once")
    restricted: tuple[str, ...] = Field((), description="Symbols that are never opened")

    min_confidence: Decimal = Field(
        Decimal("0.50"), ge=0, le=1, description="Lowest confidence that may open a position"
    )
    max_signal_age_h: Decimal = Field(
        Decimal(96), gt=0, description="Oldest signal that may open a position: a long weekend"
    )
    max_quote_age_s: int = Field(
        300, ge=1, description="Oldest price of now that is one (paper and live)"
    )

    price_collar_pct: Decimal = Field(
        Decimal("0.02"), gt=0, le=1, description="Furthest from the price that an order may reach"
    )
    max_order_value: Decimal = Field(
        Decimal(1_000_000), gt=0, description="Largest worth of one order"
    )
    max_order_volume: Decimal = Field(
        Decimal(1_000_000_000), gt=0, description="Largest quantity of one order, base units"
    )
    max_adv_pct: Decimal = Field(
        Decimal("0.05"), gt=0, le=1, description="Largest part of a day's average volume, an order"
    )
    duplicate_window_s: int = Field(
        60, ge=0, le=3_600, description="An order like one sent within this is taken for it"
    )
    max_orders_per_minute: int = Field(60, ge=1, description="Most orders sent in a minute")
    max_orders_per_day: int = Field(200, ge=1, description="Most orders sent in a day")
    max_repeats_per_day: int = Field(
        24, ge=1, description="Most entries of one strategy on one instrument in 24 hours"
    )
    max_unfilled_s: int = Field(
        900, ge=1, description="An instrument with an order open for longer opens nothing more"
    )

    max_daily_loss_pct: Decimal = Field(
        Decimal("0.05"), gt=0, le=1, description="Loss since the day's start that stops opening"
    )
    max_drawdown_pct: Decimal = Field(
        Decimal("0.10"), gt=0, le=1, description="Loss since the equity's peak that halts"
    )
    max_stop_losses: int = Field(4, ge=1, description="Stop losses in a row that stop opening")
    max_failed_orders: int = Field(5, ge=1, description="Refused orders in a row, likewise")
    max_venue_errors: int = Field(10, ge=1, description="Venue errors within a quarter hour")
    max_volatility_shock: Decimal = Field(
        Decimal(6), gt=0, description="A day's move in its usual size, of something held"
    )
    max_discrepancies: int = Field(3, ge=1, description="Differences from the venue, likewise")
    cooldown_min: int = Field(
        60, ge=1, description="Minutes until opening is allowed again by itself"
    )

    max_disconnect_s: int = Field(
        60, ge=1, description="Longest silence of the venue after which positions are opened"
    )
    max_alert_delay_s: int = Field(
        300, ge=1, description="Longest that a critical alert may wait to be delivered"
    )
    max_reconciliation_age_s: int = Field(
        3_600, ge=1, description="Oldest comparison with the venue on which positions are opened"
    )

    min_balance: Decimal = Field(
        Decimal(100), ge=0, description="Least equity with which positions are opened"
    )
    buying_power_buffer_pct: Decimal = Field(
        Decimal("0.01"), ge=0, le=1, description="Kept back for fees and slippage on buys"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_profile(cls, settings: object) -> object:
        """Put the profile's numbers where none was named."""
        if not isinstance(settings, Mapping):
            return settings
        named = settings.get("profile", Profile.DEFAULT)
        known = [p.value for p in Profile]
        profile = PROFILES[Profile(named)] if named in known else {}
        return {**profile, **settings}

    def looser_than(self, fixed: RiskLimits) -> tuple[str, ...]:
        """The limits that let more pass than those of `fixed` do, by name."""
        return tuple(name for name, looser in _LOOSER.items() if looser(self, fixed))

    def room_pct(self, drift_pct: Decimal = Decimal(0)) -> Decimal:
        """The part of the largest position that sizing leaves free, so that it passes risk.

        A position counts at the worst price inside the collar, and of an equity from which
        every order under way, together worth the largest exposure, has taken as much as it
        may by then. `drift_pct` is how far the price may move between planning and sending.
        """
        worst = (1 + self.price_collar_pct) * (1 + drift_pct)
        left = max(Decimal(0), 1 - self.price_collar_pct * self.max_exposure_pct)
        return (1 - left / worst).quantize(Decimal("0.0001"), ROUND_CEILING)


def _more(name: str) -> Callable[[RiskLimits, RiskLimits], bool]:
    return lambda mine, fixed: getattr(mine, name) > getattr(fixed, name)


def _less(name: str) -> Callable[[RiskLimits, RiskLimits], bool]:
    return lambda mine, fixed: getattr(mine, name) < getattr(fixed, name)


def _allows_what_is_restricted(mine: RiskLimits, fixed: RiskLimits) -> bool:
    return not set(fixed.restricted) <= set(mine.restricted)


def _ungroups(mine: RiskLimits, fixed: RiskLimits) -> bool:
    """Whether what is held together by a group is so no more."""
    groups = [set(symbols) for symbols in mine.groups.values()]
    return any(not any(set(g) <= mine for mine in groups) for g in fixed.groups.values())


# In which direction each limit is looser. A field without a line here would never be held to.
_LOOSER: dict[str, Callable[[RiskLimits, RiskLimits], bool]] = {
    name: _more(name) for name in RiskLimits.model_fields if name.startswith("max_")
} | {
    "price_collar_pct": _more("price_collar_pct"),
    "min_confidence": _less("min_confidence"),
    "min_balance": _less("min_balance"),
    "duplicate_window_s": _less("duplicate_window_s"),
    "cooldown_min": _less("cooldown_min"),
    "buying_power_buffer_pct": _less("buying_power_buffer_pct"),
    "restricted": _allows_what_is_restricted,
    "groups": _ungroups,
}
