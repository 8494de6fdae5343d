"""The signed-in client of the session's server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Serving
from tests.serving.api import Api
from tests.serving.live import LiveRun


@pytest.fixture(scope="session")
def api(serving: Serving) -> Iterator[Api]:
    client = Api(serving)
    with closing(client.http):
        yield client


@pytest.fixture
def live(serving: Serving, api: Api, tmp_path: Path) -> LiveRun:
    return LiveRun(serving, api, tmp_path / "venue.jsonl")
