"""What a page of the portal shows, for tests that look at it."""

from __future__ import annotations

from ui.chromium import Page

REPLAY_S = 100.0
"""A replay steps back behind whatever else the machine does; by itself it takes a second."""


def rows(page: Page) -> list[int]:
    """Return the runs in the table, in order; of a long one those in sight."""
    found: list[int] = page.js("return [...document.querySelectorAll('.runs tbody tr')].map(row => +row.dataset.run)")
    return found


def wait_for_count(page: Page, wanted: int) -> None:
    page.until("document.querySelector('.runs').getAttribute('aria-rowcount') === String(arguments[0] + 1)", wanted)


def strip(name: str) -> str:
    """The strip of an axis; `HOSTILE` stands in no selector."""
    return f".strip[aria-label='Brush on {name}']"


def saved(page: Page, section: str, kind: str) -> bytes:
    """Click a button of a plot and return the file that comes."""
    button = f"section[aria-label='{section}'] button[aria-label^='Save as {kind}']"
    return page.download(button, f"*.{kind.lower()}")
