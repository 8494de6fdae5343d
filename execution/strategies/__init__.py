"""From bars to a wish: side, confidence; which strategy runs in which regime."""

from execution.strategies.base import BarCount, strategy

__all__ = ["BarCount", "strategy"]
