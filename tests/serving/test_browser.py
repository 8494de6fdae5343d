"""The approval as a person gives it: the real form in a real browser."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from data.store.approvals import ApprovalStatus
from execution.model.plan import APPROVAL_PHRASE
from tests.serving.browser import Browser, chromedriver, open_browser
from tests.serving.live import LiveRun

pytestmark = pytest.mark.slow

DIALOG = "//*[@role='dialog']"
PRESSES, PATIENCE_S = 3, 20


def test_a_person_approves_in_the_ui_and_only_then_orders_are_sent(live: LiveRun, tmp_path: Path):
    driver = chromedriver()
    if driver is None:
        assert "REGENT_REQUIRE_BROWSER" not in os.environ, "chromedriver is not installed"
        pytest.skip("chromedriver is not installed (on Debian: apt install chromium-driver)")
    live.start("browser")
    digest = live.right_answer()["plan_digest"]

    with open_browser(driver) as browser:
        ui = f"http://127.0.0.1:{live.serving.port}"
        browser.open(ui)
        browser.type("//input[@type='password']", live.serving.password)
        browser.click("//button[text()='Login']")
        browser.find("//*[text()='Deployments']")

        browser.open(f"{ui}/v2/runs/flow-run/{live.run_id}")
        browser.click("//button[contains(., 'Open menu')]")
        browser.click("//*[@role='menuitem'][contains(., 'Resume')]")
        browser.find(f"{DIALOG}//code[text()='live/scripted/browser']")
        browser.find(f"{DIALOG}//code[text()='{digest}']")
        browser.screenshot(tmp_path / "form.png")

        _choose(browser, "Decision", "approve")
        _choose(browser, "Plan Digest", digest)
        browser.type(_field("Approver"), "Ada Lovelace")
        browser.type(_field("Phrase"), APPROVAL_PHRASE)
        browser.screenshot(tmp_path / "filled-in.png")
        assert live.sent == []
        _resume(browser, live, tmp_path / "pressed.png")

        assert live.end() == "COMPLETED", live.api.logs(live.run_id)

    assert live.sent == live.planned
    assert len(live.sent) > 0
    [request] = live.requests
    assert (request.status, request.approver) == (ApprovalStatus.USED, "Ada Lovelace")


def _resume(browser: Browser, live: LiveRun, after: Path) -> None:
    """Press the button; a server that is too busy says so, and a person presses again."""
    for _ in range(PRESSES):
        browser.click(f"{DIALOG}//button[text()='Resume']")
        for _ in range(PATIENCE_S):
            if live.api.get(f"/flow_runs/{live.run_id}")["state"]["type"] != "PAUSED":
                return
            time.sleep(1)
        browser.screenshot(after)


def _field(label: str) -> str:
    return f"{DIALOG}//*[@id=//label[text()='{label}']/@for]"


def _choose(browser: Browser, label: str, option: str) -> None:
    browser.click(f"{DIALOG}//button[@aria-label='Select {label}']")
    browser.click(f"//*[@role='option'][contains(., '{option}')]")
