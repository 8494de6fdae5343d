"""Symbols that limits speak of, against what the feed or the venue has."""

from __future__ import annotations

from pathlib import Path

import pytest

from execution.errors import ConfigInvalid
from execution.model.identifiers import InstrumentId
from execution.monitoring.health import Level
from execution.risk.limits import RiskLimits
from tasks import preflight
from tasks.config import RunConfig
from tasks.limit_symbols import require_known_symbols
from tests.cycles import run_cycle
from tests.execution.examples import AAPL, MSFT, VENUE, make_instrument

BTC = InstrumentId("BTC/USD", VENUE)
TRADED = [make_instrument(i) for i in (AAPL, MSFT, BTC)]


@pytest.mark.parametrize(
    "limits",
    [
        RiskLimits(restricted=("aapl", "X:BTCUSD", str(MSFT))),
        RiskLimits(groups={"tech": ("AAPL", "MSFT")}),
        RiskLimits(restricted=("ETH/USDT.BINANCE", "SPY.alpaca")),  # of another account's venue
    ],
)
def test_what_is_traded_may_be_spelled_in_any_way_and_what_is_elsewhere_in_full(limits: RiskLimits):
    require_known_symbols(limits, TRADED)


def test_a_misspelled_symbol_is_refused_with_the_nearest():
    """It would restrict nothing, and nobody would see that before it was bought."""
    limits = RiskLimits(restricted=("APPL", f"MSTF.{MSFT.venue}"), groups={"tech": ("BRK.B",)})

    with pytest.raises(ConfigInvalid) as raised:
        require_known_symbols(limits, TRADED)

    told = str(raised.value)
    assert "limits.restricted: symbol 'APPL' is unknown, did you mean AAPL?" in told
    assert f"limits.restricted: symbol 'MSTF.{MSFT.venue}' is unknown" in told
    assert "limits.groups.tech: symbol 'BRK.B' is unknown" in told


def test_no_run_plans_under_such_limits_and_reconciling_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What opens nothing must work when something is amiss."""
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    config = RunConfig(symbols=("AAPL",), limits=RiskLimits(restricted=("APPL",)))

    with pytest.raises(ConfigInvalid, match="did you mean AAPL"):
        run_cycle(config)
    with pytest.raises(ConfigInvalid, match="did you mean AAPL"):
        preflight.quick(config, opens=True)
    preflight.quick(config)
    (failure,) = preflight.look(config).of(Level.FAILURE)
    assert (failure.name, "did you mean AAPL" in failure.facts) == ("symbols", True)
