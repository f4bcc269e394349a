"""The portal's front end and a sweep in one HTML file that asks nobody for anything."""

from __future__ import annotations

import base64
import html
import json
import re
import secrets
from functools import cache
from pathlib import Path

_STATIC = Path(__file__).resolve().parent.parent / "ui" / "static"
_HERE = Path(__file__).resolve().parent

_IMPORT = re.compile(r"""((?:\bfrom|\bimport)\s*)(["'])\./([\w.-]+\.js)\2""")
_BESIDE = re.compile(r"""new URL\((["'])(?:\./)?([\w.-]+)\1,\s*import\.meta\.url\)""")
_STYLE = re.compile(r'<link rel="stylesheet" href="static/([\w./-]+)">')
_PRELOAD = re.compile(r' *<link rel="modulepreload"[^>]*>\n')
_ICON = re.compile(r'(<link rel="icon" href=")static/([\w./-]+)(">)')
_SCRIPT = re.compile(r'<script src="static/([\w./-]+)"([^>]*)></script>')
_HIDDEN = "button.danger, .replay { display: none; }"
"""Nothing can be canceled from a file, and nothing is computed for it."""


def make_page(name: str, snapshot: bytes | None, *, fallback: str = "") -> str:
    """Return a page.

    Parameters
    ----------
    name : str
        Of the sweep.
    snapshot : bytes or None
        From `take_snapshot`; None for a page that is sent one when it is there.
    fallback : str
        HTML for readers without JavaScript.
    """
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data: blob:;"
        " worker-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    data = "" if snapshot is None else base64.b64encode(snapshot).decode()
    transport = (
        f'<script nonce="{nonce}" data-name="{html.escape(name)}" data-snapshot="{data}">'
        f"{(_HERE / 'transport.js').read_text(encoding='utf-8')}</script>"
    )
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<style>{_HIDDEN}</style>\n"
        f'<script type="importmap" nonce="{nonce}">{_import_map()}</script>\n'
    )
    before, _, rest = _template().partition("<head>")
    text = f"{before}<head>\n{head}{rest}".replace("{nonce}", nonce)
    text = re.sub(r"<noscript>.*?</noscript>", lambda _: f"<noscript>{fallback}</noscript>", text, flags=re.DOTALL)
    return text.replace("</body>", f"{transport}\n</body>")


@cache
def _template() -> str:
    """The portal's page with its styles and scripts inside; ``{nonce}`` stands for the page's own word."""
    text = (_STATIC / "index.html").read_text(encoding="utf-8")
    text = _PRELOAD.sub("", text)  # the modules are in the page
    text = _STYLE.sub(lambda found: f"<style>{_read(found[1])}</style>", text)
    text = _ICON.sub(lambda found: found[1] + _data("image/svg+xml", _read(found[2])) + found[3], text)
    return _SCRIPT.sub(_inlined, text)


def _inlined(found: re.Match[str]) -> str:
    name, attributes = found[1], found[2]
    if "module" in attributes:  # modules run when the page is read, after the transport at its end
        return f'<script type="module" nonce="{{nonce}}">import "hdcore/{name}";</script>'
    return f'<script nonce="{{nonce}}">{_read(name)}</script>'


@cache
def _import_map() -> str:
    """All modules by a name that does not depend on where the page is; modules may import each other in circles."""
    urls = {
        f"hdcore/{path.name}": _data("text/javascript", _module(path.read_text(encoding="utf-8")))
        for path in sorted(_STATIC.glob("*.js"))
    }
    return json.dumps({"imports": urls})


def _module(source: str) -> str:
    source = _IMPORT.sub(lambda found: f'{found[1]}"hdcore/{found[3]}"', source)
    return _BESIDE.sub(lambda found: json.dumps(_data("text/javascript", _read(found[2]))), source)


def _read(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _data(kind: str, text: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"
