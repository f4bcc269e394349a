"""The stand-ins hold what their tables say, and say clearly what they do not hold."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

from hdcore.errors import NotServedError, OutOfScopeError
from hdcore.standins import DRIVER_FOLDER, TRIAL_FOLDER, azure_names, azureml_names, with_standins
from hdcore.standins.placeholder import Unserved, placeholder

ROOT = Path(__file__).resolve().parent.parent.parent
TABLES = {**azureml_names.MODULES, **azure_names.MODULES, **azure_names.CORE}


def python(program: str, *, path: str, check: bool = True) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HDCORE")}
    environment["PYTHONPATH"] = path
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout if check else done.stderr.splitlines()[-1]


def path_of(*folders: str) -> str:
    return os.pathsep.join([*folders, str(ROOT), *sys.path])


@pytest.mark.parametrize("module", TABLES)
def test_every_name_of_the_tables_is_there(module: str) -> None:
    for what in TABLES[module].values():
        if not what.startswith(("=", "!")):
            home, _, name = what.partition(":")
            assert getattr(import_module(home), name) is not None


def test_every_module_is_importable_by_each_of_its_names() -> None:
    program = f"""
import importlib
for module in {[*TABLES]}:
    importlib.import_module(module)
from azureml.core import Run, Workspace
from azureml.core.run import Run as again
from azureml.train.hyperdrive import *
import azureml.core, azure.ai.ml, azure.identity, azure.core.exceptions
assert again is Run is azureml.core.run.Run and choice(1, 2) and RandomParameterSampling
assert azureml.core.VERSION.endswith("+hdcore"), azureml.core.VERSION
assert azure.ai.ml.sweep.Choice.__module__ == "hdcore.azure.v2.expressions"
assert "Run" in dir(azureml.core)
"""
    python(program, path=path_of(TRIAL_FOLDER, DRIVER_FOLDER))


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("from azureml.core import Telescope", "ImportError: azureml.core.Telescope is not served"),
        ("import azureml.core; azureml.core.Telescope", "ImportError: azureml.core.Telescope is not served"),
        ("import azureml.telescope", "ModuleNotFoundError: azureml.telescope is not served"),
        ("from azureml.core.telescope import X", "ModuleNotFoundError: azureml.core.telescope is not served"),
        ("from azure.ai.ml import telescope", "ImportError: azure.ai.ml.telescope is not served"),
        ("import azure.telescope", "ModuleNotFoundError: azure.telescope is not served"),
        ("from azureml.core.webservice import Webservice as W; W.deploy()", "OutOfScopeError"),
        ("from azure.ai.ml.entities import SparkJob as P; P()", "NotServedError: azure.ai.ml.entities.SparkJob:"),
    ],
)
def test_what_is_not_served_is_named(program: str, kind: str) -> None:
    assert kind in python(program, path=path_of(TRIAL_FOLDER, DRIVER_FOLDER), check=False)


def test_placeholders_can_be_imported_and_caught_but_not_used() -> None:
    error = placeholder("azureml.core.x.OldException", "gone")
    assert issubclass(error, Exception)
    with pytest.raises(ZeroDivisionError), suppress(error):
        raise ZeroDivisionError
    service = placeholder("azureml.core.x.Service", "no", is_deployment=True)
    assert not isinstance(1, service)
    with pytest.raises(OutOfScopeError, match=r"azureml\.core\.x\.Service\.deploy: no"):
        service.deploy()
    with pytest.raises(NotServedError, match=r"a\.b\.c: why"):
        Unserved("a.b", "why").c()


def test_names_that_an_object_does_not_have_are_told_and_asked_for_as_any_other() -> None:
    from hdcore import hyperdrive as hd
    from hdcore.azure.v2.client import MLClient

    for holder in (hd.Run, hd.Workspace, hd.Dataset.File, MLClient, hd.RandomParameterSampling({"x": hd.choice(1)})):
        assert not hasattr(holder, "telescope")
        with pytest.raises(NotServedError, match=r"\.telescope is not served by hdcore; leave out what needs it"):
            _ = holder.telescope
    with pytest.raises(OutOfScopeError, match=r"Pipeline\.publish_it: deployment is out of scope"):
        _ = hd.Pipeline.publish_it


def make_package(folder: Path, name: str, text: str = "") -> None:
    path = folder.joinpath(*name.split("."))
    path.mkdir(parents=True)
    (path / "__init__.py").write_text(text or f"here = {name!r}\n")


def test_installed_packages_of_azure_stay_visible(tmp_path: Path) -> None:
    make_package(tmp_path, "azure.storage.blob")
    make_package(tmp_path, "azure.ai.inference")
    make_package(tmp_path, "azureml.opendatasets")
    program = """
import azure.storage.blob, azure.ai.inference, azureml.opendatasets, azure.ai.ml, azure.identity, azureml.core
assert azure.storage.blob.here == "azure.storage.blob" and azure.ai.inference.here and azureml.opendatasets.here
assert azure.ai.ml.MLClient.__module__.startswith("hdcore.")
"""
    python(program, path=path_of(TRIAL_FOLDER, DRIVER_FOLDER, str(tmp_path)))


def test_an_installed_sdk_comes_second_and_its_core_errors_first(tmp_path: Path) -> None:
    make_package(tmp_path, "azureml.core", "raise SystemError('the real one')")
    make_package(tmp_path, "azure.ai.ml", "raise SystemError('the real one')")
    make_package(tmp_path, "azure.core", "")
    (tmp_path / "azure" / "core" / "exceptions.py").write_text(
        "class ResourceNotFoundError(Exception): pass\nclass ResourceExistsError(Exception): pass\n"
    )
    program = """
import azureml.core, azure.ai.ml, azure.core.exceptions
from hdcore.azure.v2.exceptions import ResourceNotFoundError
assert ResourceNotFoundError is azure.core.exceptions.ResourceNotFoundError
assert ResourceNotFoundError.__module__ == "azure.core.exceptions"
"""
    python(program, path=path_of(TRIAL_FOLDER, DRIVER_FOLDER, str(tmp_path)))


def test_a_training_script_pays_for_the_standard_library_only(tmp_path: Path) -> None:
    program = """
import sys
before = set(sys.modules)
from azureml.core import Run
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*loaded - set(sys.stdlib_module_names) - {"hdcore", "azureml"})
"""
    assert python(program, path=path_of(TRIAL_FOLDER)).split() == []


def test_a_path_gets_each_folder_once_and_a_run_only_its_own() -> None:
    driver = with_standins(os.pathsep.join(["a", TRIAL_FOLDER, "b"]), is_driver=True)
    assert driver.split(os.pathsep) == [TRIAL_FOLDER, DRIVER_FOLDER, "a", "b"]
    assert with_standins(driver).split(os.pathsep) == [TRIAL_FOLDER, "a", "b"]
    assert with_standins(None) == TRIAL_FOLDER


def test_stand_ins_find_hdcore_from_an_interpreter_without_it(tmp_path: Path) -> None:
    program = "import azureml.core, hdcore; print(azureml.core.VERSION, hdcore.__name__)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],  # no site-packages, where hdcore may be installed
        env={"PYTHONPATH": TRIAL_FOLDER},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "1.61.0+hdcore hdcore\n"
