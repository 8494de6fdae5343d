"""A person's file of strategies, written as a person would."""

from __future__ import annotations

from pathlib import Path

from execution.strategies.base import Strategy
from execution.strategies.loading import load_file

IMPORTS = """
import numpy as np
import pandas as pd
from execution.strategies import BarCount, strategy
"""


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    """A file with the usual imports and this text."""
    path = folder / name
    path.write_text(IMPORTS + text)
    return path


def body(folder: Path, said: str, warmup_bars: int = 1) -> Strategy:
    """A strategy named `mine` whose function is this expression of `bars`."""
    text = f'@strategy("mine", warmup_bars={warmup_bars})\ndef mine(bars):\n    return {said}\n'
    (definition,) = load_file(write(folder, text))
    return definition.with_params({})
