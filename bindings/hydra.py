"""hdcore inside Hydra: ``python app.py --multirun hydra/sweeper=hdcore 'lr=tag(log, interval(1e-5, 1e-1))'``.

What varies is written as Hydra's sweeps: ``choice(a, b)``, ``range(1, 10)``, ``interval(0, 1)``,
``int(interval(1, 64))``, and ``tag(log, …)`` around an interval. The task function returns the metric.
"""

from __future__ import annotations

import logging
import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if find_spec("hydra") is None:
    raise ImportError("hdcore.bindings.hydra needs Hydra; pip install 'hdcore[hydra]'")

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from hydra.core.utils import JobStatus
from omegaconf import OmegaConf

from hdcore.engine import Optimizer
from hdcore.errors import InputError
from hdcore.space import choice, log_range, qloguniform, quniform, uniform

if TYPE_CHECKING:
    from hdcore.records import Run

log = logging.getLogger(__name__)

RESULTS = "optimization_results.yaml"
"""Written to the sweep's folder, as other sweepers of Hydra do."""

HALF = 0.499999
"""Around whole numbers, so that the first and the last are as likely as the others."""


class Sweep:
    """One multirun.

    Parameters
    ----------
    plugin : Sweeper
        After ``setup``.
    sampler, goal, seed
        As for `hdcore.Optimizer`.
    max_runs : int
    max_concurrent : int
        Runs that are handed to the launcher at once; the basic one runs them one after the other.
    max_failure_rate : float
        Share of the runs that may fail before the multirun does.
    params : mapping
        Name -> override, beside those of the command line, which win.
    """

    def __init__(
        self,
        plugin: Any,
        *,
        sampler: str,
        goal: str,
        max_runs: int,
        max_concurrent: int,
        seed: int | None,
        max_failure_rate: float,
        params: dict[str, Any],
    ) -> None:
        for name, value in (("max_runs", max_runs), ("max_concurrent", max_concurrent)):
            if value < 1:
                raise InputError(f"hydra.sweeper.{name} is {value}; give at least 1", field=name)
        self._plugin = plugin
        self._sampler, self._goal, self._seed = sampler, goal, seed
        self._max_runs, self._max_concurrent, self._max_failure_rate = max_runs, max_concurrent, max_failure_rate
        self._params = params

    def run(self, arguments: list[str]) -> dict[str, Any]:
        """Run all, and return what is written to `RESULTS`."""
        given = [f"{name}={value}" for name, value in self._params.items()]
        parser = OverridesParser.create(config_loader=self._plugin.hydra_context.config_loader)
        overrides = {found.get_key_element(): found for found in parser.parse_overrides([*given, *arguments])}
        fixed = [
            f"{key}={found.get_value_element_as_str()}"
            for key, found in overrides.items()
            if not found.is_sweep_override()
        ]
        axes = {key: _Axis(key, found) for key, found in overrides.items() if found.is_sweep_override()}
        optimizer = Optimizer(
            {key: axis.distribution for key, axis in axes.items()},
            sampler=self._sampler, goal=self._goal, seed=self._seed,
        )  # fmt: skip
        folder = Path(self._plugin.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self._plugin.config, folder / "multirun.yaml")
        asked, failed = 0, 0
        while asked < self._max_runs and not optimizer.exhausted:
            runs = optimizer.ask(min(self._max_concurrent, self._max_runs - asked))
            if not runs:
                break
            batch = [[*fixed, *(axes[key].override(value) for key, value in run.configuration.items())] for run in runs]
            self._plugin.validate_batch_is_legal(batch)
            returned = self._plugin.launcher.launch(batch, initial_job_idx=asked)
            asked += len(runs)
            for run, job in zip(runs, returned, strict=True):
                failed += _tell(optimizer, run, job)
                if failed > self._max_failure_rate * self._max_runs:
                    log.error("%d of %d runs failed; hydra.sweeper.max_failure_rate lets more fail", failed, asked)
                    _ = job.return_value  # raises what the task has raised
        return self._finish(optimizer, axes, folder)

    def _finish(self, optimizer: Optimizer, axes: dict[str, _Axis], folder: Path) -> dict[str, Any]:
        best = optimizer.best
        results: dict[str, Any] = {"name": "hdcore", "seed": optimizer.seed, "best_evaluated_params": None}
        if best is not None:
            overrides = [axes[key].override(value) for key, value in best.configuration.items()]
            results["best_evaluated_params"] = {
                key.lstrip("+"): axes[key].plain(value) for key, value in best.configuration.items()
            }
            results |= {"best_evaluated_result": best.value, "best_run": best.number}
            log.info("best run %s: %s, %s", best.number, best.value, " ".join(overrides))
        OmegaConf.save(OmegaConf.create(results), folder / RESULTS)
        return results


def _tell(optimizer: Optimizer, run: Run, job: Any) -> bool:
    """Tell how a run ended; True if it failed."""
    if job.status != JobStatus.COMPLETED:
        optimizer.tell(run.number, math.nan, "failed")
        return True
    try:
        value = float(job.return_value)
    except (TypeError, ValueError):
        raise InputError(
            f"hydra: run {run.number} returned {job.return_value!r}; let the task function return the metric"
        ) from None
    optimizer.tell(run.number, value, "completed" if math.isfinite(value) else "failed")
    return False


class _Axis:
    """One override that varies.

    Attributes
    ----------
    distribution
        Of hdcore.
    """

    def __init__(self, key: str, override: Any) -> None:
        self.key = key
        self._words: dict[Any, str] = {}
        self._is_whole = False
        sweep = override.value()
        if isinstance(sweep, IntervalSweep):
            self.distribution = self._interval(sweep)
            return
        words = [str(word) for word in override.sweep_string_iterator()]
        values = list(override.sweep_iterator())
        are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        options = values if are_numbers else words  # numbers have an order, which a model can use
        self._words = dict(zip(options, words, strict=True))
        self.distribution = choice(*dict.fromkeys(options))

    def _interval(self, sweep: Any) -> Any:
        low, high, is_log = sweep.start, sweep.end, "log" in sweep.tags
        if other := sweep.tags - {"log"}:
            raise InputError(
                f"hydra: {self.key} has the tag {min(other)!r}; the only tag of hdcore is log", field=self.key
            )
        self._is_whole = isinstance(low, int) and isinstance(high, int)
        if not self._is_whole:
            return log_range(low, high) if is_log else uniform(low, high)
        if not is_log:
            return quniform(low - HALF, high + HALF, 1)
        if low < 1:
            raise InputError(
                f"hydra: {self.key} is whole numbers from {low} on a log scale; begin at 1", field=self.key
            )
        return qloguniform(math.log(low - HALF), math.log(high + HALF), 1)

    def plain(self, value: Any) -> Any:
        """A value as the task sees it."""
        return int(value) if self._is_whole else value

    def override(self, value: Any) -> str:
        """A value as an override of Hydra's."""
        return f"{self.key}={self._words[value] if self._words else self.plain(value)}"
