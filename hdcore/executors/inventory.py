"""The GPUs of this machine, whoever made them. No driver means no GPUs; it is not an error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or an instance of one that is partitioned (MIG): what a device mask can name.

    Attributes
    ----------
    index : str
        ``0``, ``1``, … in the order of PCI bus ids; ``0:1`` is instance 1 of GPU 0. AMD's follow NVIDIA's.
    bus_id : str
        Of the GPU.
    busy_percent : int or None
        Share of the last sample period in which a kernel ran; unknown for instances.
    vendor : str
        ``nvidia`` or ``amd``.
    word : str
        What a device mask calls it, where that is not the UUID.
    """

    index: str
    name: str
    uuid: str
    memory_total_bytes: int
    memory_used_bytes: int
    bus_id: str
    busy_percent: int | None = None
    vendor: str = "nvidia"
    word: str = ""


class Backend(Protocol):
    """What a vendor's library tells. A question that it cannot answer has an empty answer; nothing raises."""

    def inventory(self) -> list[Device]:
        """Return the devices in the order of their PCI bus ids; one that does not answer is left out."""

    def used_bytes(self, device: Device) -> int | None:
        """Return the memory in use on the device, by anybody; None: the device has vanished, or has failed."""

    def processes(self, device: Device) -> dict[int, int]:
        """Return the memory of each process that uses the device, pid -> bytes."""

    def distance(self, one: Device, other: Device) -> float:
        """Return how far apart two devices are; see `topology`."""

    def local_cpus(self, device: Device) -> frozenset[int]:
        """Return the CPUs of the device's NUMA node; empty: unknown."""


def backend(vendor: str) -> Backend:
    """Return the library of a vendor; its binding is loaded at the first question."""
    from hdcore.executors import amd, nvidia

    libraries: dict[str, Backend] = {"nvidia": nvidia, "amd": amd}
    return libraries[vendor]


def inventory() -> list[Device]:
    """Return the devices of this machine: NVIDIA's, then AMD's."""
    found = backend("nvidia").inventory()
    wholes = len({device.index.partition(":")[0] for device in found})
    return found + [replace(each, index=str(wholes + k)) for k, each in enumerate(backend("amd").inventory())]


def used_bytes(device: Device) -> int | None:
    return backend(device.vendor).used_bytes(device)


def processes(device: Device) -> dict[int, int]:
    return backend(device.vendor).processes(device)


def is_alive(device: Device) -> bool:
    """Ask one device for its memory: False when it has vanished, or has failed."""
    return used_bytes(device) is not None
