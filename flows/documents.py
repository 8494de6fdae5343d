"""Reports as JSON: one document, every number of the books as exact text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from execution.model.identifiers import InstrumentId


def to_json(value: object) -> str:
    """Write domain objects as JSON: decimals as text, times as ISO, ids as written."""
    return json.dumps(plain(value), indent=2)


def plain(value: object) -> Any:  # noqa: ANN401 - what JSON knows has no name
    """Turn domain objects into what JSON knows."""
    match value:
        case InstrumentId() | Path():
            return str(value)
        case Enum():
            return value.value
        case Decimal():
            text = f"{value:f}"
            return text.rstrip("0").rstrip(".") if "." in text else text
        case datetime():
            return value.isoformat()
        case BaseModel():
            return value.model_dump(mode="json")
        case Mapping():
            return {str(plain(k)): plain(v) for k, v in value.items()}
        case str() | None | bool() | int() | float():
            return value
        case Iterable():
            return [plain(v) for v in value]
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    raise TypeError(f"{type(value).__name__} has no form in JSON")
