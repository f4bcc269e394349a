"""A stored sweep as an object: look at it, resume it, cancel it."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdcore.errors import StateError
from hdcore.observer import Observer
from hdcore.records import BestRun, Parent
from hdcore.sweep.lifecycle import cancel_stored, local_executor, run_sweep
from hdcore.typing import RunStatus

if TYPE_CHECKING:
    from hdcore.engine.dependence import PartialDependence
    from hdcore.executors.base import Executor
    from hdcore.store import Store, StoreReader
    from hdcore.sweep.importance import Importance

_log = logging.getLogger("hdcore")


class Sweep:
    """A sweep in a store. What it answers is read anew each time, so it follows a sweep that runs elsewhere.

    Made by `open_sweep` and `tune`.

    Attributes
    ----------
    name : str
    folder : pathlib.Path
        ``ROOT/sweeps/NAME``.
    """

    def __init__(self, folder: Path, *, function: Callable[..., Any] | None = None) -> None:
        self.folder = folder
        self.name = folder.name
        self._function = function

    def __repr__(self) -> str:
        return f"<Sweep {self.name!r}: {self.status}>"

    @property
    def status(self) -> RunStatus:
        """Status of the sweep; Queued where it waits for `resume`."""
        from hdcore.document import is_driven, present_status

        with self._reader() as reader:
            return present_status(reader.sweep().status, is_driven(reader))

    @property
    def best(self) -> BestRun | None:
        """The run with the best value, ended or in flight, as `hdcore best` has it; None while there is none."""
        from hdcore.document import best_run

        with self._reader() as reader, reader.snapshot():
            best = best_run(reader, reader.sweep())
        if best is None or best.value is None:
            return None
        return BestRun(best.number, best.configuration, best.value, best.interval)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """All runs in order of number, as `hdcore show --json` has them, without their series."""
        from hdcore.document import is_driven, run_entry

        with self._reader() as reader:
            sweep_id, driven = reader.sweep().sweep_id, is_driven(reader)
            return [run_entry(run, sweep_id, driven=driven) for run in reader.runs()]

    def metrics(self, number: int) -> dict[str, list[tuple[int, float]]]:
        """Return all reports of a run, name -> list of (step or interval, value); NaN for what was not finite."""
        with self._reader() as reader:
            reader.run(number)
            series = reader.series(number)
        return {
            name: [(k if step is None else step, math.nan if value is None else value) for k, step, value, *_ in points]
            for name, points in series.items()
        }

    def to_frame(self) -> Any:
        """Return the runs as a pandas DataFrame, one row a run, with one column a parameter.

        Raises
        ------
        ImportError
            If pandas is not installed; `runs` needs nothing.
        """
        try:
            pd = import_module("pandas")
        except ImportError:
            raise ImportError("Sweep.to_frame needs pandas; install it, or use Sweep.runs") from None
        rows = []
        for run in self.runs:
            configuration = run.pop("configuration")
            rows.append({**run, **{f"parameter.{name}": value for name, value in configuration.items()}})
        return pd.DataFrame(rows)

    def importance(self, *, method: str = "ped-anova", target_quantile: float = 0.1) -> Importance:
        """Return how much each parameter matters.

        Parameters
        ----------
        method : str
            ``"ped-anova"``: for being among the best runs; ``"fanova"``: for the variance of the metric.
        target_quantile : float, default 0.1
            What counts as good: this share of the runs.
        """
        from hdcore.sweep.importance import importance_of

        with self._reader() as reader:
            return importance_of(reader, method=method, target_quantile=target_quantile)

    def partial_dependence(self, *parameters: str, points: int | None = None) -> PartialDependence:
        """Return what a Gaussian process of the runs expects along one or two parameters, all others averaged.

        Parameters
        ----------
        *parameters : str
            One or two; those inside of a nested choice by their dotted names (`importance` lists them).
        points : int, optional
            Values of a parameter that is no short list; by default 40, in a pair 16.

        Raises
        ------
        StateError
            If no run has a finite value.
        """
        from hdcore.sweep.figures import model_of

        with self._reader() as reader:
            return model_of(reader).partial_dependence(parameters, points=points)

    def figure(self, kind: str, *, parameters: Sequence[str] | None = None) -> Any:
        """Return a plotly figure of the sweep as it is now.

        Parameters
        ----------
        kind : str
            ``"curves"``, ``"parallel"``, ``"importance"``, ``"history"`` (best so far), ``"slice"`` (the metric along
            each parameter) or ``"contour"`` (over two of them).
        parameters : sequence of str, optional
            For slice and contour; by default the most important ones.

        Raises
        ------
        ImportError
            If plotly is not installed (``hdcore[viz]``).
        """
        from hdcore.sweep.figures import figure_of

        with self._reader() as reader:
            return figure_of(reader, kind, parameters)

    def widget(self, *, height: int = 720) -> Any:
        """Return the live view for a notebook: curves, parallel coordinates, table, also while a cell below runs.

        Parameters
        ----------
        height : int
            In pixels.

        Raises
        ------
        ImportError
            If anywidget is not installed (``hdcore[notebook]``).
        """
        from hdcore.pages.widget import SweepWidget

        return SweepWidget(self.folder, height=height)

    def _repr_html_(self) -> str:
        """Show the sweep as it is now in a notebook; `widget` follows it."""
        from hdcore.pages.notebook import static_html

        with self._reader() as reader:
            return static_html(reader)

    def resume(self, *, max_concurrent: int | None = None, progress: bool | None = None) -> RunStatus:
        """Go on with the sweep in this process until it ends; Ctrl-C stops it and raises KeyboardInterrupt.

        Parameters
        ----------
        max_concurrent : int, optional
            Runs at a time, instead of what the sweep says.
        progress : bool, optional
            As for `tune`.

        Raises
        ------
        RefusedError
            If a driver has it already.
        StateError
            If it is a sweep over a Python function, which only `tune` can bring along.
        """
        from hdcore.store import Store, StoreReader

        with StoreReader.open(self.folder) as reader:
            spec, sweep_id = reader.sweep().spec, reader.sweep().sweep_id
        executor = None
        if spec.function:
            if self._function is None:
                raise StateError(f"sweep {self.name!r} runs a Python function; call tune with name={self.name!r} again")
            executor = local_executor(spec, sweep_id, slots=max_concurrent, function=self._function)
        try:
            store = Store.open(self.folder.parent.parent, self.name)
        except BaseException:
            if executor is not None:
                executor.close()
            raise
        with store:
            return drive_watched(store, executor, max_concurrent, progress=progress, is_resumed=True)

    def cancel(self, run: int | None = None) -> str:
        """Cancel the sweep, or one run; returns what was done."""
        return cancel_stored(self.folder, run)

    def _reader(self) -> StoreReader:
        from hdcore.store import StoreReader

        return StoreReader.open(self.folder)


def open_sweep(name: str, root: str | os.PathLike[str] | None = None) -> Sweep:
    """Open a stored sweep.

    Parameters
    ----------
    name : str
        Its name, a unique prefix of it, or ``"last"``.
    root : path-like, optional
        By default ``$HDCORE_ROOT``, else ``./.hdcore``.

    Raises
    ------
    InputError
        If there is no such sweep.
    """
    from hdcore.store import StoreReader, find_root, resolve

    folder = resolve(find_root(root), name)
    StoreReader.open(folder).close()  # damage is told here, not at the first question
    return Sweep(folder)


class _Teller(Observer):
    """The view of a sweep that nobody watches: what the user should know goes to the log."""

    def notice(self, text: str) -> None:
        _log.warning("%s", text)

    def started_from(self, parent: Parent) -> None:
        _log.log(logging.WARNING if parent.dropped else logging.INFO, "starts from %s", parent.line)


def _view(progress: bool | None) -> Observer:
    """Return the live table for a person at a terminal; where it cannot be drawn and is wanted, plain lines."""
    if not (sys.stdout.isatty() if progress is None else progress):
        return _Teller()
    from hdcore.views.plain import PlainView
    from hdcore.views.text import can_draw

    if not can_draw(sys.stdout):
        return PlainView(print, lambda text: _log.warning("%s", text))
    from hdcore.views.live import LiveView

    return LiveView()


def drive_watched(
    store: Store,
    executor: Executor | None,
    slots: int | None,
    *,
    progress: bool | None = None,
    is_resumed: bool = False,
) -> RunStatus:
    """Drive a sweep under Python's usual meaning of Ctrl-C.

    Parameters
    ----------
    progress : bool, optional
        As for `tune`.
    """
    from hdcore.signals import StopSignals

    view = _view(progress)
    try:
        with StopSignals() as stop:
            status = run_sweep(store, executor=executor, slots=slots, observer=view, stop=stop, is_resumed=is_resumed)
    finally:
        view.close()
    if status is RunStatus.QUEUED and stop.first is not None:
        name = store.spec.name
        again = f"run the program again, with name={name!r}," if store.spec.function else f"`hdcore resume {name}`"
        raise KeyboardInterrupt(f"sweep {name!r} was stopped; {again} to go on with it")
    return status
