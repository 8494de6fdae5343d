"""From bars to a wish: side, confidence; which strategy runs in which regime."""

# Importing a strategy registers it.
from execution.strategies import donchian, ma_cross, mean_reversion

__all__ = ["donchian", "ma_cross", "mean_reversion"]
