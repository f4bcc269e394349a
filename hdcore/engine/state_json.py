"""An optimizer as JSON text and back. Plain data only: loading a text never runs anything it names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from hdcore.errors import InputError, StateError
from hdcore.history import RowState
from hdcore.reasons import Explanation, Proposal, Stop

if TYPE_CHECKING:
    from hdcore.engine.optimizer import Optimizer
    from hdcore.policies.base import Policy
    from hdcore.sampling.base import Sampler

VERSION = 1


class _Row(msgspec.Struct, omit_defaults=True):
    """A row of the table. Scores, not values: no sign to undo; None is NaN or not finite."""

    configuration: dict[str, Any]
    state: Annotated[int, msgspec.Meta(ge=0, le=int(RowState.CANCELED))] = 0
    score: float | None = None
    reports: list[float | None] = []
    source: str | bool = False
    stopped: bool = False
    proposal: Proposal | None = None
    stop: Stop | None = None


class _State(msgspec.Struct):
    hdcore_optimizer: int
    space: dict[str, Any]
    sampler: dict[str, Any] | None
    goal: str
    policy: dict[str, Any] | None
    seed: Annotated[str, msgspec.Meta(pattern="^[0-9]+$")]  # text: a seed may be larger than a reader's integers
    exhausted: bool
    rows: list[_Row]


def dump(optimizer: Optimizer) -> str:
    """Return the state of an optimizer as JSON text."""
    table = optimizer.table
    numbers = {row: number for number, row in enumerate(optimizer._row)}
    metric, intervals, source = table.metric, table.intervals, table.source
    rows = []
    for row in range(table.n):
        code = int(source[row])
        score = float(table.value[row])
        rows.append(
            _Row(
                optimizer._configuration(row),
                int(table.state[row]),
                None if math.isnan(score) else score,
                [s if math.isfinite(s) else None for s in metric[row, : intervals[row]].tolist()],
                code == 1 if code < 2 else optimizer._sources[code - 2],
                numbers.get(row) in optimizer._stopped,
                optimizer._proposals.get(numbers.get(row, -1)),
                optimizer._stops.get(numbers.get(row, -1)),
            )
        )
    to_json = getattr(optimizer.sampler, "to_json", None)
    state = _State(
        VERSION,
        optimizer.space.to_json(),
        None if to_json is None else to_json(),
        optimizer.goal.value,
        None if optimizer.policy is None else optimizer.policy.to_json(),
        str(optimizer.seed),
        optimizer.exhausted,
        rows,
    )
    return msgspec.json.encode(state, enc_hook=_plain).decode()


def _plain(value: object) -> Any:
    """A NumPy scalar in a configuration that the user added."""
    if hasattr(value, "item"):
        return value.item()
    raise StateError(f"a configuration holds a {type(value).__name__}, which JSON cannot; use numbers, text, lists")


def load(cls: type[Optimizer], text: str, *, sampler: Sampler | None, policy: Policy | None) -> Optimizer:
    """Build an optimizer from the text of `dump`."""
    if not isinstance(text, str | bytes):
        raise InputError(f"not a saved optimizer: {type(text).__name__}; pass the text that to_json returned")
    try:
        state = msgspec.json.decode(text, type=_State)
    except msgspec.MsgspecError as error:
        raise InputError(f"not a saved optimizer: {error}") from None
    if state.hdcore_optimizer > VERSION:
        raise InputError(f"saved by a newer hdcore (format {state.hdcore_optimizer}, here {VERSION}); update hdcore")
    chosen = sampler if sampler is not None else state.sampler
    if chosen is None:
        raise StateError("the optimizer was saved with a sampler of its own class; pass it as sampler=")
    optimizer = cls(
        state.space,
        sampler=chosen,
        goal=state.goal,
        policy=policy if policy is not None else state.policy,
        seed=int(state.seed),
    )
    for saved in state.rows:
        _restore(optimizer, saved)
    optimizer.exhausted = state.exhausted
    return optimizer


def _restore(optimizer: Optimizer, saved: _Row) -> None:
    sign = optimizer.goal.sign
    reports = [math.nan if score is None else sign * score for score in saved.reports]
    value = math.nan if saved.score is None else sign * saved.score
    if saved.source is not False:
        name = saved.source if isinstance(saved.source, str) else None
        status = RowState(saved.state).name if saved.state else RowState.COMPLETED.name
        optimizer.add(saved.configuration, value, reports=reports, source=name, status=status)
        return
    final = None if saved.state == RowState.PENDING else RowState(saved.state).name
    optimizer.restore(
        len(optimizer._row),
        saved.configuration,
        final,
        value,
        reports,
        stopped=saved.stopped,
        explanation=Explanation(saved.proposal, saved.stop),
    )
