"""Files that a program would fetch from the net, taken from the local copies that the user gave.

`urllib.request.urlretrieve`, `urlopen` and what is built on them (pandas' ``read_csv`` of an address) get the file that
``hdcore azure --input NAME=PATH`` names for the last part of the address. Nothing else changes: without such a file the
net is asked as ever.
"""

from __future__ import annotations

import email.message
import mimetypes
import os
import urllib.error
import urllib.request
from typing import IO, Any
from urllib.response import addinfourl

from hdcore.azure.settings import given_path, input_name, local_paths


class _GivenFiles(urllib.request.BaseHandler):
    handler_order = 100  # before those of the net

    def http_open(self, request: urllib.request.Request) -> Any:
        """Return the user's file for an address, None to let others open it."""
        path = given_path(request.full_url) if request.get_method() == "GET" else None
        if path is None or not os.path.isfile(path):
            return None
        headers = email.message.Message()
        headers["Content-Type"] = mimetypes.guess_type(path)[0] or "application/octet-stream"
        headers["Content-Length"] = str(os.path.getsize(path))
        file: IO[bytes] = open(path, "rb")  # noqa: SIM115 - the caller closes what it gets
        found = addinfourl(file, headers, request.full_url, 200)
        found.msg = "OK"  # type: ignore[attr-defined]
        return found

    https_open = http_open


def serve_given_files() -> None:
    """Let this process find the user's files in place of those on the net, if there are any."""
    if local_paths():
        urllib.request.install_opener(urllib.request.build_opener(_GivenFiles))


def advice(error: BaseException) -> str | None:
    """Return what to do about a download that did not work."""
    seen = error
    while seen is not None and not isinstance(seen, urllib.error.URLError):
        seen = seen.__cause__ or seen.__context__  # type: ignore[assignment]
    if seen is None:
        return None
    address = next((frame for frame in _addresses(seen) if frame), None)
    name = "NAME" if address is None else input_name(address)
    return f"{address or 'it'} cannot be fetched; give a local copy with hdcore azure --input {name}=PATH"


def _addresses(error: BaseException) -> list[str]:
    found = []
    at = error.__traceback__
    while at is not None:
        for value in (at.tb_frame.f_locals.get("fullurl"), at.tb_frame.f_locals.get("url")):
            text = getattr(value, "full_url", value)
            if isinstance(text, str) and "://" in text:
                found.append(text)
        at = at.tb_next
    return found
