"""Modules made of a table: ``import azureml.core.run`` works without a file of that name.

Standard library only, and little of it: a training script that imports `azureml.core` pays for what it uses.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType
    from typing import Any, TypeAlias

    Names: TypeAlias = Mapping[str, str]
    """Name in the module -> ``"module:name"`` that it stands for, ``"=text"`` for a constant, ``"!why"`` or ``"!!why"``
    for what is not served and for deployment."""


class Standins:
    """A meta path finder for the modules of one table.

    Parameters
    ----------
    root : str
        First part of the names, ``"azureml"``.
    modules : mapping
        Full name of a module -> its names.
    """

    def __init__(self, root: str, modules: Mapping[str, Names]) -> None:
        self.root = root
        self.modules = modules
        self._packages = {name.rpartition(".")[0] for name in modules}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        if name not in self.modules:
            return None
        return ModuleSpec(name, self, is_package=name in self._packages)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        self.fill(module)

    def fill(self, module: ModuleType) -> None:
        """Give a module its names, each found when it is first asked for."""
        full_name = module.__name__
        names = self.modules[full_name]

        def find(name: str) -> Any:
            what = names.get(name)
            if what is not None:
                value = _resolve(f"{full_name}.{name}", what)
            elif f"{full_name}.{name}" in self.modules:
                value = import_module(f"{full_name}.{name}")
            elif name.startswith("__"):
                raise AttributeError(name)
            else:
                # not AttributeError, of which `from … import` would make a message that says less
                raise _unserved(
                    ImportError,
                    f"{full_name}.{name} is not served by hdcore's stand-ins; leave out what needs it "
                    f"(dir({full_name}) lists what there is)",
                    name=f"{full_name}.{name}",
                )
            setattr(module, name, value)  # the next access is a plain look-up
            return value

        module.__doc__ = f"hdcore's stand-in for {full_name}."
        module.__dict__.update(__getattr__=find, __all__=[*names], __dir__=lambda: sorted({*names, *module.__dict__}))


class Unknown:
    """A meta path finder that says of a module which nobody has found that hdcore does not serve it.

    Parameters
    ----------
    roots : tuple of str
        Packages whose modules it speaks for.
    """

    def __init__(self, roots: tuple[str, ...]) -> None:
        self.roots = roots

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        if name.startswith(self.roots):
            raise _unserved(
                ModuleNotFoundError,
                f"{name} is not served by hdcore's stand-ins for Azure's packages and is not installed; "
                "what needs it has to be left out here",
                name=name,
            )
        return None


def _unserved(kind: type[ImportError], text: str, *, name: str) -> ImportError:
    error = kind(text, name=name)
    error.is_unserved = True  # type: ignore[attr-defined]  # its message says all, and no traceback has to be shown
    return error


def serve(root: str, modules: Mapping[str, Names], *, is_last: bool = False) -> Standins:
    """Install the finder of a table; `is_last` lets installed packages go first."""
    standins = Standins(root, modules)
    sys.meta_path.insert(len(sys.meta_path) if is_last else 0, standins)
    return standins


def speak_for(*roots: str) -> None:
    """Install the finder that says of modules which nobody has found that they are not served."""
    sys.meta_path.append(Unknown(roots))


def _resolve(full_name: str, what: str) -> Any:
    if what.startswith("="):
        return what[1:]
    if what.startswith("!"):
        from hdcore.standins.placeholder import placeholder

        return placeholder(full_name, what.lstrip("!"), is_deployment=what.startswith("!!"))
    home, _, name = what.partition(":")
    module = import_module(home)
    return getattr(module, name) if name else module
