"""The live view of a sweep in a notebook (extra ``[notebook]``)."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from pathlib import Path
from typing import Any

try:
    import anywidget
    import traitlets
except ImportError:
    raise ImportError("the live view needs anywidget; install hdcore[notebook]") from None

from hdcore.errors import HdcoreError
from hdcore.pages.notebook import HEIGHT, MOST_EXPLAINED, MOST_POINTS, static_html
from hdcore.pages.page import make_page
from hdcore.pages.snapshot import take_snapshot
from hdcore.store import StoreReader

LOOK_S = 1.0
"""Between two looks at the store."""

_RUNS_PER_SECOND = 1_000
"""A sweep with more runs is read less often, so that looking at it costs a small share of a core."""


class SweepWidget(anywidget.AnyWidget):  # type: ignore[misc]
    """Table, curves and parallel coordinates of a sweep, live as long as the sweep and the kernel live.

    A thread reads the store, so that the view follows while a cell below runs. When the sweep ends the output becomes
    static HTML, which stays in the notebook; until then it has both, for programs that convert the notebook.

    Parameters
    ----------
    folder : pathlib.Path
        Of the sweep.
    """

    _esm = (Path(__file__).parent / "widget.js").read_text(encoding="utf-8")
    name = traitlets.Unicode().tag(sync=True)
    page = traitlets.Unicode().tag(sync=True)
    snapshot = traitlets.Bytes().tag(sync=True)
    height = traitlets.Int(HEIGHT).tag(sync=True)

    def __init__(self, folder: Path, *, height: int = HEIGHT) -> None:
        self._folder = folder
        self._mark: Any = None
        self._shown: list[str] = []
        self._is_closed = threading.Event()
        self._thread: threading.Thread | None = None
        with StoreReader.open(folder) as reader:
            name = reader.sweep().spec.name
            self._mark = reader.marks()
            snapshot = take_snapshot(reader, most_points=MOST_POINTS, most_explained=MOST_EXPLAINED)
            self._is_over = reader.sweep().status.is_terminal
        super().__init__(name=name, page=make_page(name, None), snapshot=snapshot, height=height)

    def _ipython_display_(self, **more: Any) -> None:
        from IPython.display import display

        shown = f"hdcore-{uuid.uuid4().hex}"
        if not self._is_over:
            self._shown.append(shown)
            self._start()
        display(self._bundle(is_live=not self._is_over), raw=True, display_id=shown)

    def close(self) -> None:
        """Stop following the sweep. Idempotent."""
        self._is_closed.set()
        super().close()

    def _bundle(self, *, is_live: bool) -> dict[str, Any]:
        with StoreReader.open(self._folder) as reader:
            bundle: dict[str, Any] = {
                "text/plain": f"<Sweep {self.name!r}: {reader.sweep().status}>",
                "text/html": static_html(reader, height=self.height),
            }
        if is_live:
            bundle["application/vnd.jupyter.widget-view+json"] = {
                "version_major": 2, "version_minor": 0, "model_id": self.model_id,
            }  # fmt: skip
        return bundle

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="hdcore-widget", daemon=True)
            self._thread.start()

    def _follow(self) -> None:
        patience = LOOK_S
        while not self._is_closed.wait(patience):
            began = time.thread_time()
            try:
                with StoreReader.open(self._folder) as reader:
                    mark = reader.marks()
                    if mark == self._mark:
                        continue
                    self._mark = mark
                    is_over, count = reader.sweep().status.is_terminal, sum(reader.sweep().counts.values())
                    self.snapshot = take_snapshot(reader, most_points=MOST_POINTS, most_explained=MOST_EXPLAINED)
                if is_over:
                    self._settle()
                    return
            except HdcoreError:  # moved, removed, or its disk fails: the view stays as it was
                return
            patience = max(LOOK_S, count / _RUNS_PER_SECOND, 20 * (time.thread_time() - began))

    def _settle(self) -> None:
        """Put static HTML where the live view was, so that the notebook keeps it."""
        from IPython.display import update_display

        self._is_over = True
        bundle = self._bundle(is_live=False)
        for shown in self._shown:
            with contextlib.suppress(Exception):  # the kernel is going down: the output has static HTML of its own
                update_display(bundle, raw=True, display_id=shown)
