"""The JSON-lines server: its protocol, its errors, and what a kill leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hdcore as hd
from hdcore.errors import RefusedError
from hdcore.serve import Server

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples" / "serve"
SPACE = {
    "x": ["uniform", [0, 1]],
    "net": ["choice", [[{"kind": "mlp", "layers": ["randint", [4]]}, {"kind": "linear"}]]],
}
CREATE = {"op": "create", "space": SPACE, "sampler": "bayesian", "goal": "minimize", "policy": "median", "seed": 7}


def said(server: Server, **request: Any) -> dict[str, Any]:
    reply = server.answer(json.dumps(request).encode())
    assert reply.count(b"\n") == 1
    found = json.loads(reply)
    assert isinstance(found, dict)
    return found


def moves(server: Server, until: int) -> Iterator[dict[str, Any]]:
    """A sweep of 16 runs, some pending, failed or stopped; every reply, from the run that comes next."""
    yield said(server, **CREATE)
    for number in range(len(said(server, op="runs")["runs"]), until):
        reply = said(server, op="ask")
        yield reply
        x = reply["runs"][0]["configuration"]["x"]
        for step in range(3):
            yield said(server, op="report", number=number, value="nan" if number == 5 else x + 1 / (1 + step))
        if number % 4 != 3:
            yield said(server, op="tell", number=number, status="failed" if number == 6 else "completed")
    yield said(server, op="add", configuration={"x": 0.5, "net": {"kind": "linear"}}, value=0.25, reports=[0.3, None])


def test_the_server_says_what_the_optimizer_does() -> None:
    server = Server()
    assert all(reply["ok"] for reply in moves(server, 16))
    optimizer = hd.Optimizer(SPACE, sampler="bayesian", goal="minimize", policy="median", seed=7)
    for number in range(16):
        x = optimizer.ask().configuration["x"]
        for step in range(3):
            optimizer.report(number, float("nan") if number == 5 else x + 1 / (1 + step))
        if number % 4 != 3:
            optimizer.tell(number, status="failed" if number == 6 else "completed")
    optimizer.add({"x": 0.5, "net": {"kind": "linear"}}, 0.25, reports=[0.3, float("nan")])
    best = optimizer.best
    assert best is not None
    assert said(server, op="best")["best"] == {
        "number": best.number, "configuration": best.configuration, "value": best.value, "interval": best.interval
    }  # fmt: skip
    for mine, run in zip(said(server, op="runs")["runs"], optimizer.runs, strict=True):
        assert (mine["number"], mine["configuration"], mine["status"], mine["value"], mine["stopped"]) == (
            run.number, run.configuration, run.status, run.value, run.stopped
        )  # fmt: skip
        assert mine["reports"] == [None if value != value else value for value in run.reports]
    assert [run["number"] for run in said(server, op="runs", status="running")["runs"]] == [3, 7, 11, 15]


@pytest.mark.parametrize("end", [b"", b'{"op":"tell","num', b"\xff\xff"], ids=repr)
def test_a_server_that_was_killed_goes_on_as_it_would_have(tmp_path: Path, end: bytes) -> None:
    whole = Server(tmp_path / "whole")
    list(moves(whole, 16))
    cut = Server(tmp_path / "cut")
    list(moves(cut, 9))[:-1]
    # what `add` wrote at the end of the first part is not in the other sweep
    text = (tmp_path / "cut").read_bytes()
    cut.close()
    (tmp_path / "cut").write_bytes(b"".join(text.splitlines(keepends=True)[:-1]) + end)
    again = Server(tmp_path / "cut")
    assert next(moves(again, 16))["known_runs"] == 9
    list(moves(again, 16))
    assert said(again, op="runs") == said(whole, op="runs")
    assert said(again, op="ask", n=3) == said(whole, op="ask", n=3)
    assert (tmp_path / "cut").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_used_up_space_is_used_up_after_a_restart_too(tmp_path: Path) -> None:
    small = {"op": "create", "space": {"x": ["choice", [[1, 2]]]}}
    server = Server(tmp_path / "state")
    seed = said(server, **small)["seed"]
    assert len(said(server, op="ask", n=5)["runs"]) == 2
    server.close()
    server = Server(tmp_path / "state")
    assert said(server, **small) == {"ok": True, "seed": seed, "known_runs": 2}
    assert said(server, op="ask")["error"].startswith("all configurations of the space were proposed")
    refused = said(server, **small | {"goal": "minimize", "sampler": "grid", "seed": seed + 1})
    assert refused["error"] == "there is a sweep with another sampler, goal, seed; use another server or state file"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (b"nonsense", r"not a request: JSON is malformed"),
        (b"[1]", r"a request is a JSON object"),
        (b"{}", r"not a request: .*`op`"),
        (b'{"op": "aks"}', r"not a request: Invalid value 'aks' - at `\$.op`"),
        (b'{"op": "ask", "m": 2}', r"not a request: .*unknown field `m`"),
        (b'{"op": "ask", "n": -1}', r"not a request: .* - at `\$.n`"),
        (b'{"op": "report", "number": 0, "value": "much"}', r"not a request: "),
        (b'{"op": "report", "number": 7, "value": 1}', r"run 7 was never proposed; there are runs 0 to 0"),
        (b'{"op": "tell", "number": 0, "status": "ended"}', r"status: status is 'ended'; write one of"),
        (b'{"op": "add", "configuration": {"x": 3}, "value": 1}', r"search_space\.\w+: "),
        (b'{"op": "create", "space": {"x": ["unifrm", [0, 1]]}}', r"did you mean 'uniform'"),
    ],
)
def test_an_error_is_one_line_and_changes_nothing(request_: bytes, error: str) -> None:
    server = Server()
    said(server, **CREATE)
    said(server, op="ask")
    before = said(server, op="runs")
    reply = json.loads(server.answer(request_))
    assert not reply["ok"]
    assert re.search(error, reply["error"]), reply
    assert said(server, op="runs") == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
FIELDS = (
    "space",
    "sampler",
    "goal",
    "policy",
    "seed",
    "n",
    "number",
    "value",
    "status",
    "configuration",
    "reports",
    "id",
)
REQUESTS = st.builds(
    lambda op, rest: {"op": op} | rest,
    st.sampled_from(["create", "ask", "report", "tell", "restart", "add", "best", "runs"]),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3),
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=30) | REQUESTS.map(lambda request: json.dumps(request).encode()), max_size=4))
def test_whatever_is_sent_each_line_has_one_reply(lines: list[bytes]) -> None:
    server = Server()
    said(server, op="create", space={"x": ["uniform", [0, 1]]})
    for line in lines:
        reply = server.answer(line)
        assert reply.endswith(b"\n")
        assert reply.count(b"\n") == 1
        found = json.loads(reply)
        assert found["ok"] or "internal error" not in found["error"], (line, found)


def test_the_example_in_the_protocol_is_what_happens() -> None:
    text = (EXAMPLES / "PROTOCOL.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    server = Server()
    lines = block.splitlines()
    for sent, expected in zip(lines[::2], lines[1::2], strict=True):
        assert server.answer(sent.removeprefix("> ").encode()).decode().rstrip() == expected.removeprefix("< ")


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return os.environ | {"PYTHONPATH": path}


def start(state: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "hdcore", "serve", "--state", str(state)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    )  # fmt: skip


def talk(process: subprocess.Popen[bytes], **request: Any) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    found = json.loads(process.stdout.readline())
    assert isinstance(found, dict)
    return found


def test_kill_9_loses_nothing_that_was_acknowledged_and_a_second_server_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "sweep.jsonl"
    with start(state) as process:
        talk(process, **CREATE)
        runs = talk(process, op="ask", n=3, id=[1])
        assert runs["id"] == [1]
        talk(process, op="report", number=1, value=0.5)
        talk(process, op="tell", number=0, value=0.25)
        with start(state) as second:
            out, err = second.communicate(timeout=60)
        assert second.returncode == 3
        line = f"{state}: another server uses it; end that one, or use another file"
        assert json.loads(out) == {"ok": False, "error": line, "fatal": True}
        assert err.decode() == f"hdcore: {line}\n"
        process.kill()
    with start(state) as process:
        assert talk(process, **CREATE)["known_runs"] == 3
        found = talk(process, op="runs")["runs"]
        assert [run["configuration"] for run in found] == [run["configuration"] for run in runs["runs"]]
        assert [run["value"] for run in found] == [0.25, None, None]
        assert found[1]["reports"] == [0.5]
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, b"", b"")
    state.write_bytes(b'{"hdcore_serve":9}\n')
    with pytest.raises(RefusedError, match="line 1 is damaged"):
        Server(state)


def test_bytes_that_are_no_text_are_no_request() -> None:
    reply = json.loads(Server().answer(b'{"op":"ask","id":"\xff"}\n'))
    assert not reply["ok"]
    assert reply["error"].startswith("not a request: ")


@pytest.mark.parametrize(("line", "damage"), [(1, (b'"seed":"7"', b'"seed":"x"')), (2, (b"asked", b"as\xffed"))])
def test_a_damaged_journal_is_refused_by_line(tmp_path: Path, line: int, damage: tuple[bytes, bytes]) -> None:
    state = tmp_path / "state.jsonl"
    server = Server(state)
    said(server, **CREATE)
    said(server, op="ask")
    server.close()
    before = state.read_bytes()
    state.write_bytes(before.replace(*damage))
    assert state.read_bytes() != before
    with pytest.raises(RefusedError, match=f"line {line} is damaged"):
        Server(state)


def test_the_client_in_shell_finds_the_optimum_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "hdcore"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hdcore "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    shutil.copy(EXAMPLES / "client.sh", tmp_path)
    answers = [
        subprocess.run(
            ["sh", "client.sh", "--state", "state.jsonl"], cwd=tmp_path, env=environment() | {"PATH": path},
            capture_output=True, text=True, check=True, timeout=100,
        ).stdout
        for _ in range(2)
    ]  # fmt: skip
    assert answers[0] == answers[1]
    best = json.loads(answers[0])["best"]
    assert best["configuration"]["kind"] == "plain"
    assert best["configuration"]["x"] == pytest.approx(0.3, abs=0.05)
