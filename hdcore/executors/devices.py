"""Giving GPUs to runs: which may be used at all, which are free, what mask a run gets."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hdcore.errors import ExecutorError, InputError, NoRoomError
from hdcore.executors.health import Health, Verdict
from hdcore.executors.inventory import Device, backend, inventory, is_alive
from hdcore.executors.leases import UNITS, Share, ShareFile, lease_folder
from hdcore.executors.topology import UNKNOWN, closest

__all__ = ["Device", "Devices", "Lease", "inventory", "select", "usable", "visible"]

logger = logging.getLogger("hdcore")


def visible(devices: Sequence[Device], mask: str | None) -> list[Device]:
    """Return the devices that an inherited ``CUDA_VISIBLE_DEVICES`` leaves, in its order.

    As CUDA reads it: None is all, an empty mask is none, the first entry that names no device ends the list. An entry
    is an index or the beginning of one UUID. The index of a GPU in MIG mode stands for all its instances.
    """
    if mask is None:
        return list(devices)
    chosen: dict[str, Device] = {}
    for word in mask.split(","):
        matches = _matches(devices, word.strip())
        if not matches:
            break
        chosen |= {device.uuid: device for device in matches}
    return list(chosen.values())


def usable(devices: Sequence[Device], environment: Mapping[str, str]) -> list[Device]:
    """Return the devices that the masks in an environment leave, of every vendor.

    ROCm applies two masks in turn: ``ROCR_VISIBLE_DEVICES`` takes indices and UUIDs, ``HIP_VISIBLE_DEVICES`` (or
    ``CUDA_VISIBLE_DEVICES``, which HIP reads too) indices into what is left.
    """
    nvidia = [device for device in devices if device.vendor == "nvidia"]
    amd = [device for device in devices if device.vendor == "amd"]
    amd = visible(_numbered(amd), environment.get("ROCR_VISIBLE_DEVICES"))
    hip = environment.get("HIP_VISIBLE_DEVICES", None if nvidia else environment.get("CUDA_VISIBLE_DEVICES"))
    left = {device.uuid for device in visible(_numbered(amd), hip)}
    return visible(nvidia, environment.get("CUDA_VISIBLE_DEVICES")) + [
        device for device in devices if device.vendor == "amd" and device.uuid in left
    ]


def _numbered(devices: Sequence[Device]) -> list[Device]:
    return [replace(device, index=str(k)) for k, device in enumerate(devices)]


def select(devices: Sequence[Device], text: str | None) -> list[Device]:
    """Return the devices that the user asks for with ``--gpus``: ``none``, or indices and UUIDs joined by commas.

    Raises
    ------
    InputError
        If an entry is none of `devices`.
    """
    if text is None:
        return list(devices)
    if text.strip().lower() == "none":
        return []
    chosen: dict[str, Device] = {}
    for word in text.split(","):
        matches = _matches(devices, word.strip())
        if not matches:
            have = ", ".join(device.index for device in devices) or "none"
            raise InputError(f"no GPU {word.strip()!r}; there are: {have}", field="--gpus")
        chosen |= {device.uuid: device for device in matches}
    return list(chosen.values())


def _matches(devices: Sequence[Device], word: str) -> list[Device]:
    if word and word.replace(":", "").isdecimal():
        return [device for device in devices if device.index == word or device.index.partition(":")[0] == word]
    found = [device for device in devices if word and device.uuid.startswith(word)]
    return found if len(found) == 1 else []


class Lease:
    """Devices of one run; `close` gives them back. Idempotent.

    Attributes
    ----------
    names : tuple of str
        UUIDs; empty for a run without GPUs.
    environment : dict
        The device mask.
    shares : list of Share
        What is held of each device, in no order.
    """

    def __init__(self, names: Iterable[str], environment: Mapping[str, str], shares: Iterable[Share] = ()) -> None:
        self.names = tuple(names)
        self.environment = dict(environment)
        self.shares = list(shares)

    @property
    def fds(self) -> list[int]:
        """Descriptors that hold the lease: whoever inherits them holds it too."""
        return [share.fd for share in self.shares]

    def close(self) -> None:
        while self.shares:
            self.shares.pop().close()


class Devices:
    """The GPUs that a sweep may use.

    Parameters
    ----------
    universe : sequence of Device
    on_machine : iterable of str or None
        Vendors whose GPUs the machine has at all: runs without GPUs get an empty mask for these. None: those of the
        universe.
    folder : Path or None
        Of the leases; None is the user's.
    check : callable
        Asked before a device is given out; a device that fails is not used again.
    """

    def __init__(
        self,
        universe: Sequence[Device],
        *,
        on_machine: Iterable[str] | None = None,
        folder: Path | None = None,
        check: Callable[[Device], bool] = is_alive,
    ) -> None:
        self._devices = list(universe)
        self._vendors = {device.vendor for device in universe} if on_machine is None else set(on_machine)
        self._check = check
        self._shares: dict[str, ShareFile] = {}
        self._distances: dict[frozenset[str], float] = {}
        self._health = Health()
        self._every = {device.uuid: device for device in universe}
        if self._devices:
            folder = folder or lease_folder()
            self._shares = {device.uuid: ShareFile(folder, device.uuid) for device in self._devices}

    @classmethod
    def find(cls, gpus: str | None = None, environment: Mapping[str, str] | None = None) -> Devices:
        """Return the devices of this machine that the inherited masks and ``--gpus`` leave."""
        every = inventory()
        left = usable(every, os.environ if environment is None else environment)
        return cls(select(left, gpus), on_machine={device.vendor for device in every})

    @property
    def alive(self) -> tuple[Device, ...]:
        """Devices that have not failed."""
        return tuple(self._devices)

    def used(self, device: Device) -> float:
        """Return the share of a device that runs of this user hold, of any sweep."""
        return self._shares[device.uuid].used() if device.uuid in self._shares else 0.0

    def holders(self, device: Device) -> list[tuple[str, float]]:
        """Return who holds which share of a device."""
        return self._shares[device.uuid].holders()

    def most_runs(self, gpus: float | str) -> int:
        """Return how many runs fit on the devices that are alive, were none in use; one a device where it is open."""
        if isinstance(gpus, str):
            return len(self._devices)
        units, whole = _units(gpus)
        return len(self._devices) // whole if whole else len(self._devices) * (UNITS // units)

    def free(self, gpus: float) -> int:
        """Return how many runs could get their devices now. Drains devices that fail."""
        units, whole = _units(gpus)
        rooms = [self._shares[device.uuid].free_units() for device in self.ready()]
        return sum(room == UNITS for room in rooms) // whole if whole else sum(room // units for room in rooms)

    def lease(self, gpus: float, label: str = "") -> Lease:
        """Take devices for a run and return them with its mask; several are those that stand closest together.

        Parameters
        ----------
        label : str
            What `holders` calls the run.

        Raises
        ------
        NoRoomError
            If there are not enough free ones.
        """
        if not gpus:
            return Lease((), self._mask(()))
        units, whole = _units(gpus)
        free = {device.uuid: self._shares[device.uuid].free_units() for device in self.ready()}
        names = [name for name, room in free.items() if room >= units]
        if whole > 1:
            names = list(closest(names, whole, self._distance))
        else:
            names.sort(key=lambda name: -free[name])  # the least used first: fractions spread out before they share
        shares: dict[str, Share] = {}
        for name in names:
            share = self._shares[name].take(units, label)
            if share is not None:
                shares[name] = share
            if len(shares) == max(1, whole):
                chosen = [device.uuid for device in self._devices if device.uuid in shares]
                return Lease(chosen, self._mask(chosen), shares.values())
        for share in shares.values():
            share.close()
        raise NoRoomError(f"a run needs {gpus:g} GPUs; not enough are free of the {len(self._devices)} in use")

    def lease_units(self, uuid: str, units: int, label: str = "") -> Lease:
        """Take so many units of one device, as `lease`."""
        share = self._shares[uuid].take(units, label)
        if share is None:
            raise NoRoomError(f"{units / UNITS:.0%} of GPU {uuid} were free, and are taken now")
        return Lease((uuid,), self._mask((uuid,)), (share,))

    def ready(self) -> list[Device]:
        """Return the devices that a run may get now, however much of them is free. Drains those that fail."""
        for device in [device for device in self._devices if not self._check(device)]:
            self._stop(device, "does not answer")
        ready = []
        for device in list(self._devices):
            match self._health.verdict(device.uuid):
                case Verdict.USE:
                    ready.append(device)
                case Verdict.STOP:
                    row = self._health.row(device.uuid)
                    self._stop(device, f"failed {row} runs in a row, while runs on other GPUs ended well")
        return ready

    def began(self, names: Iterable[str]) -> None:
        """Note that a run has started on these devices."""
        self._health.began(names)

    def ended(self, names: Iterable[str], *, failed: bool | None) -> bool:
        """Note how a run on these devices ended; None: that says nothing about them.

        Returns
        -------
        bool
            False: one of them does not answer any more, so the failure may not be the run's.
        """
        self._health.ended(names, failed=failed)
        return not failed or all(self._check(self._every[name]) for name in names)

    def local_cpus(self, names: Iterable[str]) -> frozenset[int]:
        """Return the CPUs of the NUMA nodes of these devices; empty: unknown."""
        near = [backend(device.vendor).local_cpus(device) for device in map(self._every.__getitem__, names)]
        return frozenset().union(*near) if all(near) else frozenset()

    def _distance(self, one: str, other: str) -> float:
        pair = frozenset((one, other))
        if pair not in self._distances:
            first, second = self._every[one], self._every[other]
            same = first.vendor == second.vendor
            self._distances[pair] = backend(first.vendor).distance(first, second) if same else 100 * UNKNOWN
        return self._distances[pair]

    def _stop(self, device: Device, why: str) -> None:
        logger.warning("GPU %s (%s, %s) %s; it is not used any more", device.index, device.name, device.uuid, why)
        self._devices.remove(device)

    def _mask(self, names: Iterable[str]) -> dict[str, str]:
        """Return the variables that let a process see these devices only."""
        chosen = [self._every[name] for name in names]
        mask: dict[str, str] = {}
        if "nvidia" in self._vendors:
            words = [device.uuid for device in chosen if device.vendor == "nvidia"]
            mask |= {"CUDA_VISIBLE_DEVICES": ",".join(words), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        if "amd" in self._vendors:
            words = [device.word or device.uuid for device in chosen if device.vendor == "amd"]
            # HIP counts within what ROCr leaves; it would read CUDA's variable too, if there were none of its own.
            order = ",".join(str(k) for k in range(len(words))) or "-1"
            mask |= {"ROCR_VISIBLE_DEVICES": ",".join(words), "HIP_VISIBLE_DEVICES": order}
            if "nvidia" not in self._vendors:
                mask["CUDA_VISIBLE_DEVICES"] = order
        return mask

    def close(self) -> None:
        """Close the lease files; leases that were given out stay."""
        for share in self._shares.values():
            share.close()


def _units(gpus: float) -> tuple[int, int]:
    """Return (units of one device, whole devices; 0 for a fraction of one)."""
    if gpus >= 1 and float(gpus).is_integer():
        return UNITS, int(gpus)
    if 0 < gpus < 1:
        return max(1, int(UNITS * gpus + 1e-6)), 0
    raise ExecutorError(f"{gpus:g} GPUs per run; write a whole number, or a fraction below 1 to share a device")
