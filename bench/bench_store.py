"""The store against what it is made of.

- Reports of 8 runs, from the bytes of their report files to the last commit: ``parse_lines`` + ``add_reports``, beside
  one bare ``executemany`` of the same rows into the same table, and beside appending the bytes to a file.
- One report in the run's process: `run.log` beside one bare ``os.write`` of the same line.
- A list of 10,000 runs: ``StoreReader.runs`` beside the bare query and ``json.loads``.
- The commands on a store of 10 million reports, beside a command that does nothing, and what a resume reads of it.

Each comparison first asserts that all sides hold the same rows.

    pytest bench/bench_store.py --benchmark-only        HDCORE_BENCH_QUICK=1 for a short one
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hdcore.records import Limits, MetricRow, Reports, SweepSpec
from hdcore.store import Store, StoreReader, parse_lines
from hdcore.store.batch import BATCH_ROWS
from hdcore.store.check import schema_sql
from hdcore.typing import Goal, RunStatus

pytestmark = pytest.mark.timeout(3600)
QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")
RUNS, REPORTS = 8, 12_500
LARGE_RUNS, LARGE_REPORTS = (100, 1_000) if QUICK else (1_000, 10_000)
ROUNDS = 2 if QUICK else 5
PIECE_BYTES = 1 << 16  # what a poll of the executor hands on
SPEC = SweepSpec(
    name="s1", space={"lr": ["uniform", [0, 1]]}, metric="loss", goal=Goal.MINIMIZE, limits=Limits(max_total_runs=8)
)
ROWS = "SELECT run, interval, step, value, flag, at FROM metric ORDER BY run, interval"


def report_file() -> bytes:
    lines = [f'{{"name":"loss","value":{k * 0.5!r},"step":{k},"at":{1.7e9 + k * 0.001:.3f}}}\n' for k in range(REPORTS)]
    return "".join(lines).encode()


DATA = report_file()


def open_store(root: Path) -> Store:
    store = Store.create(root, SPEC, sweep_id="HD_1")
    store.add_runs([(number, {"lr": 0.5}) for number in range(RUNS)])
    for number in range(RUNS):
        store.start_run(number, 1, (), 1.0)
    return store


def through_the_store(store: Store) -> None:
    """The files are read in turn, a piece each, as a driver reads living runs."""
    offsets = [0] * RUNS
    while min(offsets) < len(DATA):
        for number in range(RUNS):
            at = offsets[number]
            rows, consumed, dropped = parse_lines(DATA[at : at + PIECE_BYTES], 0.0)
            offsets[number] = at + consumed
            store.add_reports(Reports(number, 1, tuple(rows), at + consumed, dropped))
    store.flush()


def bare_rows() -> list[tuple[Any, ...]]:
    """The same rows in the order in which the store gets them, ready to bind: no reading, no summaries."""
    per_piece = PIECE_BYTES * REPORTS // len(DATA)
    rows = []
    for at in range(0, REPORTS, per_piece):
        for number in range(RUNS):
            rows += [
                (1, number, k + 1, k, k * 0.5, 0, float(f"{1.7e9 + k * 0.001:.3f}"))
                for k in range(at, min(at + per_piece, REPORTS))
            ]
    return rows


def open_bare(folder: Path) -> sqlite3.Connection:
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.executescript(schema_sql())
    return connection


def through_sqlite(connection: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    for at in range(0, len(rows), BATCH_ROWS):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO metric VALUES (?, ?, ?, ?, ?, ?, ?)", rows[at : at + BATCH_ROWS])
        connection.execute("COMMIT")


def through_a_file(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(RUNS):
        for at in range(0, len(DATA), PIECE_BYTES):
            os.write(fd, DATA[at : at + PIECE_BYTES])
    os.close(fd)


@pytest.fixture(scope="module")
def same_contents(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("same")
    rows = bare_rows()
    with open_store(folder / "root") as store:
        through_the_store(store)
        stored = store._connection.execute(ROWS).fetchall()
    connection = open_bare(folder / "bare")
    through_sqlite(connection, rows)
    assert stored == connection.execute(ROWS).fetchall()
    assert len(stored) == RUNS * REPORTS
    connection.close()
    through_a_file(folder / "file")
    assert len((folder / "file").read_bytes().splitlines()) == len(stored)


Fresh = Callable[[], Path]


@pytest.fixture
def fresh(tmp_path: Path) -> Fresh:
    count = iter(range(1_000_000))
    return lambda: tmp_path / str(next(count))


def _rate(benchmark: Any) -> None:
    benchmark.extra_info["reports_per_s"] = round(RUNS * REPORTS / benchmark.stats.stats.min)


@pytest.mark.benchmark(group="100,000 reports of 8 runs")
def test_store(benchmark: Any, fresh: Fresh, same_contents: None) -> None:
    made: list[Store] = []

    def prepare() -> tuple[tuple[Store], dict[str, Any]]:
        made.append(open_store(fresh()))
        return (made[-1],), {}

    benchmark.pedantic(through_the_store, setup=prepare, rounds=ROUNDS, warmup_rounds=1)
    for store in made:
        store.close()
    _rate(benchmark)


@pytest.mark.benchmark(group="100,000 reports of 8 runs")
def test_bare_sqlite_of_prepared_rows(benchmark: Any, fresh: Fresh, same_contents: None) -> None:
    rows = bare_rows()
    made: list[sqlite3.Connection] = []

    def prepare() -> tuple[tuple[sqlite3.Connection, list[tuple[Any, ...]]], dict[str, Any]]:
        made.append(open_bare(fresh()))
        return (made[-1], rows), {}

    benchmark.pedantic(through_sqlite, setup=prepare, rounds=ROUNDS, warmup_rounds=1)
    for connection in made:
        connection.close()
    _rate(benchmark)


@pytest.mark.benchmark(group="100,000 reports of 8 runs")
def test_bare_sqlite_and_json(benchmark: Any, fresh: Fresh, same_contents: None) -> None:
    """What a script with json and sqlite3 would do: read the lines, bind, insert; no checks, no summaries."""
    made: list[sqlite3.Connection] = []
    lines = DATA.splitlines()

    def work(connection: sqlite3.Connection) -> None:
        for number in range(RUNS):
            rows = []
            for k, line in enumerate(lines, 1):
                fields = json.loads(line)
                rows.append((1, number, k, fields["step"], fields["value"], 0, fields["at"]))
            through_sqlite(connection, rows)

    def prepare() -> tuple[tuple[sqlite3.Connection], dict[str, Any]]:
        made.append(open_bare(fresh()))
        return (made[-1],), {}

    benchmark.pedantic(work, setup=prepare, rounds=ROUNDS, warmup_rounds=1)
    assert made[-1].execute(ROWS).fetchall() == sorted((r[1:] for r in bare_rows()), key=lambda r: r[:2])
    for connection in made:
        connection.close()
    _rate(benchmark)


@pytest.mark.benchmark(group="100,000 reports of 8 runs")
def test_append_to_a_file(benchmark: Any, fresh: Fresh, same_contents: None) -> None:
    benchmark.pedantic(through_a_file, setup=lambda: ((fresh(),), {}), rounds=ROUNDS, warmup_rounds=1)
    _rate(benchmark)


@pytest.mark.benchmark(group="parse 100,000 lines")
def test_parse_lines(benchmark: Any) -> None:
    rows, consumed, dropped = parse_lines(DATA, 0.0)
    assert (len(rows), consumed, dropped) == (REPORTS, len(DATA), 0)
    loaded = [json.loads(line) for line in DATA.splitlines()]
    assert [(row.name, row.value, row.step, row.at) for row in rows] == [
        (fields["name"], fields["value"], fields["step"], fields["at"]) for fields in loaded
    ]
    benchmark(lambda: [parse_lines(DATA, 0.0) for _ in range(RUNS)])


@pytest.mark.benchmark(group="parse 100,000 lines")
def test_json_loads(benchmark: Any) -> None:
    benchmark(lambda: [[json.loads(line) for line in DATA.splitlines()] for _ in range(RUNS)])


@pytest.fixture(scope="module")
def ten_thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 finished runs of 10 reports."""
    with Store.create(tmp_path_factory.mktemp("many") / "root", SPEC, sweep_id="HD_1") as store:
        for first in range(0, 10_000, 500):
            numbers = range(first, first + 500)
            with store.turn():
                store.add_runs([(n, {"lr": n / 7, "units": 32, "optimizer": "adam"}) for n in numbers])
                for n in numbers:
                    store.start_run(n, 1, (), 1.0)
                    store.add_reports(
                        Reports(n, 1, tuple(MetricRow("loss", n + k * 0.1, at=1.0) for k in range(10)), 9)
                    )
                    store.finish_run(n, RunStatus.COMPLETED, value=float(n), interval=1, at=2.0)
        return store.folder


@pytest.mark.benchmark(group="list 10,000 runs")
def test_reader_runs(benchmark: Any, ten_thousand: Path) -> None:
    with StoreReader.open(ten_thousand) as reader:
        runs = benchmark(reader.runs)
        assert len(runs) == 10_000
        best = reader.best()
        assert best is not None
        assert best.number == 0


@pytest.mark.benchmark(group="list 10,000 runs")
def test_bare_query_and_json(benchmark: Any, ten_thousand: Path) -> None:
    connection = sqlite3.connect(f"file:{ten_thousand / 'sweep.db'}?mode=ro", uri=True)

    def work() -> list[tuple[Any, ...]]:
        rows = connection.execute(
            "SELECT number, configuration, status, value, s.count, s.last FROM run LEFT JOIN summary AS s"
            " ON s.run = number AND s.name = 1 ORDER BY number"
        )
        return [(number, json.loads(text), *rest) for number, text, *rest in rows]

    bare = benchmark(work)
    with StoreReader.open(ten_thousand) as reader:
        assert bare == [
            (
                run.number,
                run.configuration,
                run.status,
                run.value,
                run.primary and run.primary.count,
                run.primary and run.primary.last,
            )
            for run in reader.runs()
        ]
    connection.close()


# ---------------------------------------------------------------------- the run's side


@pytest.mark.benchmark(group="one report in the run")
def test_run_log(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hdcore.runtime import Client

    monkeypatch.setenv("HDCORE_REPORT", str(tmp_path / "report.jsonl"))
    run = Client()
    benchmark(run.log, "loss", 0.25, 7)
    rows, _, dropped = parse_lines((tmp_path / "report.jsonl").read_bytes(), 0.0)
    assert {(row.name, row.value, row.step) for row in rows} == {("loss", 0.25, 7)}
    assert not dropped


@pytest.mark.benchmark(group="one report in the run")
def test_bare_write(benchmark: Any, tmp_path: Path) -> None:
    fd = os.open(tmp_path / "report.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    benchmark(os.write, fd, b'{"name":"loss","value":0.25,"step":7,"at":1700000000.123}\n')
    os.close(fd)


# ---------------------------------------------------------------------- ten million reports


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a sweep with LARGE_RUNS finished runs of LARGE_REPORTS reports each, beside two small ones."""
    root = tmp_path_factory.mktemp("large") / "root"
    root.parent.chmod(0o700)
    for name in ("s2", "s3"):
        Store.create(root, msgspec.structs.replace(SPEC, name=name), sweep_id=name).close()
    spec = msgspec.structs.replace(
        SPEC,
        command="true",
        limits=Limits(max_total_runs=LARGE_RUNS + 1),
        policy={"name": "MedianStopping", "properties": {"evaluation_interval": 1, "delay_evaluation": 5}},
    )
    with Store.create(root, spec, sweep_id="HD_1") as store:
        for number in range(LARGE_RUNS):
            store.add_runs([(number, {"lr": number / LARGE_RUNS})])
            store.start_run(number, 1, (), 1.0)
            rows = tuple(MetricRow("loss", number + 1 / (k + 1), k, at=1.7e9) for k in range(LARGE_REPORTS))
            for at in range(0, LARGE_REPORTS, BATCH_ROWS):
                store.add_reports(Reports(number, 1, rows[at : at + BATCH_ROWS], at))
            value = number + 1 / LARGE_REPORTS
            store.finish_run(number, RunStatus.COMPLETED, value=value, interval=LARGE_REPORTS, at=2.0)
    return root


def hdcore(*words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-m", "hdcore", *words], check=True, stdout=subprocess.PIPE, env=environment)
    return done.stdout.decode()


@pytest.mark.benchmark(group=f"commands, {LARGE_RUNS * LARGE_REPORTS:,} reports in the store")
@pytest.mark.parametrize(
    "words",
    [("--version",), ("list",), ("show", "s1"), ("show", "s1", "--all"), ("show", "s1", "--json"), ("best", "s1")],
    ids=" ".join,
)
def test_command(benchmark: Any, large: Path, words: tuple[str, ...]) -> None:
    option = () if words == ("--version",) else ("--root", str(large))
    said = benchmark.pedantic(hdcore, args=(*words, *option), rounds=3)
    if words[0] == "list":
        assert f"{LARGE_RUNS}/{LARGE_RUNS + 1}" in said
    elif words == ("show", "s1", "--json"):
        assert len(json.loads(said)["runs"]) == LARGE_RUNS
    elif words[0] in ("show", "best"):
        assert "run 0" in said


@pytest.mark.benchmark(group=f"what a resume reads of {LARGE_RUNS * LARGE_REPORTS:,} reports")
def test_restore(benchmark: Any, large: Path) -> None:
    """Opening with all checks, the runs, their curves, the table and the judge of the policy."""
    from hdcore.driver import restore_optimizer

    def work() -> int:
        with Store.open(large, "s1") as store:
            curves = store.curves()
            optimizer = restore_optimizer(store.spec, store.runs(), curves)
        return len(optimizer.runs[-1].reports) + sum(map(len, curves.values()))

    assert benchmark.pedantic(work, rounds=1) == LARGE_RUNS * LARGE_REPORTS + LARGE_REPORTS


@pytest.mark.benchmark(group=f"what a resume reads of {LARGE_RUNS * LARGE_REPORTS:,} reports")
def test_bare_query(benchmark: Any, large: Path) -> None:
    """The rows alone, fetched by sqlite3 and thrown away."""

    def work() -> int:
        connection = sqlite3.connect(f"file:{large / 'sweeps' / 's1' / 'sweep.db'}?mode=ro", uri=True)
        count = 0
        rows = connection.execute("SELECT run, value FROM metric WHERE name = 1 ORDER BY run, interval")
        while some := rows.fetchmany(10_000):
            count += len(some)
        connection.close()
        return count

    assert benchmark.pedantic(work, rounds=1) == LARGE_RUNS * LARGE_REPORTS
