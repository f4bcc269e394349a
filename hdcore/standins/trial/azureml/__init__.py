"""hdcore's stand-in for Azure ML's package of version 1: everything runs on this machine.

Modules that the table does not have come from an installed ``azureml``, if there is one.
"""

import importlib.util
import os
import sys
from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)


def _load_hdcore() -> None:
    """Load the package that this file belongs to, for an interpreter that has no hdcore of its own."""
    folder = os.path.dirname(os.path.abspath(__file__))
    for _ in range(3):
        folder = os.path.dirname(folder)
    spec = importlib.util.spec_from_file_location(
        "hdcore", os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["hdcore"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


try:
    import hdcore  # noqa: F401
except ModuleNotFoundError:
    _load_hdcore()

from hdcore.standins.azureml_names import MODULES  # noqa: E402
from hdcore.standins.serve import serve, speak_for  # noqa: E402

serve(__name__, MODULES).fill(sys.modules[__name__])
speak_for("azureml.")
