"""AMD's GPUs behind the same seam, with a module in the place of amdsmi."""

from __future__ import annotations

import logging
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from hdcore.executors import amd, inventory
from hdcore.executors.devices import Device, Devices, usable

GIB = 2**30


class SmiError(Exception):
    pass


class Smi(types.ModuleType):
    """What hdcore asks of amdsmi: three cards, the last one without a serial; 0 and 1 are linked."""

    AmdSmiException = SmiError
    AmdSmiMemoryType = types.SimpleNamespace(VRAM=0)
    AmdSmiLinkType = types.SimpleNamespace(AMDSMI_LINK_TYPE_XGMI=1, AMDSMI_LINK_TYPE_PCIE=2)

    def __init__(self) -> None:
        super().__init__("amdsmi")
        self.lost: set[int] = set()
        self.serials = ["0x4B2C1A9F8D3E6F7A", "0x1", "N/A"]

    def amdsmi_init(self) -> None:
        pass

    def amdsmi_get_processor_handles(self) -> list[int]:
        return [2, 0, 1]

    def amdsmi_get_gpu_device_bdf(self, handle: int) -> str:
        return f"0000:{handle + 1:02X}:00.0"

    def amdsmi_get_gpu_asic_info(self, handle: int) -> dict[str, Any]:
        return {"market_name": "MI300X", "asic_serial": self.serials[handle]}

    def amdsmi_get_gpu_memory_total(self, handle: int, kind: int) -> int:
        return 192 * GIB

    def amdsmi_get_gpu_memory_usage(self, handle: int, kind: int) -> int:
        if handle in self.lost:
            raise SmiError("lost")
        return handle * GIB

    def amdsmi_get_gpu_activity(self, handle: int) -> dict[str, Any]:
        return {"gfx_activity": "N/A" if handle else 12}

    def amdsmi_get_gpu_process_list(self, handle: int) -> list[dict[str, Any]]:
        return [{"pid": 77, "memory_usage": {"vram_mem": 3 * GIB, "gtt_mem": 1, "cpu_mem": 2}}]

    def amdsmi_topo_get_link_type(self, one: int, other: int) -> dict[str, int]:
        return {"hops": 1, "type": 1 if {one, other} == {0, 1} else 2}

    def amdsmi_topo_get_numa_node_number(self, handle: int) -> int:
        return 0


@pytest.fixture
def smi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Smi:
    module = Smi()
    monkeypatch.setitem(sys.modules, "amdsmi", module)
    monkeypatch.setattr(amd, "_KFD", str(tmp_path))
    monkeypatch.setattr(amd, "_smi", None)
    monkeypatch.setattr(inventory.backend("nvidia"), "inventory", list)
    return module


def test_cards_are_listed_by_bus_and_named_as_rocm_names_them(smi: Smi) -> None:
    found = inventory.inventory()
    assert [(d.index, d.uuid, d.word, d.vendor) for d in found] == [
        ("0", "GPU-4b2c1a9f8d3e6f7a", "", "amd"),
        ("1", "GPU-0000000000000001", "", "amd"),
        ("2", "AMD-0000:03:00.0", "2", "amd"),
    ]
    assert [(d.memory_used_bytes, d.busy_percent) for d in found] == [(0, 12), (GIB, None), (2 * GIB, None)]


def test_memory_is_measured_per_process_and_a_lost_card_is_drained(smi: Smi) -> None:
    devices = Devices(inventory.inventory())
    assert inventory.processes(devices.alive[0]) == {77: 3 * GIB}
    assert devices.free(1) == 3
    smi.lost.add(1)
    assert devices.free(1) == 2
    assert [device.index for device in devices.alive] == ["0", "2"]
    assert inventory.inventory()[1].uuid == "AMD-0000:03:00.0"
    devices.close()


def test_masks_are_rocms_and_linked_cards_go_together(smi: Smi) -> None:
    devices = Devices(inventory.inventory())
    assert devices.lease(0).environment == {
        "ROCR_VISIBLE_DEVICES": "",
        "HIP_VISIBLE_DEVICES": "-1",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    pair = devices.lease(2)
    assert pair.environment == {
        "ROCR_VISIBLE_DEVICES": "GPU-4b2c1a9f8d3e6f7a,GPU-0000000000000001",
        "HIP_VISIBLE_DEVICES": "0,1",
        "CUDA_VISIBLE_DEVICES": "0,1",
    }
    assert devices.lease(1).environment["ROCR_VISIBLE_DEVICES"] == "2"
    pair.close()
    devices.close()


@pytest.mark.parametrize(
    ("environment", "left"),
    [
        ({}, "012"),
        ({"ROCR_VISIBLE_DEVICES": "2,0"}, "02"),
        ({"ROCR_VISIBLE_DEVICES": "GPU-4b"}, "0"),
        ({"ROCR_VISIBLE_DEVICES": "1,2", "HIP_VISIBLE_DEVICES": "1"}, "2"),
        ({"HIP_VISIBLE_DEVICES": "-1"}, ""),
        ({"CUDA_VISIBLE_DEVICES": "1"}, "1"),
    ],
)
def test_inherited_masks_are_read_as_rocm_reads_them(smi: Smi, environment: dict[str, str], left: str) -> None:
    assert "".join(device.index for device in usable(inventory.inventory(), environment)) == left


def test_a_machine_with_both_makes_keeps_them_apart(smi: Smi) -> None:
    nvidia = [Device(str(k), "RTX", f"GPU-n{k}", GIB, 0, f"00000000:{k + 9:02X}:00.0") for k in range(2)]
    mixed = [*nvidia, *inventory.inventory()]
    devices = Devices(usable(mixed, {"CUDA_VISIBLE_DEVICES": "1"}), check=lambda device: True)
    assert [device.uuid[:5] for device in devices.alive] == ["GPU-n", "GPU-4", "GPU-0", "AMD-0"]
    masks = devices.lease(1).environment
    assert (masks["CUDA_VISIBLE_DEVICES"], masks["ROCR_VISIBLE_DEVICES"]) == ("GPU-n1", "")
    devices.close()


@pytest.mark.parametrize("error", [ImportError("no module"), KeyError("libamd_smi.so"), OSError("no library")])
def test_a_binding_that_does_not_load_means_no_cards(
    smi: Smi, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(amd, "import_module", fail)
    with caplog.at_level(logging.WARNING, "hdcore"):
        assert inventory.inventory() == []
        assert inventory.inventory() == []
    assert caplog.text.count("pip install 'hdcore[amd]'") == 1


def test_without_amds_driver_nothing_is_loaded(
    smi: Smi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(amd, "_KFD", str(tmp_path / "none"))
    monkeypatch.setattr(amd, "import_module", pytest.fail)
    assert inventory.inventory() == []
    assert not caplog.text
