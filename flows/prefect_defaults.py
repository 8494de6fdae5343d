"""What the command tells Prefect before it is imported; what the environment says, stays."""

from __future__ import annotations

import logging
import os
import signal
import threading
from contextlib import suppress
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


def start_server() -> None:
    """Start Prefect's temporary server, unless there is another one to use.

    Prefect would start it by itself, but then Ctrl-C at the terminal would end the server
    too, and the run, unable to tell it anything, would hang for a minute. A signal that a
    thread blocks stays blocked in the processes it starts.
    """
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url is None and settings.server.ephemeral.enabled:
        starting = threading.Thread(target=_start_deaf_to_ctrl_c, daemon=True)
        starting.start()
        starting.join()


def _start_deaf_to_ctrl_c() -> None:
    from prefect.server.api.server import SubprocessASGIServer

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    with suppress(RuntimeError):  # Prefect tries again, and tells
        SubprocessASGIServer().start()
