"""Plotly figures of a stored sweep (extra ``[viz]``): functions of a `Shown` that return a figure each."""

from __future__ import annotations

KINDS = ("curves", "parallel", "importance", "history", "slice", "contour")
