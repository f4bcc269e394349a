"""Sweeps in notebooks: static without a kernel, live with one, in an environment that has Jupyter."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from figures.sweeps import odd_sweep

import hdcore as hd

ROOT = Path(__file__).resolve().parent.parent.parent
LIVE = """
import json, sys
import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
cells = json.loads(sys.stdin.read())
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
NotebookClient(notebook, kernel_name="python3", timeout=120).execute(stderr=-3)
page, _ = HTMLExporter(embed_images=True).from_notebook_node(notebook)
outputs = [[output.get("data", output.get("text")) for output in cell.outputs] for cell in notebook.cells]
print(json.dumps({"outputs": outputs, "page": page}))
"""
CELLS = [
    """
import time
import hdcore as hd
from figures.sweeps import odd_sweep
from hdcore.hyperdrive import Experiment, HyperDriveRun, RunDetails, Workspace
from hdcore.store import Store
from hdcore.typing import RunStatus
odd_sweep(ROOT, 6)
store = Store.open(ROOT, "odd")
store.set_sweep(RunStatus.RUNNING, None, time.time())
store.flush()
sweep = hd.open_sweep("odd", ROOT)
sweep
""",
    "live = sweep.widget(height=500)\nlive",
    """
seen = []
live.observe(lambda change: seen.append(change["new"]), "snapshot")
store.start_run(4, 2, (), time.time())
store.flush()
until = time.monotonic() + 60
while not seen and time.monotonic() < until:  # this cell is what the kernel is busy with
    time.sleep(0.05)
"live" if seen else "asleep"
""",
    """
for run in store.runs():
    if not run.status.is_terminal:
        store.end_queued(run.number, RunStatus.CANCELED, reason="enough", at=time.time())
store.set_sweep(RunStatus.CANCELED, "enough", time.time())
store.close()
live._thread.join(60)
sorted(live.keys)
""",
    "RunDetails(HyperDriveRun(Experiment(Workspace(), 'odd'), 'HD_odd')).show()",
]


def page_in(output: str) -> str:
    (page,) = re.findall(r'<iframe [^>]*srcdoc="([^"]*)"', output)
    return html.unescape(page)


def test_a_sweep_shows_itself_as_a_frame_that_needs_nothing(tmp_path: Path) -> None:
    odd_sweep(tmp_path, 6)
    output = hd.open_sweep("odd", tmp_path)._repr_html_()
    assert 'sandbox="allow-scripts allow-downloads"' in output
    assert page_in(output).startswith("<!doctype html>")
    assert "data-snapshot=" in page_in(output)
    assert not re.findall(r"<(?!/?(?:div|iframe)\b)", output), "all else is text of the frame"


def test_without_anywidget_one_line_says_what_to_install(tmp_path: Path) -> None:
    odd_sweep(tmp_path, 3)
    code = (
        "import sys; sys.modules['anywidget'] = None\n"
        f"import hdcore\nhdcore.open_sweep('odd', {str(tmp_path)!r}).widget()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "ImportError: the live view needs anywidget; install hdcore[notebook]"


def test_run_details_without_anywidget_are_a_table_that_says_how_to_get_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hdcore.hyperdrive import Experiment, HyperDriveRun, RunDetails, Workspace

    shown: list[str] = []
    kernel = SimpleNamespace(kernel=object())
    display = SimpleNamespace(display=shown.append, HTML=str)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: kernel))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "hdcore.pages.widget", raising=False)
    monkeypatch.setenv("HDCORE_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    odd_sweep(tmp_path, 6)
    RunDetails(HyperDriveRun(Experiment(Workspace(), "odd"), "HD_odd")).show()
    (text,) = shown
    assert text.startswith("<h4>HyperDrive run HD_odd")
    assert text.endswith("live: <code>pip install 'hdcore[notebook]'</code></p>")


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the cells have put out, in an interpreter with Jupyter beside all that this one has."""
    python = Path(sys.executable)
    packages = ["anywidget", "nbclient", "nbconvert", "ipykernel"]
    if not all(map(find_spec, packages)):
        environment = tmp_path_factory.mktemp("jupyter") / "venv"
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        python = environment / "bin" / "python"
        install = [python, "-m", "pip", "install", "-q", "--no-compile", *packages]
        subprocess.run(install, check=True, capture_output=True)
        (site,) = environment.glob("lib/python*/site-packages")
        (site / "beside.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    root = tmp_path_factory.mktemp("root")
    cells = [f"from pathlib import Path\nROOT = Path({str(root)!r})\n{CELLS[0]}", *CELLS[1:]]
    done = subprocess.run(
        [python, "-c", LIVE], input=json.dumps(cells), cwd=root, capture_output=True, text=True, check=False,
        env={**os.environ, "HDCORE_ROOT": str(root), "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_widget_follows_the_sweep_while_a_cell_below_runs_and_leaves_static_html(executed: dict[str, Any]) -> None:
    (shown,), (live,), (word,), _, _ = executed["outputs"]
    assert "data-snapshot=" in page_in(shown["text/html"])
    assert word["text/plain"] == "'live'"
    assert set(live) == {"text/plain", "text/html"}, "the sweep is over: nothing is left that would need a kernel"
    assert live["text/plain"] == "<Sweep 'odd': Canceled>"
    assert "height: 500px" in live["text/html"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_run_details_show_the_same_view(executed: dict[str, Any]) -> None:
    (details,) = executed["outputs"][4]
    assert "data-snapshot=" in page_in(details["text/html"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_converted_notebook_holds_the_pages(executed: dict[str, Any]) -> None:
    assert executed["page"].count("<iframe") == 3
    assert '<script type="application/vnd.jupyter.widget-view' not in executed["page"], "it would need a server's code"
