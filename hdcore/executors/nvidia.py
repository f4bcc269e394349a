"""NVIDIA's GPUs, as NVML tells. The functions are those of `inventory.Backend`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hdcore.executors.inventory import Device
from hdcore.executors.topology import FAR, SAME_NODE, UNKNOWN, linked

logger = logging.getLogger("hdcore")
_is_initialised = False


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
    """Return the devices; a GPU in MIG mode is replaced by its instances."""
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


def used_bytes(device: Device) -> int | None:
    nvml = _nvml()
    if nvml is None:
        return None
    try:
        return int(nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByUUID(device.uuid)).used)
    except nvml.NVMLError:
        return None


def processes(device: Device) -> dict[int, int]:
    nvml = _nvml()
    found: dict[int, int] = {}
    if nvml is None:
        return found
    for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        try:
            for process in ask(nvml.nvmlDeviceGetHandleByUUID(device.uuid)):
                if process.usedGpuMemory is not None:  # a process that computes and draws stands in both lists
                    found[process.pid] = max(found.get(process.pid, 0), int(process.usedGpuMemory))
        except nvml.NVMLError:
            continue
    return found


def distance(one: Device, other: Device) -> float:
    nvml = _nvml()
    if nvml is None:
        return UNKNOWN
    if one.bus_id == other.bus_id:
        return 0.0  # instances of one GPU
    try:
        first, second = (_whole(nvml, device) for device in (one, other))
        ours, theirs = _links(nvml, first), _links(nvml, second)
        gpus = {_bus(nvml, nvml.nvmlDeviceGetHandleByIndex(k)) for k in range(_count(nvml))}
    except nvml.NVMLError:
        return UNKNOWN
    if lanes := sum(end == _short(other.bus_id) for end in ours):
        return linked(lanes)
    if lanes := min(*(sum(end not in gpus for end in ends) for ends in (ours, theirs))):
        return linked(lanes)  # both hang on NVLink switches, and those see each other
    try:
        level = nvml.nvmlDeviceGetTopologyCommonAncestor(first, second)
    except nvml.NVMLError:
        return SAME_NODE if local_cpus(one) and local_cpus(one) == local_cpus(other) else UNKNOWN
    near = {
        nvml.NVML_TOPOLOGY_INTERNAL: 2.0,
        nvml.NVML_TOPOLOGY_SINGLE: 3.0,
        nvml.NVML_TOPOLOGY_MULTIPLE: 4.0,
        nvml.NVML_TOPOLOGY_HOSTBRIDGE: 5.0,
        nvml.NVML_TOPOLOGY_NODE: SAME_NODE,
    }
    return near.get(level, FAR)


def local_cpus(device: Device) -> frozenset[int]:
    nvml = _nvml()
    if nvml is None:
        return frozenset()
    try:
        words = nvml.nvmlDeviceGetCpuAffinity(_whole(nvml, device), 64)
    except nvml.NVMLError:
        return cpus_of_bus(device.bus_id)
    return frozenset(64 * k + bit for k, word in enumerate(words) for bit in range(64) if word >> bit & 1)


def cpus_of_bus(bus_id: str, sys: Path = Path("/sys/bus/pci/devices")) -> frozenset[int]:
    """Return the CPUs near a PCI device, as the kernel lists them (``0-15,32-47``)."""
    try:
        text = (sys / _short(bus_id) / "local_cpulist").read_text().strip()
        ranges = [word.partition("-") for word in text.split(",") if word]
        return frozenset(cpu for low, _, high in ranges for cpu in range(int(low), int(high or low) + 1))
    except (OSError, ValueError):
        return frozenset()


def _short(bus_id: str) -> str:
    """``0000:1a:00.0`` of ``00000000:1A:00.0``: the kernel's form."""
    return bus_id.lower()[-12:]


def _bus(nvml: Any, handle: Any) -> str:
    return _short(_text(nvml.nvmlDeviceGetPciInfo(handle).busId))


def _whole(nvml: Any, device: Device) -> Any:
    """The GPU itself, also for an instance: links and CPUs are the GPU's."""
    return nvml.nvmlDeviceGetHandleByPciBusId(device.bus_id.encode())


def _links(nvml: Any, handle: Any) -> list[str]:
    """Where the active NVLinks of a GPU end."""
    ends = []
    for link in range(nvml.NVML_NVLINK_MAX_LINKS):
        try:
            if nvml.nvmlDeviceGetNvLinkState(handle, link):
                ends.append(_short(_text(nvml.nvmlDeviceGetNvLinkRemotePciInfo(handle, link).busId)))
        except nvml.NVMLError:  # no such link
            break
    return ends


def _count(nvml: Any) -> int:
    try:
        return int(nvml.nvmlDeviceGetCount())
    except nvml.NVMLError as error:
        logger.warning("GPUs cannot be used: NVML says %s", error)
        return 0


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
