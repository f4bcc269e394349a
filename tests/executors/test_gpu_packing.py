"""Real runs on the fake machine: packed by measured memory, out of memory, growing, on devices that fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from executors.helpers import events_until, executor, make_launch, wait_for

from hdcore.errors import NoRoomError
from hdcore.executors.devices import Devices
from hdcore.executors.local import LocalExecutor
from hdcore.records import RunEnd
from hdcore.typing import RunStatus

GIB = 2**30
ROOT = Path(__file__).parents[2]
PROGRAM = str(Path(__file__).with_name("fake_nvml") / "gpu_program.py")
TWO = "GPU-a RTX 24576 0 ok\nGPU-b RTX 24576 0 ok\n"
EIGHT = "".join(f"GPU-{k:04d} A100 24576 0 ok\n" for k in range(8))
Machine = Callable[..., Path]


class Runs:
    """Runs of one executor in ``auto``; each plays the steps of gpu_program.py."""

    def __init__(self, it: LocalExecutor, folder: Path) -> None:
        self.it, self.folder = it, folder

    def start(self, number: int, *steps: str, attempt: int = 1, **configuration: Any) -> str:
        argv = [sys.executable, "-I", "-S", PROGRAM, str(self.folder), *steps]
        launch = make_launch(self.folder, number, argv, gpus="auto", configuration=configuration, attempt=attempt)
        launch.environment.pop("CUDA_VISIBLE_DEVICES", None)
        [device] = self.it.start(launch)
        return device

    def has_room(self, number: int, **configuration: Any) -> bool:
        return self.it.capacity() > 0 and self.it.has_room(number, configuration)

    def end_of(self, number: int) -> RunEnd:
        events = events_until(self.it, lambda event: isinstance(event, RunEnd) and event.number == number)
        return next(event for event in events if isinstance(event, RunEnd) and event.number == number)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Poll, so that the executor measures, until the condition is true."""
        wait_for(lambda: (self.it.poll(0.01), condition())[1], what)

    def measured(self, number: int) -> int:
        assert self.it._places.packer is not None
        return next((h.claim.measured_bytes for h in self.it._places.packer._holds.values() if h.number == number), 0)

    def tell(self, name: str) -> None:
        (self.folder / name).touch()

    def learn(self, number: int, size: int, **configuration: Any) -> None:
        """A first run that takes `size` and is measured at it."""
        self.start(number, f"take:{size}", f"wait:end-{number}", **configuration)
        self.until(lambda: self.measured(number) >= size, "the measurement")
        self.tell(f"end-{number}")
        assert self.end_of(number).status is RunStatus.COMPLETED


@pytest.fixture
def pack(gpu_machine: Machine, tmp_path: Path) -> Callable[..., Any]:
    def make(machine: str | None = TWO, slots: int = 20, **more: Any) -> Any:
        if machine is not None:
            gpu_machine(machine)
        return executor(slots, devices=Devices.find(), gpus_per_run="auto", sample_s=0.05, **more)

    return make


def log_of(folder: Path) -> str:
    return (folder / "machine.log").read_text()


def test_two_devices_of_24_gb_take_8_runs_of_5_gb_at_once_after_the_first_had_one_alone(
    pack: Callable[..., Any], tmp_path: Path
) -> None:
    with pack() as it:
        runs = Runs(it, tmp_path)
        assert it.capacity() == 2  # nothing is known: one a device
        runs.learn(0, 5 * GIB)
        assert it.capacity() == 8
        placed = []
        for number in range(1, 9):
            assert runs.has_room(number)
            placed.append(runs.start(number, f"take:{5 * GIB}", f"mark:in-{number}", "wait:end"))
        assert sorted(placed) == ["GPU-a"] * 4 + ["GPU-b"] * 4
        assert not runs.has_room(9)
        runs.until(lambda: all((tmp_path / f"in-{n}").exists() for n in range(1, 9)), "eight runs at once")
        runs.until(lambda: all(runs.measured(n) == 5 * GIB for n in range(1, 9)), "their measurements")
        runs.tell("end")
    assert "refused" not in log_of(tmp_path)


def test_a_first_run_shares_its_device_as_soon_as_another_has_told_what_runs_need(
    pack: Callable[..., Any], tmp_path: Path
) -> None:
    with pack() as it:
        runs = Runs(it, tmp_path)
        assert {runs.start(0, f"take:{5 * GIB}", "wait:end"), runs.start(1, f"take:{5 * GIB}", "wait:end-1")} == {
            "GPU-a",
            "GPU-b",
        }
        assert not runs.has_room(2)
        with pytest.raises(NoRoomError):
            runs.start(2)
        runs.until(lambda: runs.measured(1) and runs.measured(0), "the measurements")
        runs.tell("end-1")
        runs.end_of(1)
        assert it.capacity() == 7  # four, and three beside the run that goes on


def test_out_of_memory_beside_others_is_excused_and_runs_again_alone(pack: Callable[..., Any], tmp_path: Path) -> None:
    with pack("GPU-a RTX 24576 0 ok\n") as it:
        runs = Runs(it, tmp_path)
        runs.learn(0, 5 * GIB, x=1)
        for number in (1, 2):
            runs.start(number, f"take:{5 * GIB}", f"mark:in-{number}", "wait:end", x=1)
        runs.until(lambda: (tmp_path / "in-1").exists() and (tmp_path / "in-2").exists(), "two runs")
        runs.start(3, f"take:{5 * GIB}", f"take:{15 * GIB}", x=2)
        end = runs.end_of(3)
        assert end.status is RunStatus.FAILED
        assert end.is_excused
        assert end.reason is not None
        assert end.reason.startswith("out of GPU memory at ")
        assert not runs.has_room(3, x=2)  # alone, when the others are gone
        assert not runs.has_room(4, x=2)  # what it had asked for counts for the next ones too
        runs.tell("end")
        assert {runs.end_of(1).status} == {RunStatus.COMPLETED}
        runs.until(lambda: runs.has_room(3, x=2), "the device")
        runs.start(3, f"take:{5 * GIB}", f"take:{15 * GIB}", "mark:big", "wait:end-3", attempt=2, x=2)
        runs.until(lambda: runs.measured(3) == 20 * GIB, "the measurement")
        assert not runs.has_room(4, x=1)
        runs.tell("end-3")
        assert runs.end_of(3).status is RunStatus.COMPLETED
        assert it._places.packer is not None
        assert it._places.packer._estimates.need({"x": 2}) == pytest.approx(22 * GIB)
        assert it._places.packer._estimates.need({"x": 1}) == pytest.approx(5.5 * GIB)


def test_out_of_memory_alone_is_the_runs_own_failure(pack: Callable[..., Any], tmp_path: Path) -> None:
    with pack() as it:
        runs = Runs(it, tmp_path)
        runs.start(0, f"take:{30 * GIB}")
        end = runs.end_of(0)
        assert (end.status, end.is_excused) == (RunStatus.FAILED, False)
        assert end.reason is not None
        assert end.reason.startswith("exit code 1: torch.OutOfMemoryError")


def test_a_death_on_a_full_device_is_excused_whatever_it_says(pack: Callable[..., Any], tmp_path: Path) -> None:
    with pack("GPU-a RTX 24576 0 ok\n") as it:
        runs = Runs(it, tmp_path)
        runs.learn(0, 5 * GIB)
        runs.start(1, f"take:{5 * GIB}", "mark:in", "wait:end")
        runs.until((tmp_path / "in").exists, "the first run")
        runs.start(2, f"take:{18 * GIB + GIB // 2}", "wait:full", "fail:9")
        runs.until(lambda: it._places.packer._full, "a full device")
        runs.tell("full")
        end = runs.end_of(2)
        assert end.is_excused
        assert end.reason == "out of GPU memory at 18.5 GiB (exit code 9); runs alone"


def test_instances_of_a_partitioned_gpu_are_packed_too(pack: Callable[..., Any], tmp_path: Path) -> None:
    with pack("GPU-a A100 28672 0 mig MIG-a - MIG-c\n") as it:
        runs = Runs(it, tmp_path)
        assert it.capacity() == 2
        # The program counts on the GPU; what it takes stands on the instance that its mask names.
        (tmp_path / "machine").with_suffix(".processes").write_text("")
        code = f"""
import os, time
with open(os.environ["FAKE_NVML"] + ".processes", "a") as file:
    file.write(os.environ["CUDA_VISIBLE_DEVICES"] + " %d {GIB}\\n" % os.getpid())
while not os.path.exists({str(tmp_path / "end")!r}): time.sleep(0.002)
"""
        it.start(make_launch(tmp_path, 0, [sys.executable, "-I", "-S", "-c", code], gpus="auto"))
        runs.until(lambda: runs.measured(0) == GIB, "the measurement")
        runs.tell("end")
        runs.end_of(0)
        assert it.capacity() == 6  # 1.1 GiB of 4 GiB each


def test_a_packed_run_that_grows_keeps_others_from_its_device(pack: Callable[..., Any], tmp_path: Path) -> None:
    with pack("GPU-a RTX 24576 0 ok\n") as it:
        runs = Runs(it, tmp_path)
        runs.learn(0, 5 * GIB)
        runs.start(1, f"take:{5 * GIB}", "wait:grow", f"grow:{10 * GIB}", "wait:end")
        runs.until(lambda: runs.measured(1) == 5 * GIB, "the measurement")
        assert it.capacity() == 3
        runs.tell("grow")
        runs.until(lambda: runs.measured(1) == 15 * GIB, "its growth")
        assert not runs.has_room(2)  # the estimate is 16.5 GiB now
        assert Devices.find().used(it._places.devices.alive[0]) > 0.6  # and so is its lease, for other sweeps to see
        runs.tell("end")
        runs.end_of(1)
        assert runs.has_room(2)


def test_memory_that_goes_with_a_parameter_is_given_by_it(pack: Callable[..., Any], tmp_path: Path) -> None:
    with pack() as it:
        runs = Runs(it, tmp_path)
        for number, batch in enumerate((16, 32, 64)):
            runs.learn(number, batch * GIB // 8, batch=batch, lr=(0.3, 0.1, 0.2)[number])
        small = 0
        while runs.has_room(10 + small, batch=16, lr=0.9):
            runs.start(10 + small, f"take:{2 * GIB}", "wait:end", batch=16, lr=0.9)
            small += 1
        assert small == 20  # of 2.2 GiB each; the slots end here
        assert sorted(runs.it._places.packer._need(99, {"batch": b, "lr": 0.5}) or 0 for b in (16, 32, 64, 128)) == [
            0,
            *(int(1.1 * gib * GIB) for gib in (2, 4, 8)),
        ]


def test_a_large_run_is_not_passed_by_forever(pack: Callable[..., Any], tmp_path: Path) -> None:
    with pack() as it:
        runs = Runs(it, tmp_path)
        runs.learn(0, 5 * GIB, x=1)
        runs.learn(1, 20 * GIB, x=2)
        for number in range(10, 18):
            runs.start(number, f"take:{5 * GIB}", f"wait:end-{number}", x=1)
        packer = it._places.packer
        assert packer is not None
        runs.tell("end-10")
        runs.end_of(10)
        x2 = {"x": 2}
        assert not it.has_room(20, x2)
        # Its place is kept: a small run, for which there is room where run 10 was, finds it only on another device.
        assert it.capacity() == 2
        left = {uuid for n in range(30, 33) if (uuid := packer._place(n, packer._need(n, {"x": 1}), packer._rooms()))}
        assert packer._promise is not None
        assert packer._promise[1] not in left
        for number in range(11, 18):
            runs.tell(f"end-{number}")
        runs.until(lambda: it.has_room(20, x2), "room for the large one")
        runs.start(20, x=2)
        assert packer._promise is None


def test_estimates_are_kept_for_the_next_driver(pack: Callable[..., Any], tmp_path: Path) -> None:
    kept = tmp_path / "gpu-memory.json"
    with pack() as it:
        it.keep_measurements(kept)
        Runs(it, tmp_path).learn(0, 5 * GIB, lr=0.5)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(kept.read_text())["runs"][0]["peak_bytes"] == 5 * GIB
    with pack(None) as it:
        it.keep_measurements(kept)
        assert it.capacity() == 8


@pytest.mark.parametrize("text", ["", "[]", '{"runs": 3}', '{"runs": [{}], "alone": []}', "\udcff\x00", "[" * 100_000])
def test_a_damaged_file_of_estimates_is_left_aside(pack: Callable[..., Any], tmp_path: Path, text: str) -> None:
    kept = tmp_path / "gpu-memory.json"
    kept.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pack() as it:
        it.keep_measurements(kept)
        assert it.capacity() == 2


def test_where_pids_are_another_namespaces_the_device_tells(
    pack: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NVML_NO_PIDS", "1")
    with pack("GPU-a RTX 24576 1024 ok\n") as it:  # 1 GiB is somebody else's
        runs = Runs(it, tmp_path)
        runs.learn(0, 5 * GIB)
        assert it._places.packer is not None
        assert it._places.packer._estimates.need({}) == int(1.1 * 5 * GIB)


def test_memory_of_a_daemon_counts_for_its_run(pack: Callable[..., Any], tmp_path: Path) -> None:
    with pack("GPU-a RTX 24576 0 ok\n") as it:
        runs = Runs(it, tmp_path)
        code = f"""
import os, sys
if os.fork():
    while not os.path.exists({str(tmp_path / "end")!r}): pass
    sys.exit()
os.setsid()
if os.fork(): os._exit(0)
os.execv(sys.executable, [sys.executable, "-I", "-S", {PROGRAM!r}, {str(tmp_path)!r}, "take:{3 * GIB}", "wait:end"])
"""
        it.start(make_launch(tmp_path, 0, [sys.executable, "-I", "-S", "-c", code], gpus="auto"))
        runs.until(lambda: runs.measured(0) == 3 * GIB, "the measurement")


def test_two_sweeps_pack_the_same_devices(pack: Callable[..., Any], tmp_path: Path) -> None:
    one_folder, two_folder = tmp_path / "one", tmp_path / "two"
    for folder in (one_folder, two_folder):
        folder.mkdir()
    with pack(name="first") as one, pack(None, name="second") as two:
        first, second = Runs(one, one_folder), Runs(two, two_folder)
        first.learn(0, 5 * GIB)
        second.learn(0, 11 * GIB)
        assert [first.start(1, "wait:end"), first.start(2, "wait:end")] == ["GPU-a", "GPU-b"]
        second.start(1, f"take:{11 * GIB}", "wait:end")
        second.start(2, f"take:{11 * GIB}", "wait:end")
        assert not second.has_room(3)
        assert first.it.capacity() == 2  # 5.5 + 12.1 + 5.5 of 23.3 GiB on each
        devices = Devices.find()
        held = dict(devices.holders(devices.alive[0]))
        assert set(held) == {"first/1", "second/1"}
        assert sum(held.values()) == pytest.approx((5.5 + 12.1) / 23.28, abs=0.01)
        devices.close()


def test_a_run_whose_device_fell_off_the_bus_is_excused_and_the_device_is_not_used_again(
    pack: Callable[..., Any], tmp_path: Path
) -> None:
    with pack() as it:
        runs = Runs(it, tmp_path)
        lost = runs.start(0, "lose", "fail:7")
        end = runs.end_of(0)
        assert (end.reason, end.is_excused) == ("exit code 7; its GPU does not answer any more", True)
        assert it.capacity() == 1
        assert runs.start(0, "wait:end", attempt=2) != lost


# ---- several GPUs a run


PAIRS = "".join(f"link {a} {b} 4\n" for a, b in ((0, 5), (1, 4), (2, 7), (3, 6)))


@pytest.mark.parametrize(
    ("topology", "first", "second"),
    [
        (PAIRS, {0, 5}, {1, 4}),
        ("".join(f"level {a} {b} 10\n" for a, b in ((1, 2), (4, 6))), {1, 2}, {4, 6}),
        ("level 3 4 40\nlevel 5 6 20\nlevel 0 1 50\n", {5, 6}, {3, 4}),
        ("level 0 1 10\nlink 2 -1 12\nlink 3 -1 12\n", {2, 3}, {0, 1}),  # over NVLink switches
        ("", {0, 1}, {2, 3}),
    ],
)
def test_a_run_of_two_gpus_gets_a_pair_that_is_close(
    gpu_machine: Machine, topology: str, first: set[int], second: set[int]
) -> None:
    gpu_machine(EIGHT, topology)
    devices = Devices.find()
    leases = [devices.lease(2) for _ in range(4)]
    assert [{int(name[-4:]) for name in lease.names} for lease in leases[:2]] == [first, second]
    assert len({name for lease in leases for name in lease.names}) == 8
    devices.close()


def test_a_run_stays_on_the_cpus_of_its_device(gpu_machine: Machine, tmp_path: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    assert len(cpus) > 1, "one CPU has no NUMA nodes to tell apart"
    near = cpus[-1]
    gpu_machine(TWO, f"cpus 0 {1 << near:x}\ncpus 1 {1 << cpus[0]:x}\n")
    code = "import json, os; json.dump(sorted(os.sched_getaffinity(0)), open('seen', 'w'))"
    with executor(2, devices=Devices.find(), gpus_per_run=1) as it:
        for number in (0, 1):
            launch = make_launch(tmp_path, number, [sys.executable, "-I", "-S", "-c", code], gpus=1)
            it.start(launch)
        ends = 0
        while ends < 2:
            ends += sum(isinstance(event, RunEnd) for event in it.poll(1.0))
    assert json.loads((tmp_path / "0000/seen").read_text()) == [near]
    assert json.loads((tmp_path / "0001/seen").read_text()) == [cpus[0]]


# ---- the command line

SWEEP = """
type: sweep
name: packed
sampling_algorithm: random
search_space:
  x: {{type: uniform, min_value: 0, max_value: 1}}
objective: {{goal: minimize, primary_metric: loss}}
limits: {{max_total_trials: {trials}, max_concurrent_trials: {slots}}}
trial:
  command: >-
    {python} -I -S train.py ${{{{search_space.x}}}}
  code: .
hdcore: {{gpus_per_run: {gpus}, seed: 1}}
"""
TRAIN = """
import json, os, runpy, sys
fd = os.open(os.environ["HDCORE_REPORT"], os.O_WRONLY | os.O_APPEND)
os.write(fd, (json.dumps({"name": "loss", "value": float(sys.argv[1])}) + "\\n").encode())
number, attempt = int(os.environ["HDCORE_RUN_ID"].rpartition("_")[2]), int(os.environ["HDCORE_ATTEMPT"])
sys.argv = ["gpu_program.py", FOLDER, *STEPS(number, attempt)]
runpy.run_path(PROGRAM)
"""


def run_sweep(folder: Path, steps: str, trials: int, slots: int, gpus: str = "auto") -> tuple[dict[str, Any], str]:
    """Run a sweep of the command line; `steps` is a Python expression of the run's number and attempt."""
    code = folder / "code"
    code.mkdir()
    head = f"PROGRAM, FOLDER = {PROGRAM!r}, {str(folder)!r}\nGIB = 2**30\ndef STEPS(n, attempt): return {steps}\n"
    (code / "train.py").write_text(head + TRAIN)
    (code / "sweep.yml").write_text(SWEEP.format(trials=trials, slots=slots, gpus=gpus, python=sys.executable))
    call = [sys.executable, "-m", "hdcore", "run", str(code / "sweep.yml"), "--root", str(folder / "root"), "--json"]
    done = subprocess.run(call, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_a_sweep_runs_8_at_once_on_2_gpus_and_out_of_memory_costs_no_retry(
    gpu_machine: Machine, tmp_path: Path
) -> None:
    gpu_machine(TWO)
    # The first two have a device each, until they are measured. The next eight wait for each other. Run 5 wants too
    # much at its first attempt, and has a device for itself at its second.
    steps = (
        f"[f'take:{5 * GIB}', 'seen'] if n < 2 else "
        f"[f'take:{5 * GIB}', f'mark:in-{{n}}', *(f'wait:in-{{k}}' for k in range(2, 10)),"
        f" *([f'take:{{{20 * GIB} if attempt == 1 else {12 * GIB}}}', 'seen'] if n == 5 else [])]"
    )
    found, _ = run_sweep(tmp_path, steps, 12, 8)
    assert {run["status"] for run in found["runs"]} == {"Completed"}
    assert {run["number"]: run["attempt"] for run in found["runs"] if run["attempt"] > 1} == {5: 2}
    assert log_of(tmp_path).count("refused") == 1
    kept = tmp_path / "root/sweeps/packed/gpu-memory.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert {each["number"] for each in json.loads(kept.read_text())["runs"]} >= {0, 1, 5}


def test_a_gpu_that_fails_every_run_is_stopped_with_a_message(gpu_machine: Machine, tmp_path: Path) -> None:
    gpu_machine("GPU-a RTX 24576 0 ok\nGPU-b RTX 24576 0 ok\n")
    found, said = run_sweep(tmp_path, "['fail-on:GPU-b']", 30, 2, gpus="1")
    failed = [run for run in found["runs"] if run["status"] == "Failed"]
    assert {tuple(run["devices"]) for run in failed} == {("GPU-b",)}
    assert 3 <= len(failed) < 20
    assert f"GPU 1 (RTX, GPU-b) failed {len(failed)} runs in a row, while runs on other GPUs ended well" in said


def test_a_sweep_survives_a_gpu_that_falls_off_the_bus(gpu_machine: Machine, tmp_path: Path) -> None:
    gpu_machine(EIGHT)
    found, said = run_sweep(tmp_path, "['lose', 'fail:1'] if (n, attempt) == (4, 1) else []", 24, 8, gpus="1")
    assert {run["status"] for run in found["runs"]} == {"Completed"}
    assert [run["number"] for run in found["runs"] if run["attempt"] == 2] == [4]
    assert "does not answer; it is not used any more" in said


def test_the_devices_command_shows_memory_use_and_who_holds_them(gpu_machine: Machine, tmp_path: Path) -> None:
    gpu_machine("GPU-a RTX 24576 2048 ok\nGPU-b RTX 24576 0 ok\n")
    devices = Devices.find()
    lease = devices.lease(0.25, "tonight/7")
    call = [sys.executable, "-m", "hdcore", "devices"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shown = subprocess.run(call, env=environment, capture_output=True, text=True).stdout.splitlines()[1:]
    assert [line.split() for line in shown] == [
        ["0", "RTX", "GPU-a", "2.0", "of", "24.0", "GiB", "37%", "busy", "tonight/7", "25%"],
        ["1", "RTX", "GPU-b", "0.0", "of", "24.0", "GiB", "37%", "busy", "free"],
    ]
    found = json.loads(subprocess.run([*call, "--json"], env=environment, capture_output=True, text=True).stdout)
    assert found["gpus"][0]["leases"] == [{"holder": "tonight/7", "share": 0.25}]
    lease.close()
    devices.close()
