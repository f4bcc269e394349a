"""Giving GPUs to runs: which may be used at all, which are free, what mask a run gets."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from hdcore.errors import ExecutorError, InputError
from hdcore.executors.inventory import Device, inventory, is_alive
from hdcore.executors.leases import UNITS, ShareFile, lease_folder

__all__ = ["Device", "Devices", "Lease", "inventory", "select", "visible"]

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
    """

    def __init__(self, names: Iterable[str], environment: Mapping[str, str], fds: Iterable[int] = ()) -> None:
        self.names = tuple(names)
        self.environment = dict(environment)
        self.fds = list(fds)

    def close(self) -> None:
        while self.fds:
            os.close(self.fds.pop())


class Devices:
    """The GPUs that a sweep may use.

    Parameters
    ----------
    universe : sequence of Device
    on_machine : bool or None
        Whether the machine has GPUs at all: then runs without GPUs get an empty mask. None: if the universe has.
    folder : Path or None
        Of the leases; None is the user's.
    check : callable
        Asked before a device is given out; a device that fails is not used again.
    """

    def __init__(
        self,
        universe: Sequence[Device],
        *,
        on_machine: bool | None = None,
        folder: Path | None = None,
        check: Callable[[Device], bool] = is_alive,
    ) -> None:
        self._devices = list(universe)
        self._on_machine = bool(universe) if on_machine is None else on_machine
        self._check = check
        self._shares: dict[str, ShareFile] = {}
        if self._devices:
            folder = folder or lease_folder()
            self._shares = {device.uuid: ShareFile(folder, device.uuid) for device in self._devices}

    @classmethod
    def find(cls, gpus: str | None = None, environment: Mapping[str, str] | None = None) -> Devices:
        """Return the devices of this machine that ``CUDA_VISIBLE_DEVICES`` and ``--gpus`` leave."""
        environment = os.environ if environment is None else environment
        every = inventory()
        return cls(select(visible(every, environment.get("CUDA_VISIBLE_DEVICES")), gpus), on_machine=bool(every))

    @property
    def alive(self) -> tuple[Device, ...]:
        """Devices that have not failed."""
        return tuple(self._devices)

    def used(self, device: Device) -> float:
        """Return the share of a device that runs of this user hold, of any sweep."""
        return self._shares[device.uuid].used() if device.uuid in self._shares else 0.0

    def most_runs(self, gpus: float) -> int:
        """Return how many runs fit on the devices that are alive, were none in use."""
        units, whole = _units(gpus)
        return len(self._devices) // whole if whole else len(self._devices) * (UNITS // units)

    def free(self, gpus: float) -> int:
        """Return how many runs could get their devices now. Drains devices that fail."""
        units, whole = _units(gpus)
        self._drain()
        if whole:
            return sum(self._shares[device.uuid].is_free(0, UNITS) for device in self._devices) // whole
        return sum(len(self._shares[device.uuid].free_starts(units)) for device in self._devices)

    def lease(self, gpus: float) -> Lease:
        """Take devices for a run and return them with its mask.

        Raises
        ------
        ExecutorError
            If there are not enough free ones.
        """
        if not gpus:
            return Lease((), _mask(()) if self._on_machine else {})
        units, whole = _units(gpus)
        self._drain()
        taken: dict[str, int] = {}
        # The least used first: fractions spread out before they share.
        for device in sorted(self._devices, key=self.used):
            share = self._shares[device.uuid]
            starts = share.free_starts(units) if not whole else [0] * share.is_free(0, UNITS)
            fd = next((fd for start in starts if (fd := share.take(start, units)) is not None), None)
            if fd is not None:
                taken[device.uuid] = fd
            if len(taken) == max(1, whole):
                names = [device.uuid for device in self._devices if device.uuid in taken]
                return Lease(names, _mask(names), taken.values())
        for fd in taken.values():
            os.close(fd)
        raise ExecutorError(f"a run needs {gpus:g} GPUs; not enough are free of the {len(self._devices)} in use")

    def _drain(self) -> None:
        for device in [device for device in self._devices if not self._check(device)]:
            logger.warning(
                "GPU %s (%s, %s) does not answer; it is not used any more", device.index, device.name, device.uuid
            )
            self._devices.remove(device)

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


def _mask(names: Iterable[str]) -> dict[str, str]:
    return {"CUDA_VISIBLE_DEVICES": ",".join(names), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
