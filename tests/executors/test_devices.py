"""GPUs without a GPU: the real NVML binding on a fake library, masks, leases between sweeps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from executors.helpers import (
    children_of,
    events_until,
    executor,
    is_alive,
    make_launch,
    python,
    run_to_end,
    start_and_wait,
    wait_for,
)

from hdcore.errors import ExecutorError, InputError
from hdcore.executors.devices import Device, Devices, select, visible
from hdcore.executors.leases import lease_folder
from hdcore.executors.local import LocalExecutor
from hdcore.records import RunEnd

ROOT = Path(__file__).parents[2]
EIGHT = "".join(f"GPU-{k:04d} A100 24576 {k} ok\n" for k in range(8))
PARTITIONED = "GPU-0 A100 24576 0 ok-mig-capable\nGPU-1 A100 28672 7 mig MIG-a - MIG-c\n"


def gpu(k: int) -> Device:
    return Device(str(k), "A100", f"GPU-{k:04d}", 24 << 30, 0, f"00000000:{k + 1:02X}:00.0")


def ask(folder: Path, machine: str | None, code: str, **environment: str) -> Any:
    """Run code in a process that loads the fake library; return what it leaves in `result`."""
    state = folder / "machine"
    if machine is not None:
        state.write_text(machine)
    program = f"import json\nfrom hdcore.executors.devices import *\n{code}\nprint(json.dumps(result))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "LD_LIBRARY_PATH": os.environ["FAKE_FOLDER"],
            "FAKE_NVML": str(state),
            "PYTHONPATH": str(ROOT),
            **environment,
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def machine(fake_nvml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAKE_FOLDER", str(fake_nvml))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


# ---- the inventory, through the real binding


@pytest.mark.parametrize(("state", "count"), [(None, 0), ("", 0), ("GPU-x A100 1024 1 ok\n", 1), (EIGHT, 8)])
def test_the_inventory_is_what_the_driver_has(machine: Path, state: str | None, count: int) -> None:
    found = ask(machine, state, "result = [d.index for d in inventory()]")
    assert found == [str(k) for k in range(count)]


def test_a_device_is_described(machine: Path) -> None:
    [found] = ask(
        machine, "GPU-x Tesla 1024 1 ok\n", "import dataclasses; result = [dataclasses.asdict(d) for d in inventory()]"
    )
    assert found == {
        "index": "0",
        "name": "Tesla",
        "uuid": "GPU-x",
        "memory_total_bytes": 1 << 30,
        "memory_used_bytes": 1 << 20,
        "bus_id": "00000000:01:00.0",
        "busy_percent": 37,
        "vendor": "nvidia",
        "word": "",
    }


def test_a_partitioned_gpu_is_replaced_by_its_instances(machine: Path) -> None:
    found = ask(
        machine,
        PARTITIONED,
        "result = [(d.index, d.uuid, d.bus_id[-7:-5], d.memory_total_bytes >> 20) for d in inventory()]",
    )
    assert found == [["0", "GPU-0", "01", 24576], ["1:0", "MIG-a", "02", 4096], ["1:2", "MIG-c", "02", 4096]]


def test_a_gpu_that_fell_off_the_bus_is_left_out(machine: Path) -> None:
    found = ask(machine, EIGHT.replace("3 ok", "3 lost"), "result = [d.index for d in inventory()]")
    assert found == ["0", "1", "2", "4", "5", "6", "7"]


def test_a_gpu_that_vanishes_between_two_calls_is_drained_and_the_rest_goes_on(machine: Path) -> None:
    code = f"""
import os
devices = Devices.find()
first = devices.free(1)
open(os.environ["FAKE_NVML"], "w").write({EIGHT.replace("0 ok", "0 lost", 1)!r})
result = [first, devices.free(1), devices.lease(1).names, [d.index for d in devices.alive]]
"""
    assert ask(machine, EIGHT, code) == [8, 7, ["GPU-0001"], ["1", "2", "3", "4", "5", "6", "7"]]


def test_all_gpus_lost_leaves_no_room(machine: Path) -> None:
    code = """
import os
devices = Devices.find()
open(os.environ["FAKE_NVML"], "w").close()
result = [devices.free(1), devices.free(0.5), devices.most_runs(1)]
"""
    assert ask(machine, EIGHT, code) == [0, 0, 0]


def test_the_inherited_mask_is_the_universe_and_the_option_narrows_it(machine: Path) -> None:
    code = "result = [[d.index for d in Devices.find(gpus).alive] for gpus in (None, '5', 'none')]"
    assert ask(machine, EIGHT, code, CUDA_VISIBLE_DEVICES="GPU-0005,2") == [["5", "2"], ["5"], []]


# ---- masks


@pytest.mark.parametrize(
    ("mask", "indices"),
    [
        (None, "01234567"),
        ("", ""),
        ("3,1", "31"),
        (" 3 , 1 ", "31"),
        ("GPU-0002,0", "20"),
        ("GPU-0,1", ""),  # the beginning of several UUIDs names none
        ("0,-1,1", "0"),
        ("0,9,1", "0"),
        ("NoDevFiles", ""),
        ("2,2,4", "24"),
    ],
)
def test_a_mask_is_read_as_cuda_reads_it(mask: str | None, indices: str) -> None:
    assert "".join(device.index for device in visible([gpu(k) for k in range(8)], mask)) == indices


def test_the_index_of_a_partitioned_gpu_stands_for_its_instances() -> None:
    parts = [gpu(0), Device("1:0", "m", "MIG-a", 1, 0, ""), Device("1:2", "m", "MIG-c", 1, 0, "")]
    assert [device.uuid for device in visible(parts, "1")] == ["MIG-a", "MIG-c"]
    assert [device.uuid for device in select(parts, "1:2,0")] == ["MIG-c", "GPU-0000"]


def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="no GPU '9'; there are: 0, 1") as caught:
        select([gpu(0), gpu(1)], "0,9")
    assert caught.value.field == "--gpus"


MASK = python(
    "import json, os; json.dump({k: v for k, v in os.environ.items() if k.startswith('CUDA')}, open('mask', 'w'))"
)


@pytest.mark.parametrize(
    ("universe", "gpus", "mask"),
    [
        (2, 0, {"CUDA_VISIBLE_DEVICES": "", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        (2, 1, {"CUDA_VISIBLE_DEVICES": "GPU-0000", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        (3, 2, {"CUDA_VISIBLE_DEVICES": "GPU-0000,GPU-0001", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        (1, 0.5, {"CUDA_VISIBLE_DEVICES": "GPU-0000", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        (0, 0, {}),
    ],
)
def test_a_run_sees_its_devices_and_no_others(tmp_path: Path, universe: int, gpus: float, mask: dict[str, str]) -> None:
    devices = Devices([gpu(k) for k in range(universe)], check=lambda device: True)
    launch = make_launch(tmp_path, argv=MASK, gpus=gpus)
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        launch.environment.pop(name, None)
    with executor(1, devices=devices, gpus_per_run=gpus) as it:
        names = it.start(launch)
        events = events_until(it, lambda event: isinstance(event, RunEnd))
    assert json.loads((tmp_path / "0000/mask").read_text()) == mask
    assert ",".join(names) == mask.get("CUDA_VISIBLE_DEVICES", "")
    assert events[0].devices == names


# ---- leases


def devices(count: int = 2) -> Devices:
    return Devices([gpu(k) for k in range(count)], check=lambda device: True)


def test_two_sweeps_never_share_a_device() -> None:
    one, two = devices(), devices()
    first = one.lease(1)
    second = two.lease(1)
    assert {first.names, second.names} == {("GPU-0000",), ("GPU-0001",)}
    assert one.free(1) == two.free(1) == two.free(0.5) == 0
    with pytest.raises(ExecutorError, match="a run needs 1 GPUs; not enough are free of the 2"):
        one.lease(1)
    second.close()
    assert one.free(1) == 1
    assert one.free(0.5) == 2


def test_a_failed_lease_of_several_devices_takes_none() -> None:
    one, two = devices(), devices()
    kept = one.lease(1)
    with pytest.raises(ExecutorError):
        two.lease(2)
    kept.close()
    assert two.free(2) == 1


@pytest.mark.parametrize(
    ("share", "runs"), [(0.5, 2), (1 / 3, 3), (0.33, 3), (0.25, 4), (1 / 7, 7), (0.1, 10), (0.7, 1)]
)
def test_fractions_share_a_device(share: float, runs: int) -> None:
    one = devices(1)
    assert one.most_runs(share) == one.free(share) == runs
    leases = [one.lease(share) for _ in range(runs)]
    assert one.free(share) == one.free(1) == 0
    assert {lease.names for lease in leases} == {("GPU-0000",)}
    leases.pop().close()
    assert one.free(share) == 1


def test_fractions_of_different_sweeps_add_up() -> None:
    one, two = devices(1), devices(1)
    half = one.lease(0.5)
    assert two.free(0.25) == 2
    quarter = two.lease(0.25)
    assert two.used(gpu(0)) == 0.75
    assert one.free(0.5) == 0
    half.close()
    quarter.close()
    assert two.used(gpu(0)) == 0.0


def test_fractions_spread_out_before_they_share() -> None:
    one = devices(3)
    assert {one.lease(0.5).names[0] for _ in range(3)} == {"GPU-0000", "GPU-0001", "GPU-0002"}


@pytest.mark.parametrize("gpus", [1.5, -1, float("nan"), float("inf")])
def test_an_impossible_number_of_gpus_is_refused(gpus: float) -> None:
    with pytest.raises(ExecutorError, match="write a whole number, or a fraction below 1"):
        devices().lease(gpus)


def test_capacity_counts_devices_and_slots(tmp_path: Path) -> None:
    with executor(devices=devices(1), gpus_per_run=0.5, cpus_per_run=1) as it:
        assert it.slots <= 2
    with executor(5, devices=devices(2), gpus_per_run=1) as it:
        assert it.capacity() == 2
        start_and_wait(it, make_launch(tmp_path, argv=["sleep", "600"], gpus=1))
        assert it.capacity() == 1
        it.cancel(0, "stop")
        events_until(it, lambda event: isinstance(event, RunEnd))
        assert it.capacity() == 2


def test_a_command_that_cannot_start_gives_its_device_back(tmp_path: Path) -> None:
    with executor(1, devices=devices(1), gpus_per_run=1) as it:
        run_to_end(it, make_launch(tmp_path, argv=["pyhton"], gpus=1))
        run_to_end(it, make_launch(tmp_path, argv=["a\0b"], gpus=1))
        assert it.capacity() == 1


def test_a_lease_outlives_a_killed_driver_until_its_run_is_gone(tmp_path: Path) -> None:
    """The next sweep must not start on a device whose memory is still in use."""
    driver = os.fork()
    if driver == 0:
        try:
            with executor(1, devices=devices(1), gpus_per_run=1) as it:
                started = start_and_wait(it, make_launch(tmp_path, argv=["sleep", "600"], gpus=1))
                [shim] = children_of(it._supervisors.spawner.pid)
                (tmp_path / "pids").write_text(f"{started.pid} {shim}")
                os.rename(tmp_path / "pids", tmp_path / "ready")
                it.poll(600)
        finally:
            os._exit(1)
    wait_for((tmp_path / "ready").exists)
    run, shim = (int(word) for word in (tmp_path / "ready").read_text().split())
    os.kill(shim, 19)  # SIGSTOP: it cannot act yet
    os.kill(driver, 9)
    os.waitpid(driver, 0)
    other = devices(1)
    assert is_alive(run)
    assert other.free(1) == 0
    os.kill(shim, 18)
    wait_for(lambda: other.free(1) == 1, "the lease")
    assert not is_alive(run)


def test_the_lease_folder_is_private_and_no_link_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HDCORE_LEASE_DIR", str(tmp_path / "hdcore"))
    assert lease_folder().stat().st_mode & 0o777 == 0o700
    lease_folder().chmod(0o777)
    with pytest.raises(ExecutorError, match="not a folder that only you can write to"):
        lease_folder()
    lease_folder_path = tmp_path / "hdcore"
    lease_folder_path.rmdir()
    lease_folder_path.symlink_to(tmp_path)
    with pytest.raises(ExecutorError, match="not a folder that only you can write to"):
        lease_folder()


@pytest.mark.parametrize("is_replaced", [False, True])
def test_leases_that_were_cleaned_away_still_count_and_new_ones_can_be_had(is_replaced: bool) -> None:
    one = devices()
    first = one.lease(1, "a/0")
    shutil.rmtree(lease_folder())
    stranger = devices() if is_replaced else None  # it makes the files anew
    assert one.free(1) == 1
    second = one.lease(1, "a/1")
    assert {first.names, second.names} == {("GPU-0000",), ("GPU-0001",)}
    assert one.free(1) == 0
    assert [one.holders(gpu(k)) for k in range(2)] == [[("a/0", 1.0)], [("a/1", 1.0)]]
    later = stranger or devices()
    assert later.used(gpu(1)) == 1.0
    first.close()
    assert one.free(1) == 1
    assert one.used(gpu(0)) == 0.0
    second.close()
    assert one.free(1) == later.free(1) == 2


def test_leases_outlive_a_logout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HDCORE_LEASE_DIR")
    for runtime in ("login", "next-login"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / runtime))
        assert lease_folder() == Path("/tmp", f"hdcore-{os.geteuid()}")


@pytest.mark.parametrize("found", [None, 0, 1])
def test_gpus_that_are_not_there_are_refused_at_once(found: int | None) -> None:
    with pytest.raises(InputError, match=f"2 GPUs per run; there are {found or 0} that may be used") as caught:
        LocalExecutor(1, devices=None if found is None else devices(found), gpus_per_run=2)
    assert caught.value.field == "hdcore.gpus_per_run"


def test_an_executor_whose_gpus_have_all_failed_says_so() -> None:
    alive = {"GPU-0000", "GPU-0001"}
    some = Devices([gpu(k) for k in range(2)], check=lambda device: device.uuid in alive)
    with executor(2, devices=some, gpus_per_run=1) as it:
        alive.remove("GPU-0000")
        assert it.capacity() == 1
        assert it.blocked() is None
        alive.clear()
        assert it.capacity() == 0
        assert it.blocked() == "1 GPUs per run; 0 are left that answer"
