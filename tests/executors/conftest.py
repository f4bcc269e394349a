from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_leases(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of a test concern nobody else."""
    monkeypatch.setenv("HDCORE_LEASE_DIR", str(tmp_path_factory.mktemp("runtime")))


@pytest.fixture(scope="session")
def fake_nvml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a libnvidia-ml.so.1 that the real binding loads; see fake_nvml/nvml.c."""
    folder = tmp_path_factory.mktemp("fake-nvml")
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler built hdcore, so there is one"
    source = Path(__file__).with_name("fake_nvml") / "nvml.c"
    library = str(folder / "libnvidia-ml.so.1")
    name = "-Wl,-soname,libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", name, "-o", library, str(source)], check=True)
    return folder


@pytest.fixture
def gpu_machine(fake_nvml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """``gpu_machine(lines, topology)`` gives this process, and those it starts, the GPUs of fake_nvml/nvml.c."""
    import pynvml

    from hdcore.executors import nvidia

    # A library that is loaded already is found by its name, so no search path has to be set before the process starts.
    ctypes.CDLL(str(fake_nvml / "libnvidia-ml.so.1"))
    monkeypatch.setattr(nvidia, "_is_initialised", False)
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    state = tmp_path / "machine"
    monkeypatch.setenv("FAKE_NVML", str(state))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(fake_nvml))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def make(lines: str, topology: str = "") -> Path:
        state.write_text(lines)
        if topology:
            state.with_name("machine.topology").write_text(topology)
        return state

    return make
