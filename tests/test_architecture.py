"""The picture of who may import whom, read from the source with `ast`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = {"errors", "typing", "reasons", "records"}
# area -> areas it may import; SHARED and itself are always allowed
MAY_IMPORT = {
    "errors": set(),
    "typing": set(),
    "reasons": set(),
    "records": set(),
    "space": {"_native"},
    "history": set(),
    "shelf": set(),
    "gp": {"_native", "history", "space"},
    "sampling": {"_native", "gp", "history", "space"},
    "policies": {"_native"},
    "engine": {"gp", "history", "policies", "sampling", "space"},
    "importance": {"space"},
    "serve": {"engine", "space"},
    "figures": {"document", "space", "store"},
    "store": set(),
    "runtime": set(),
    "tracking": {"runtime", "shelf"},
    "tracking.reading": {"document", "shelf", "store", "tracking"},
    "tracking.plugin": {"tracking", "tracking.reading"},
    "tracking.export": {"document", "pages", "store", "tracking", "ui.files"},
    "standins_mlflow": {"shelf", "tracking", "tracking.plugin"},
    "executors": {"_native", "runtime", "store.wire"},
    "command": set(),
    "standins": set(),
    "workspace": {"command", "standins", "tracking"},
    "azure": {"command", "policies", "space"},
    "signals": set(),
    "observer": set(),
    "driver": {"engine", "observer", "policies", "signals", "store", "workspace"},
    "views": {"importance", "observer", "policies", "space"},
    "document": {"store", "tracking"},
    "sweep": {
        "document", "driver", "engine", "executors", "figures", "importance", "observer", "pages", "policies",
        "sampling", "signals", "space", "store", "sweep.importance", "views", "workspace",
    },
    "sweep.importance": {"importance", "space", "store"},
    "explain": {"document", "store", "views"},
    "ui": {"document", "explain", "store", "sweep", "ui.files", "ui.queries"},
    "ui.files": set(),
    "ui.queries": {"document", "store", "ui.files"},
    "ui.replay_process": {"policies", "store", "sweep", "views"},
    "pages": {"document", "explain", "store", "sweep.importance", "ui.queries"},
    "imports": {"command", "space", "store", "sweep"},
    "pipeline": {"store", "sweep"},
    "hyperdrive": {
        "azure", "command", "document", "executors", "observer", "pages", "pipeline", "policies", "runtime", "shelf",
        "signals", "space", "store", "sweep", "workspace",
    },
    "azure.v2": {
        "azure", "command", "document", "hyperdrive", "pipeline", "shelf", "standins", "store", "sweep", "workspace",
    },
    "azure.notebook": {"hyperdrive"},
    "azure.running": {"azure", "azure.notebook", "azure.v2", "hyperdrive", "pipeline", "store", "views"},
    "cli": {
        "azure", "azure.running", "document", "executors", "explain", "imports", "pages", "pipeline", "policies",
        "serve", "signals", "space", "standins", "store", "sweep", "tracking", "tracking.export", "ui", "views",
    },
    "__main__": {"cli"},
    "_native": set(),
    "bindings": {"bindings.optuna.studies", "engine", "history", "policies", "runtime", "sampling", "space"},
    "bindings.optuna.studies": {"azure", "bindings", "imports", "space", "store", "sweep"},
}  # fmt: skip


def files() -> list[Path]:
    return sorted([*(ROOT / "hdcore").rglob("*.py"), *(ROOT / "bindings").rglob("*.py")])


def area_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return area_of_module(".".join(parts if parts[0] == "bindings" else parts[1:]))


def area_of_module(module: str) -> str:
    """Area of a dotted name under hdcore; a part of a package may be an area of its own."""
    parts = module.split(".")
    inner = [".".join(parts[:n]) for n in range(len(parts), 1, -1)]
    return next((area for area in inner if area in MAY_IMPORT), parts[0])


def imported_modules(path: Path) -> set[str]:
    """Dotted names under hdcore that a file imports, inside functions too; imports for type checkers do not count."""
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            return
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return {name.removeprefix("hdcore.") for name in names if name.startswith("hdcore.")}


@pytest.mark.parametrize("path", [p for p in files() if p != ROOT / "hdcore" / "__init__.py"], ids=lambda p: p.name)
def test_imports_point_downwards(path: Path) -> None:
    area = area_of(path)
    assert area in MAY_IMPORT, f"{path}: add {area} to the picture"
    for module in imported_modules(path):
        allowed = MAY_IMPORT[area] | SHARED | {area}
        is_part = any(module.startswith(f"{name}.") for name in allowed if "." in name)
        assert area_of_module(module) in allowed or is_part, f"{area} imports hdcore.{module}"


def test_a_kernel_belongs_to_one_subject() -> None:
    shared = {
        "sampling": {"space", "sampling"},  # encoding and drawing use the same distribution functions
        "acquisition": {"gp", "sampling"},  # the Bayesian sampler hands the pool to the search
    }
    users: dict[str, set[str]] = {}
    for path in files():
        for module in imported_modules(path):
            if module.startswith("_native."):
                users.setdefault(module.split(".")[1], set()).add(area_of(path))
    for kernel, areas in users.items():
        assert len(areas) == 1 or areas == shared.get(kernel), (kernel, areas)


@pytest.mark.parametrize("path", files(), ids=lambda p: p.name)
def test_nothing_that_was_stored_is_ever_executed(path: Path) -> None:
    forbidden_modules = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "torch"}
    if path == ROOT / "hdcore" / "standins_mlflow" / "mlflow" / "_models.py":
        forbidden_modules -= {"pickle", "cloudpickle", "torch"}  # a script's own `load_model`, in the script's process
    if path == ROOT / "hdcore" / "hyperdrive" / "pipeline_run.py":
        forbidden_modules.remove("pickle")  # steps that a program hands to its own driver, through memory
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & forbidden_modules
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.module.split(".")[0] not in forbidden_modules
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            # A notebook is the user's own program: its cells are run like a script, and nothing else is.
            is_notebook = path == ROOT / "hdcore" / "azure" / "notebook" / "plain.py"
            assert called not in {"yaml.load", "yaml.unsafe_load"} | (set() if is_notebook else {"eval", "exec"})
            # The package itself imports its own names lazily, from a table in its source.
            assert called != "__import__" or path == ROOT / "hdcore" / "__init__.py"
