from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hdcore.typing import BoolVector, FloatVector, IntVector

NONE: int
BANDIT: int
MEDIAN: int
TRUNCATION: int
SPREAD: int

class RuleJudge:
    """Compiled `hdcore.policies.base.Judge` of a built-in rule.

    One thread at a time; `report_many` releases the GIL. A run is added on its first report, numbers need not be
    dense but memory goes up to the largest. A run that was told to stop stays live until `end` is called for it.
    A report after `end` is a StateError; `report_many` checks all its rows before it takes the first one.
    """

    def __init__(
        self,
        rule: int,
        evaluation_interval: int,
        delay_evaluation: int,
        *,
        slack: float = 0.0,
        relative: bool = False,
        percentage: int = 50,
        reached_only: bool = False,
        live_only: bool = False,
    ) -> None: ...
    def report(self, run: int, score: float) -> bool: ...
    def report_many(self, runs: IntVector, scores: FloatVector) -> BoolVector: ...
    def end(self, run: int) -> None: ...
    @property
    def last_bar(self) -> float:
        """Score that the last run that was ended had missed; NaN before the first."""

    @property
    def is_ranked(self) -> bool:
        """Whether `Study` can replay it."""
    @property
    def nbytes(self) -> int:
        """Bytes held, the object itself not counted; O(intervals)."""

class Curves:
    """Recorded curves, float32 or float64 of any strides, read in place; NaN after a run's end."""

    lengths: npt.NDArray[np.int32]
    def __init__(self, array: npt.NDArray[np.float32] | npt.NDArray[np.float64], sign: float) -> None: ...
    def lockstep(self, judge: RuleJudge, stopped: IntVector) -> None:
        """Fill `stopped`, shape (runs,), by the rule of `judge`, whose own state is not touched. No GIL."""

    def replay(
        self, judge: RuleJudge, workers: int, durations: FloatVector | None, stopped: IntVector
    ) -> tuple[float, float]:
        """Fill `stopped`; return the makespan and the best score of what was run. No GIL.

        Without durations time counts in intervals.
        """

    def follow(
        self, judge: RuleJudge, events: npt.NDArray[np.int32], cut: npt.NDArray[np.int32], stopped: IntVector
    ) -> None:
        """Fill `stopped`: events come in the order given, shape (2, m): runs, and intervals or 0 for a run's end.

        A run that is stopped at its `cut`, where it was stopped in fact, goes on to its end; one whose cut is below
        0 does wherever it is stopped. No GIL.
        """

class Study:
    """One record, its keys ranked once, to be replayed under many settings; some 70 bytes a report."""

    best: npt.NDArray[np.float64]
    """Best score of each run so far, shape (runs, intervals)."""

    lengths: npt.NDArray[np.int32]
    def __init__(self, curves: Curves) -> None: ...
    def replay(
        self,
        judges: Sequence[RuleJudge],
        *,
        order: npt.NDArray[np.int32] | None = None,
        workers: int = 1,
        durations: FloatVector | None = None,
        elapsed: npt.NDArray[np.float64] | None = None,
        events: npt.NDArray[np.int32] | None = None,
        cut: npt.NDArray[np.int32] | None = None,
    ) -> tuple[npt.NDArray[np.int64], FloatVector]:
        """Return where each judge's rule stops each run, shape (judges, runs), and the makespans. No GIL.

        Runs start in `order`, which settles equal times too, as slots get free; a run's interval k ends at start + k *
        its duration, or at start + `elapsed`. Or all events are given, as for `Curves.follow`; then makespans are 0.
        The judges are `is_ranked`; their own states are not touched.
        """
