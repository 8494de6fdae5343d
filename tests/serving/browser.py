"""Headless Chromium over the W3C WebDriver protocol: real clicks, real keys."""

from __future__ import annotations

import base64
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.conftest import free_port
from tests.serving.api import Json

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name for a reference
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--window-size=1200,1000",
    # The run's page draws a graph that costs seconds a click when a CPU has to paint it.
    "--disable-gpu",
    "--disable-software-rasterizer",
]
TIMEOUT_S = 60


def chromedriver() -> str | None:
    """Where the driver is, if this machine has one."""
    return shutil.which("chromedriver")


class Browser:
    """One window."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def open(self, url: str) -> None:
        self._post("url", url=url)

    def find(self, xpath: str) -> str:
        """Wait for an element that can be seen."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            found = self._post("elements", using="xpath", value=xpath)
            for element in (entry[ELEMENT] for entry in found):
                answer = self._http.get(f"element/{element}/displayed")
                if answer.is_success and answer.json()["value"]:
                    return str(element)
            assert time.monotonic() < deadline, f"{xpath} is not on the page:\n{self.text()}"
            time.sleep(0.2)

    def click(self, xpath: str) -> None:
        self._post(f"element/{self.find(xpath)}/click")

    def type(self, xpath: str, text: str) -> None:
        self._post(f"element/{self.find(xpath)}/value", text=text)

    def text(self) -> str:
        """All that a person can read."""
        script = "return document.body.innerText"
        return str(self._post("execute/sync", script=script, args=[]))

    def screenshot(self, path: Path) -> None:
        answer = self._http.get("screenshot").raise_for_status()
        path.write_bytes(base64.b64decode(answer.json()["value"]))

    def _post(self, path: str, **body: Json) -> Json:
        answer = self._http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()["value"]


@contextmanager
def open_browser(driver: str) -> Iterator[Browser]:
    """Start a driver and a window; both are closed at the end."""
    port = free_port()
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while not _ready(url):
            assert time.monotonic() < deadline, "chromedriver does not answer"
            time.sleep(0.1)
        wanted = {"alwaysMatch": {"goog:chromeOptions": {"args": FLAGS}}}
        with httpx.Client(timeout=TIMEOUT_S) as http:
            answer = http.post(f"{url}/session", json={"capabilities": wanted}).raise_for_status()
            http.base_url = httpx.URL(f"{url}/session/{answer.json()['value']['sessionId']}/")
            try:
                yield Browser(http)
            finally:
                http.delete(str(http.base_url).rstrip("/"))
    finally:
        process.terminate()
        process.wait()


def _ready(url: str) -> bool:
    try:
        return bool(httpx.get(f"{url}/status").json()["value"]["ready"])
    except httpx.TransportError:
        return False
