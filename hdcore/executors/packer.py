"""Packing runs on GPUs by measured memory: `packing` fed with what the devices say.

A run of which nothing is known has a device for itself, as far as the leases of this user reach. Its peak is what NVML
measures for the processes of its tree. From the first one that comes to its end on, a run leases as many units of a
device as its estimate takes of the memory, so that packed runs of several sweeps share devices too.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from hdcore.errors import NoRoomError
from hdcore.executors.devices import Device, Devices, Lease
from hdcore.executors.inventory import processes, used_bytes
from hdcore.executors.leases import UNITS
from hdcore.executors.packing import Claim, Estimates, Observation, Room, capacity, place, spare
from hdcore.records import Launch, RunEnd
from hdcore.typing import Configuration, RunStatus

logger = logging.getLogger("hdcore")

SAMPLE_S = 1.0
PROMISE_S = 2.0
"""How long a device is kept for a run that waits for room, after it last asked."""
FULL = 0.97
"""Of a device's memory: a run that fails on a device as full as this may have failed of it."""
TAIL_BYTES = 64 << 10

_NO_MEMORY = re.compile(
    rb"(CUDA|HIP|GPU)[^\n]{0,80}out of memory|out of memory[^\n]{0,80}(CUDA|HIP|GPU)|OutOfMemoryError"
    rb"|(CUDA|HIP|hip|cuda)_?(ERROR_OUT_OF_MEMORY|ErrorOutOfMemory|ErrorMemoryAllocation)"
    rb"|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED: Out of memory|OOM when allocating tensor",
)
_WANTED = re.compile(rb"[Tt]ried to allocate ([0-9]+(?:\.[0-9]+)?) ?([KMG])iB")
_BYTES = {b"K": 1 << 10, b"M": 1 << 20, b"G": 1 << 30}


@dataclass(eq=False, slots=True)
class _Hold:
    """A run on a device, from its lease to the end of its tree."""

    number: int
    configuration: Configuration
    claim: Claim
    roots: set[int] = field(default_factory=set)


class Packer:
    """Gives out shares of devices for ``gpus_per_run: auto``. Called from the driver's thread."""

    def __init__(
        self,
        devices: Devices,
        *,
        sample_s: float = SAMPLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._devices = devices
        self._path: Path | None = None
        self._sample_s = sample_s
        self._clock = clock
        self._next_sample = -math.inf
        self._holds: dict[Lease, _Hold] = {}
        self._foreign: dict[str, int] = {}  # bytes that are no run's, per device
        self._full: set[str] = set()  # devices that the last sample found full
        self._is_waiting_told = False
        self._promise: tuple[int, str, float] | None = None  # run, device, until when
        self._estimates, self._alone = Estimates(), set[int]()

    def keep_in(self, path: Path) -> None:
        """Read what an earlier driver of the sweep measured; what is learned from now on is kept there too."""
        self._path = path
        self._estimates, self._alone = _load(path)

    # ---- room

    def capacity(self) -> int:
        """Return how many runs may find room; `has_room` tells of each whether it does."""
        rooms, claims = self._rooms(), self._claims()
        used = {claim.device for claim in claims}
        least = self._estimates.least()
        if least is None:
            return sum(room.uuid not in used and room.free_share >= 1 for room in rooms)
        fitting = (max(spare(room, claims) // least, room.uuid not in used and room.free_share >= 1) for room in rooms)
        # Whoever waits for the device that is kept for it stands in front, and must not hide those behind it.
        return int(sum(fitting)) + (self._promise is not None and self._promise[2] >= self._clock())

    def has_room(self, number: int, configuration: Configuration) -> bool:
        """Return whether a run finds a device now; if not, one is kept for it while it goes on asking."""
        need, rooms = self._need(number, configuration), self._rooms()
        if self._place(number, need, rooms) is not None:
            return True
        if self._promise is None or self._promise[0] == number or self._promise[2] < self._clock():
            claims = self._claims()
            names = [room.uuid for room in rooms]
            kept = self._promise[1] if self._promise is not None and self._promise[0] == number else None
            if kept not in names and rooms:
                # Where least is in use, room comes soonest.
                kept = min(names, key=lambda uuid: sum(c.reserved_bytes + 1 for c in claims if c.device == uuid))
            self._promise = None if kept is None else (number, kept, self._clock() + PROMISE_S)
        if not self._holds and not self._is_waiting_told:
            self._is_waiting_told = True
            size = "a whole GPU" if need is None else f"{need / 2**30:.1f} GiB of a GPU"
            logger.warning("run %d waits for %s, which others have in use", number, size)
        return False

    def lease(self, launch: Launch, label: str) -> Lease:
        """Take a device, or a share of one.

        Raises
        ------
        NoRoomError
            If there is no room.
        """
        need, rooms = self._need(launch.number, launch.configuration), self._rooms()
        uuid = self._place(launch.number, need, rooms)
        if uuid is None:
            raise NoRoomError(f"no GPU has room for run {launch.number} now")
        room = next(room for room in rooms if room.uuid == uuid)
        claim = Claim(uuid, capacity(room.total_bytes) if need is None else need, is_alone=need is None)
        lease = self._devices.lease_units(uuid, self._units(claim, room.total_bytes), label)
        self._holds[lease] = _Hold(launch.number, launch.configuration, claim)
        if self._promise is not None and self._promise[0] == launch.number:
            self._promise = None
        return lease

    def release(self, lease: Lease) -> None:
        """Forget a run: nothing of it is left."""
        self._holds.pop(lease, None)

    def _place(self, number: int, need: int | None, rooms: list[Room]) -> str | None:
        if self._promise is not None and self._promise[0] != number and self._promise[2] >= self._clock():
            rooms = [room for room in rooms if room.uuid != self._promise[1]]
        return place(need, rooms, self._claims())

    def _need(self, number: int, configuration: Configuration) -> int | None:
        if number in self._alone:
            return None
        need = self._estimates.need(configuration)
        most = max((capacity(device.memory_total_bytes) for device in self._devices.alive), default=0)
        return None if need is None or need > most else need

    def _rooms(self) -> list[Room]:
        rooms = []
        held = {hold.claim.device for hold in self._holds.values()}
        for device in self._devices.ready():
            if device.uuid not in held:
                self._foreign[device.uuid] = used_bytes(device) or 0
            free = 1.0 - self._devices.used(device)
            rooms.append(Room(device.uuid, device.memory_total_bytes, self._foreign[device.uuid], free))
        return rooms

    def _claims(self) -> list[Claim]:
        return [hold.claim for hold in self._holds.values()]

    @staticmethod
    def _units(claim: Claim, total_bytes: int) -> int:
        share = claim.reserved_bytes / capacity(total_bytes)
        return UNITS if claim.is_alone else max(1, min(UNITS, math.ceil(UNITS * share - 1e-6)))

    # ---- measuring

    def started(self, lease: Lease, pid: int) -> None:
        """Note the first process of a run: it and its supervisor, to whom orphans fall, are the roots of its tree."""
        if lease in self._holds:
            self._holds[lease].roots = {pid, _parent(pid) or pid}
            self._next_sample = min(self._next_sample, self._clock() + self._pause_s())

    def wait_s(self) -> float:
        """Return the seconds until the next sample; infinite while no run has a device."""
        return max(0.0, self._next_sample - self._clock()) if self._holds else math.inf

    def sample(self) -> None:
        """Measure all runs, if it is time."""
        if self.wait_s() > 0.0:
            return
        self._next_sample = self._clock() + self._pause_s()
        named = {device.uuid: device for device in self._devices.alive}
        owners = {root: hold for hold in self._holds.values() for root in hold.roots}
        for uuid in {hold.claim.device for hold in self._holds.values()} & named.keys():
            self._measure(named[uuid], owners)
        self._revise()

    def _pause_s(self) -> float:
        """While nothing is known the first runs are watched closely: short ones would end unseen."""
        return self._sample_s / 10 if self._estimates.is_open else self._sample_s

    def _measure(self, device: Device, owners: Mapping[int, _Hold]) -> None:
        used = used_bytes(device)
        if used is None:
            return
        if used >= FULL * device.memory_total_bytes:
            self._full.add(device.uuid)
        else:
            self._full.discard(device.uuid)
        taken: Counter[_Hold] = Counter()
        for pid, size in processes(device).items():
            hold = _owner(pid, owners)
            if hold is not None:
                taken[hold] += size
        here = [hold for hold in self._holds.values() if hold.claim.device == device.uuid]
        if taken:
            self._foreign[device.uuid] = max(0, used - taken.total())
        elif len(here) == 1:
            # In a container the pids are another namespace's, and instances may have none: all that came is the run's.
            taken[here[0]] = max(0, used - self._foreign[device.uuid])
        for hold in here:
            hold.claim = hold.claim.grown(taken[hold], None)
            self._estimates.observe(hold.number, hold.configuration, hold.claim.measured_bytes, is_whole=False)

    def _revise(self) -> None:
        """Bring claims and leases of living runs up to what is known now."""
        totals = {device.uuid: device.memory_total_bytes for device in self._devices.alive}
        for lease, hold in self._holds.items():
            claim, need = hold.claim, self._need(hold.number, hold.configuration)
            if claim.device not in totals:
                continue
            if claim.is_alone and need is not None:
                claim = Claim(claim.device, max(need, claim.measured_bytes), claim.measured_bytes)
            elif not claim.is_alone:
                claim = claim.grown(0, need)
            hold.claim = claim
            for share in lease.shares:
                if share.units != (units := self._units(claim, totals[claim.device])):
                    share.resize(units)

    # ---- ends

    def ended(self, lease: Lease, launch: Launch, end: RunEnd) -> RunEnd:
        """Learn from the end of a run; one that died for lack of memory beside others is excused, and runs alone."""
        hold = self._holds.get(lease)
        if hold is None:
            return end
        claim, is_news = hold.claim, False
        if end.status is RunStatus.COMPLETED:
            is_news = self._estimates.observe(hold.number, hold.configuration, claim.measured_bytes, is_whole=True)
            self._alone.discard(hold.number)
        elif end.status is RunStatus.FAILED and (end.exit_code or end.signal):
            said, wanted = _last_words(launch)
            if said or claim.device in self._full:
                floor = claim.measured_bytes + wanted
                is_news = self._estimates.observe(hold.number, hold.configuration, floor, is_whole=False)
                if not claim.is_alone and hold.number not in self._alone:
                    self._alone.add(hold.number)
                    is_news = True
                    reason = f"out of GPU memory at {claim.measured_bytes / 2**30:.1f} GiB ({end.reason}); runs alone"
                    end = msgspec.structs.replace(end, reason=reason, is_excused=True)
        if is_news:
            self._revise()
            if self._path is not None:
                _save(self._path, self._estimates, self._alone)
        return end


def _last_words(launch: Launch) -> tuple[bool, int]:
    """Whether a run's output speaks of GPU memory that ran out, and the bytes that it had asked for."""
    for name in ("stderr.log", "stdout.log"):
        try:
            with open(os.path.join(launch.folder, name), "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
                text = file.read(TAIL_BYTES)
        except OSError:
            continue
        if _NO_MEMORY.search(text):
            wanted = _WANTED.findall(text)
            return True, int(float(wanted[-1][0]) * _BYTES[wanted[-1][1]]) if wanted else 0
    return False, 0


def _owner(pid: int, owners: Mapping[int, _Hold]) -> _Hold | None:
    """Whose tree a process is in."""
    for _ in range(64):
        if pid in owners:
            return owners[pid]
        parent = _parent(pid)
        if parent is None or parent <= 1:
            return None
        pid = parent
    return None


def _parent(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


# ---- the file


def _load(path: Path) -> tuple[Estimates, set[int]]:
    """Read what an earlier driver learned; a file that is not ours is left aside, as it only saves time."""
    try:
        kept: dict[str, Any] = json.loads(path.read_bytes()[: 4 << 20])
        seen = {
            int(each["number"]): Observation(
                {str(key): x if isinstance(x, str) else float(x) for key, x in each["features"].items()},
                max(1, int(each["peak_bytes"])),
                each["is_whole"] is True,
            )
            for each in kept["runs"]
        }
        return Estimates(seen), {int(number) for number in kept["alone"]}
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        logger.warning("%s cannot be read (%s); GPU memory is measured anew", path, type(error).__name__)
    return Estimates(), set()


def _save(path: Path, estimates: Estimates, alone: set[int]) -> None:
    runs = [
        {"number": n, "features": seen.features, "peak_bytes": seen.peak_bytes, "is_whole": seen.is_whole}
        for n, seen in estimates.observations.items()
    ]
    fresh = path.with_name(f".{path.name}.new")
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            json.dump({"format": 1, "alone": sorted(alone), "runs": runs}, file)
        os.replace(fresh, path)
    except OSError as error:
        logger.warning("%s cannot be written (%s); a resumed sweep measures anew", path, error.strerror)
