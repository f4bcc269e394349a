"""Models as ``mlflow.FLAVOUR.save_model``, ``log_model`` and ``load_model`` keep them: folders with an ``MLmodel``.

The layout is MLflow's own, so a model of scikit-learn, LightGBM or XGBoost that was saved here can be loaded where
MLflow is installed. Other libraries' models are kept by their own function, else pickled.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mlflow import _calls

if TYPE_CHECKING:
    from collections.abc import Callable

ARGUMENTS = {
    "catboost": "cb_model", "fastai": "fastai_learner", "keras": "keras_model", "lightgbm": "lgb_model",
    "onnx": "onnx_model", "paddle": "pd_model", "prophet": "pr_model", "pytorch": "pytorch_model",
    "sklearn": "sk_model", "spacy": "spacy_model", "spark": "spark_model", "statsmodels": "statsmodels_model",
    "tensorflow": "model", "transformers": "transformers_model", "xgboost": "xgb_model",
}  # fmt: skip
"""What a flavour calls the model among its arguments."""

_FILES = {"keras": "data/model.keras", "tensorflow": "data/model.keras", "pytorch": "data/model.pth"}
_NATIVE = {"lightgbm": "model.lgb", "xgboost": "model.ubj", "catboost": "model.cb"}


def functions(flavour: str) -> dict[str, Callable[..., Any]]:
    """Return what a module ``mlflow.FLAVOUR`` has for models."""
    if flavour == "pyfunc":
        return {"save_model": _save_pyfunc, "log_model": _log_pyfunc, "load_model": load_pyfunc}
    word = ARGUMENTS[flavour]

    def model_of(given: tuple[Any, ...], more: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        if word in more:
            return more.pop(word), given
        if not given:
            raise TypeError(f"mlflow.{flavour}: {word} is missing; give the model")
        return given[0], given[1:]

    def save_model(*given: Any, **more: Any) -> None:
        model, rest = model_of(given, more)
        path = rest[0] if rest else more.pop("path", None)
        if path is None:
            raise TypeError(f"mlflow.{flavour}.save_model: path is missing; give a folder")
        _save(flavour, model, os.fspath(path), more)

    def log_model(*given: Any, **more: Any) -> Any:
        model, rest = model_of(given, more)
        path = rest[0] if rest else more.pop("artifact_path", None)
        return log(flavour, model, more.pop("name", None) or path, **more)

    def load_model(model_uri: str, dst_path: str | None = None, **more: Any) -> Any:
        return _load(local_folder(model_uri), flavour)

    for function in (save_model, log_model, load_model):
        function.__module__, function.__qualname__ = f"mlflow.{flavour}", function.__name__
    return {"save_model": save_model, "log_model": log_model, "load_model": load_model}


def log(flavour: str, model: Any, name: str | None, *, run_id: str | None = None, **more: Any) -> Any:
    """Keep a model in the outputs of a run; register it where that is asked for."""
    called = name or "model"
    run_id = _calls._current(run_id)
    folder = _calls._place(called, run_id)
    uid = uuid.uuid4().hex
    _save(flavour, model, folder, more, run_id=run_id, uid=uid, is_new=False)
    inside = _calls.trial().relative(folder)
    _calls.trial().write(
        model=f"{run_id}-{called}", info={"name": called, "folder": inside, "run": run_id, "status": "READY"}
    )
    registered = more.get("registered_model_name")
    version = register(registered, folder, run_id) if registered else None
    return SimpleNamespace(
        model_uri=f"runs:/{run_id}/{called}", run_id=run_id, artifact_path=called, model_uuid=uid, model_id=uid,
        flavors={flavour: {}}, signature=more.get("signature"), registered_model_version=version,
    )  # fmt: skip


def register(name: str, folder: str, run_id: str | None) -> int:
    """Put a model of the trial on the shelf of its root; return its version."""
    here = _calls.trial()
    inside = here.relative(folder)
    version = here.shelve(name, os.path.join(here.folder, inside), run_id) or 1
    here.write(registered=name, version=version, info={"run": run_id, "source": inside})
    return version


def local_folder(uri: str) -> str:
    """Return the folder that a model's URI means: ``runs:/ID/NAME``, ``models:/NAME/VERSION``, a path."""
    uri = os.fspath(uri)
    if uri.startswith("runs:/"):
        run_id, _, name = uri.removeprefix("runs:/").lstrip("/").partition("/")
        _calls._known(run_id)
        place: str = _calls._place(name, run_id)
        return place
    if uri.startswith("models:/"):
        from pathlib import Path

        from hdcore.shelf import Shelf

        name, _, version = uri.removeprefix("models:/").partition("/")
        root = Path(_calls.trial().folder).parents[3]
        found = Shelf(root).get(name, None if version in ("", "latest") else version)
        if found is None:
            raise ValueError(f"model {uri} is not registered here")
        return os.fspath(found.content)
    return uri.removeprefix("file://")


# ---------------------------------------------------------------------- files


def _save(
    flavour: str, model: Any, folder: str, more: dict[str, Any], *,
    run_id: str | None = None, uid: str | None = None, is_new: bool = True,
) -> None:  # fmt: skip
    if is_new and os.path.isdir(folder) and os.listdir(folder):
        raise _calls.MlflowException(f"{folder} exists and is not empty; give another path")
    os.makedirs(folder, exist_ok=True)
    file = _write(flavour, model, folder)
    library = sys.modules.get(flavour)
    about: dict[str, Any] = {"code": None, "model_path" if flavour == "sklearn" else "data": file}
    if flavour == "sklearn":
        about = {"code": None, "pickled_model": file, "serialization_format": "cloudpickle"}
    elif flavour == "xgboost":
        about |= {"model_class": f"{type(model).__module__}.{type(model).__qualname__}", "model_format": "ubj"}
    elif flavour == "lightgbm":
        about |= {"model_class": f"{type(model).__module__}.{type(model).__qualname__}"}
    version = getattr(library, "__version__", None)
    if version:
        about[f"{flavour}_version"] = str(version)
    signature = more.get("signature")
    document: dict[str, Any] = {
        "flavors": {
            "python_function": {
                "loader_module": f"mlflow.{flavour}",
                "model_path" if flavour == "sklearn" else "data": file,
                "python_version": ".".join(map(str, sys.version_info[:3])),
            },
            flavour: about,
        },
        "model_uuid": uid or uuid.uuid4().hex,
        "utc_time_created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
        **({"run_id": run_id, "artifact_path": os.path.basename(folder)} if run_id else {}),
        **({"signature": signature.to_dict()} if signature is not None and hasattr(signature, "to_dict") else {}),
        **({"metadata": more["metadata"]} if more.get("metadata") else {}),
    }
    with open(os.path.join(folder, "MLmodel"), "w", encoding="utf-8") as text:
        json.dump(document, text, indent=2, default=str)  # JSON is YAML


def _write(flavour: str, model: Any, folder: str) -> str:
    """Write a model; return the name of its file."""
    file = _NATIVE.get(flavour)
    if file is not None and hasattr(model, "save_model"):
        model.save_model(os.path.join(folder, file))
        return file
    file = _FILES.get(flavour)
    if file is not None:
        path = os.path.join(folder, file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if flavour == "pytorch":
            import torch  # type: ignore[import-not-found,unused-ignore]

            torch.save(model, path)
        else:
            model.save(path)
        return file
    with open(os.path.join(folder, "model.pkl"), "wb") as out:
        _pickler().dump(model, out)
    return "model.pkl"


def _pickler() -> Any:
    try:
        import cloudpickle  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        import pickle

        return pickle
    return cloudpickle


def _load(folder: str, flavour: str | None = None) -> Any:
    try:
        with open(os.path.join(folder, "MLmodel"), encoding="utf-8") as text:
            document = json.load(text)
    except FileNotFoundError:
        raise _calls.MlflowException(f"{folder} holds no model: there is no file MLmodel") from None
    except ValueError:  # MLflow's own, which is YAML
        import yaml

        with open(os.path.join(folder, "MLmodel"), encoding="utf-8") as text:
            document = yaml.safe_load(text)
    flavours = [one for one in document["flavors"] if one != "python_function"]
    if flavour is not None and flavour not in flavours:
        raise _calls.MlflowException(f"{folder} holds a model of {', '.join(flavours)}, not of {flavour}")
    kind = flavour or flavours[0]
    about = document["flavors"][kind]
    path = os.path.join(folder, about.get("pickled_model") or about.get("data") or "model.pkl")
    if kind == "lightgbm" and path.endswith(".lgb"):
        import lightgbm  # type: ignore[import-not-found,unused-ignore]

        return lightgbm.Booster(model_file=path)
    if kind == "xgboost" and not path.endswith(".pkl"):
        import xgboost  # type: ignore[import-not-found,unused-ignore]

        made = getattr(xgboost, str(about.get("model_class", "")).rpartition(".")[2] or "Booster")()
        made.load_model(path)
        return made
    if kind == "pytorch":
        import torch

        return torch.load(path, weights_only=False)
    if kind in ("keras", "tensorflow"):
        import keras  # type: ignore[import-not-found,unused-ignore]

        return keras.models.load_model(path)
    import pickle

    with open(path, "rb") as data:
        return pickle.load(data)


# ---------------------------------------------------------------------- pyfunc


class PythonModel:
    """Base of models that are a class of the script's."""

    def load_context(self, context: Any) -> None:
        """Called before the first prediction."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        """Return predictions."""
        raise NotImplementedError


class PyFuncModel:
    """A model of any flavour, with ``predict``."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, data: Any, params: Any = None) -> Any:
        """Return predictions."""
        if isinstance(self._model, PythonModel):
            return self._model.predict(None, data)
        return self._model.predict(data)

    def unwrap_python_model(self) -> Any:
        """Return the model itself."""
        return self._model


def _save_pyfunc(path: str, *unused: Any, python_model: Any = None, **more: Any) -> None:
    _save("pyfunc", python_model, os.fspath(path), more)


def _log_pyfunc(artifact_path: str | None = None, *unused: Any, python_model: Any = None, **more: Any) -> Any:
    return log("pyfunc", python_model, more.pop("name", None) or artifact_path, **more)


def load_pyfunc(model_uri: str, **more: Any) -> PyFuncModel:
    """Return a model of any flavour."""
    model = _load(local_folder(model_uri))
    if isinstance(model, PythonModel):
        model.load_context(None)
    return PyFuncModel(model)
