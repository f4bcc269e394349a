"""Which GPUs this machine has, as NVML tells. No driver means no GPUs; it is not an error."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger("hdcore")
_is_initialised = False


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or an instance of one that is partitioned (MIG): what a device mask can name.

    Attributes
    ----------
    index : str
        ``0``, ``1``, … in the order of PCI bus ids; ``0:1`` is instance 1 of GPU 0.
    bus_id : str
        Of the GPU.
    busy_percent : int or None
        Share of the last sample period in which a kernel ran; unknown for instances.
    """

    index: str
    name: str
    uuid: str
    memory_total_bytes: int
    memory_used_bytes: int
    bus_id: str
    busy_percent: int | None = None


def _nvml() -> Any | None:
    """The binding with NVML initialised, done once as it takes seconds on some machines; None without GPUs."""
    global _is_initialised
    try:
        import pynvml
    except ImportError:
        return None
    if not _is_initialised:
        try:
            pynvml.nvmlInit()
        except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
            return None
        except pynvml.NVMLError as error:
            logger.warning("GPUs cannot be used: NVML says %s", error)
            return None
        _is_initialised = True
    return pynvml


def inventory() -> list[Device]:
    """Return the devices of this machine, in the order of their PCI bus ids.

    A GPU in MIG mode is replaced by its instances. One that does not answer (fallen off the bus) is left out.
    """
    nvml = _nvml()
    if nvml is None:
        return []
    devices: list[Device] = []
    for index in range(_count(nvml)):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            bus_id = _text(nvml.nvmlDeviceGetPciInfo(handle).busId)
            instances = _instances(nvml, handle)
            if instances is None:
                busy = _busy_percent(nvml, handle)
                devices.append(_describe(nvml, handle, str(index), bus_id, busy))
            else:
                devices += [_describe(nvml, part, f"{index}:{k}", bus_id, None) for k, part in instances]
        except nvml.NVMLError as error:
            logger.warning("GPU %d is left out: NVML says %s", index, error)
    return devices


def _count(nvml: Any) -> int:
    try:
        return int(nvml.nvmlDeviceGetCount())
    except nvml.NVMLError as error:
        logger.warning("GPUs cannot be used: NVML says %s", error)
        return 0


def is_alive(device: Device) -> bool:
    """Ask one device for its memory: False when it has vanished, or has failed."""
    nvml = _nvml()
    if nvml is None:
        return False
    try:
        nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByUUID(device.uuid))
    except nvml.NVMLError:
        return False
    return True


def _instances(nvml: Any, handle: Any) -> list[tuple[int, Any]] | None:
    """MIG instances with their numbers; None if the GPU is not partitioned."""
    try:
        if nvml.nvmlDeviceGetMigMode(handle)[0] != nvml.NVML_DEVICE_MIG_ENABLE:
            return None
        most = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)
    except (nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound):
        return None
    found = []
    for k in range(most):
        try:
            found.append((k, nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, k)))
        except nvml.NVMLError_NotFound:  # the places of instances need not be filled in order
            continue
    return found


def _describe(nvml: Any, handle: Any, index: str, bus_id: str, busy: int | None) -> Device:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    name, uuid = _text(nvml.nvmlDeviceGetName(handle)), _text(nvml.nvmlDeviceGetUUID(handle))
    return Device(index, name, uuid, int(memory.total), int(memory.used), bus_id, busy)


def _busy_percent(nvml: Any, handle: Any) -> int | None:
    try:
        return int(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    except nvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
