"""Keys of venues in Prefect's own store, where secret fields are kept encrypted.

Importing this imports Prefect, so nothing imports it until a block is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import httpx
from prefect.blocks.core import Block
from prefect.exceptions import PrefectException
from pydantic import Field, SecretStr, ValidationError

from execution.errors import ConfigInvalid


class VenueCredentials(Block):
    """Keys of one account; the document is named `binance`, `binance-live`, `binance-testnet`."""

    _block_type_name = "Venue Credentials"
    _block_type_slug = "venue-credentials"

    api_key: SecretStr = Field(description="The venue's public name for the key")
    secret: SecretStr = Field(description="The secret; for Coinbase the private key as PEM")
    passphrase: SecretStr | None = Field(None, description="OKX, KuCoin and Bitget ask for it")
    testnet: bool = Field(True, description="Keys for play money; false is real money")


def load_block(names: Sequence[str]) -> tuple[str, VenueCredentials] | None:
    """The first document that there is, with its name; None when there is none.

    Raises ConfigInvalid when a document does not fit or Prefect's server does not answer.
    """
    for name in names:
        try:
            # `_sync`: inside an event loop Prefect would return a coroutine.
            loaded = VenueCredentials.load(name, _sync=True)  # type: ignore[call-arg]
            return name, cast("VenueCredentials", loaded)
        except ValidationError as error:
            wrong = ", ".join(sorted({".".join(map(str, e["loc"])) for e in error.errors()}))
            raise ConfigInvalid(f"Prefect block {name}: does not fit: {wrong}") from None
        except ValueError:  # Prefect's word for "there is none"
            continue
        except (httpx.HTTPError, PrefectException, RuntimeError) as error:
            raise ConfigInvalid(
                f"REGENT_CREDENTIALS=block: Prefect's server gives no block {name}: "
                f"{type(error).__name__}"
            ) from None
    return None
