"""Replays of sweeps by the portal: what they find, and that neither the server nor the runs wait for them."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ui.portal import portal
from ui.sweeps import make_ended

from hdcore.errors import RefusedError
from hdcore.records import Limits, SweepSpec
from hdcore.store import Store
from hdcore.typing import Goal, RunStatus
from hdcore.ui import replay_process
from hdcore.ui.replays import MOST_WAITING, Replays

BLOCKS = (sys.executable, "-S", "-c", "import sys; sys.stdin.read()")
SPEC = SweepSpec(name="s", space={}, metric="score", goal=Goal.MAXIMIZE, limits=Limits(max_total_runs=2))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("replays") / "root"
    make_ended(root)
    return root


def sweeps(root: Path, count: int) -> list[Path]:
    """Make sweeps without runs and return their folders."""
    folders = []
    for number in range(count):
        with Store.create(root, msgspec.structs.replace(SPEC, name=f"s{number}"), sweep_id=f"HD_{number}") as store:
            folders.append(store.folder)
    return folders


@pytest.fixture
def making() -> Iterator[Callable[..., Replays]]:
    made: list[Replays] = []

    def make(*program: str, most_s: float = 60.0) -> Replays:
        made.append(Replays(program, most_s))
        return made[-1]

    yield make
    for replays in made:
        replays.close()


def until(replays: Replays, folder: Path, *states: str) -> dict[str, Any]:
    end = time.monotonic() + 100.0
    while (told := replays.tell(folder))["state"] not in states:
        assert time.monotonic() < end, told
        time.sleep(0.01)
    return told


def test_a_replay_is_what_the_command_line_says_and_is_kept_until_the_sweep_changes(root: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "hdcore", "replay", "ended", "--json", "--root", str(root)],
        capture_output=True,
        check=True,
    )
    expected = json.loads(said.stdout)
    for setting in expected["settings"]:
        del setting["stopped_at"]
    with portal(root) as site:
        path = "/api/sweeps/ended/replay"
        none = site.get(path).json
        assert (none["state"], none["result"], none["is_current"]) == ("none", None, False)
        assert site.post(path).json == {"done": "asked for"}
        end = time.monotonic() + 100.0
        while (told := site.get(path).json)["state"] in ("waiting", "working"):
            assert time.monotonic() < end
            assert told["result"] is None
            time.sleep(0.02)
        assert (told["state"], told["error"], told["is_current"]) == ("done", None, True)
        assert told["result"] == expected
        assert site.post(path).json == {"done": "nothing has changed since"}
        assert site.post(f"{path}/stop").json == {"done": "no replay is under way"}
        with Store.open(root, "ended") as store:
            store.set_sweep(RunStatus.COMPLETED, "once more", 1.8e9)
        changed = site.get(path).json
        assert (changed["is_current"], changed["result"]) == (False, expected)
        for unknown in ("/api/sweeps/other/replay", "/api/sweeps/en/replay"):
            assert site.get(unknown).status == site.post(unknown).status == site.post(f"{unknown}/stop").status == 404
        assert site.post(path, b'{"policies": []}').status == 400


def test_one_works_some_wait_and_more_are_refused(tmp_path: Path, making: Callable[..., Replays]) -> None:
    replays = making(*BLOCKS)
    folders = sweeps(tmp_path / "root", MOST_WAITING + 2)
    assert replays.ask(folders[0]) == "asked for"
    until(replays, folders[0], "working")
    for folder in folders[1:-1]:
        assert replays.ask(folder) == "asked for"
    assert replays.ask(folders[0]) == "working already"
    assert replays.ask(folders[1]) == "waiting already"
    with pytest.raises(RefusedError, match="too many are waiting"):
        replays.ask(folders[-1])
    assert replays.stop(folders[2]) == "stopped"  # out of the line
    assert replays.ask(folders[-1]) == "asked for"
    assert replays.stop(folders[0]) == "stopped"  # which lets the next one work
    until(replays, folders[1], "working")
    assert [replays.tell(folder)["state"] for folder in folders[:4]] == ["stopped", "working", "stopped", "waiting"]
    replays.close()
    assert {replays.tell(folder)["state"] for folder in folders} == {"stopped"}
    assert not [thread for thread in threading.enumerate() if thread.name == "replays" and thread.is_alive()]


def ends_with(code: str) -> tuple[str, ...]:
    return sys.executable, "-S", "-c", f"import os, sys; {code}"


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (ends_with('print(\'{"error": "no run has reported"}\')'), "^no run has reported$"),
        (ends_with(f"os.kill(os.getpid(), {signal.SIGXCPU:d})"), "too long for the portal"),
        (ends_with(f"os.kill(os.getpid(), {signal.SIGKILL:d})"), "out of memory"),
        (ends_with("print('{\"half'); os._exit(3)"), "exit code 3 and said nothing"),
        (("/nowhere/python",), "cannot start a replay: No such file"),
    ],
    ids=["error", "cpu", "killed", "half", "nowhere"],
)
def test_a_replay_that_fails_says_why_and_can_be_asked_for_again(
    tmp_path: Path, making: Callable[..., Replays], program: tuple[str, ...], says: str
) -> None:
    (folder,) = sweeps(tmp_path / "root", 1)
    replays = making(*program)
    for _ in range(2):
        assert replays.ask(folder) == "asked for"
        told = until(replays, folder, "failed")
        assert re.search(says, told["error"])
        assert told["result"] is None


def test_a_replay_that_takes_too_long_is_ended(tmp_path: Path, making: Callable[..., Replays]) -> None:
    (folder,) = sweeps(tmp_path / "root", 1)
    replays = making(*BLOCKS, most_s=0.05)
    replays.ask(folder)
    assert "too long for the portal" in until(replays, folder, "failed")["error"]


def test_a_sweep_without_reports_is_told(tmp_path: Path) -> None:
    (folder,) = sweeps(tmp_path / "root", 1)
    replays = Replays()
    try:
        replays.ask(folder)
        assert "no run has reported the primary metric" in until(replays, folder, "failed")["error"]
    finally:
        replays.close()


def test_a_replay_ends_with_its_server_whatever_became_of_that(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hdcore.ui.replay_process", str(root / "sweeps" / "ended")],
        stdin=subprocess.DEVNULL,  # at its end already
        capture_output=True,
    )
    assert (done.returncode, done.stdout) == (1, b"")


def test_a_replay_steps_back_behind_the_runs() -> None:
    program = (
        "import json, os, resource; from pathlib import Path; from hdcore.ui.replay_process import _step_back;"
        "group = Path('/proc/self/autogroup'); _step_back();"
        "print(json.dumps([os.nice(0), group.read_text() if group.exists() else '',"
        " resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_CPU),"
        " Path('/proc/self/oom_score_adj').read_text()]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, start_new_session=True)
    nice, group, memory, cpu, badness = json.loads(done.stdout)
    assert nice == min(os.nice(0) + replay_process._NICE, 19)
    if os.geteuid() == 0:  # others are asked to try again later if somebody was just before them
        assert not group or group.endswith(f" nice {replay_process._NICE}\n")
    assert memory[0] == memory[1] <= replay_process.MOST_MEMORY
    assert cpu[0] <= replay_process.MOST_CPU_S
    assert cpu[0] != resource.RLIM_INFINITY
    assert int(badness) == 1000


def test_the_server_itself_loads_nothing_that_computes() -> None:
    program = "import sys, hdcore.ui.serve; print(sorted({'numpy', 'scipy', 'numba', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"[]\n"
