"""What a policy is: a frozen description, and the judge that applies it to one sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from hdcore.typing import BoolVector, FloatVector, IntVector


@runtime_checkable
class Judge(Protocol):
    """The running state of a policy over one sweep. Larger scores are better.

    Reports are handled one by one in the order of the calls; a run is judged only when it reports, with what has
    been reported by then, its own report included. Runs are numbered 0, 1, 2, …; a run exists from its first report.

    A judge may have an attribute ``last_bar``: the score that the last run that `report` ended would have needed to go
    on. It is stored for whoever asks why.
    """

    def report(self, run: int, score: float) -> bool:
        """Take the next interval of a run (k = 1, 2, …); True if the policy ends the run now.

        NaN and infinities count as an interval and are never the best.
        """

    def report_many(self, runs: IntVector, scores: FloatVector) -> BoolVector:
        """Take many reports in order, as `report` would one by one; shape (m,) in and out."""

    def end(self, run: int) -> None:
        """Say that a run will not report again: it stands in the population with all it reported. Idempotent."""


@runtime_checkable
class Policy(Protocol):
    """An early-termination policy: plain data plus the factory of its judge."""

    @property
    def evaluation_interval(self) -> int:
        """The policy is applied at the multiples of this number."""

    @property
    def delay_evaluation(self) -> int:
        """First interval at which the policy may be applied."""

    def judge(self) -> Judge:
        """Return a fresh judge."""

    def to_json(self) -> dict[str, Any]:
        """Return Azure's serialised form, ``{"name": …, "properties": {…}}``."""
