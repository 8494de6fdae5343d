"""What the command tells Prefect before it is imported; what the environment says, stays."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from execution.errors import LedgerUnavailable
from flows.cli_output import Warnings
from flows.serving import client_environment
from tasks import wiring


def prepare_prefect(*, verbose: bool) -> None:
    """Set the defaults, then import Prefect and keep its logs off the tables.

    The server of `make serve` is used when one runs; else Prefect starts one for the run.
    """
    home = wiring.settings().home.absolute()
    defaults = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    }
    if "PREFECT_API_URL" not in os.environ:
        defaults |= client_environment(home)
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    try:
        Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerUnavailable(
            f"REGENT_HOME={home}: cannot be written to: {error.strerror}"
        ) from None
    import prefect.main  # noqa: F401 - sets up logging, which we then change

    if not verbose:
        # The run's logs still reach the Prefect UI; only this terminal shows less.
        logging.getLogger().handlers = [Warnings()]
