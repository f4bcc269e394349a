"""The one-file report: what is in it, and that nothing outside is asked for."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from figures.sweeps import HOSTILE, odd_sweep

import hdcore as hd
from hdcore.cli.main import hdcore as command_line
from hdcore.pages.report import report
from hdcore.store import StoreReader

STATIC = Path(hd.__file__).parent / "ui" / "static"


def unpacked(page: str) -> tuple[dict[str, Any], bytes]:
    """The snapshot in a page: its document and the packed curves."""
    (data,) = re.findall(r'data-snapshot="([\w+/=]*)"', page)
    whole = gzip.decompress(base64.b64decode(data))
    length = int.from_bytes(whole[:4], "little")
    return json.loads(whole[4 : 4 + length]), whole[4 + length :]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return odd_sweep(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    with StoreReader.open(folder) as reader:
        return report(reader)


def test_the_page_asks_nobody_for_anything(page: str) -> None:
    outside = re.sub(r"data:[\w/+-]+;base64,[\w+/=]+", "data:", page)
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", outside)
    assert "@import" not in outside
    assert re.search(r'http-equiv="Content-Security-Policy" content="default-src \'none\'; script-src \'nonce-', page)
    assert "connect-src" not in page, "default-src forbids it"


def test_every_script_has_the_word_of_the_page(page: str) -> None:
    (nonce,) = set(re.findall(r"'nonce-([\w-]+)'", page))
    assert "{nonce}" not in page
    tags = re.findall(r"<script\b[^>]*>", page)
    assert len(tags) >= 5
    assert all(f'nonce="{nonce}"' in tag for tag in tags)


def test_all_modules_of_the_front_end_are_found_in_the_import_map(page: str) -> None:
    (text,) = re.findall(r'<script type="importmap"[^>]*>(.*?)</script>', page)
    modules = {
        name: base64.b64decode(url.partition(",")[2]).decode() for name, url in json.loads(text)["imports"].items()
    }
    assert {f"hdcore/{path.name}" for path in STATIC.glob("*.js")} == set(modules)
    for name, source in modules.items():
        wanted = re.findall(
            r"""^(?:import|export)\b[^;]*?\bfrom\s*["']([^"']+)["']|^import\s*["']([^"']+)["']""", source, re.M
        )
        assert {a or b for a, b in wanted} <= set(modules), name
        assert "import.meta" not in source, f"{name}: a path beside a module is no path in a page of one file"
        assert not re.search(r"""["'](?:\./)?static/""", source), name


def test_the_snapshot_holds_runs_curves_importance_and_the_best_run(page: str, folder: Path) -> None:
    document, curves = unpacked(page)
    sweep = hd.open_sweep("odd", folder.parent.parent)
    assert document["name"] == "odd"
    assert [run["number"] for run in document["runs"]] == list(range(40))
    best = sweep.best
    assert best is not None
    assert document["head"]["best_run"] == best.number
    path = "api/sweeps/odd"
    assert document["answers"][f"{path}/importance"]["importance"] == sweep.importance().shares
    assert document["answers"][f"{path}/runs/{best.number}"]["configuration"] == best.configuration
    assert document["answers"][f"{path}/runs/{best.number}/metrics"]["loss <i>"][0][0] == 1
    count = np.frombuffer(curves, "<i4", 1)[0]
    heads = np.frombuffer(curves, "<i4", 2 * count, 4).reshape(-1, 2)
    values = np.frombuffer(curves, "<f4", offset=4 + 8 * count).reshape(2, -1)[1]
    first = dict(heads.tolist())[0]
    np.testing.assert_allclose(values[:first], [value for _, value in sweep.metrics(0)["loss <i>"]], rtol=1e-6)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    folder = odd_sweep(tmp_path, 6)
    with StoreReader.open(folder) as reader:
        page = report(reader)
    assert "<img" not in page
    assert "loss <i>" not in page
    assert html.escape(HOSTILE) in page, "in the table for readers without scripts"
    assert page.count("</script>") == len(re.findall(r"<script\b", page))


def test_a_report_of_many_runs_stays_small(tmp_path: Path) -> None:
    few, many = [odd_sweep(tmp_path, n, name=f"s{n}", most=200) for n in (100, 400)]
    sizes = []
    for folder in (few, many):
        with StoreReader.open(folder) as reader:
            page = report(reader, most_points=8_000)
        document, curves = unpacked(page)
        assert len(curves) <= 4 + 8 * len(document["runs"]) + 8 * 8_000 * 1.1
        sizes.append(len(page))
    assert sizes[1] - sizes[0] < 100_000


def test_the_command_writes_whole_files_only(folder: Path, tmp_path: Path) -> None:
    root, target = str(folder.parent.parent), tmp_path / "out.html"
    target.write_text("before")
    runner = CliRunner()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert runner.invoke(command_line, ["report", "odd", "--root", root, "-o", str(target)]).exception is not None
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]
    done = runner.invoke(command_line, ["report", "odd", "--root", root, "-o", str(target)])
    assert done.exit_code == 0, done.output
    assert target.read_text().startswith("<!doctype html>")
    shown = runner.invoke(command_line, ["report", "odd", "--root", root, "-o", "-"])
    assert shown.output.startswith("<!doctype html>")
    away = runner.invoke(command_line, ["report", "odd", "--root", root, "-o", str(tmp_path / "no" / "x.html")])
    assert "there is no folder" in str(away.exception)


def test_a_file_that_is_shared_can_be_read_by_others(folder: Path, tmp_path: Path) -> None:
    import os

    before = os.umask(0o022)
    try:
        target = tmp_path / "out.html"
        CliRunner().invoke(command_line, ["report", "odd", "--root", str(folder.parent.parent), "-o", str(target)])
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o644
