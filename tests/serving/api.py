"""Prefect's API as the UI uses it: plain HTTP with the password and a CSRF token."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

from tests.conftest import Serving

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
TIMEOUT_S = 120
RETRIES = 10
Json = Any  # whatever the answer holds


class Api:
    """A signed-in client."""

    def __init__(self, serving: Serving) -> None:
        user, _, token = serving.password.partition(":")
        url = f"http://127.0.0.1:{serving.port}/api"
        self.http = httpx.Client(base_url=url, auth=(user, token), timeout=TIMEOUT_S)
        client = str(uuid4())
        granted = self.http.get("/csrf-token", params={"client": client}).raise_for_status()
        self.http.headers["Prefect-Csrf-Client"] = client
        self.http.headers["Prefect-Csrf-Token"] = granted.json()["token"]

    def get(self, path: str) -> Json:
        return self.request("GET", path).raise_for_status().json()

    def post(self, path: str, body: Json) -> Json:
        return self.request("POST", path, body).raise_for_status().json()

    def request(
        self,
        method: str,
        path: str,
        body: Json = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Ask, and ask again while the server's SQLite is busy, as Prefect's client does."""
        for _ in range(RETRIES):
            answer = self.http.request(method, path, json=body, headers=headers)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(1)
        return answer

    def deployment(self, name: str) -> Json:
        return self.get(f"/deployments/name/{name}")

    def start(
        self, deployment: str, config: Mapping[str, Json], env: Mapping[str, str] | None = None
    ) -> str:
        """Start a run as the UI's button does, and return its id."""
        run = self.post(
            f"/deployments/{self.deployment(deployment)['id']}/create_flow_run",
            {
                "state": {"type": "SCHEDULED", "name": "Scheduled"},
                "parameters": {"config": config},
                "job_variables": {"env": dict(env or {})},
            },
        )
        return str(run["id"])

    def wait(self, run_id: str, *types: str) -> Json:
        """Wait until the run is in a state of one of `types`, or in a final one."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            run = self.get(f"/flow_runs/{run_id}")
            if run["state"]["type"] in {*types, *FINAL}:
                return run
            assert time.monotonic() < deadline, f"run {run_id} is still {run['state']}"
            time.sleep(0.3)

    def form(self, run: Json) -> Json:
        """The JSON schema of what a paused run asks; it comes a moment after the pause."""
        key = run["state"]["state_details"]["run_input_keyset"]["schema"]
        for _ in range(RETRIES):
            answer = self.request("GET", f"/flow_runs/{run['id']}/input/{key}")
            if answer.status_code != httpx.codes.NOT_FOUND:
                break
            time.sleep(0.5)
        return answer.raise_for_status().json()

    def resume(self, run_id: str, answer: Json) -> httpx.Response:
        """Answer the form."""
        return self.request("POST", f"/flow_runs/{run_id}/resume", {"run_input": answer})

    def logs(self, run_id: str) -> str:
        """What the run logged, for messages of failed assertions."""
        rows = self.post("/logs/filter", {"logs": {"flow_run_id": {"any_": [run_id]}}})
        return "\n".join(row["message"] for row in rows)
