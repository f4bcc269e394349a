"""The submodules of the stand-in: a few real ones, flavours made on import, everything else refused by name."""

from __future__ import annotations

import functools
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

FLAVOURS = frozenset(
    (
        *("catboost", "fastai", "keras", "lightgbm", "onnx", "paddle", "prophet", "pyfunc", "pytorch", "sklearn"),
        *("spacy", "spark", "statsmodels", "tensorflow", "transformers", "xgboost"),
    )
)
SERVED = FLAVOURS | {"artifacts", "entities", "exceptions", "models", "tracking", "types", "utils"}


def refusal(name: str) -> str:
    """Return what to say of something that is not there."""
    return (
        f"{name} is not there: mlflow is not installed, and hdcore's stand-in for it has no such thing; "
        "install mlflow or mlflow-skinny in the interpreter of the trials"
    )


class _Finder:
    """Finds flavours, and has the last word on other submodules of ``mlflow``."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith("mlflow."):
            return None
        if name.removeprefix("mlflow.") in FLAVOURS:
            return ModuleSpec(name, self)  # type: ignore[arg-type]
        raise ModuleNotFoundError(refusal(name), name=name)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        from mlflow import _calls, _models

        flavour = module.__name__.rpartition(".")[2]
        module.__dict__.update(
            autolog=functools.partial(_calls.autolog, flavour=module.__name__), **_models.functions(flavour)
        )
        if flavour == "pyfunc":
            module.__dict__.update(PythonModel=_models.PythonModel, PyFuncModel=_models.PyFuncModel)

        def missing(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            _refuse(f"{module.__name__}.{name}")

        module.__getattr__ = missing  # type: ignore[method-assign]


def _refuse(name: str) -> NoReturn:
    raise AttributeError(refusal(name))


sys.meta_path.append(_Finder())
