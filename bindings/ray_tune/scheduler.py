"""hdcore's early-termination policies as a scheduler of Ray Tune's."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from ray.tune.result import DEFAULT_METRIC, TRAINING_ITERATION
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import SearchAlgorithm, Searcher

from hdcore import policies
from hdcore.bindings.ray_tune.results import Curve, number, stored_curve
from hdcore.bindings.ray_tune.searcher import GOALS, HdcoreSearcher
from hdcore.errors import InputError
from hdcore.policies._curves import judge_of
from hdcore.policies.slack import ENOUGH_RUNS, slack_warning
from hdcore.typing import Goal

if TYPE_CHECKING:
    from ray.tune.experiment import Trial

    from hdcore.policies import Judge, Policy

_log = logging.getLogger("hdcore")

VERSION = 1
"""Of what `save` writes."""


class HdcorePolicyScheduler(FIFOScheduler):  # type: ignore[misc]
    """Stops trials by a policy; trials start in the order in which they came.

    Interval k of a trial is its k-th result with the metric, and the policy decides as it does in a sweep of hdcore's:
    a trial is judged at each of its own results, with what all trials have reported by then.

    Ray keeps no state of schedulers. An experiment that is restored reads the results of its trials from where Ray has
    stored them, so that the trials to come are compared with those before.

    Parameters
    ----------
    policy : Policy, str or mapping
        As for `hdcore.Optimizer`: ``hdcore.MedianStoppingPolicy(delay_evaluation=5)``, ``"median:delay=5"``.
    metric : str, optional
        By default that of ``tune.TuneConfig``; give it here or there.
    mode : {'min', 'max'}, optional
    time_attr : str, keyword only
        Name of a number that grows from result to result of a trial. Its size plays no role. Where it goes back, the
        trial has begun again, and its results from that time on are forgotten.

    Raises
    ------
    PolicyError
        If the policy cannot be meant.
    InputError
        If another argument cannot.

    Examples
    --------
    ``tune.TuneConfig(metric="loss", mode="min", scheduler=HdcorePolicyScheduler("bandit:slack_factor=0.1,delay=5"))``
    """

    def __init__(
        self,
        policy: Policy | Mapping[str, Any] | str,
        metric: str | None = None,
        mode: str | None = None,
        *,
        time_attr: str = TRAINING_ITERATION,
    ) -> None:
        super().__init__()
        self._policy = _policy_of(policy)
        self._judge: Judge | None = judge_of(self._policy)  # None: to be made anew
        self._metric, self._time_attr = metric, time_attr
        self._mode: str | None = None
        self._take_mode(mode)
        self._curves: dict[str, Curve] = {}  # in order of their first appearance; the place is the judge's number
        self._numbers: dict[str, int] = {}
        self._ended: set[str] = set()
        self._ending: list[str] = []  # failed, and maybe to start again at once
        self._stopped: set[str] = set()
        self._values: list[float] = []  # of the first trials that ran to their end

    def __repr__(self) -> str:
        return f"HdcorePolicyScheduler({self._policy!r})"

    @property
    def policy(self) -> Policy:
        """The policy that decides."""
        return self._policy

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take metric and mode of the tuner; False if either is set already."""
        if (self._metric and metric) or (self._mode and mode):
            return False
        self._metric = metric or self._metric
        self._take_mode(mode)
        if self._mode and not self._metric:
            self._metric = DEFAULT_METRIC
        return True

    def _take_mode(self, mode: str | None) -> None:
        if mode not in (None, *GOALS):
            raise InputError(f"HdcorePolicyScheduler: mode is {mode!r}; write 'min' or 'max'", field="mode")
        self._mode = mode or self._mode
        self._goal = Goal.parse(GOALS[self._mode or "max"])

    # ------------------------------------------------------------------ trials

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        if not self._metric or not self._mode:
            raise InputError(
                "HdcorePolicyScheduler: no metric or no mode; give them to it or to tune.TuneConfig", field="metric"
            )
        name = trial.trial_id
        if name in self._ending:  # it failed, and starts again
            self._ending.remove(name)
        elif name not in self._curves:
            self._curves[name] = self._earlier(trial)
            self._numbers[name] = len(self._numbers)
            if self._curves[name].times:
                self._judge = None
            if trial.is_finished():
                self._ended.add(name)

    def _earlier(self, trial: Trial) -> Curve:
        """Return what a trial of an experiment that is restored had reported."""
        if not trial.run_metadata.last_result:
            return Curve()
        found = stored_curve(trial, str(self._metric), self._time_attr)
        if found is None:
            _log.warning(
                "HdcorePolicyScheduler: the results of trial %s are not stored; no trial is compared with them", trial
            )
            return Curve()
        found.values = [self._goal.sign * value for value in found.values]
        return found

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: Mapping[str, Any]) -> str:
        if self._report(trial, result):
            self._stopped.add(trial.trial_id)
        if trial.trial_id not in self._stopped:
            return str(TrialScheduler.CONTINUE)
        _tell_searcher(tune_controller, trial.trial_id)
        return str(TrialScheduler.STOP)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: Mapping[str, Any]) -> None:
        # The last result of a trial that ends by itself or by its stopping criterion comes here alone.
        self._report(trial, result)
        self._end(trial.trial_id)
        if trial.trial_id not in self._stopped:
            self._heed_slack(result)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        self._ending.append(trial.trial_id)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        self._end(trial.trial_id)

    def debug_string(self) -> str:
        return f"{self!r}: {len(self._stopped)} of {len(self._curves)} trials stopped."

    # ------------------------------------------------------------------ deciding

    def _report(self, trial: Trial, result: Mapping[str, Any]) -> bool:
        """Take a result, and return whether the policy ends the trial."""
        assert self._metric is not None
        value = number(result, self._metric, f"HdcorePolicyScheduler: trial {trial.trial_id}")
        if value is None:  # Ray refuses such results, but where it is told not to
            return False
        time = number(result, self._time_attr, f"HdcorePolicyScheduler: trial {trial.trial_id}")
        if time is None or math.isnan(time):
            raise InputError(
                f"HdcorePolicyScheduler: a result of trial {trial.trial_id} has no {self._time_attr}; "
                "report it, or name in time_attr a number that each result has",
                field="time_attr",
            )
        name, score = trial.trial_id, self._goal.sign * value
        curve = self._curves.setdefault(name, Curve())
        run = self._numbers.setdefault(name, len(self._numbers))
        if time == curve.last and (score == curve.values[-1] or math.isnan(score)):
            return False  # the last result once more
        for failed in self._ending:
            self._end(failed)
        self._ending.clear()
        if curve.add(time, score):
            self._judge = None
        if name in self._ended:
            self._ended.remove(name)
            self._judge = None
        if self._judge is None:
            self._judge = self._judge_anew(name)
        if not self._judge.report(run, score):
            return False
        if name not in self._stopped:
            bar = getattr(self._judge, "last_bar", None)
            needed = "" if bar is None else f"; it needed {self._goal.sign * bar:.6g}"
            _log.debug("%r ends trial %s at interval %d with %g%s", self, name, len(curve.times), value, needed)
        return True

    def _judge_anew(self, latest: str) -> Judge:
        """Return a judge that has heard all but the latest result of one trial: judges only insert."""
        judge = self._policy.judge()
        for name, curve in self._curves.items():
            scores = np.array(curve.values[:-1] if name == latest else curve.values, np.float64)
            if len(scores):
                judge.report_many(np.full(len(scores), self._numbers[name], np.int64), scores)
                if name in self._ended:
                    judge.end(self._numbers[name])
        return judge

    def _end(self, name: str) -> None:
        self._ended.add(name)
        if self._judge is not None and name in self._curves and self._curves[name].times:
            self._judge.end(self._numbers[name])

    def _heed_slack(self, result: Mapping[str, Any]) -> None:
        """Tell once if the policy's slack stops nearly nobody or nearly everybody."""
        value = number(result, self._metric or "", "HdcorePolicyScheduler")
        if value is None or len(self._values) >= ENOUGH_RUNS:
            return
        self._values.append(value)
        if len(self._values) == ENOUGH_RUNS and (warning := slack_warning(self._policy, self._values, self._goal)):
            _log.warning("HdcorePolicyScheduler: %s", warning)

    # ------------------------------------------------------------------ saving

    def save(self, checkpoint_path: str) -> None:
        """Write what has been heard to a file."""
        state = {
            "hdcore_scheduler": VERSION,
            "policy": self._policy.to_json(),
            "metric": self._metric,
            "mode": self._mode,
            "time_attr": self._time_attr,
            "trials": {
                name: {
                    "times": curve.times,
                    "scores": [score if math.isfinite(score) else None for score in curve.values],
                    "ended": name in self._ended or name in self._ending,
                    "stopped": name in self._stopped,
                }
                for name, curve in self._curves.items()
            },
        }
        draft = f"{checkpoint_path}.draft"
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(draft, checkpoint_path)

    def restore(self, checkpoint_path: str) -> None:
        """Take what `save` wrote; decisions go on as they would have.

        Raises
        ------
        InputError
            If the file holds something else, is of a newer hdcore, or of a scheduler with another policy.
        """
        with open(checkpoint_path, encoding="utf-8") as file:
            try:
                state = json.load(file)
            except ValueError:
                state = None
        where = f"HdcorePolicyScheduler: {checkpoint_path}"
        if not isinstance(state, dict) or "hdcore_scheduler" not in state:
            raise InputError(f"{where} is of another scheduler; restore it with that one")
        if state["hdcore_scheduler"] > VERSION:
            raise InputError(f"{where} is of a newer hdcore; update hdcore")
        if state["policy"] != self._policy.to_json():
            raise InputError(f"{where} has the policy {state['policy']}; make the scheduler with that one")
        for mine, name in ((self._metric, "metric"), (self._mode, "mode")):
            if mine and state[name] and mine != state[name]:
                raise InputError(f"{where} has the {name} {state[name]!r}, not {mine!r}; begin with a new scheduler")
        self._metric, self._time_attr = state["metric"], state["time_attr"]
        self._take_mode(state["mode"])
        trials = state["trials"]
        self._curves = {
            name: Curve(saved["times"], [math.nan if score is None else score for score in saved["scores"]])
            for name, saved in trials.items()
        }
        self._numbers = {name: place for place, name in enumerate(trials)}
        self._ended = {name for name, saved in trials.items() if saved["ended"]}
        self._stopped = {name for name, saved in trials.items() if saved["stopped"]}
        self._ending, self._judge = [], None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_judge": None}  # compiled; made anew from the results


def _policy_of(given: Policy | Mapping[str, Any] | str) -> Policy:
    if isinstance(given, str):
        return policies.parse(given)
    if isinstance(given, Mapping):
        return policies.from_json(given) or policies.NoTerminationPolicy()
    return given


def _tell_searcher(tune_controller: Any, trial_id: str) -> None:
    """Let a searcher of hdcore's know, under whatever limits or repeats it."""
    searcher = getattr(tune_controller, "search_alg", None)
    while isinstance(searcher, SearchAlgorithm | Searcher):
        if isinstance(searcher, HdcoreSearcher):
            searcher.note_stop(trial_id)
            return
        searcher = getattr(searcher, "searcher", None)
