"""What is read from a store, by its writer and by everybody else."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import msgspec

from hdcore.records import SweepSpec
from hdcore.store.records import Flag, MetricSummary, Note, Point, StoredRun, StoredSweep
from hdcore.store.series import unpack
from hdcore.store.thin import extremes
from hdcore.typing import Goal, RunStatus

_SUMMARY = (
    "s.count, s.last, s.last_flag, s.last_step, s.lowest, s.lowest_interval, s.highest, s.highest_interval, s.notes"
)
_RUN = (
    "number, configuration, status, reason, attempt, value, best_interval, created, started, ended, duration_s,"
    " devices, exit_code, signal, report_offset, dropped, log_dropped_bytes, "
)
_RUN_FIELDS = (
    *("number", "configuration", "status", "reason", "attempt", "value", "interval", "created", "started", "ended"),
    *("duration_s", "devices", "exit_code", "signal", "offset", "dropped", "log_dropped_bytes"),
    "sampler_s",
)
_SUMMARY_FIELDS = (
    *("count", "last", "last_flag", "last_step", "lowest", "lowest_interval", "highest", "highest_interval", "notes"),
)
_STATUS = {str(status): status for status in RunStatus}
_FLAGS = tuple(Flag)
_MOST_VARIABLES = 500  # of a statement; SQLite took 999 for long


def to_json(value: object) -> str:
    """Return strict JSON; NumPy scalars become Python's."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    item = getattr(value, "item", None)
    if callable(item):
        return item()
    raise TypeError(
        f"{type(value).__name__} {value!r} cannot be stored; use numbers, strings, bools, None, lists, dicts"
    )


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not strict JSON")


_decode_fast = msgspec.json.Decoder().decode
_decode_any = json.JSONDecoder(parse_constant=_no_constant).decode


def from_json(text: object) -> Any:
    """Read strict JSON, integers of any size included."""
    if not isinstance(text, str):
        raise TypeError("JSON text was expected")
    try:
        return _decode_fast(text)
    except msgspec.DecodeError:
        return _decode_any(text)  # an integer beyond 64 bits, or an error to tell


def spec_to_json(spec: SweepSpec) -> str:
    return to_json(msgspec.to_builtins(spec))


def read_spec(connection: sqlite3.Connection) -> SweepSpec:
    text = connection.execute("SELECT spec FROM sweep").fetchone()[0]
    return msgspec.convert(from_json(text), SweepSpec)


def read_sweep(connection: sqlite3.Connection) -> StoredSweep:
    sweep_id, text, status, reason, created, started, ended = connection.execute(
        "SELECT sweep_id, spec, status, reason, created, started, ended FROM sweep"
    ).fetchone()
    spec = msgspec.convert(from_json(text), SweepSpec)
    counts = dict.fromkeys(RunStatus, 0)
    timed, sampler_s = 0, 0.0
    column = _sampler_column(connection)
    rows = connection.execute(f"SELECT status, count(*), count({column}), total({column}) FROM run GROUP BY status")
    for word, count, has_time, seconds in rows:
        counts[_STATUS[word]] = count
        timed, sampler_s = timed + has_time, sampler_s + seconds
    return StoredSweep(
        name=spec.name,
        sweep_id=sweep_id,
        spec=spec,
        status=_STATUS[status],
        reason=reason,
        created=created,
        started=started,
        ended=ended,
        counts=counts,
        sampler_s_per_run=sampler_s / timed if timed else None,
    )


def _sampler_column(connection: sqlite3.Connection) -> str:
    """Expression for a run's `sampler_s`; stores before version 4, which only a driver migrates, do not know it."""
    return "sampler_s" if connection.execute("PRAGMA user_version").fetchone()[0] >= 4 else "NULL"


def read_runs(connection: sqlite3.Connection, primary: str, number: int | None = None) -> list[StoredRun]:
    """Return all runs, or one, by number; reads one summary row a run and no series."""
    return _read_runs(connection, primary, *(("1", ()) if number is None else ("number = ?", (number,))))


def _read_runs(connection: sqlite3.Connection, primary: str, condition: str, values: Sequence[int]) -> list[StoredRun]:
    rows = connection.execute(
        f"SELECT {_RUN}{_sampler_column(connection)}, {_SUMMARY} FROM run LEFT JOIN summary AS s"
        " ON s.run = number AND s.name = (SELECT id FROM name WHERE name = ?)"
        f" WHERE {condition} ORDER BY number",
        (primary, *values),
    )
    return [_run(row, primary) for row in rows]


def read_some_runs(connection: sqlite3.Connection, primary: str, first: int, others: Sequence[int]) -> list[StoredRun]:
    """Return the runs from `first` on, and those of `others` before it, by number."""
    wanted = sorted(number for number in others if number < first)
    found: list[StoredRun] = []
    for at in range(0, len(wanted), _MOST_VARIABLES):
        some = wanted[at : at + _MOST_VARIABLES]
        found += _read_runs(connection, primary, f"number IN ({', '.join('?' * len(some))})", some)
    return found + _read_runs(connection, primary, "number >= ?", (first,))


def _run(row: Sequence[Any], primary: str) -> StoredRun:
    # Conversion checks every type: bytes that changed on the disk are found here, not in some table on the screen.
    fields = dict(zip(_RUN_FIELDS, row, strict=False))
    fields["configuration"] = from_json(row[1])
    fields["devices"] = from_json(row[11])
    summary = row[len(_RUN_FIELDS) :]
    if summary[0] is not None:
        fields["primary"] = {"name": primary, **dict(zip(_SUMMARY_FIELDS, summary, strict=True))}
    return msgspec.convert(fields, StoredRun)


def read_best(connection: sqlite3.Connection, primary: str, goal: Goal) -> StoredRun | None:
    """Return the ended run with the best value, whatever its end; of equal ones the lowest number."""
    order = "DESC" if goal is Goal.MAXIMIZE else "ASC"
    found = connection.execute(
        "SELECT number FROM run WHERE value IS NOT NULL AND status IN (?, ?, ?) AND abs(value) < 9e999"
        f" ORDER BY value {order}, number LIMIT 1",
        tuple(str(status) for status in RunStatus if status.is_terminal),
    ).fetchone()
    return None if found is None else read_runs(connection, primary, found[0])[0]


def read_reports(connection: sqlite3.Connection) -> Iterator[tuple[int, int, float]]:
    """Yield (name id, run, value) of each report, by name, run and interval; NaN and infinities as reported."""
    for name, run, value, flag in connection.execute(
        "SELECT name, run, value, flag FROM metric ORDER BY 1, 2, interval"
    ):
        if flag == 0 and type(value) is float:
            yield name, run, value
        else:
            yield name, run, _restore(value, flag)


def read_curves(connection: sqlite3.Connection, primary: str) -> dict[int, array[float]]:
    """Return the reports of the primary metric of each ended run, by number; NaN and infinities as reported."""
    curves: dict[int, array[float]] = {}
    if connection.execute("PRAGMA user_version").fetchone()[0] < 2:
        return _curves_of_rows(connection, primary)
    pieces = connection.execute(
        "SELECT run, reports FROM curve WHERE name = (SELECT id FROM name WHERE name = ?) ORDER BY run, piece",
        (primary,),
    )
    for number, data in pieces:
        values = unpack(data)
        if number in curves:
            curves[number].extend(values)
        else:
            curves[number] = values
    return curves


def _curves_of_rows(connection: sqlite3.Connection, primary: str) -> dict[int, array[float]]:
    """Return what `read_curves` does for a store of version 1, which has no packed curves."""
    curves: dict[int, array[float]] = {}
    rows = connection.execute(
        "SELECT m.run, m.value, m.flag, r.status FROM metric AS m JOIN run AS r ON r.number = m.run"
        " WHERE m.name = (SELECT id FROM name WHERE name = ?) ORDER BY m.run, m.interval",
        (primary,),
    )
    for number, value, flag, status in rows:
        if _STATUS[status].is_terminal:
            curves.setdefault(number, array("d")).append(value if flag == 0 else _restore(value, flag))
    return curves


def read_reports_after(connection: sqlite3.Connection, primary: str, number: int, after: int) -> array[float]:
    """Return the reports of the primary metric of a run beyond interval `after`."""
    rows = connection.execute(
        "SELECT value, flag FROM metric WHERE name = (SELECT id FROM name WHERE name = ?) AND run = ? AND interval > ?"
        " ORDER BY interval",
        (primary, number, after),
    )
    return array("d", [value if flag == 0 else _restore(value, flag) for value, flag in rows])


def read_unpacked(connection: sqlite3.Connection, number: int) -> list[tuple[int, int, array[float]]]:
    """Return name id, number of the next piece, and the reports that are in no piece yet, of each curve of a run."""
    found = connection.execute(
        "SELECT s.name, count(c.piece), coalesce(sum(length(c.reports)), 0) / 8 FROM summary AS s LEFT JOIN curve AS c"
        " ON c.name = s.name AND c.run = s.run WHERE s.run = ? AND s.count > 0 GROUP BY s.name",
        (number,),
    ).fetchall()
    rests = []
    for name, pieces, packed in found:
        rows = connection.execute(
            "SELECT value, flag FROM metric WHERE name = ? AND run = ? AND interval > ? ORDER BY interval",
            (name, number, packed),
        )
        values = array("d", [value if flag == 0 else _restore(value, flag) for value, flag in rows])
        if values:
            rests.append((name, pieces, values))
    return rests


def read_all_curves(connection: sqlite3.Connection, primary: str) -> dict[int, array[float]]:
    """Return the reports of the primary metric of every run; those of living runs are read row by row."""
    curves = read_curves(connection, primary)
    counts = connection.execute(
        "SELECT run, count, name FROM summary WHERE name = (SELECT id FROM name WHERE name = ?)", (primary,)
    ).fetchall()
    for number, count, name in counts:
        if len(curves.get(number, ())) == count:
            continue
        rows = connection.execute(
            "SELECT value, flag FROM metric WHERE name = ? AND run = ? ORDER BY interval", (name, number)
        )
        curves[number] = array("d", [value if flag == 0 else _restore(value, flag) for value, flag in rows])
    return curves


def read_curves_of(connection: sqlite3.Connection, primary: str, numbers: Sequence[int]) -> dict[int, array[float]]:
    """Return the reports of the primary metric of some runs, living ones too; nothing for those without any."""
    found = connection.execute("SELECT id FROM name WHERE name = ?", (primary,)).fetchone()
    if found is None:
        return {}
    has_pieces = connection.execute("PRAGMA user_version").fetchone()[0] >= 2
    curves: dict[int, array[float]] = {}
    for number in numbers:
        values = array("d")
        if has_pieces:
            for (data,) in connection.execute(
                "SELECT reports FROM curve WHERE name = ? AND run = ? ORDER BY piece", (found[0], number)
            ):
                values.extend(unpack(data))
        rows = connection.execute(
            "SELECT value, flag FROM metric WHERE name = ? AND run = ? AND interval > ? ORDER BY interval",
            (found[0], number, len(values)),
        )
        values.extend(value if flag == 0 else _restore(value, flag) for value, flag in rows)
        if values:
            curves[number] = values
    return curves


def read_report_times(connection: sqlite3.Connection, primary: str) -> dict[int, array[float]]:
    """Return when the sweep heard of each report of the primary metric, by run."""
    times: dict[int, array[float]] = {}
    rows = connection.execute(
        "SELECT run, at FROM metric WHERE name = (SELECT id FROM name WHERE name = ?) ORDER BY run, interval",
        (primary,),
    )
    for number, at in rows:
        times.setdefault(number, array("d")).append(at)
    return times


def _restore(value: object, flag: object) -> float:
    if type(flag) is int and 0 < flag < len(_FLAGS) and value is None:
        return _FLAGS[flag].restore(None)
    raise TypeError(f"a report is {value!r} with flag {flag!r}")


def read_summaries(connection: sqlite3.Connection, number: int) -> list[MetricSummary]:
    """Return the summaries of all metrics of a run, in the order in which the sweep first saw their names."""
    rows = connection.execute(
        f"SELECT n.name, {_SUMMARY} FROM summary AS s JOIN name AS n ON n.id = s.name WHERE s.run = ? ORDER BY n.id",
        (number,),
    )
    return [MetricSummary(*row) for row in rows]


def read_series(
    connection: sqlite3.Connection, number: int, names: Sequence[str] | None, most: int | None
) -> dict[str, list[Point]]:
    wanted = None if names is None else set(names)
    result: dict[str, list[Point]] = {}
    found = connection.execute(
        "SELECT n.name, n.id, s.count FROM summary AS s JOIN name AS n ON n.id = s.name WHERE s.run = ? ORDER BY n.id",
        (number,),
    ).fetchall()
    for name, name_id, count in found:
        if count and (wanted is None or name in wanted):
            if most is None or count <= most:
                rows = connection.execute(
                    "SELECT interval, step, value, flag FROM metric WHERE name = ? AND run = ? ORDER BY interval",
                    (name_id, number),
                )
                result[name] = rows.fetchall()
            else:
                result[name] = _thin_series(connection, name_id, number, count, most)
    return result


def _thin_series(connection: sqlite3.Connection, name_id: int, number: int, count: int, most: int) -> list[Point]:
    """Return first, last, and of each of equal pieces the lowest and the highest point: no spike gets lost."""
    ends = {1, count}
    pieces = max((most - len(ends)) // 2, 0)
    points: dict[int, Point] = {}
    curve = _whole_curve(connection, name_id, number, count) if pieces else None
    if curve is not None:
        ends |= extremes(curve, -(-count // pieces))
    elif pieces:
        width = -(-count // pieces)
        for extreme in ("min", "max"):
            # The bare columns of a query with one min() or max() come from the row that has it.
            rows = connection.execute(
                f"SELECT interval, step, {extreme}(value), flag FROM metric WHERE name = ? AND run = ?"
                " GROUP BY (interval - 1) / ?",
                (name_id, number, width),
            )
            points.update((row[0], row) for row in rows)
    wanted = sorted(ends)
    for at in range(0, len(wanted), _MOST_VARIABLES):
        some = wanted[at : at + _MOST_VARIABLES]
        rows = connection.execute(
            "SELECT interval, step, value, flag FROM metric WHERE name = ? AND run = ?"
            f" AND interval IN ({', '.join('?' * len(some))})",
            (name_id, number, *some),
        )
        points.update((row[0], row) for row in rows)
    thin = [points[interval] for interval in sorted(points)]
    return thin if len(thin) <= most else thin[-most:] if most else []


def _whole_curve(connection: sqlite3.Connection, name_id: int, number: int, count: int) -> array[float] | None:
    """Return all reports of one metric of a run; None where some of them stand in its rows only."""
    if connection.execute("PRAGMA user_version").fetchone()[0] < 2:
        return None
    values = array("d")
    for (data,) in connection.execute(
        "SELECT reports FROM curve WHERE name = ? AND run = ? ORDER BY piece", (name_id, number)
    ):
        values.extend(unpack(data))
    return values if len(values) == count else None


def read_notes(connection: sqlite3.Connection, number: int) -> dict[str, list[Note]]:
    """Return the texts that a run reported."""
    result: dict[str, list[Note]] = {}
    for name, ordinal, step, text in connection.execute(
        "SELECT n.name, t.ordinal, t.step, t.text FROM summary AS s JOIN name AS n ON n.id = s.name"
        " JOIN note AS t ON t.name = s.name AND t.run = s.run WHERE s.run = ? AND s.notes > 0 ORDER BY n.id, t.ordinal",
        (number,),
    ):
        result.setdefault(name, []).append((ordinal, step, text))
    return result
