"""The shelf of registered models."""

from __future__ import annotations

from pathlib import Path

import pytest

from hdcore.shelf import Shelf


def test_a_folder_with_the_root_in_it_is_put_on_the_shelf_without_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.bin").write_text("w")
    shelf = Shelf(Path(".hdcore"))
    for _ in range(2):
        model = shelf.put(Path(), "mine")
        assert sorted(str(path.relative_to(model.content)) for path in model.content.rglob("*")) == [
            "weights",
            "weights/model.bin",
        ]
    assert [one.version for one in shelf.versions("mine")] == ["2", "1"]


def test_a_version_that_could_not_be_copied_can_be_put_again(tmp_path: Path) -> None:
    shelf, source = Shelf(tmp_path / "root"), tmp_path / "model"
    source.mkdir()
    (source / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="gone"):
        shelf.put(source, "mine", version="1")
    (source / "gone").unlink()
    assert shelf.put(source, "mine", version="1").version == "1"
