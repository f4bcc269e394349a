"""A wheel holds what it should, and works where there is no checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import hdcore.bindings

ROOT = Path(__file__).resolve().parent.parent


def run(*argv: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(a) for a in argv], cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def test_in_a_checkout_the_bindings_are_the_folder_at_its_top() -> None:
    (link,) = hdcore.bindings.__path__
    assert Path(link).resolve() == ROOT / "bindings"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_wheel_built_from_the_sdist_runs_in_a_fresh_environment(tmp_path: Path) -> None:
    source = tmp_path / "source"
    run("git", "clone", "-q", ROOT, source, cwd=tmp_path)
    environment = tmp_path / "venv"
    run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "build", cwd=tmp_path)
    run(python, "-m", "build", "-o", tmp_path / "dist", source, cwd=tmp_path)  # sdist, then the wheel from it
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for kernel in (source / "ext").glob("*.pyx"):
        assert any(name.startswith(f"hdcore/_native/{kernel.stem}.") and name.endswith(".so") for name in names)
        assert f"hdcore/_native/{kernel.stem}.pyi" in names
    assert "hdcore/py.typed" in names
    assert "hdcore/store/schema.sql" in names
    bindings = [path.relative_to(source).as_posix() for path in (source / "bindings").rglob("*.py")]
    assert {f"hdcore/{path}" for path in bindings} <= set(names)
    assert "hydra_plugins/hdcore_sweeper.py" in names
    for standin in ("trial/azureml", "driver/azure", "driver/azure/ai"):
        assert f"hdcore/standins/{standin}/__init__.py" in names
    stand_in = source / "hdcore" / "standins_mlflow"
    assert {str(path.relative_to(source)) for path in stand_in.rglob("*") if path.is_file()} <= set(names)
    page = source / "hdcore" / "ui" / "static"
    assert {str(path.relative_to(source)) for path in page.rglob("*") if path.is_file()} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "bench/", "ext/"))]

    run(python, "-m", "pip", "install", "-q", wheel, cwd=tmp_path)
    run(python, "-c", "import hdcore.bindings", cwd=tmp_path)
    sweep = source / "examples" / "shell" / "sweep.yml"
    out = run(environment / "bin" / "hdcore", "run", sweep, "--root", tmp_path / "root", cwd=tmp_path)
    assert "best" in out.lower()
    notebook = source / "examples" / "azure-notebook" / "notebook.ipynb"
    run(environment / "bin" / "hdcore", "azure", "--root", tmp_path / "root", notebook, cwd=tmp_path)
