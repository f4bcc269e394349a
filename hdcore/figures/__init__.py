"""Plotly figures of a stored sweep (extra ``[viz]``). Each takes a `Shown` and returns a ``plotly.graph_objects.Figure``."""

from __future__ import annotations

KINDS = ("curves", "parallel", "importance", "history", "slice", "contour")
