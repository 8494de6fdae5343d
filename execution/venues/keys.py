"""What opens an account at a venue; never printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Keys:
    """Credentials of one account; `repr` is the object's own, so no log can hold a secret."""

    api_key: str
    secret: str
    passphrase: str = ""  # coinbase's old keys, okx, kucoin, bitget
    testnet: bool = True  # play money: real money is always asked for by name
