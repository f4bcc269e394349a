"""`hdcore azure`."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from hdcore.cli.common import common_options
from hdcore.cli.run import check_target, parse_inputs
from hdcore.errors import InputError

_CODE = """
import sys
sys.path.pop(0)  # the working directory: a file random.py in it is the program's, not ours
sys.path.append(sys.argv[1])
from hdcore.azure.running import main
main(sys.argv[2], sys.argv[3:])
"""


@click.command("azure", context_settings={"allow_interspersed_args": False})
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.py|FILE.ipynb")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]")
@click.option("--input", "inputs", multiple=True, metavar="NAME=PATH", help="Local copy of an input in the cloud.")
@click.option("--gpus-per-run", metavar="N|auto", help="GPUs of a run; else guessed by the cluster's name.")
@common_options
def azure_command(
    file: Path, arguments: tuple[str, ...], inputs: tuple[str, ...], gpus_per_run: str | None, root: Path | None
) -> int:
    """Run a driver script or notebook that was written for Azure ML, unmodified, on this machine.

    Azure's packages need not be installed and are not asked: stand-ins for azureml, azure.ai.ml and azure.identity run
    what is submitted as hdcore's sweeps. A notebook runs cell by cell. Options of hdcore stand before FILE.
    """
    from hdcore.azure.settings import GPUS_VARIABLE, INPUTS_VARIABLE
    from hdcore.standins import MLFLOW_FOLDER, with_standins
    from hdcore.store import find_root

    check_target(file)
    if file.suffix.lower() not in (".py", ".ipynb"):
        raise InputError("is no Python script and no notebook; sweep files run with `hdcore run`", source=str(file))
    environment = {**os.environ, "HDCORE_ROOT": str(find_root(root))}
    environment["PYTHONPATH"] = with_standins(environment.get("PYTHONPATH"), is_driver=True)
    if find_spec("mlflow") is not None:  # its plugin, through which the program reads what the sweeps' runs logged
        environment["PYTHONPATH"] += os.pathsep + MLFLOW_FOLDER
        environment.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        environment.setdefault("MLFLOW_TRACKING_URI", f"hdcore://{environment['HDCORE_ROOT']}")
    paths = {name: os.path.abspath(os.path.expanduser(path)) for name, path in parse_inputs(inputs).items()}
    for name, path in paths.items():
        if not os.path.exists(path):
            raise InputError(f"{path} does not exist; give the path of a file or folder", source="--input", field=name)
    if paths:
        environment[INPUTS_VARIABLE] = json.dumps(paths)
    if gpus_per_run is not None:
        environment[GPUS_VARIABLE] = _gpus(gpus_per_run)
    package = Path(__file__).resolve().parent.parent.parent
    # The program takes the place of this process: signals, terminal and exit code are its own.
    os.execve(sys.executable, [sys.executable, "-c", _CODE, str(package), str(file), *arguments], environment)


def _gpus(text: str) -> str:
    try:
        if text == "auto" or float(text) >= 0:
            return text
    except ValueError:
        pass
    raise InputError(
        f"is {text!r}; write 0, 1, 2, …, a share such as 0.5, or auto", source="azure", field="--gpus-per-run"
    )
