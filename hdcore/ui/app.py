"""Routes of the portal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hdcore.errors import HdcoreError, InputError, RefusedError
from hdcore.explain import explain
from hdcore.store import StoreReader, run_folder
from hdcore.ui import events, files, queries
from hdcore.ui.assets import asset_routes
from hdcore.ui.replays import Replays

_IMAGES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp"}
_TEXTS = (".log", ".txt", ".json", ".jsonl", ".csv", ".tsv", ".yml", ".yaml", ".md", ".toml", ".py")


def make_app(root: Path) -> Starlette:
    """Make the application for the sweeps under `root`; `Gate` has to stand before it."""
    routes = [
        *asset_routes(),
        Route("/api/sweeps", _answer(root, _sweeps), methods=["GET"]),
        Route("/api/sweeps/{name}", _answer(root, _sweep), methods=["GET"]),
        Route("/api/sweeps/{name}/curves", _answer(root, _curves), methods=["GET"]),
        Route("/api/sweeps/{name}/importance", _answer(root, _importance), methods=["GET"]),
        Route("/api/sweeps/{name}/events", _events(root), methods=["GET"]),
        Route("/api/sweeps/{name}/cancel", _change(root, _cancel), methods=["POST"]),
        Route("/api/sweeps/{name}/replay", _answer(root, _replay), methods=["GET"]),
        Route("/api/sweeps/{name}/replay", _change(root, _ask_replay), methods=["POST"]),
        Route("/api/sweeps/{name}/replay/stop", _change(root, _stop_replay), methods=["POST"]),
        Route("/api/sweeps/{name}/runs/{number:int}", _answer(root, _run), methods=["GET"]),
        Route("/api/sweeps/{name}/runs/{number:int}/metrics", _answer(root, _metrics), methods=["GET"]),
        Route("/api/sweeps/{name}/runs/{number:int}/explain", _answer(root, _explain), methods=["GET"]),
        Route("/api/sweeps/{name}/runs/{number:int}/files/{file:path}", _answer(root, _file), methods=["GET"]),
        Route("/api/sweeps/{name}/runs/{number:int}/cancel", _change(root, _cancel), methods=["POST"]),
    ]
    app = Starlette(routes=routes)
    app.state.replays = Replays()  # whoever serves the application closes it
    return app


def _answer(root: Path, work: Callable[[Path, Request], Response]) -> Callable[[Request], Response]:
    """Make an endpoint (run in a thread, since it reads a disk) whose errors are answers."""

    def endpoint(request: Request) -> Response:
        try:
            return work(root, request)
        except HdcoreError as error:
            return _refusal(error)

    return endpoint


def _sweeps(root: Path, request: Request) -> Response:
    return _json(queries.sweeps(root))


def _sweep(root: Path, request: Request) -> Response:
    with StoreReader.open(queries.folder_of(root, request.path_params["name"])) as reader:
        return _json({**queries.head(reader), "runs": queries.runs(reader)})


def _curves(root: Path, request: Request) -> Response:
    """Curves of all runs, or, of a sweep under way, of those that a page knows to have changed."""
    most = _whole(request, "points", queries.MOST_POINTS, least=2)
    numbers = _numbers(request, "runs")
    with StoreReader.open(queries.folder_of(root, request.path_params["name"])) as reader:
        return Response(queries.curves(reader, most, numbers), media_type="application/octet-stream")


def _importance(root: Path, request: Request) -> Response:
    from hdcore.sweep import importance_of

    with StoreReader.open(queries.folder_of(root, request.path_params["name"])) as reader:
        found = importance_of(reader)
    return _json({"runs": found.n_runs, "good_runs": found.n_good, "importance": found.shares})


def _run(root: Path, request: Request) -> Response:
    with StoreReader.open(queries.folder_of(root, request.path_params["name"])) as reader:
        return _json(queries.run_page(reader, request.path_params["number"]))


def _explain(root: Path, request: Request) -> Response:
    with StoreReader.open(queries.folder_of(root, request.path_params["name"])) as reader:
        return _json(explain(reader, request.path_params["number"]))


def _metrics(root: Path, request: Request) -> Response:
    most = _whole(request, "points", queries.MOST_POINTS, least=2)
    with StoreReader.open(queries.folder_of(root, request.path_params["name"])) as reader:
        return _json(queries.series(reader, request.path_params["number"], most))


def _file(root: Path, request: Request) -> Response:
    """Part of a listed file; ``X-Hdcore-Size`` is its whole size, so that a log can be followed."""
    folder = queries.folder_of(root, request.path_params["name"])
    name: str = request.path_params["file"]
    offset, most = _whole(request, "offset", 0), _whole(request, "limit", files.LARGEST_PART, least=1)
    found = files.read_part(run_folder(folder, request.path_params["number"]), name, offset, most)
    if found is None:
        raise InputError("the run has no such file", field="file")
    data, size = found
    ending = Path(name).suffix.lower()
    headers = {"X-Hdcore-Size": str(size)}
    if ending in _IMAGES:
        return Response(data, media_type=_IMAGES[ending], headers=headers)
    if ending in _TEXTS:
        return Response(data, media_type="text/plain; charset=utf-8", headers=headers)
    headers["Content-Disposition"] = "attachment"  # the name is the last part of the address
    return Response(data, media_type="application/octet-stream", headers=headers)


def _events(root: Path) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            folder = queries.folder_of(root, request.path_params["name"])
        except HdcoreError as error:
            return _refusal(error)
        return StreamingResponse(events.events(folder, request.app.state.ending), media_type="text/event-stream")

    return endpoint


def _replay(root: Path, request: Request) -> Response:
    replays: Replays = request.app.state.replays
    return _json(replays.tell(queries.folder_of(root, request.path_params["name"])))


def _change(root: Path, act: Callable[[Path, Request], str]) -> Callable[[Request], Any]:
    """Make an endpoint that does something to a sweep and says what was done."""

    async def endpoint(request: Request) -> Response:
        import anyio.to_thread

        try:
            body = json.loads(await request.body() or b"{}")
        except ValueError:
            return _json({"error": "the body is not JSON"}, 400)
        if body != {}:
            return _json({"error": "the body has to be {}"}, 400)
        try:
            folder = queries.folder_of(root, request.path_params["name"])
            done = await anyio.to_thread.run_sync(act, folder, request)
        except HdcoreError as error:
            return _refusal(error)
        return _json({"done": done}, 202)

    return endpoint


def _cancel(folder: Path, request: Request) -> str:
    from hdcore.sweep import cancel_stored

    return cancel_stored(folder, request.path_params.get("number"))


def _ask_replay(folder: Path, request: Request) -> str:
    replays: Replays = request.app.state.replays
    return replays.ask(folder)


def _stop_replay(folder: Path, request: Request) -> str:
    replays: Replays = request.app.state.replays
    return replays.stop(folder)


def _whole(request: Request, name: str, default: int, least: int = 0) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 16) or int(text) < least:
        raise InputError(f"{name} has to be a whole number, {least} or more", field=name)
    return int(text)


def _numbers(request: Request, name: str) -> list[int] | None:
    """Whole numbers with commas between them; None if the request does not say any."""
    text = request.query_params.get(name)
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() and len(part) < 16 for part in parts):
        raise InputError(f"{name} has to be whole numbers with commas between them", field=name)
    return [int(part) for part in parts]


def _json(document: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status, media_type="application/json")


def _refusal(error: HdcoreError) -> Response:
    if isinstance(error, InputError):
        status = 404 if error.field in ("name", "run", "file") else 400
    else:
        status = 409 if isinstance(error, RefusedError) else 503
    return _json({"error": str(error)}, status)
