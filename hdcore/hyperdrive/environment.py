"""Environments and conda dependencies: kept as data. Runs use the interpreter that is here."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.unserved import Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.workspace import Workspace

_PYTHON = "python=3.11"
_CHANNELS = ("anaconda", "conda-forge")


class CondaDependencies(Served):
    """Packages of an environment. Nothing is installed: they have to be in the environment that hdcore runs in.

    Parameters
    ----------
    conda_dependencies_file_path : path-like, optional
        A conda specification in YAML.
    """

    def __init__(
        self, conda_dependencies_file_path: str | os.PathLike[str] | None = None, _underlying_structure: Any = None
    ) -> None:
        self._channels: list[str] = list(_CHANNELS)
        self._conda: list[str] = [_PYTHON]
        self._pip: list[str] = []
        self._pip_options: list[str] = []
        if conda_dependencies_file_path is not None:
            self._read(conda_dependencies_file_path)

    @staticmethod
    def create(
        pip_indexurl: str | None = None,
        pip_packages: Iterable[str] | None = None,
        conda_packages: Iterable[str] | None = None,
        python_version: str | None = None,
        pin_sdk_version: bool = True,
    ) -> CondaDependencies:
        """Return the dependencies of two lists of packages."""
        made = CondaDependencies()
        if python_version is not None:
            made.set_python_version(python_version)
        for package in conda_packages or ():
            made.add_conda_package(package)
        for package in pip_packages or ():
            made.add_pip_package(package)
        return made

    @property
    def conda_packages(self) -> Iterable[str]:
        return iter([package for package in self._conda if not package.startswith("python=")])

    @property
    def pip_packages(self) -> Iterable[str]:
        return iter(list(self._pip))

    @property
    def conda_channels(self) -> Iterable[str]:
        return iter(list(self._channels))

    @property
    def pip_options(self) -> Iterable[str]:
        return iter(list(self._pip_options))

    def add_conda_package(self, conda_package: str) -> None:
        """Add a package; another version of it is replaced."""
        self.remove_conda_package(conda_package)
        self._conda.append(conda_package)

    def add_pip_package(self, pip_package: str) -> None:
        """Add a package; another version of it is replaced."""
        self.remove_pip_package(pip_package)
        self._pip.append(pip_package)

    def add_channel(self, channel: str) -> None:
        if channel not in self._channels:
            self._channels.append(channel)

    def add_tensorflow_pip_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        self.add_pip_package("tensorflow" if version is None else f"tensorflow=={version}")

    def add_tensorflow_conda_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        self.add_conda_package("tensorflow" if version is None else f"tensorflow={version}")

    def add_cntk_package(self, core_type: str = "cpu") -> None:
        self.add_pip_package("cntk" if core_type == "cpu" else "cntk-gpu")

    def set_pip_index_url(self, index_url: str) -> None:
        self.set_pip_option(f"--index-url {index_url.removeprefix('--index-url').strip()}")

    def remove_conda_package(self, conda_package: str) -> None:
        self._conda = [package for package in self._conda if _project(package) != _project(conda_package)]

    def remove_pip_package(self, pip_package: str) -> None:
        self._pip = [package for package in self._pip if _project(package) != _project(pip_package)]

    def remove_channel(self, channel: str) -> None:
        self._channels = [name for name in self._channels if name != channel]

    def set_pip_option(self, pip_option: str) -> None:
        self._pip_options.append(pip_option)

    def set_pip_requirements(self, pip_requirements: Iterable[str]) -> None:
        self._pip = list(pip_requirements)

    def set_python_version(self, version: str) -> None:
        self._conda = [f"python={version}", *self.conda_packages]

    def get_python_version(self) -> str | None:
        return next((package.partition("=")[2] for package in self._conda if package.startswith("python=")), None)

    def as_dict(self) -> dict[str, Any]:
        """Return the conda specification."""
        dependencies: list[Any] = [*self._conda]
        if self._pip:
            dependencies.append({"pip": [*self._pip_options, *self._pip]})
        return {"name": "project_environment", "channels": self._channels, "dependencies": dependencies}

    def serialize_to_string(self) -> str:
        """Return the conda specification as YAML."""
        import yaml

        return str(yaml.safe_dump(self.as_dict(), sort_keys=False))

    def save_to_file(self, base_directory: str, conda_file_path: str = "environment.yml") -> str:
        """Write the specification into a folder; return the file's name."""
        return self.save(os.path.join(base_directory, conda_file_path))

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the specification; return the path."""
        Path(path).write_text(self.serialize_to_string(), encoding="utf-8")
        return os.fspath(path)

    def _read(self, path: str | os.PathLike[str]) -> None:
        import yaml

        try:
            document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
            entries = list(document.get("dependencies") or [])
        except (OSError, yaml.YAMLError, AttributeError) as error:
            raise UserErrorException(f"{path}: no conda specification can be read from it: {error}") from None
        self._channels = list(document.get("channels") or _CHANNELS)
        self._conda = [entry for entry in entries if isinstance(entry, str)]
        for entry in entries:
            if isinstance(entry, Mapping):
                self._pip += [str(package) for package in entry.get("pip") or []]


class PythonSection(Served):
    """How an environment says what its Python is.

    Attributes
    ----------
    interpreter_path : str
        Used for runs if `user_managed_dependencies` is set and it is an absolute path that exists.
    """

    def __init__(self) -> None:
        self.interpreter_path = "python"
        self.user_managed_dependencies = False
        self.conda_dependencies: CondaDependencies | None = CondaDependencies()
        self.conda_dependencies_file: str | None = None
        self.base_conda_environment: str | None = None


class DockerSection(Served):
    """Image of an environment. Runs are processes of this machine, whatever it says."""

    def __init__(self) -> None:
        self.enabled = False
        self.base_image: str | None = None
        self.base_dockerfile: str | None = None
        self.base_image_registry = _Section()
        self.shared_volumes = True
        self.shm_size: str | None = None
        self.arguments: list[str] = []
        self.gpu_support: bool | None = None


class _Section:
    """Attributes without a local meaning, to be set and read."""


class Environment(Served):
    """A named environment. What counts here are its variables and, if it manages its own packages, its interpreter.

    Attributes
    ----------
    environment_variables : dict
        Set for every run.
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        self.name = name
        self.version: str | None = None
        self.python = PythonSection()
        self.docker = DockerSection()
        self.spark = _Section()
        self.r: Any = None
        self.environment_variables: dict[str, str] = {}
        self.inferencing_stack_version: str | None = None
        self.asset_id: str | None = None

    def __repr__(self) -> str:
        return f"Environment(name={self.name!r}, version={self.version!r})"

    @staticmethod
    def get(workspace: Workspace, name: str, version: str | None = None, label: str | None = None) -> Environment:
        """Return a registered environment; one that Azure curates, or any other name, is this machine's."""
        found = workspace.environments.get(name)
        if found is not None:
            return found
        made = Environment(name)
        made.version = version or "1"
        return made

    @staticmethod
    def list(workspace: Workspace) -> dict[str, Environment]:
        """Return the registered environments by name."""
        return dict(workspace.environments)

    @staticmethod
    def from_conda_specification(name: str, file_path: str | os.PathLike[str]) -> Environment:
        """Return an environment with the packages of a conda specification."""
        made = Environment(name)
        made.python.conda_dependencies = CondaDependencies(file_path)
        return made

    @staticmethod
    def from_pip_requirements(
        name: str, file_path: str | os.PathLike[str], pip_version: str | None = None
    ) -> Environment:
        """Return an environment with the packages of a requirements file."""
        made = Environment(name)
        try:
            lines = Path(file_path).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UserErrorException(f"{file_path}: {error.strerror}") from None
        packages = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        made.python.conda_dependencies = CondaDependencies.create(pip_packages=packages)
        return made

    @staticmethod
    def from_existing_conda_environment(name: str, conda_environment_name: str) -> Environment:
        """Return an environment of this name; runs use the environment that hdcore runs in."""
        return Environment(name)

    @staticmethod
    def from_docker_image(
        name: str,
        image: str,
        container_registry: Any = None,
        conda_specification: Any = None,
        pip_requirements: Any = None,
    ) -> Environment:
        """Return an environment that names an image."""
        if pip_requirements is not None:
            made = Environment.from_pip_requirements(name, pip_requirements)
        elif conda_specification is not None:
            made = Environment.from_conda_specification(name, conda_specification)
        else:
            made = Environment(name)
        made.docker.base_image = image
        return made

    @staticmethod
    def from_dockerfile(
        name: str, dockerfile: str, conda_specification: Any = None, pip_requirements: Any = None
    ) -> Environment:
        """Return an environment that names a Dockerfile."""
        made = Environment.from_docker_image(name, "", None, conda_specification, pip_requirements)
        made.docker.base_image, made.docker.base_dockerfile = None, dockerfile
        return made

    def clone(self, new_name: str) -> Environment:
        """Return a copy under another name."""
        from copy import deepcopy

        made = deepcopy(self)
        made.name, made.version = new_name, None
        return made

    def register(self, workspace: Workspace) -> Environment:
        """Keep the environment in the workspace, under the next version."""
        if not self.name:
            raise UserErrorException("Environment.register: the environment has no name; give Environment(name)")
        self.version = str(int(workspace._environment_version(self.name)) + 1)
        workspace._keep("environments", self.name, self._document())
        return self

    def build(self, workspace: Workspace, image_build_compute: Any = None) -> BuildDetails:
        """Build nothing; return details that say so."""
        return BuildDetails()

    def build_local(self, workspace: Workspace, platform: Any = None, **kwargs: Any) -> BuildDetails:
        """Build nothing; return details that say so."""
        return BuildDetails()

    def save_to_directory(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write the definition into a new folder."""
        os.makedirs(path, exist_ok=overwrite)
        text = json.dumps(self._document(), indent=2)
        Path(path, "azureml_environment.json").write_text(text, encoding="utf-8")

    @staticmethod
    def load_from_directory(path: str | os.PathLike[str]) -> Environment:
        """Read what `save_to_directory` wrote."""
        try:
            document = json.loads(Path(path, "azureml_environment.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserErrorException(f"{path}: no environment can be read from it: {error}") from None
        return Environment._of(document)

    def _document(self) -> dict[str, Any]:
        packages = self.python.conda_dependencies
        return {
            "name": self.name,
            "version": self.version,
            "environmentVariables": {key: str(value) for key, value in self.environment_variables.items()},
            "python": {
                "interpreterPath": self.python.interpreter_path,
                "userManagedDependencies": self.python.user_managed_dependencies,
                "condaDependencies": None if packages is None else packages.as_dict(),
            },
            "docker": {"baseImage": self.docker.base_image, "baseDockerfile": self.docker.base_dockerfile},
        }

    @staticmethod
    def _of(document: Mapping[str, Any]) -> Environment:
        made = Environment(document.get("name"))
        made.version = document.get("version")
        made.environment_variables = dict(document.get("environmentVariables") or {})
        python, docker = document.get("python") or {}, document.get("docker") or {}
        made.python.interpreter_path = python.get("interpreterPath") or "python"
        made.python.user_managed_dependencies = bool(python.get("userManagedDependencies"))
        entries = (python.get("condaDependencies") or {}).get("dependencies") or []
        packages = CondaDependencies()
        for entry in entries:
            if isinstance(entry, str):
                packages.add_conda_package(entry)
            elif isinstance(entry, Mapping):
                packages.set_pip_requirements(entry.get("pip") or [])
        made.python.conda_dependencies = packages
        made.docker.base_image, made.docker.base_dockerfile = docker.get("baseImage"), docker.get("baseDockerfile")
        return made

    @property
    def _interpreter(self) -> str:
        """Interpreter that runs of this environment start."""
        path = self.python.interpreter_path
        own = self.python.user_managed_dependencies and os.path.isabs(path) and os.access(path, os.X_OK)
        return path if own else "python"


class BuildDetails:
    """Of a build that never was: images have no local meaning."""

    status = "Succeeded"

    def wait_for_completion(self, show_output: bool = True) -> BuildDetails:
        if show_output:
            print("Images are not built here: runs use this machine's environment.")
        return self


def _project(package: str) -> str:
    return re.split(r"[=<>!~\[\s]", package.strip(), maxsplit=1)[0].lower().replace("_", "-")
