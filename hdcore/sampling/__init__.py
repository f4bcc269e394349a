"""Samplers: what to try next. `sample` and `grid` give configurations without a sweep."""

from __future__ import annotations

from hdcore.sampling.base import Sampler
from hdcore.sampling.columns import sample
from hdcore.sampling.grid import GridSampler, grid
from hdcore.sampling.make import make_sampler
from hdcore.sampling.random import RandomSampler
from hdcore.sampling.sobol import SobolSampler

__all__ = ["GridSampler", "RandomSampler", "Sampler", "SobolSampler", "grid", "make_sampler", "sample"]
