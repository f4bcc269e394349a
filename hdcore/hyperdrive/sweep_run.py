"""`HyperDriveRun`: a sweep that was submitted, now or by an earlier process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from hdcore.hyperdrive.exceptions import HyperDriveNotImplementedException, UserErrorException
from hdcore.hyperdrive.metrics import ENTRIES, shape
from hdcore.hyperdrive.run import Run
from hdcore.hyperdrive.script_run import ScriptRun
from hdcore.hyperdrive.stored import SweepHome, find_home, read_scalars, sweep_home
from hdcore.typing import Goal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.config import HyperDriveConfig
    from hdcore.hyperdrive.experiment import Experiment
    from hdcore.store import StoredRun


class HyperDriveRun(Run):
    """A sweep: its runs, the best of them, their hyperparameters and metrics.

    Parameters
    ----------
    experiment : Experiment
    run_id : str
        Of a sweep of the workspace's root: its id or, as nobody else may have it, its name.
    hyperdrive_config : HyperDriveConfig, optional
        That it was submitted with; by default what is stored.

    Raises
    ------
    UserErrorException
        If there is no such sweep, or the id is that of a single run.
    """

    _home: SweepHome

    def __init__(
        self,
        experiment: Experiment,
        run_id: str,
        hyperdrive_config: HyperDriveConfig | None = None,
        *,
        _home: SweepHome | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(run_id, str):
            raise UserErrorException(f"HyperDriveRun: run_id is a {type(run_id).__name__}; give a string")
        found = _home or find_home(experiment.workspace._root, run_id)
        if not isinstance(found, SweepHome):
            raise UserErrorException(f"HyperDriveRun: {run_id} is a single run; use Run(experiment, run_id)")
        super().__init__(experiment, run_id, _home=found)
        self._config = hyperdrive_config

    @property
    def hyperdrive_config(self) -> HyperDriveConfig:
        """The configuration; rebuilt from the store where the sweep was submitted elsewhere."""
        if self._config is None:
            from hdcore.hyperdrive.rehydrate import configuration

            self._config = configuration(self._home)
        return self._config

    # ------------------------------------------------------------------ the best

    def get_best_run_by_primary_metric(
        self, include_failed: bool = True, include_canceled: bool = True, include_resume_from_runs: bool = True
    ) -> Run | None:
        """Return the run whose best value of the primary metric is best; None if no run has the metric.

        Runs that are under way count with what they have reported; of equal ones the first.

        Parameters
        ----------
        include_resume_from_runs : bool
            Those of the sweeps that this one was started from too.
        """
        from hdcore.hyperdrive.waiting import await_result

        await_result(self._home.sweep_folder)
        goal = self._home.spec.goal
        homes = [self._home, *(self._parents() if include_resume_from_runs else ())]
        best: tuple[float, SweepHome, int] | None = None
        for home in homes:
            with home.reader() as reader:
                runs = reader.runs()
            for run in runs:
                value = best_value(run, goal)
                left_out = (run.status.value == "Failed" and not include_failed) or (
                    run.status.value == "Canceled" and not include_canceled
                )
                if value is None or left_out:
                    continue
                if best is None or value * goal.sign > best[0] * goal.sign:
                    best = value, home, run.number
        return None if best is None else ScriptRun(self.experiment, "", _home=best[1].child(best[2]))

    def get_children_sorted_by_primary_metric(
        self, top: int = 0, reverse: bool = False, discard_no_metric: bool = False
    ) -> list[dict[str, Any]]:
        """Return run_id, hyperparameters (JSON), best_primary_metric and status of the runs, the best first.

        Parameters
        ----------
        top : int
            At most so many; 0 for all.
        reverse : bool
            The worst first; runs without the metric stay at the end.
        discard_no_metric : bool
            Leave those out.
        """
        for word, value, kind in (("top", top, int), ("reverse", reverse, bool), ("discard", discard_no_metric, bool)):
            if not isinstance(value, kind) or (kind is int and (isinstance(value, bool) or value < 0)):
                raise AssertionError(
                    f"get_children_sorted_by_primary_metric: {word} is {value!r}; give a {kind.__name__}"
                )
        goal = self._home.spec.goal
        with self._home.reader() as reader:
            rows = [(best_value(run, goal), run, self._home.present(reader, run.status)) for run in reader.runs()]
        ranked = sorted(
            (row for row in rows if row[0] is not None),
            key=lambda row: (-goal.sign * (row[0] or 0.0), row[1].number),
            reverse=reverse,
        )
        rest = [] if discard_no_metric else [row for row in rows if row[0] is None]
        found = [
            {
                "run_id": f"{self.id}_{run.number}",
                "hyperparameters": json.dumps(run.configuration),
                "best_primary_metric": value,
                "status": status,
            }
            for value, run, status in [*ranked, *rest]
        ]
        return found[:top] if top else found

    # ------------------------------------------------------------------ all of them

    def get_hyperparameters(self) -> dict[str, str]:
        """Return the hyperparameters of each run as JSON, by its id; names as they were declared."""
        with self._home.reader() as reader:
            return {f"{self.id}_{run.number}": json.dumps(run.configuration) for run in reader.runs()}

    def get_metrics(
        self, name: str | None = None, recursive: bool = False, run_type: Any = None, populate: bool = False
    ) -> dict[str, Any]:
        """Return the metrics of each run, by its id."""
        found: dict[str, Any] = {}
        with self._home.reader() as reader, reader.snapshot():
            for run in reader.runs():
                journal = self._home.child(run.number).journal
                metrics = shape(read_scalars(reader, run.number), journal.entries(*ENTRIES, attempt=run.attempt))
                wanted = metrics if name is None else {key: value for key, value in metrics.items() if key == name}
                found[f"{self.id}_{run.number}"] = wanted
        return found

    def get_primary_metrics(self) -> dict[str, list[float]]:
        """Return the values of the primary metric of each run, by its id; those that are not finite too."""
        metric = self._home.spec.metric
        with self._home.reader() as reader:
            return {
                f"{self.id}_{run.number}": read_scalars(reader, run.number).get(metric, []) for run in reader.runs()
            }

    # ------------------------------------------------------------------ what a sweep cannot

    def fail(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Refuse: a sweep is as its runs are."""
        raise HyperDriveNotImplementedException("HyperDriveRun.fail is not supported; cancel() ends a sweep")

    def get_diagnostics(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Refuse, as Azure does."""
        raise HyperDriveNotImplementedException(
            "HyperDriveRun.get_diagnostics is not supported; see azureml-logs/hyperdrive.txt among get_file_names()"
        )

    def complete(self, _set_status: bool = True) -> None:
        """Do nothing: a sweep completes when its runs have."""

    def _parents(self) -> Iterator[SweepHome]:
        for name in self._home.spec.resume_from:
            found = sweep_home(self._home.root, name)
            if found is not None:
                yield found


def best_value(run: StoredRun, goal: Goal) -> float | None:
    """Return the best value that a run has reported of the primary metric; None without a finite one."""
    return run.value if run.primary is None else run.primary.best(goal)
