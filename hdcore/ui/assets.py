"""The files of the page itself, held in memory: a browser asks for thirty at once, and no path leads to a disk."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_STATIC = Path(__file__).parent / "static"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def asset_routes() -> list[Route]:
    """Return the routes of the page and of all that it loads."""
    found = {path.relative_to(_STATIC).as_posix(): path for path in _STATIC.rglob("*") if path.suffix in _KINDS}
    held = {name: (path.read_bytes(), _KINDS[path.suffix]) for name, path in found.items()}

    async def page(request: Request) -> Response:
        return _answer("index.html")

    async def asset(request: Request) -> Response:
        return _answer(request.path_params["name"])

    def _answer(name: str) -> Response:
        if name not in held:
            return Response("there is no such file\n", 404, media_type="text/plain")
        body, kind = held[name]
        return Response(body, media_type=kind)

    return [Route("/", page, methods=["GET"]), Route("/static/{name:path}", asset, methods=["GET"])]
