"""The journal: whatever is in the file, and whoever writes to it."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hdcore.document import to_json_text
from hdcore.tracking.journal import Journal, append_line, journal_name
from hdcore.tracking.summary import summary

TEXTS = st.text(max_size=8)
PLAIN: list[Any] = [None, True, 1, -2.5, float("nan"), "a", "HD_a_1", "mlflow.x", [], {}, 10**400, {"name": None}]
PLAIN.append("\ud800")
JSON = st.sampled_from([*PLAIN, *([item] * 2 for item in PLAIN), ["m", 1.0, 0, 0], *({"k": item} for item in PLAIN)])
ROWS = st.sampled_from([[["m", 1.0, 0, 0]], [["m", None, None, None]] * 2, [[{}, [], {}, []]], [[None] * 4]])
FIELDS = ("info", "params", "tags", "metrics", "datasets", "used", "made", "version", "aliases")
RECORDS = st.builds(
    lambda kind, name, fields: {kind: name, **fields},
    st.sampled_from(["run", "model", "registered"]),
    st.sampled_from(["HD_a_1", "b", None, 3]),
    st.dictionaries(st.sampled_from(FIELDS), JSON | ROWS, min_size=1, max_size=4),
)


def read(path: Path) -> Journal:
    journal = Journal(str(path))
    journal.refresh()
    return journal


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=6), st.binary(max_size=30), st.integers(0, 10_000))
def test_whatever_a_run_writes_there_it_can_be_read_and_shown(
    records: list[dict[str, Any]], noise: bytes, cut: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
        cut = min(cut, len(data))
        Path(folder, journal_name(1)).write_bytes(data[:cut] + noise + data[cut:])
        json.loads(to_json_text(summary(folder, "HD_a_1", 1)))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.dictionaries(TEXTS, st.none() | TEXTS, max_size=3)), max_size=12),
    st.lists(st.integers(0, 2000), max_size=4),
)
def test_reading_in_pieces_gives_what_reading_at_once_gives(
    lines: list[tuple[str, dict[str, str | None]]], cuts: list[int]
) -> None:
    data = b"".join(json.dumps({"run": run, "tags": tags}).encode() + b"\n" for run, tags in lines)
    expected: dict[str, dict[str, str]] = {}
    for run, tags in lines:
        known = expected.setdefault(run, {})
        for name, text in tags.items():
            known.pop(name, None)
            if text is not None:
                known[name] = text
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "j")
        journal = Journal(str(path))
        for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
            path.write_bytes(data[:cut])
            journal.refresh()
        assert {run: found.tags for run, found in journal.runs.items()} == expected


def test_lines_of_many_writers_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "j"

    def write(writer: int) -> None:
        for k in range(100):
            append_line(str(path), {"run": str(writer), "params": {str(k): "v" * 5000}})

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(found.params) for found in read(path).runs.values()] == [100] * 4
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_or_a_fifo_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"run": "a", "params": {"k": "v"}}\n')
    (tmp_path / "link").symlink_to("secret")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("link", "fifo", "folder", "absent"):
        assert read(tmp_path / name).runs == {}
