from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_leases(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of a test concern nobody else."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))


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
