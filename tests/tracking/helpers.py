"""Real sweeps over scripts that log through mlflow, in interpreters that have mlflow, hdcore, both or neither."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import hdcore

PACKAGE = Path(hdcore.__file__).parent


class Sweep:
    """A finished sweep: what the command line tells of it."""

    def __init__(self, place: Path, root: Path) -> None:
        self.place, self.root = place, root
        self.told = ""

    def run(self, number: int) -> dict[str, Any]:
        """Return what ``hdcore show --run N --json`` says of a run."""
        document = json.loads(hdcore_command(self.place, "show", "s", "--run", str(number), "--json"))
        (found,) = document["runs"]
        return found

    def folder(self, number: int) -> Path:
        return self.root / "sweeps" / "s" / "runs" / f"{number:04d}"

    def output(self, number: int) -> str:
        """Return what a run wrote to stdout."""
        return (self.folder(number) / "stdout.log").read_text()

    def errors(self, number: int) -> str:
        return (self.folder(number) / "stderr.log").read_text()


def hdcore_command(place: Path, *arguments: str, **more: str) -> str:
    others = ("HDCORE", "MLFLOW", "AZUREML", "VIRTUAL_ENV", "CONDA_PREFIX")  # `python` is this interpreter then
    kept = {key: value for key, value in os.environ.items() if not key.startswith(others)}
    environment = {**kept, "PYTHONPATH": str(PACKAGE.parent), "COLUMNS": "120", "HOME": str(place / "home"), **more}
    done = subprocess.run(
        [sys.executable, "-m", "hdcore", *arguments],
        cwd=place, env=environment, capture_output=True, text=True, timeout=110, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout + (done.stderr if arguments[0] == "run" else "")


def sweep(
    place: Path,
    script: str,
    values: tuple[float, ...] = (0.5,),
    *,
    python: str = "python",
    metric: str = "accuracy",
    policy: dict[str, Any] | None = None,
    variables: dict[str, str] | None = None,
    **more: str,
) -> Sweep:
    """Run a script once for each value of ``--x``, one after the other; `more` is the driver's environment."""
    place.chmod(0o700)
    (place / "home").mkdir(exist_ok=True)
    code = place / "code"
    code.mkdir()
    (code / "train.py").write_text(textwrap.dedent(script))
    document = {
        "type": "sweep",
        "name": "s",
        "trial": {
            "command": f"{python} train.py --x ${{{{search_space.x}}}}",
            "code": "code",
            "environment_variables": variables or {},
        },
        "search_space": {"x": {"type": "choice", "values": list(values)}},
        "sampling_algorithm": "grid",
        "objective": {"primary_metric": metric, "goal": "maximize"},
        "limits": {"max_total_trials": len(values), "max_concurrent_trials": 1},
        **({"early_termination": policy} if policy else {}),
    }
    (place / "sweep.yml").write_text(json.dumps(document))
    found = Sweep(place, place / ".hdcore")
    found.told = hdcore_command(place, "run", "sweep.yml", **more)
    return found


def interpreter_without(place: Path, *distributions: str) -> tuple[str, str]:
    """Return a command and a PYTHONPATH that make this interpreter one in which something is not installed.

    ``-S`` leaves site-packages out; a folder of links to all else takes its place.
    """
    links = place / "site-packages"
    links.mkdir()
    for folder in sys.path:
        if Path(folder).name != "site-packages":
            continue
        for entry in Path(folder).iterdir():
            stem = entry.name.split("-")[0].split(".")[0].lower()
            if entry.suffix != ".pth" and not stem.startswith(distributions) and not (links / entry.name).exists():
                (links / entry.name).symlink_to(entry)
    return f"{shlex.quote(sys.executable)} -S", str(links)


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
