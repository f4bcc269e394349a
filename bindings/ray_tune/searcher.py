"""hdcore's samplers as a searcher of Ray Tune's."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ray.cloudpickle as cloudpickle
from ray.air.constants import TRAINING_ITERATION
from ray.tune.result import DEFAULT_METRIC
from ray.tune.search import Searcher
from ray.tune.utils.util import unflatten_dict

from hdcore.bindings.ray_tune.results import Curve, number
from hdcore.bindings.ray_tune.space import TuneSpace
from hdcore.engine import Optimizer
from hdcore.errors import ExhaustedError, InputError, SpaceError, StateError
from hdcore.sampling import sample
from hdcore.sampling.streams import fresh_seed
from hdcore.typing import RunStatus

if TYPE_CHECKING:
    from hdcore.sampling import Sampler
    from hdcore.space import SearchSpace
    from hdcore.typing import Configuration

_log = logging.getLogger("hdcore")

VERSION = 1
"""Of what `save` writes."""

GOALS = {"min": "minimize", "max": "maximize"}


@dataclass(slots=True)
class _Trial:
    """What is known of a trial; its configuration and how it ended stand in the optimizer, under `run`."""

    run: int
    curve: Curve = field(default_factory=Curve)
    is_stopped: bool = False
    ended: RunStatus | None = None


@dataclass(frozen=True, slots=True)
class _Evaluated:
    """A point that was evaluated elsewhere."""

    parameters: dict[str, Any]
    value: float
    status: RunStatus
    reports: tuple[float, ...] = ()


class HdcoreSearcher(Searcher):  # type: ignore[misc]
    """hdcore's samplers for Ray Tune; the default is the Gaussian process.

    Trials in flight are known to the model, so that parallel trials spread out. A trial counts with the metric of its
    last result. Trials that fail, or end with a metric that is not finite, count as a border to step back from; trials
    that an `HdcorePolicyScheduler` has stopped count with the final value that their results promise. What other
    schedulers stop counts with what it had reached, as in all of Tune's searchers: they do not say so.

    Parameters
    ----------
    space : mapping or SearchSpace, optional
        Tune's search space, hdcore's, or both mixed; by default the ``param_space`` of the tuner. An option of
        ``tune.choice`` may hold domains: they are searched where it is chosen. Tell metric and mode here too then, as
        Ray passes them on with a ``param_space`` only.
    metric : str, optional
        By default that of ``tune.TuneConfig``.
    mode : {'min', 'max'}, optional
    points_to_evaluate : sequence of dict, optional
        Configurations that are tried first; parameters that one lacks are drawn at random.
    evaluated_rewards : sequence of float, optional
        Their values if they are known: the points are not tried then.
    sampler : str, mapping or Sampler, keyword only
        As for `hdcore.Optimizer`. ``"grid"`` serves spaces of choices and ``grid_search``, and ends with the last of
        them: let ``num_samples`` be large enough, or -1.
    seed : int, optional, keyword only
        The same proposals for the same results in the same order.

    Raises
    ------
    InputError
        A ValueError: wrong arguments, several metrics.

    Examples
    --------
    >>> from ray import tune
    >>> searcher = HdcoreSearcher({"lr": tune.loguniform(1e-5, 1e-1)}, "loss", "min", seed=7)
    >>> for name in map(str, range(20)):
    ...     lr = searcher.suggest(name)["lr"]
    ...     searcher.on_trial_complete(name, {"loss": (lr - 1e-3) ** 2})
    """

    def __init__(
        self,
        space: Mapping[str, Any] | SearchSpace | None = None,
        metric: str | None = None,
        mode: str | None = None,
        points_to_evaluate: Sequence[Mapping[str, Any]] | None = None,
        evaluated_rewards: Sequence[float] | None = None,
        *,
        sampler: str | Mapping[str, Any] | Sampler = "bayesian",
        seed: int | None = None,
    ) -> None:
        _check_metric(metric, mode)
        super().__init__(metric=metric, mode=mode)
        self._take_metric(metric, mode)
        self._sampler = sampler
        self._seed = fresh_seed() if seed is None else seed
        self._points = [dict(point) for point in points_to_evaluate or ()]
        self._evaluated: list[_Evaluated] = []  # until the space and the mode are known
        if evaluated_rewards is not None:
            if len(evaluated_rewards) != len(self._points):
                raise InputError(
                    f"HdcoreSearcher: {len(self._points)} points_to_evaluate and {len(evaluated_rewards)} "
                    "evaluated_rewards; give one reward a point",
                    field="evaluated_rewards",
                )
            for point, reward in zip(self._points, evaluated_rewards, strict=True):
                self._evaluated.append(_Evaluated(point, float(reward), RunStatus.COMPLETED))
            self._points = []
        self._trials: dict[str, _Trial] = {}
        self._runs = 0
        self._given = space
        self._has_constants = space is not None  # those of a param_space are Ray's to add
        self._space: TuneSpace | None = None
        self._optimizer: Optimizer | None = None
        if space is not None:
            self._space = self._read_space(space)
            self._begin()

    # ------------------------------------------------------------------ what is searched

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Take metric, mode and search space of the tuner; False if another space is set already."""
        _check_metric(metric, mode)
        if mode and self._optimizer is not None and GOALS[mode] != self._optimizer.goal.value:
            raise InputError(f"HdcoreSearcher: mode is {mode!r} now, and was {self._mode!r}; begin with a new searcher")
        found = self._read_space(config)
        if self._space is None:
            if not found.space.columns:
                raise InputError(
                    "HdcoreSearcher: param_space has nothing to search; give tune.uniform(0, 1) or the like"
                )
            self._given, self._space = config, found
        elif found.space.columns:
            if found.space != self._space.space:
                return False
            self._given, self._space, self._has_constants = config, found, False
        self._take_metric(metric or self._metric, mode or self._mode)
        self._begin()
        return True

    def _take_metric(self, metric: str | None, mode: str | None) -> None:
        self._mode = mode
        self._metric: str | None = metric or (DEFAULT_METRIC if mode else None)

    def _read_space(self, given: Mapping[str, Any] | SearchSpace) -> TuneSpace:
        found = TuneSpace(given, grids=isinstance(self._sampler, str) and self._sampler.lower() == "grid")
        for point in self._points:
            if unknown := found.unknown(point):
                raise SpaceError(
                    f"points_to_evaluate: {unknown[0]!r} is not in the space; take it out", parameter=unknown[0]
                )
        return found

    def _begin(self) -> None:
        """Start as soon as all is known."""
        if self._optimizer is None and self._space is not None and self._mode:
            self._optimizer = Optimizer(
                self._space.space, sampler=self._sampler, goal=GOALS[self._mode], seed=self._seed
            )
        if self._optimizer is not None:
            evaluated, self._evaluated = self._evaluated, []
            for point in evaluated:
                self._add(point)

    def _ready(self) -> tuple[TuneSpace, Optimizer]:
        if self._space is None or self._optimizer is None:
            what, where = ("search space", "param_space") if self._space is None else ("metric and mode", "TuneConfig")
            hint = f"; {where} reaches it with a param_space only" if where == "TuneConfig" else f" or {where}"
            raise StateError(f"HdcoreSearcher: no {what}; pass it to the searcher{hint}")
        return self._space, self._optimizer

    # ------------------------------------------------------------------ trials

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Return the configuration of a trial, the same when asked again; FINISHED when a finite space is used up."""
        space, optimizer = self._ready()
        if trial_id in self._trials:
            configuration = optimizer.run(self._trials[trial_id].run).configuration
        elif self._points:
            configuration = self._filled(self._points.pop(0))
            optimizer.restore(self._runs, configuration)
            self._track(trial_id)
        else:
            try:
                configuration = optimizer.ask().configuration
            except ExhaustedError as error:
                _log.info("HdcoreSearcher: %s", error)
                return str(Searcher.FINISHED)
            self._track(trial_id)
        return space.written(configuration, constants=self._has_constants)

    def _filled(self, point: Mapping[str, Any]) -> Configuration:
        space, optimizer = self._ready()
        found = space.read(point)
        if len(found) < len(space.space):
            drawn = sample(space.space, 1, self._seed, start=self._runs)
            found |= {name: space_value(column[0]) for name, column in drawn.items() if name not in found}
        return {name: found[name] for name in optimizer.space.names}

    def _track(self, trial_id: str) -> _Trial:
        trial = self._trials[trial_id] = _Trial(self._runs)
        self._runs += 1
        return trial

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        trial = self._find(trial_id, result)
        if trial is not None:
            self._report(trial, result)

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        trial = self._find(trial_id, result or {})
        if trial is None:
            return
        value = None
        if result:
            if TRAINING_ITERATION in result:  # not what Repeater makes up of several trials
                self._report(trial, result)
            value = number(result, self.metric, f"HdcoreSearcher: trial {trial_id}")
            if value is None and trial.curve.values:
                value = trial.curve.values[-1]
        _, optimizer = self._ready()
        if error:
            trial.ended = RunStatus.FAILED
        elif trial.is_stopped or not result:  # by the policy, or taken away before it could run
            trial.ended = RunStatus.CANCELED
        else:
            is_finite = value is not None and math.isfinite(value)
            trial.ended = RunStatus.COMPLETED if is_finite else RunStatus.FAILED
        optimizer.tell(trial.run, value if trial.ended is RunStatus.COMPLETED else None, trial.ended)
        trial.curve = Curve()  # it stands in the optimizer

    def note_stop(self, trial_id: str) -> None:
        """Hear from an `HdcorePolicyScheduler` that its policy ends a trial, which Ray tells no searcher."""
        trial = self._trials.get(trial_id)
        if trial is not None:
            trial.is_stopped = True

    def _find(self, trial_id: str, result: Mapping[str, Any]) -> _Trial | None:
        """Return a trial that runs, also one that was not suggested here: an experiment may start failed trials again,
        under their names or under new ones."""
        trial = self._trials.get(trial_id)
        if trial is not None and trial.ended is None:
            return trial
        space, optimizer = self._ready()
        if trial is not None:
            if trial.ended is not RunStatus.FAILED:
                _log.warning(
                    "HdcoreSearcher: trial %s has ended before; what comes of it now is not looked at", trial_id
                )
                return None
            configuration = optimizer.run(trial.run).configuration
        else:
            given = {key.removeprefix("config/"): value for key, value in result.items() if key.startswith("config/")}
            try:
                configuration = space.read(unflatten_dict(given))
                space.space.validate(configuration)
            except (SpaceError, TypeError) as error:
                _log.warning(
                    "HdcoreSearcher: trial %s was not suggested here, and is not learned from: %s", trial_id, error
                )
                return None
        optimizer.restore(self._runs, configuration)
        return self._track(trial_id)

    def _report(self, trial: _Trial, result: Mapping[str, Any]) -> None:
        value = number(result, self.metric, "HdcoreSearcher")
        time = number(result, TRAINING_ITERATION, "HdcoreSearcher")
        curve = trial.curve
        if time is None:
            time = curve.last + 1 if curve.times else 1.0
        if value is None or (time == curve.last and _same(value, curve.values[-1])):
            return  # Ray hands the last result over again when a function has returned
        _, optimizer = self._ready()
        if not curve.add(time, value):
            optimizer.report(trial.run, value)
            return
        optimizer.restart(trial.run)
        for earlier in curve.values:
            optimizer.report(trial.run, earlier)

    # ------------------------------------------------------------------ results from elsewhere

    def add_evaluated_point(
        self,
        parameters: Mapping[str, Any],
        value: float,
        error: bool = False,
        pruned: bool = False,
        intermediate_values: Iterable[float] | None = None,
    ) -> None:
        """Learn from a trial of another experiment.

        Parameters
        ----------
        parameters : mapping
            A configuration as trials have it; what the space does not have is not looked at.
        value : float
        error, pruned : bool
            Whether it failed, or was stopped early: it counts as such a trial of this experiment would.
        intermediate_values : iterable of float, optional
            Its results, the last one included.

        Raises
        ------
        SpaceError
            If the space never gives this configuration; as soon as the space is known.
        """
        status = RunStatus.FAILED if error else RunStatus.CANCELED if pruned else RunStatus.COMPLETED
        known = math.nan if value is None else float(value)
        self._evaluated.append(
            _Evaluated(dict(parameters), known, status, tuple(map(float, intermediate_values or ())))
        )
        self._begin()

    def _add(self, point: _Evaluated) -> None:
        space, optimizer = self._ready()
        optimizer.add(space.read(point.parameters), point.value, reports=point.reports, status=point.status)

    # ------------------------------------------------------------------ saving

    def save(self, checkpoint_path: str) -> None:
        """Write the whole state to a file; a searcher that restores it goes on as this one would."""
        with open(checkpoint_path, "wb") as file:
            cloudpickle.dump(self.__getstate__(), file)

    def restore(self, checkpoint_path: str) -> None:
        """Take the state of `save`, as a new searcher or as one that has been told the same search space.

        Raises
        ------
        InputError
            If the file holds something else, or is of a newer hdcore.
        """
        with open(checkpoint_path, "rb") as file:
            state = cloudpickle.load(file)
        version = state.get("hdcore_searcher") if isinstance(state, dict) else None
        if version is None:
            raise InputError(f"HdcoreSearcher: {checkpoint_path} is of another searcher; restore it with that one")
        if version > VERSION:
            raise InputError(f"HdcoreSearcher: {checkpoint_path} is of a newer hdcore; update hdcore")
        before = self._space
        self.__setstate__(state)
        if before is not None and self._space is not None and before.space == self._space.space:
            self._space = before  # its constants and options are those of this program

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in self.__dict__.items() if name not in ("_optimizer", "_space")}
        state["_optimizer"] = None if self._optimizer is None else self._optimizer.to_json()
        return {"hdcore_searcher": VERSION, **state}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        del self.__dict__["hdcore_searcher"]
        self._space = None if self._given is None else self._read_space(self._given)
        if self._optimizer is not None:
            own = None if isinstance(self._sampler, str | Mapping) else self._sampler
            self._optimizer = Optimizer.from_json(state["_optimizer"], sampler=own)


def _check_metric(metric: Any, mode: Any) -> None:
    if not (metric is None or isinstance(metric, str)) or not (mode is None or isinstance(mode, str)):
        raise InputError("HdcoreSearcher: several metrics; it searches for one", field="metric")
    if mode not in (None, *GOALS):
        raise InputError(f"HdcoreSearcher: mode is {mode!r}; write 'min' or 'max'", field="mode")


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def space_value(value: Any) -> Any:
    """A value of a column of `hdcore.sample` as a plain one."""
    return value.item() if hasattr(value, "item") else value
