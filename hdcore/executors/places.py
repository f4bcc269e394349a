"""Where runs run on this machine: a slot each, CPUs, and a lease of devices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from hdcore.errors import ExecutorError, InputError
from hdcore.executors import cpus
from hdcore.records import Launch, RunEnd
from hdcore.typing import Configuration, RunStatus

if TYPE_CHECKING:
    from hdcore.executors.devices import Devices, Lease
    from hdcore.executors.packer import Packer


class Place:
    """What one run occupies, from `Places.take` to `Places.free`.

    Attributes
    ----------
    cpus : tuple of int
        Its affinity; empty: any CPU.
    devices : tuple of str
        UUIDs.
    """

    __slots__ = ("cpus", "devices", "lease", "slot")

    def __init__(self, slot: int, cpus: tuple[int, ...], lease: Lease | None) -> None:
        self.slot = slot
        self.cpus = cpus
        self.lease = lease
        self.devices: tuple[str, ...] = () if lease is None else lease.names

    @property
    def environment(self) -> dict[str, str]:
        """The device mask."""
        return {} if self.lease is None else self.lease.environment

    @property
    def fds(self) -> list[int]:
        """Descriptors that hold the lease as long as anybody has them."""
        return [] if self.lease is None else self.lease.fds


class Places:
    """Slots, CPUs and devices of an executor; the parameters are those of `LocalExecutor`."""

    def __init__(
        self,
        slots: int | None,
        devices: Devices | None,
        *,
        gpus_per_run: float | str,
        cpus_per_run: int,
        name: str,
        sample_s: float,
    ) -> None:
        if slots is not None and slots < 1:
            raise ExecutorError(f"{slots} slots; at least 1 is needed to run anything")
        if gpus_per_run and (devices is None or not devices.most_runs(gpus_per_run)):
            have = 0 if devices is None else len(devices.alive)
            raise InputError(
                f"{_amount(gpus_per_run)} GPUs per run; there are {have} that may be used",
                field="hdcore.gpus_per_run",
            )
        usable = cpus.usable_cpus()
        if slots is None:
            slots = cpus.default_slots(len(usable), cpus_per_run)
            if devices is not None and gpus_per_run and not isinstance(gpus_per_run, str):
                slots = max(1, min(slots, devices.most_runs(gpus_per_run)))
        self.slots = slots
        self.devices = devices
        self.packer: Packer | None = None
        if isinstance(gpus_per_run, str) and devices is not None:
            from hdcore.executors.packer import Packer

            self.packer = Packer(devices, sample_s=sample_s)
        self._gpus_per_run = gpus_per_run
        self._name = name
        self._usable_cpus = frozenset(usable)
        self.cpus = cpus.own(cpus.shares(usable, slots, cpus_per_run))
        self._free = list(range(slots))

    # ---- room

    def capacity(self) -> int:
        """Return how many more runs could start now."""
        if not self._free:
            return 0
        if self.packer is not None:
            return min(len(self._free), self.packer.capacity())
        if self.devices is not None and self._gpus_per_run:
            return min(len(self._free), self.devices.free(float(self._gpus_per_run)))
        return len(self._free)

    def has_room(self, number: int, configuration: Configuration) -> bool:
        """Return whether this run could start now."""
        return self.packer is None or self.packer.has_room(number, configuration)

    def blocked(self) -> str | None:
        """Return why the devices that are left are too few for any run; None if they are not."""
        if self.devices is not None and self._gpus_per_run and not self.devices.most_runs(self._gpus_per_run):
            return f"{_amount(self._gpus_per_run)} GPUs per run; {len(self.devices.alive)} are left that answer"
        return None

    def take(self, launch: Launch) -> Place:
        """Take a place for a run.

        Raises
        ------
        NoRoomError
            If another sweep was faster with the devices.
        ExecutorError
            If there is no free slot.
        """
        if not self._free:
            raise ExecutorError(f"no free slot for run {launch.number}: {self.slots} in use")
        lease = self._lease(launch)
        near = self._near_cpus(lease)
        slot = max(self._free, key=lambda slot: (len(near.intersection(self.cpus.shares[slot])), -slot))
        self._free.remove(slot)
        return Place(slot, self._affinity(launch, slot, near), lease)

    def free(self, place: Place) -> None:
        """Give a place back: nothing of its run is left."""
        if place.lease is not None:
            if self.packer is not None:
                self.packer.release(place.lease)
            place.lease.close()
        self._free.append(place.slot)

    def close(self) -> None:
        self.cpus.close()
        if self.devices is not None:
            self.devices.close()

    def _lease(self, launch: Launch) -> Lease | None:
        if self.devices is None:
            return None
        label = f"{self._name}/{launch.number}"
        if isinstance(launch.gpus, str):
            if self.packer is None:
                raise ExecutorError(f"run {launch.number} asks for {launch.gpus} GPUs of an executor that counts them")
            return self.packer.lease(launch, label)
        return self.devices.lease(launch.gpus, label)

    def _near_cpus(self, lease: Lease | None) -> frozenset[int]:
        """Usable CPUs on the NUMA nodes of a run's devices; empty if those are all, or unknown."""
        if lease is None or not lease.names or self.devices is None:
            return frozenset()
        near = self.devices.local_cpus(lease.names) & self._usable_cpus
        return near if near != self._usable_cpus else frozenset()

    def _affinity(self, launch: Launch, slot: int, near: frozenset[int]) -> tuple[int, ...]:
        """CPUs of a run: those of its slot that are near its devices, else all that are near."""
        own = self.cpus.shares[slot]
        if not near:
            return own
        both = tuple(cpu for cpu in own if cpu in near)
        return both if len(both) >= launch.cpus else tuple(sorted(near))

    # ---- the devices under a run

    def sample(self) -> None:
        """Measure what runs have of their devices, where packing needs it and it is time."""
        if self.packer is not None:
            self.packer.sample()

    def wait_s(self) -> float:
        """Return the seconds until the next `sample` has something to do."""
        return math.inf if self.packer is None else self.packer.wait_s()

    def began(self, place: Place) -> None:
        """Note that a run was handed over."""
        if self.devices is not None:
            self.devices.began(place.devices)

    def started(self, place: Place, pid: int) -> None:
        """Note the first process of a run."""
        if self.packer is not None and place.lease is not None:
            self.packer.started(place.lease, pid)

    def ended(self, place: Place, launch: Launch, end: RunEnd) -> RunEnd:
        """Note how a run ended; return that, excused where the devices were at fault."""
        if self.devices is None or not place.devices:
            return end
        if self.packer is not None and place.lease is not None:
            end = self.packer.ended(place.lease, launch, end)
        failed: bool | None = end.status is RunStatus.FAILED
        if end.status is RunStatus.CANCELED or end.is_excused or (failed and not (end.exit_code or end.signal)):
            failed = None  # no word about the devices
        if not self.devices.ended(place.devices, failed=failed):
            reason = f"{end.reason}; its GPU does not answer any more"
            end = msgspec.structs.replace(end, reason=reason, is_excused=True)
        return end


def _amount(gpus: float | str) -> str:
    return gpus if isinstance(gpus, str) else f"{gpus:g}"
