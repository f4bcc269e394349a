"""Recorded curves as `evaluate` and `replay` take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore._native.policies import Curves
from hdcore.errors import InputError, PolicyError, ShapeError
from hdcore.policies.base import Judge
from hdcore.policies.none import NoTerminationPolicy
from hdcore.typing import Goal

if TYPE_CHECKING:
    import numpy.typing as npt

    from hdcore.policies.base import Policy
    from hdcore.typing import FloatMatrix


def check_curves(curves: npt.ArrayLike) -> npt.NDArray[np.floating[Any]]:
    """Return curves as a matrix of float64 or float32; memory-mapped and float32 arrays are not copied."""
    array = np.asarray(curves)
    if array.ndim != 2:
        raise ShapeError(f"curves has shape {array.shape}; give a matrix of shape (runs, intervals)")
    if array.dtype.kind not in "fiub":
        raise InputError(f"curves holds {array.dtype}; give numbers, NaN after a run's end", field="curves")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if not (array.flags.aligned and array.dtype.isnative):
        array = array.astype(array.dtype.newbyteorder("="))
    return array


def open_curves(curves: npt.ArrayLike, goal: Goal) -> tuple[npt.NDArray[np.floating[Any]], Curves]:
    """Check curves and make them ready for the kernel."""
    array = check_curves(curves)
    return array, Curves(array, goal.sign)


def score_matrix(array: npt.NDArray[np.floating[Any]], goal: Goal) -> FloatMatrix:
    """Return curves as scores, larger is better; what third-party judges are fed with."""
    return goal.sign * array.astype(np.float64)


def judge_of(policy: Policy | None) -> Judge:
    """Return a fresh judge; None is no termination."""
    make = getattr(NoTerminationPolicy() if policy is None else policy, "judge", None)
    judge = make() if callable(make) else None
    if not isinstance(judge, Judge):
        raise PolicyError(
            f"{policy!r} is not a policy: judge() has to return an object with report, report_many and end",
            field="policy",
        )
    return judge
