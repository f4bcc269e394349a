"""What every request passes before it is routed: deny by default.

A web page of somebody else can make the user's browser send requests to this machine, and other users of the machine
can connect as well. So each request, static files and unknown paths included, has to name this server as its host, must
not come from another origin, and needs the token; one with a body has to be JSON, which a form cannot send.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 64 * 1024

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
_BODILESS = ("GET", "HEAD")


class Gate:
    """ASGI middleware; `app` sees only requests of the user.

    Parameters
    ----------
    app : ASGIApp
    token : str
        At least 128 random bits.
    port : int
        The one that the server listens on: part of its name.
    hosts : sequence of str
        Names under which the server may be called, with brackets around an IPv6 address.

    Notes
    -----
    ``/api`` takes the token as ``Authorization: Bearer`` or the cookie, the pages take the cookie alone. A browser gets
    the cookie at ``/?token=…`` and is sent on to ``/``, so that the token does not stay in its address bar.
    """

    def __init__(self, app: ASGIApp, token: str, port: int, hosts: tuple[str, ...]) -> None:
        self._app, self._token = app, token
        self._hosts = frozenset(f"{host}:{port}".lower() for host in hosts)
        # A browser sends the cookies of a host to all its ports: the name tells ours from those of other servers.
        self._cookie = f"hdcore-{port}"
        self._once: set[str] = set()

    def one_time_token(self) -> str:
        """Make a token that opens one browser once: a program's arguments can be read by everybody."""
        token = secrets.token_urlsafe(32)
        self._once.add(token)
        return token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_RAW_HEADERS]
            await send(message)

        refusal = self._judge(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        await self._app(scope, _bounded(receive), send_guarded)

    def _judge(self, scope: Scope) -> Response | None:
        """The answer to a request that does not get through; None for one that does."""
        headers = scope["headers"]
        hosts = _all(headers, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:  # browsers write names in small letters
            return _refuse(421, "this server has another name")
        origins = _all(headers, b"origin")
        if origins and origins != [f"http://{hosts[0].lower()}"]:
            return _refuse(403, "requests of other pages are not answered")
        sites = _all(headers, b"sec-fetch-site")
        if sites and sites not in (["same-origin"], ["none"]):
            return _refuse(403, "requests of other pages are not answered")
        path, method = scope["path"], scope["method"]
        if path == "/" and method == "GET" and b"token=" in scope["query_string"]:
            return self._exchange(scope["query_string"])
        is_api = path.startswith("/api/")
        if not (self._has_cookie(headers) or (is_api and self._has_bearer(headers))):
            return _refuse(401, "the token is missing or wrong; open the address that `hdcore ui` printed")
        if method not in _BODILESS:
            return _judge_body(headers)
        return None

    def _exchange(self, query: bytes) -> Response:
        """Turn the token of the printed address into a cookie."""
        given = parse_qs(query.decode("latin-1")).get("token", [])
        if len(given) != 1 or not (_equal(given[0], self._token) or self._take(given[0])):
            return _refuse(401, "the token is wrong; open the address that `hdcore ui` printed")
        response = RedirectResponse("/", 303)
        response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/")
        return response

    def _take(self, given: str) -> bool:
        found = [token for token in self._once if _equal(given, token)]
        self._once.difference_update(found)
        return bool(found)

    def _has_bearer(self, headers: list[tuple[bytes, bytes]]) -> bool:
        given = _all(headers, b"authorization")
        return len(given) == 1 and given[0][:7].lower() == "bearer " and _equal(given[0][7:], self._token)

    def _has_cookie(self, headers: list[tuple[bytes, bytes]]) -> bool:
        # Cookies of other servers on this host come along, and need not be such that a strict parser takes them.
        for line in _all(headers, b"cookie"):
            for pair in line.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self._cookie and _equal(value, self._token):
                    return True
        return False


def _judge_body(headers: list[tuple[bytes, bytes]]) -> Response | None:
    kinds = _all(headers, b"content-type")
    if len(kinds) != 1 or kinds[0].split(";")[0].strip().lower() != "application/json":
        return _refuse(415, "the body has to be application/json")
    lengths = _all(headers, b"content-length")
    if len(lengths) > 1 or (lengths and not (lengths[0].isdecimal() and int(lengths[0]) <= LARGEST_BODY)):
        return _refuse(413, "the body is too long")
    return None


def _bounded(receive: Receive) -> Receive:
    """Stop reading a body of unknown length at the bound."""
    total = 0

    async def receive_bounded() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        return {"type": "http.disconnect"} if total > LARGEST_BODY else message

    return receive_bounded


def _all(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("latin-1", "replace"), token.encode())


def _refuse(status: int, why: str) -> Response:
    return PlainTextResponse(f"{why}\n", status)
