"""AMD's GPUs, as amdsmi tells. The functions are those of `inventory.Backend`.

ROCm's runtime names a GPU by ``GPU-`` and its 16-digit unique id; amdsmi gives that as the serial of the chip. Cards
without one are named by their place in the list.
"""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import Any

from hdcore.executors.inventory import Device
from hdcore.executors.nvidia import cpus_of_bus
from hdcore.executors.topology import FAR, SAME_NODE, UNKNOWN, linked

logger = logging.getLogger("hdcore")
_KFD = "/dev/kfd"
_smi: Any = None


def _amdsmi() -> Any | None:
    """The binding, initialised once; None without AMD's driver or the binding."""
    global _smi
    if _smi is None and os.path.exists(_KFD):
        try:
            smi: Any = import_module("amdsmi")
            smi.amdsmi_init()
        except (ImportError, KeyError, OSError, AttributeError) as error:
            # Without ROCm's library the binding fails in its import, with any of these.
            logger.warning("AMD GPUs cannot be used: amdsmi is not there (%s); pip install 'hdcore[amd]'", error)
            smi = False
        except Exception as error:  # its own errors cannot be named before it is imported
            logger.warning("AMD GPUs cannot be used: amdsmi says %s", error)
            smi = False
        _smi = smi
    return _smi or None


def _handles(smi: Any) -> list[tuple[str, Any]]:
    """Bus id and handle of each GPU, in the order of bus ids."""
    try:
        found = [
            (str(smi.amdsmi_get_gpu_device_bdf(handle)).lower(), handle)
            for handle in smi.amdsmi_get_processor_handles()
        ]
    except smi.AmdSmiException as error:
        logger.warning("AMD GPUs cannot be used: amdsmi says %s", error)
        return []
    return sorted(found, key=lambda pair: pair[0])


def _find(smi: Any, device: Device) -> Any | None:
    return next((handle for bus_id, handle in _handles(smi) if bus_id == device.bus_id), None)


def inventory() -> list[Device]:
    smi = _amdsmi()
    devices: list[Device] = []
    for k, (bus_id, handle) in enumerate([] if smi is None else _handles(smi)):
        assert smi is not None
        try:
            vram = smi.AmdSmiMemoryType.VRAM
            chip = smi.amdsmi_get_gpu_asic_info(handle)
            total = int(smi.amdsmi_get_gpu_memory_total(handle, vram))
            used = int(smi.amdsmi_get_gpu_memory_usage(handle, vram))
        except smi.AmdSmiException as error:
            logger.warning("AMD GPU %d is left out: amdsmi says %s", k, error)
            continue
        serial = _serial(str(chip.get("asic_serial", "")))
        uuid = f"GPU-{serial}" if serial else f"AMD-{bus_id}"
        devices.append(
            Device(
                str(k),
                str(chip.get("market_name") or "AMD GPU"),
                uuid,
                total,
                used,
                bus_id,
                _busy_percent(smi, handle),
                vendor="amd",
                word="" if serial else str(k),
            )
        )
    return devices


def _serial(text: str) -> str:
    """``4b2c1a9f8d3e6f7a`` of ``0x4B2C1A9F8D3E6F7A``; empty if the chip has none."""
    try:
        number = int(text, 16)
    except ValueError:
        return ""
    return f"{number:016x}" if number else ""


def used_bytes(device: Device) -> int | None:
    smi = _amdsmi()
    if smi is None:
        return None
    try:
        handle = _find(smi, device)
        return None if handle is None else int(smi.amdsmi_get_gpu_memory_usage(handle, smi.AmdSmiMemoryType.VRAM))
    except smi.AmdSmiException:
        return None


def processes(device: Device) -> dict[int, int]:
    smi = _amdsmi()
    if smi is None:
        return {}
    try:
        handle = _find(smi, device)
        listed = [] if handle is None else smi.amdsmi_get_gpu_process_list(handle)
    except smi.AmdSmiException:
        return {}
    return {int(each["pid"]): int(each["memory_usage"]["vram_mem"]) for each in listed}


def distance(one: Device, other: Device) -> float:
    smi = _amdsmi()
    if smi is None or one.vendor != other.vendor:
        return UNKNOWN
    try:
        first, second = _find(smi, one), _find(smi, other)
        link = smi.amdsmi_topo_get_link_type(first, second)
        if link["type"] == smi.AmdSmiLinkType.AMDSMI_LINK_TYPE_XGMI:
            return linked(1) if link["hops"] <= 1 else 1.0
        nodes = {smi.amdsmi_topo_get_numa_node_number(handle) for handle in (first, second)}
    except smi.AmdSmiException:
        return UNKNOWN
    return SAME_NODE if len(nodes) == 1 else FAR


def local_cpus(device: Device) -> frozenset[int]:
    return cpus_of_bus(device.bus_id)


def _busy_percent(smi: Any, handle: Any) -> int | None:
    try:
        busy = smi.amdsmi_get_gpu_activity(handle)["gfx_activity"]
    except smi.AmdSmiException:
        return None
    return busy if isinstance(busy, int) else None
