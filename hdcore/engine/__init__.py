"""The engine: which run next, which run to stop, which run is best."""

from __future__ import annotations

from hdcore.engine.optimizer import Optimizer

__all__ = ["Optimizer"]
