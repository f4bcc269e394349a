"""The portal's server: what it answers its user, and that it answers nobody else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from ui.portal import Portal, portal

import hdcore as hd
from hdcore.explain import explain
from hdcore.records import Limits, SweepSpec
from hdcore.store import Store, StoreReader
from hdcore.typing import Goal
from hdcore.ui.events import events

SECRET = b"nobody may read this"
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("portal")
    root = top / "root"

    def train(configuration: dict[str, Any], run: Any) -> float:
        Path("outputs", "sub").mkdir(parents=True)
        Path("outputs", "sub", "model.txt").write_text("weights")
        Path("outputs", "blob.bin").write_bytes(bytes(range(256)))
        Path(os.fsdecode(b"outputs/caf\xe9.txt")).write_text("a name that is no UTF-8")
        Path("outputs", "link.txt").symlink_to(top / "secret.txt")
        Path("outputs", "folder").symlink_to(top)
        print("hello", HOSTILE)
        for k in range(1, 6):
            run.log("score", configuration["x"] * k)
            run.log(HOSTILE, k)
        return float(configuration["x"] * 5)

    (top / "secret.txt").write_bytes(SECRET)
    hd.tune(train, {"x": hd.uniform(0, 1)}, metric="score", max_runs=3, seed=1, root=root, name="one")
    return root


@pytest.fixture(scope="module")
def site(root: Path) -> Iterator[Portal]:
    with portal(root) as site:
        yield site


def test_sweeps_runs_and_metrics_are_those_of_the_command_line(site: Portal, root: Path) -> None:
    shown = json.loads(
        subprocess.run(
            [sys.executable, "-m", "hdcore", "show", "one", "--json", "--root", str(root)],
            capture_output=True,
            check=True,
        ).stdout
    )
    (entry,) = site.get("/api/sweeps").json
    assert (entry["name"], entry["best_run"], entry["runs"]["Completed"]) == ("one", shown["best_run"], 3)
    sweep = site.get("/api/sweeps/one").json
    assert {key: sweep[key] for key in shown if key != "runs"} == {k: v for k, v in shown.items() if k != "runs"}
    for found, expected in zip(sweep["runs"], shown["runs"], strict=True):
        assert {key: found[key] for key in expected if key != "metrics"} == {
            key: value for key, value in expected.items() if key != "metrics"
        }
        series = site.get(f"/api/sweeps/one/runs/{found['number']}/metrics").json
        assert {name: [[k, v] for k, _, v in points] for name, points in series.items()} == expected["metrics"]
    assert len(site.get("/api/sweeps/one/runs/0/metrics?points=2").json["score"]) == 2


def test_curves_come_packed_and_thinned(site: Portal) -> None:
    def unpacked(body: bytes) -> dict[int, tuple[list[float], list[float]]]:
        (count,) = struct.unpack_from("<i", body)
        heads = struct.unpack_from(f"<{2 * count}i", body, 4)
        total, at, start, found = sum(heads[1::2]), 0, 4 + 8 * count, {}
        for number, length in zip(heads[::2], heads[1::2], strict=True):
            xs = struct.unpack_from(f"<{length}f", body, start + 4 * at)
            ys = struct.unpack_from(f"<{length}f", body, start + 4 * (total + at))
            found[number], at = (list(xs), list(ys)), at + length
        return found

    whole = unpacked(site.get("/api/sweeps/one/curves").body)
    for number in range(3):
        points = site.get(f"/api/sweeps/one/runs/{number}/metrics").json["score"]
        assert whole[number][0] == [k for k, _, _ in points]
        assert whole[number][1] == pytest.approx([value for _, _, value in points], rel=1e-6)
    assert unpacked(site.get("/api/sweeps/one/curves?runs=2,0,99").body) == {2: whole[2], 0: whole[0]}
    for numbers in ("", "x", "1,", "-1", "1,2.5", "9" * 40):
        assert site.get(f"/api/sweeps/one/curves?runs={numbers}").status == 400
    thin = unpacked(site.get("/api/sweeps/one/curves?points=4").body)
    assert all({1.0, whole[number][0][-1]} <= set(thin[number][0]) <= set(whole[number][0]) for number in thin)


def test_importance_is_that_of_the_sweep(site: Portal, root: Path) -> None:
    found = hd.open_sweep("one", root).importance()
    assert site.get("/api/sweeps/one/importance").json == {
        "runs": found.n_runs,
        "good_runs": found.n_good,
        "importance": found.shares,
    }


def test_a_run_is_explained_as_on_the_command_line(site: Portal, root: Path) -> None:
    with StoreReader.open(root / "sweeps" / "one") as reader:
        assert site.get("/api/sweeps/one/runs/1/explain").json == explain(reader, 1)
    assert site.get("/api/sweeps/one/runs/99/explain").status == 404
    assert site.request("GET", "/api/sweeps/one/runs/1/explain").status in (401, 403)


def test_files_are_listed_and_served_by_their_listed_names_alone(site: Portal) -> None:
    run = site.get("/api/sweeps/one/runs/0").json
    names = {file["name"]: file["bytes"] for file in run["files"]}
    assert names["outputs/sub/model.txt"] == 7
    assert not any("link" in name or "folder" in name for name in names)
    answer = site.get("/api/sweeps/one/runs/0/files/outputs/sub/model.txt")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (
        200,
        b"weights",
        "text/plain; charset=utf-8",
    )
    log = site.get("/api/sweeps/one/runs/0/files/stdout.log")
    assert HOSTILE.encode() in log.body
    assert log.headers["content-type"].startswith("text/plain")
    part = site.get("/api/sweeps/one/runs/0/files/outputs/blob.bin?offset=250&limit=3")
    assert part.body == bytes([250, 251, 252])
    assert part.headers["x-hdcore-size"] == "256"
    assert part.headers["content-disposition"] == "attachment"


@pytest.mark.parametrize(
    "name",
    [
        "../../../../../secret.txt", "..%2f..%2f..%2f..%2f..%2fsecret.txt", "%2e%2e/secret.txt", "..%252fsecret.txt",
        "outputs/../../../../../../secret.txt", "outputs/link.txt", "outputs/folder/secret.txt", "outputs", "outputs/",
        "report.jsonl", "../../sweep.db", "x%00.log", "stdout.log/", "//stdout.log", "", ".", "..\\secret.txt",
        "work/outputs/sub/model.txt",
    ],
)  # fmt: skip
def test_names_that_are_not_listed_are_not_there(site: Portal, name: str) -> None:
    answer = site.get(f"/api/sweeps/one/runs/0/files/{name}")
    assert answer.status in (400, 404)
    assert SECRET not in answer.body


def test_every_answer_forbids_what_a_page_could_do_with_it(site: Portal) -> None:
    for answer in (site.get("/api/sweeps"), site.get("/nowhere"), site.request("GET", "/"), site.get("/static/x")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert not any(name.startswith("access-control") for name in answer.headers)


ROUTES = [
    *(("GET", path) for path in ("/", "/static/index.html", "/nowhere", "/api/sweeps", "/api/sweeps/one")),
    ("GET", "/api/sweeps/one/events"),
    ("GET", "/api/sweeps/one/curves"),
    ("GET", "/api/sweeps/one/importance"),
    ("GET", "/api/sweeps/one/runs/0"),
    ("GET", "/api/sweeps/one/runs/0/metrics"),
    ("GET", "/api/sweeps/one/runs/0/files/stdout.log"),
    ("GET", "/api/sweeps/one/replay"),
    ("POST", "/api/sweeps/one/cancel"),
    ("POST", "/api/sweeps/one/replay"),
    ("POST", "/api/sweeps/one/replay/stop"),
    ("POST", "/api/sweeps/one/runs/0/cancel"),
    *((method, "/api/sweeps") for method in ("OPTIONS", "PUT", "BREW")),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_route_answers_without_the_token(site: Portal, method: str, path: str) -> None:
    json_body = ("Content-Type", "application/json")
    cookie = ("Cookie", f"hdcore-{site.port}=wrong; hdcore-1={site.token}")
    for wrong in ([], [("Authorization", "Bearer ")], [("Authorization", f"Bearer {site.token[:-1]}")],
                  [("Authorization", f"Basic {site.token}")], [("Authorization", "Bearer \xff\xfe")], [cookie],
                  [site.bearer, site.bearer] if path.startswith("/api") else [site.bearer]):  # fmt: skip
        assert site.request(method, path, json_body, *wrong).status == 401


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_route_answers_a_request_that_a_page_of_somebody_else_made(site: Portal, method: str, path: str) -> None:
    good = [site.bearer, ("Cookie", f"hdcore-{site.port}={site.token}"), ("Content-Type", "application/json")]
    for host in ("evil.example", f"evil.example:{site.port}", f"127.0.0.1.evil.example:{site.port}", "127.0.0.1",
                 "127.0.0.1:1", f"0.0.0.0:{site.port}", f"2130706433:{site.port}", "", None):  # fmt: skip
        sent = site.request(method, path, *good, host=host if host != "" else " ")
        assert sent.status in (400, 421)
    assert site.request(method, path, ("Host", "evil.example"), *good).status in (400, 421)
    for origin in ("https://evil.example", "null", f"https://{site.host}", "http://127.0.0.1:1"):
        assert site.request(method, path, ("Origin", origin), *good).status == 403
    for where in ("cross-site", "same-site", "Same-Origin"):
        assert site.request(method, path, ("Sec-Fetch-Site", where), *good).status == 403


def test_the_page_loads_its_own_files_and_says_so_in_advance(site: Portal) -> None:
    cookie = ("Cookie", f"hdcore-{site.port}={site.token}")
    page = site.request("GET", "/", cookie).body.decode()
    folder = Path(hd.__file__).parent / "ui" / "static"
    for path in folder.rglob("*.*"):
        name = path.relative_to(folder).as_posix()
        answer = site.request("GET", f"/static/{name}", cookie)
        assert (answer.status, answer.body) == (200, path.read_bytes())
        if path.suffix != ".html" and name != "density-worker.js":
            assert f'"static/{name}"' in page, "not preloaded: the browser would find out later that it needs it"
    assert "http:" not in page
    assert "https:" not in page
    for name in (
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "vendor",
        "vendor/",
        "/etc/passwd",
        "vendor/uPlot-LICENSE",
    ):
        assert site.request("GET", f"/static/{name}", cookie).status == 404


def test_only_a_json_post_changes_anything(site: Portal) -> None:
    path = "/api/sweeps/one/cancel"
    assert site.get(path).status == 405
    assert site.request("DELETE", path, site.bearer, ("Content-Type", "application/json")).status == 405
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert site.request("POST", path, site.bearer, ("Content-Type", kind), body=b"{}").status == 415
    assert site.request("POST", path, site.bearer, body=b"{}").status == 415
    for body in (b"{" * 1000, b'{"x": 1}', b"[]", b"\xff"):
        assert site.post(path, body).status == 400
    assert site.post(path, b" " * 70_000).status == 413
    chunks = b"1000\r\n" + b" " * 4096 + b"\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: {site.host}\r\nAuthorization: Bearer {site.token}\r\n"
    long = head.encode() + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks * 40
    assert site.raw(long + b"0\r\n\r\n").status in (0, 400, 413, 500)
    done = site.post(path)
    assert (done.status, done.json) == (202, {"done": "sweep one is Completed already"})


def test_the_printed_address_turns_into_a_cookie_that_opens_the_page(site: Portal) -> None:
    answer = site.request("GET", f"/?token={site.token}", ("Sec-Fetch-Site", "none"))
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    jar = ("Cookie", f"hdcore-{site.port}={site.token}; other=1")
    page = site.request("GET", "/", jar)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert site.request("GET", "/?token=wrong").status == 401
    assert site.request("GET", f"/?token={site.token}&token=x").status == 401


@pytest.mark.parametrize(
    "other",
    ["", 'layout={"left": 3}', "options[size]=3", "a name=1", "@x=1", 'x="open', "caf\u00e9=1", "=", "hdcore=1"],
)
def test_cookies_of_other_servers_on_the_host_do_not_hide_ours(site: Portal, other: str) -> None:
    ours = f"hdcore-{site.port}={site.token}"
    for cookies in (f"{other}; {ours}", f"{ours}; {other}"):
        assert site.request("GET", "/", ("Cookie", cookies)).status == 200
    wrong = f"{other}; hdcore-{site.port}={site.token[:-1]}; x{ours}"
    assert site.request("GET", "/", ("Cookie", wrong)).status == 401


def test_the_letters_of_a_host_may_be_small_or_large(site: Portal) -> None:
    name = f"LocalHost:{site.port}"
    assert site.request("GET", "/api/sweeps", site.bearer, host=name).status == 200
    assert site.request("GET", "/api/sweeps", site.bearer, ("Origin", f"http://{site.host}"), host=name).status == 403


def test_malformed_requests_neither_get_through_nor_end_it(site: Portal) -> None:
    head = f"Host: {site.host}\r\nAuthorization: Bearer {site.token}\r\nContent-Type: application/json\r\n"
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET /api/sweeps HTTP/1.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        f"POST /api/sweeps/one/cancel HTTP/1.1\r\n{head}Content-Length: 99999999999\r\n\r\n{{}}".encode(),
        f"POST /api/sweeps/one/cancel HTTP/1.1\r\n{head}Content-Length: -1\r\n\r\n{{}}".encode(),
        f"GET /api/sweeps%0d%0aX-Evil:1 HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode(),
    ):
        assert site.raw(data).status in (0, 400, 404, 413, 431)
    idle = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(50)]
    try:
        assert site.get("/api/sweeps").status == 200
    finally:
        for connection in idle:
            connection.close()


def test_unknown_sweeps_runs_and_numbers_are_told(site: Portal) -> None:
    for path in ("/api/sweeps/two", "/api/sweeps/on", "/api/sweeps/last", "/api/sweeps/one/runs/7",
                 "/api/sweeps/one/runs/99999999999999999999999", "/api/sweeps/one/runs/x", "/api/sweeps/..",
                 "/api/sweeps/two/events"):  # fmt: skip
        assert site.get(path).status == 404, path
    for query in ("points=1", "points=x", "points=-3", "points=" + "9" * 40):
        assert site.get(f"/api/sweeps/one/runs/0/metrics?{query}").status == 400


def test_the_token_is_kept_for_the_user_alone_and_is_the_same_next_time(site: Portal, root: Path) -> None:
    path = root / "portal-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() == site.token
    assert site.token not in Path(f"/proc/{site.process.pid}/cmdline").read_text()
    with portal(root) as again:
        assert again.token == site.token
        assert again.port != site.port


def test_who_follows_a_sweep_without_runs_is_told_that_there_are_none(tmp_path: Path) -> None:
    spec = SweepSpec(name="new", space={}, metric="score", goal=Goal.MAXIMIZE, limits=Limits(max_total_runs=2))

    async def first_events(folder: Path) -> list[bytes]:
        following = events(folder, anyio.Event())
        return [await anext(following), await anext(following)]

    with Store.create(tmp_path / "root", spec, sweep_id="HD_new") as store:
        head, runs = asyncio.run(asyncio.wait_for(first_events(store.folder), 20.0))
    assert head.startswith(b"event: head\n")
    assert runs == b"event: runs\ndata: []\n\n"


def test_a_running_sweep_is_followed_and_canceled(tmp_path: Path) -> None:
    root = tmp_path / "root"
    script = tmp_path / "forever.sh"
    script.write_text('echo "{\\"name\\": \\"score\\", \\"value\\": 1}" >> "$HDCORE_REPORT"; exec sleep 60\n')
    (tmp_path / "sweep.yml").write_text(
        "type: sweep\ntrial: {command: sh forever.sh, code: .}\nsearch_space: {x: {type: choice, values: [1, 2]}}\n"
        "sampling_algorithm: random\nobjective: {primary_metric: score, goal: maximize}\n"
        "limits: {max_total_trials: 2, max_concurrent_trials: 2}\n"
    )
    driver = subprocess.Popen(
        [sys.executable, "-m", "hdcore", "run", str(tmp_path / "sweep.yml"), "--name", "live", "--root", str(root)],
        stdout=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        while not (root / "sweeps" / "live" / "sweep.db").exists():
            assert driver.poll() is None
        with portal(root) as site, socket.create_connection(("127.0.0.1", site.port), timeout=30) as stream:
            stream.sendall(
                f"GET /api/sweeps/live/events HTTP/1.1\r\nHost: {site.host}\r\n"
                f"Authorization: Bearer {site.token}\r\n\r\n".encode()
            )
            status: dict[int, str] = {}
            reports: dict[int, int] = {}
            is_canceled = False
            for line in stream.makefile("rb"):
                if not line.startswith(b"data: "):
                    continue
                document = json.loads(line[6:])
                for run in document if isinstance(document, list) else ():
                    status[run["number"]], reports[run["number"]] = run["status"], run["intervals"]
                if not is_canceled and reports == {0: 1, 1: 1}:
                    is_canceled = True
                    assert status == {0: "Running", 1: "Running"}
                    assert site.post("/api/sweeps/live/runs/1/cancel").status == 202
                if is_canceled and status.get(1) == "Canceled" and status[0] == "Running":
                    assert site.post("/api/sweeps/live/cancel").status == 202
                if set(status.values()) == {"Canceled"}:
                    break
        assert driver.wait(30) == 1
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()


def test_other_machines_are_let_in_only_when_that_is_said(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hdcore", "ui", "--root", str(root), "--host", "0.0.0.0"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hdcore: --host: other machines could reach the portal there; add --allow-remote")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "hdcore", "ui", "--root", str(root), "--port", str(taken.getsockname()[1])],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 3
    assert "choose another with --port" in done.stderr
