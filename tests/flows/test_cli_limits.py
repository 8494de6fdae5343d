"""`regent limits` and the limits of live trading, as a person sees them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from execution.model.plan import APPROVAL_PHRASE
from execution.risk.checks import CHECKS
from execution.risk.limits import PROFILES, Profile, RiskLimits
from flows.cli import main
from flows.cli_limits import document
from tasks import wiring
from tasks.config import load_config


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGENT_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")


def said(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as end:
        main([*args])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_every_control_is_listed_with_its_limits_and_what_differs(
    capsys: pytest.CaptureFixture[str],
):
    told = said(capsys, "limits", "--profile", "strict")

    assert all(control.code in told for control in CHECKS)
    assert "max_positions=5*" in told
    assert "max_position_size_pct=0.2," in told
    shown = json.loads(said(capsys, "limits", "--json"))
    assert shown["differs"] == []
    assert {c["number"] for c in shown["controls"]} - {None} == set(range(1, 31))


@pytest.mark.parametrize("profile", Profile)
def test_no_limit_is_left_out(profile: Profile):
    """Each belongs to a control, or to what looks at the account between orders."""
    shown = document(RiskLimits(profile=profile))
    controls: list[dict[str, list[str]]] = shown["controls"]  # type: ignore[assignment]
    named = {name for control in controls for name in control["limits"]}

    assert named | set(shown["elsewhere"]) | {"profile"} == set(RiskLimits.model_fields)  # type: ignore[call-overload]
    assert set(shown["differs"]) - {"profile"} == set(PROFILES[profile])  # type: ignore[call-overload]


def test_the_environment_names_profile_and_drawdown():
    said = {"RISK_PROFILE": "strict", "MAX_DRAWDOWN_PCT": "8", "MAX_POSITIONS": "7"}

    limits = load_config(None, {}, said).limits

    assert (limits.profile, limits.max_positions) == (Profile.STRICT, 7)
    assert limits.max_drawdown_pct == Decimal("0.08")
    assert limits.max_daily_loss_pct == Decimal("0.02")


@pytest.mark.parametrize(
    ("name", "looser"),
    [
        ("max_positions", 11),
        ("price_collar_pct", Decimal("0.03")),
        ("min_confidence", Decimal("0.4")),
        ("min_balance", Decimal(99)),
        ("duplicate_window_s", 59),
        ("cooldown_min", 59),
        ("buying_power_buffer_pct", Decimal(0)),
        ("restricted", ()),
        ("groups", {"one": ("AAPL",)}),
    ],
)
def test_what_lets_more_pass_is_looser_and_the_other_way_is_not(name: str, looser: object):
    fixed = RiskLimits(restricted=("FB",), groups={"tech": ("AAPL", "MSFT")})
    mine = fixed.model_copy(update={name: looser})

    assert mine.looser_than(fixed) == (name,)
    assert fixed.looser_than(fixed) == ()
    if name not in ("restricted", "groups"):
        assert fixed.looser_than(mine) == ()


def test_every_limit_has_a_direction():
    """One without would never be held to."""
    strictest = RiskLimits(profile="conservative")
    changed = PROFILES[Profile.CONSERVATIVE]

    assert set(RiskLimits().looser_than(strictest)) == set(changed)


def test_live_trading_is_enabled_within_limits_and_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = tmp_path / "live.yaml"
    config.write_text("limits: {profile: strict, max_positions: 3}")

    told = said(
        capsys,
        *("live", "enable", "--config", str(config), "--name", "Ann", "--phrase", APPROVAL_PHRASE),
    )

    assert "no live run may be looser than: " in told
    assert "max_positions=3" in told
    with wiring.open_ledger().reading() as books:
        last = books.live_trading.latest()
    assert last is not None
    assert last.limits == RiskLimits(profile="strict", max_positions=3)
    with wiring.open_ledger().transaction() as books:  # as an earlier version left it
        books.session.rows("UPDATE live_trading SET limits = NULL")
    assert "regent live enable --config FILE" in said(capsys, "live", "status")
