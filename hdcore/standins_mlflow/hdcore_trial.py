"""hdcore's MLflow plugin for interpreters in which hdcore is not installed.

This folder is on the path of trials, and the ``dist-info`` beside this file makes MLflow find the plugin. The trial's
interpreter may be another than the one that hdcore is installed in: the package is loaded from where this file is.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys


def load_hdcore() -> None:
    """Make ``import hdcore`` work, if need be from the folder around this one.

    Only that package becomes importable, none of its neighbours.

    Raises
    ------
    ImportError
        If this Python is too old for it.
    """
    if sys.version_info < (3, 10):  # noqa: UP036 - the interpreter of a trial may be older than what hdcore asks for
        raise ImportError("scripts that log through MLflow need Python 3.10 or newer in trials of hdcore")
    try:
        importlib.import_module("hdcore.tracking")
        return
    except ImportError:
        pass
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    spec = importlib.util.spec_from_file_location(
        "hdcore", os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    for name in [name for name in sys.modules if name.split(".")[0] == "hdcore"]:
        del sys.modules[name]  # another release, which has none of this
    sys.modules["hdcore"] = module
    spec.loader.exec_module(module)


load_hdcore()

from hdcore.tracking.plugin import artifact_repository, registry_store, tracking_store  # noqa: E402

__all__ = ["artifact_repository", "load_hdcore", "registry_store", "tracking_store"]
