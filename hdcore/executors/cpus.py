"""CPU slots: how many runs fit on this machine, where each may run, how many threads it starts.

Two effects are kept apart. The thread variables (OMP_NUM_THREADS and its family) are `cpus_per_run`: what the user
asked for. The affinity of a slot is its equal share of the CPUs, at least `cpus_per_run`: with few slots on a large
machine a run may still use idle CPUs (data loaders), and no two slots overlap. With more runs than CPUs there is no
fair share and the affinity is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hdcore.errors import ExecutorError
from hdcore.executors.leases import lease_folder, open_lock, try_lock

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "TBB_NUM_THREADS",
)


def usable_cpus(*, sys: Path = Path("/sys/devices/system/cpu"), cgroup: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """Return the CPUs of this process, neighbours first: those of one package and core stand together.

    A container's CPU quota shortens the list: its processes may run on any CPU, but only on so many at a time.
    """
    cpus = sorted(
        os.sched_getaffinity(0),
        key=lambda cpu: (_number(sys, cpu, "physical_package_id"), _number(sys, cpu, "core_id"), cpu),
    )
    quota = _quota(cgroup)
    return cpus if quota is None else cpus[: max(1, int(quota))]


def _number(sys: Path, cpu: int, name: str) -> int:
    try:
        return int((sys / f"cpu{cpu}" / "topology" / name).read_text())
    except (OSError, ValueError):
        return 0


def _quota(cgroup: Path) -> float | None:
    """CPUs that the container may use at a time, by cgroup v2 or v1."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()[:2]
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        return float(quota) / float(period) if quota != "max" and float(quota) > 0 and float(period) > 0 else None
    except ValueError:
        return None


def default_slots(cpus: int, cpus_per_run: int) -> int:
    """Return how many runs of `cpus_per_run` CPUs fit; at least one."""
    return max(1, cpus // max(1, cpus_per_run))


def shares(cpus: list[int], slots: int, cpus_per_run: int) -> list[tuple[int, ...]]:
    """Return the affinity of each slot: disjoint equal shares; empty tuples where the affinity is to be left alone."""
    each = len(cpus) // slots
    if slots < 2 or each < max(1, cpus_per_run):
        return [()] * slots
    return [tuple(cpus[k * each : (k + 1) * each]) for k in range(slots)]


@dataclass
class Owned:
    """Shares of CPUs that no other sweep of this user has; `close` gives them back. Idempotent."""

    shares: list[tuple[int, ...]]
    fd: int = -1

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Owned:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def own(shares: list[tuple[int, ...]]) -> Owned:
    """Return the shares if all their CPUs are free; else as many empty ones.

    Two sweeps that both bind their first run to the first CPU would share it while others are idle. So the first one
    binds, and the runs of the second go where the scheduler sends them.
    """
    cpus = sorted({cpu for share in shares for cpu in share})
    if not cpus:
        return Owned(shares)
    try:
        fd = open_lock(lease_folder() / "cpus")
    except (OSError, ExecutorError):
        return Owned([()] * len(shares))
    if all(try_lock(fd, cpu, 1) for cpu in cpus):
        return Owned(shares, fd)
    os.close(fd)
    return Owned([()] * len(shares))


def thread_variables(cpus_per_run: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the thread variables that are not set yet: what the user has set stays."""
    return {name: str(max(1, cpus_per_run)) for name in THREAD_VARIABLES if name not in environment}
