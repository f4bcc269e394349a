"""A sweep in the output of a notebook's cell: a frame with the page of the sweep in it."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from hdcore.pages.report import report

if TYPE_CHECKING:
    from hdcore.store import StoreReader

HEIGHT = 720
"""Of the frame, in pixels."""

MOST_POINTS = 60_000
"""Of all curves: outputs are kept in the notebook's file."""

MOST_EXPLAINED = 100
"""Runs; what is live is sent again whenever the sweep has changed."""


def static_html(reader: StoreReader, *, height: int = HEIGHT) -> str:
    """Return a frame that holds the sweep as it is now; it needs neither a kernel nor a server nor a trusted origin."""
    page = html.escape(report(reader, most_points=MOST_POINTS, most_explained=MOST_EXPLAINED))
    style = f"width: 100%; height: {height}px; border: 1px solid #8886; border-radius: 6px"
    return f'<div><iframe sandbox="allow-scripts allow-downloads" style="{style}" srcdoc="{page}"></iframe></div>'
