"""How a run came to its configuration, and why it ended: what was stored at that time, as data and in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from hdcore.document import display_time, is_driven, present_status, so_far
from hdcore.reasons import DESIGN_REASONS, Proposal, Stop
from hdcore.typing import Goal, RunStatus
from hdcore.views.progress import policy_line
from hdcore.views.text import plural, printable, shown, span

if TYPE_CHECKING:
    from hdcore.store import PastAttempt, StoredRun, StoredSweep, StoreReader

_DIGITS = 5


def explain(reader: StoreReader, number: int) -> dict[str, Any]:
    """Return what is known about the reasons of a run, as plain data.

    Parameters
    ----------
    reader : StoreReader
    number : int

    Returns
    -------
    dict
        ``sweep``, ``number``, ``status``, ``reason``; ``proposal`` (fields of `hdcore.reasons.Proposal`) and ``stop``
        (of `hdcore.reasons.Stop`), or None; ``attempts``, those before the last one; ``ended_by``: ``completed``,
        ``policy``, ``user``, ``run timeout``, ``sweep timeout``, ``exit code``, ``signal``, ``failure``, ``sweep``
        (which was over before the run began), or None while it has not ended; ``exit_code``, ``signal``; ``lines``:
        sentences for people, harmless to a terminal.

    Raises
    ------
    InputError
        If there is no such run.
    """
    return explain_all(reader, [number])[0]


def explain_all(reader: StoreReader, numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Return what `explain` returns, of many runs at once."""
    driven = is_driven(reader)
    with reader.snapshot():
        sweep = reader.sweep()
        return [_explained(reader, sweep, number, driven=driven) for number in numbers]


def _explained(reader: StoreReader, sweep: StoredSweep, number: int, *, driven: bool) -> dict[str, Any]:
    run = so_far(reader.run(number), sweep.spec.goal)
    proposal, stop, attempts = reader.proposal(number), reader.stop(number), reader.attempts(number)
    status = present_status(run.status, driven)
    ended_by = _ended_by(run, stop)
    lines = [
        f"run {number} of {sweep.name}  {status.value}",
        *_origin(sweep, run, proposal),
        *_past(attempts),
        *_ending(sweep, run, status, ended_by, stop),
    ]
    return {
        "sweep": sweep.name,
        "number": number,
        "status": status.value,
        "reason": run.reason,
        "proposal": None if proposal is None else msgspec.structs.asdict(proposal),
        "stop": None if stop is None else msgspec.to_builtins(msgspec.structs.asdict(stop)),
        "attempts": [
            {
                "attempt": past.attempt,
                "reason": past.reason,
                "started": display_time(past.started),
                "ended": display_time(past.ended),
                "devices": list(past.devices),
            }
            for past in attempts
        ],
        "ended_by": ended_by,
        "exit_code": run.exit_code,
        "signal": run.signal,
        "lines": [printable(line) for line in lines],
    }


# ---------------------------------------------------------------------- how it came to be


def _origin(sweep: StoredSweep, run: StoredRun, proposal: Proposal | None) -> list[str]:
    if not sweep.spec.metric:
        return ["The plain command of a pipeline: nothing was searched."]
    if proposal is None:
        sampler = sweep.spec.sampler.get("type", "random")
        return [f"The sampler is {sampler}; what it thought of this run was not stored."]
    how, seed = proposal.how, sweep.spec.seed
    plain = {
        "random": f"Drawn at random from the search space: draw {run.number} of seed {seed}.",
        "sobol": f"Point {run.number} of a scrambled Sobol sequence, which fills the space evenly (seed {seed}).",
        "grid": "The next configuration of the grid.",
        "resumed": f"Goes on with run {proposal.source}: the same configuration, and copies of what that one left.",
        "imported": f"Imported from {proposal.source}.",
        "earlier": "Among the best configurations of the earlier sweeps, which the sweep begins with.",
    }
    if how in plain:
        return [plain[how]]
    if how == "design":
        why = DESIGN_REASONS.get(proposal.why or "", "there was nothing to learn from")
        known = "" if proposal.why == "start" else f"; {plural(proposal.told, 'result')} by then"
        return [f"A point of the Bayesian sampler's start-up design, since {why}{known}."]
    if how in ("model", "elsewhere"):
        return _forecast(sweep, run, proposal)
    return [f"Proposed by the sampler {how!r}."]


def _forecast(sweep: StoredSweep, run: StoredRun, proposal: Proposal) -> list[str]:
    metric = sweep.spec.metric
    sources = [plural(proposal.told, "result")]
    if proposal.predicted:
        whose = "its curve" if proposal.predicted == 1 else "their curves"
        sources.append(f"{plural(proposal.predicted, 'stopped run')} with what {whose} promised")
    if proposal.earlier:
        sources.append(f"{plural(proposal.earlier, 'result')} of earlier sweeps")
    what = "the most promising point of the Bayesian sampler's model"
    if proposal.how == "elsewhere":
        what = "results had stood still, so the Bayesian sampler looked elsewhere, with a model of distant results"
    lines = [f"Proposed from {_listed(sources)}: {what}."]
    aware = [f"allowed for {plural(proposal.pending, 'run')} in flight"] if proposal.pending else []
    aware += [f"kept away from {plural(proposal.failed, 'failed run')}"] if proposal.failed else []
    aware += ["saw the metric stretched at its good end"] if proposal.is_stretched else []
    if aware:
        lines.append(f"It {_listed(aware)}.")
    if proposal.mean is None or proposal.sd is None:
        return lines
    noise = f"; repeated runs differ by {shown(proposal.noise, 2)}" if proposal.noise else ""
    best = "" if proposal.best is None else f" The best result was {shown(proposal.best, _DIGITS)}."
    lines.append(
        f"It predicted {metric} {shown(proposal.mean, _DIGITS)} ± {shown(proposal.sd, 2)} (standard deviation{noise})."
        + best
    )
    if proposal.improvement is not None and proposal.probability is not None:
        counted = ""
        if proposal.incumbent is not None and proposal.best is not None and _differ(proposal):
            counted = f", counted from {shown(proposal.incumbent, _DIGITS)}, what the model thought of the best"
        lines.append(
            f"It hoped for an improvement: expected {shown(proposal.improvement, 2)},"
            f" probability {_percent(proposal.probability)}{counted}."
        )
    if run.status is RunStatus.COMPLETED and run.value is not None:
        lines.append(_outcome(run.value, proposal.mean, math.hypot(proposal.sd, proposal.noise or 0.0)))
    return lines


def _differ(proposal: Proposal) -> bool:
    return shown(proposal.incumbent, _DIGITS) != shown(proposal.best, _DIGITS)


def _percent(share: float) -> str:
    return "under 0.1 %" if 0.0 < share < 0.001 else f"{100 * share:.{1 if share < 0.1 else 0}f} %"


def _outcome(value: float, mean: float, sd: float) -> str:
    """Compare a result with its prediction."""
    told = f"It came to {shown(value, _DIGITS)}"
    if not sd > 0.0 or not math.isfinite((value - mean) / sd):
        return f"{told}."
    errors = abs(value - mean) / sd
    return f"{told}, {shown(errors, 2)} standard deviations {'above' if value >= mean else 'below'} the prediction."


# ---------------------------------------------------------------------- how it ended


def _ended_by(run: StoredRun, stop: Stop | None) -> str | None:
    reason = run.reason or ""
    if not run.status.is_terminal:
        return None
    if run.status is RunStatus.COMPLETED:
        return "completed"
    if run.status is RunStatus.CANCELED and (stop is not None or " at interval " in reason):
        return "policy"
    if reason == "canceled by user":
        return "user"
    for limit in ("run timeout", "sweep timeout"):
        if reason.startswith(limit):
            return limit
    if run.status is RunStatus.CANCELED:
        return "sweep"
    if run.signal is not None:
        return "signal"
    return "failure" if run.exit_code is None else "exit code"


def _past(attempts: list[PastAttempt]) -> list[str]:
    lines = []
    for past in attempts:
        took = "" if past.started is None or past.ended is None else f" after {span(past.ended - past.started)}"
        lines.append(f"Attempt {past.attempt} ended{took}: {past.reason or 'for an unknown reason'}.")
    return lines


def _ending(
    sweep: StoredSweep, run: StoredRun, status: RunStatus, ended_by: str | None, stop: Stop | None
) -> list[str]:
    metric, last = sweep.spec.metric, f" in attempt {run.attempt}" if run.attempt > 1 else ""
    took = f" after {span(run.duration_s)}" if run.duration_s else ""
    best = "" if run.value is None or not metric else f"; its best {metric} is {shown(run.value, _DIGITS)}"
    at = f" at interval {run.interval}" if best and run.interval else ""
    if status is RunStatus.QUEUED:
        return [f"It waits to be started{f' again: {run.reason}' if run.attempt and run.reason else ''}."]
    if status is RunStatus.RUNNING:
        return [f"It is running{last}{best}{at}."]
    lines = {
        "completed": f"It completed{took}{last}{best}{at}.",
        "user": f"It was canceled by the user{took}{best}{at}.",
        "run timeout": f"It ran into the limit of the sweep for a single run ({run.reason}){best}{at}.",
        "sweep timeout": f"The sweep ran out of time ({run.reason}), and it was ended with it{best}{at}.",
        "sweep": f"It was not run to its end: {run.reason or 'the sweep was over'}{best}{at}.",
        "signal": f"It died{took}{last}: {run.reason or run.signal}{best}{at}.",
        "exit code": f"It failed{took}{last}: {run.reason or f'exit code {run.exit_code}'}{best}{at}.",
        "failure": f"It failed{took}{last}: {run.reason or 'no reason is known'}{best}{at}.",
    }
    if ended_by == "policy" and stop is None:
        return [f"It was ended by the policy, {run.reason}; what it was compared with was not stored."]
    told = [] if stop is None else _verdict(sweep, stop)
    return told if ended_by == "policy" else [*told, lines[ended_by or "failure"]]


def _verdict(sweep: StoredSweep, stop: Stop) -> list[str]:
    metric, is_max = sweep.spec.metric, sweep.spec.goal is Goal.MAXIMIZE
    had = f"its best {metric} was {shown(stop.value, _DIGITS)}"
    if stop.value is None:
        had = f"it had reported no finite {metric}"
    line = f"Ended by {policy_line(stop.policy)} at interval {stop.interval}: {had}"
    if stop.bar is not None:
        line += f", and it needed {shown(stop.bar, _DIGITS)} or {'more' if is_max else 'less'}{_rule(stop)}"
    lines = [f"{line}."]
    if stop.count > 1:
        others = stop.count - 1
        ranges = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in stop.runs)
        known = sum(b - a + 1 for a, b in stop.runs)
        parts = [f"{'run' if known == 1 else 'runs'} {ranges}"] if ranges else []
        parts += [f"{others - known - stop.earlier} more"] if others > known + stop.earlier else []
        parts += [f"{plural(stop.earlier, 'run')} of earlier sweeps"] if stop.earlier else []
        who = "a run of an earlier sweep" if stop.best_run is None else f"run {stop.best_run}"
        top = f"; the best was {who} with {shown(stop.best, _DIGITS)}" if stop.best is not None else ""
        lines.append(f"Compared with {plural(others, 'other run')}: {_listed(parts)}{top}.")
    return lines


def _rule(stop: Stop) -> str:
    """How a built-in policy came to its bar."""
    name, of = stop.policy.get("name"), stop.policy.get("properties") or {}
    if name == "MedianStopping":
        return f": the median of the averages of {plural(stop.count, 'run')} by then"
    if name == "TruncationSelection":
        percentage = of.get("truncation_percentage", 0)
        lowest = plural(stop.count * percentage // 100, "run")
        return f" not to be among the worst {percentage} % of {stop.count}, which is {lowest}"
    if name == "Bandit" and stop.best is not None:
        slacks = {"slack_factor": "slack factor {}", "slack_amount": "slack {}", "slack_iqr": "{} interquartile ranges"}
        slack = next(text.format(shown(of[key], _DIGITS)) for key, text in slacks.items() if of.get(key) is not None)
        return f": the best by then, {shown(stop.best, _DIGITS)}, with {slack}"
    return ""


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
