"""Frozen records that cross the seams between engine, store, executors and command line."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from hdcore.reasons import Proposal
from hdcore.typing import Configuration, Goal, RunStatus


class Run(msgspec.Struct, frozen=True):
    """A run that the optimizer proposed.

    Attributes
    ----------
    number : int
        0, 1, 2, … in the order of asking; unique in a sweep.
    configuration : dict
        Parameter values; the caller owns it.
    proposal : Proposal or None
        How the configuration came to be.
    """

    number: int
    configuration: Configuration
    proposal: Proposal | None = None


class BestRun(msgspec.Struct, frozen=True):
    """The finished run with the best value, in the user's sign.

    Attributes
    ----------
    number : int or None
        None for history that was added in the same metric.
    interval : int or None
        Interval that reported the value; None if it was only told.
    """

    number: int | None
    configuration: Configuration
    value: float
    interval: int | None


class RunRecord(msgspec.Struct, frozen=True):
    """What the optimizer knows of a run, in the user's sign.

    Attributes
    ----------
    status : RunStatus
        RUNNING from `ask` to `tell`.
    value : float or None
        Final value; None while the run is pending and if it never had a finite value.
    reports : tuple of float
        Reported values in order; NaN for a report that was not finite.
    stopped : bool
        The policy has ended the run.
    """

    number: int
    configuration: Configuration
    status: RunStatus
    value: float | None
    reports: tuple[float, ...]
    stopped: bool


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What bounds a sweep; None is no bound."""

    max_total_runs: int
    max_concurrent_runs: int | None = None
    timeout_s: float | None = None
    run_timeout_s: float | None = None


class InputSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A named input of the command.

    Attributes
    ----------
    type : str
        ``literal`` (number, bool, string in `value`) or Azure's ``uri_file``, ``uri_folder``, ``mltable``,
        ``mlflow_model``.
    path : str or None
        As written in the file; a cloud path (``azureml:``, ``wasbs://``, ``https://``) has to be replaced by `local`.
    local : str or None
        Absolute local path that the command gets.
    """

    type: str
    value: Any = None
    path: str | None = None
    mode: str | None = None
    local: str | None = None


class SweepSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that defines a sweep; stored as JSON in the sweep's row, so it holds plain data only.

    Attributes
    ----------
    metric : str
        Primary metric; empty for the plain command of a pipeline, whose one run is not compared with any.
    space : dict
        Serialised search space, name -> ``["uniform", [0, 1]]``, nested choices included; constants as they are.
    sampler : dict
        ``{"type": "random" | "sobol" | "grid" | "bayesian", …}``.
    policy : dict or None
        Serialised policy, ``{"name": "MedianStopping", "properties": {…}}``.
    command : str
        Command template with ``${{search_space.x}}``; empty for a sweep over a Python function (`function`).
    code : str or None
        Absolute path of the code folder.
    outputs : dict
        Declared outputs, name -> {"type", "path", "mode"}.
    environment : dict
        Extra environment variables of every run.
    gpus_per_run : float or "auto"
    resume_from : tuple of str
        Earlier sweeps whose runs inform sampler and policy.
    resume_runs : tuple of str
        Runs of earlier sweeps (``NAME/12``) that this one goes on with; they are its runs 0, 1, ….
    resume_rename, resume_defaults : dict
        Old name of a parameter -> its name here; name of a parameter -> the value that earlier runs had without it.
    seed : int
        Always set when the sweep is stored, so that it can be resumed.
    """

    name: str
    space: dict[str, Any]
    metric: str
    goal: Goal
    limits: Limits
    sampler: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "random"})
    policy: dict[str, Any] | None = None
    command: str = ""
    function: str = ""
    code: str | None = None
    inputs: dict[str, InputSpec] = {}
    outputs: dict[str, dict[str, Any]] = {}
    environment: dict[str, str] = {}
    gpus_per_run: float | str = 0
    cpus_per_run: int = 1
    preload: tuple[str, ...] = ()
    shell: bool | str = "auto"
    retries: int = 0
    seed: int = 0
    executor: str = "local"
    resume_from: tuple[str, ...] = ()
    resume_runs: tuple[str, ...] = ()
    resume_rename: dict[str, str] = {}
    resume_defaults: dict[str, Any] = {}
    display_name: str = ""
    experiment_name: str = ""
    description: str = ""
    tags: dict[str, str] = {}
    source: str = ""
    warnings: tuple[str, ...] = ()


class StepSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a pipeline.

    Attributes
    ----------
    spec : SweepSpec
        The sweep that the step is; a step that is a plain command is a sweep of one run without a metric.
    bindings : dict
        Name of an input -> (step, output) that it is.
    """

    name: str
    spec: SweepSpec
    bindings: dict[str, tuple[str, str]] = {}


class PipelineSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Steps in the order in which they run: each after those whose outputs it takes.

    Attributes
    ----------
    outputs : dict
        Name of an output of the pipeline -> (step, output) that it is.
    """

    name: str
    steps: tuple[StepSpec, ...]
    source: str = ""
    warnings: tuple[str, ...] = ()
    outputs: dict[str, tuple[str, str]] = {}
    display_name: str = ""
    experiment_name: str = ""
    description: str = ""
    tags: dict[str, str] = {}


class EarlierRun(msgspec.Struct, frozen=True):
    """A run of an earlier sweep, as a new one takes it over.

    Attributes
    ----------
    number : int
        In the earlier sweep.
    value : float or None
        Final value in the user's sign; None if it had no finite one.
    reports : tuple of float
        Reports of the primary metric in order; NaN for one that was not finite.
    """

    number: int
    configuration: Configuration
    status: RunStatus
    value: float | None = None
    reports: tuple[float, ...] = ()


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier sweep that a sweep started from, and how much of it was taken over.

    Attributes
    ----------
    total : int
        Runs of the earlier sweep.
    dropped : tuple of (str, int)
        Why runs were not taken over, and how many.
    notes : tuple of str
        What was done to those that were.
    """

    name: str
    sweep_id: str
    total: int
    dropped: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def kept(self) -> int:
        return self.total - sum(count for _, count in self.dropped)

    @property
    def line(self) -> str:
        """One line for people: how many runs are kept, and why others are not."""
        parts = [f"{self.kept} of {self.total} runs of {self.name}"]
        if self.dropped:
            parts.append("dropped: " + ", ".join(f"{count} ({why})" for why, count in self.dropped))
        return "; ".join([*parts, *self.notes])


class NewRows(msgspec.Struct, frozen=True):
    """What a new sweep begins with.

    Attributes
    ----------
    configurations : tuple of dict
        Of its first runs, which wait to be started.
    parents : tuple of (Parent, tuple of EarlierRun)
        Runs of earlier sweeps, for sampler and policy.
    proposals : tuple of Proposal
        How the configurations came to be, one each; or none.
    """

    configurations: tuple[Configuration, ...] = ()
    parents: tuple[tuple[Parent, tuple[EarlierRun, ...]], ...] = ()
    proposals: tuple[Proposal, ...] = ()


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One run made ready to start; what an executor needs and nothing else.

    Attributes
    ----------
    argv : tuple of str
        Argument list, executed as it is (for a shell command: ``("/bin/sh", "-c", text)``).
    cwd, folder : str
        Working directory (the run-private view of the code) and the run's folder, which takes ``stdout.log``,
        ``stderr.log`` and the report file.
    report : str
        Path of the JSON-lines report file; the run appends, the executor reads from `offset`.
    environment : dict
        The complete environment of the run but for what the executor adds: device mask, thread counts.
    gpus : float or "auto"
    cpus : int
    configuration : dict
        For the executor's estimate of what the run needs; the command has it already.
    timeout_s : float or None
        Run timeout.
    """

    number: int
    attempt: int
    argv: tuple[str, ...]
    cwd: str
    folder: str
    report: str
    environment: dict[str, str]
    gpus: float | str = 0
    cpus: int = 1
    timeout_s: float | None = None
    offset: int = 0
    configuration: Configuration = {}


class MetricRow(msgspec.Struct, frozen=True, gc=False):
    """One report of one metric as it came over the wire.

    Attributes
    ----------
    value : float or None
        May be NaN or infinite; None where `text` holds a value that is no number.
    step : int or None
        The step the script gave; it never changes the interval count.
    at : float
        Wall-clock seconds since the epoch, as the script says; for display. The driver stores for the primary metric
        when it heard of the report: no two of a sweep are equal, and their order is that of the policy's decisions.
    """

    name: str
    value: float | None
    step: int | None = None
    text: str | None = None
    at: float = 0.0


class RunStarted(msgspec.Struct, frozen=True):
    """The process of a run exists."""

    number: int
    attempt: int
    pid: int
    devices: tuple[str, ...] = ()


class Reports(msgspec.Struct, frozen=True):
    """New report lines of one run.

    Attributes
    ----------
    offset : int
        Bytes of the report file consumed up to and including these rows; stored with them in one transaction.
    dropped : int
        Lines refused since the last event (too long, not JSON, too many names).
    """

    number: int
    attempt: int
    rows: tuple[MetricRow, ...]
    offset: int
    dropped: int = 0


class RunEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The process tree of a run is gone and all its reports were delivered before this.

    Attributes
    ----------
    status : RunStatus
        COMPLETED, FAILED or CANCELED (a cancel, a policy's word); a run timeout is FAILED.
    reason : str or None
        ``exit code 3: LAST LINE OF STDERR``, ``signal SIGSEGV``, ``run timeout of 60 s``, the text given to `cancel`, …
    log_dropped_bytes : int
        Bytes of stdout and stderr beyond the cap.
    are_reports_lost : bool
        The disk was full: the run could not write all its reports, so it has to run again.
    is_report_spoiled : bool
        The script replaced or cut its report file instead of appending to it, so reports may be missing.
    is_excused : bool
        It failed through no fault of its own (a GPU that was shared or is lost, a machine without room for one more
        process): it runs again, and that is no retry.
    """

    number: int
    attempt: int
    status: RunStatus
    reason: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    duration_s: float = 0.0
    log_dropped_bytes: int = 0
    are_reports_lost: bool = False
    is_report_spoiled: bool = False
    is_excused: bool = False


Event: TypeAlias = RunStarted | Reports | RunEnd
