"""A portal with stored sweeps and a browser before it, for all browser tests together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ui.chromium import Page, chromium
from ui.portal import Portal, portal
from ui.sweeps import make_crowd, make_ended


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browser") / "root"
    make_ended(root)
    make_crowd(root)
    return root


@pytest.fixture(scope="session")
def site(root: Path) -> Iterator[Portal]:
    with portal(root) as site:
        yield site


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture
def page(browser: Page, site: Portal) -> Iterator[Page]:
    """The browser with the cookie; whatever a test did, nothing was asked of others and no error is on the console."""
    browser.size(1280, 900)
    browser.prefer(color_scheme="light", reduced_motion="reduce")
    browser.open(f"http://{site.host}/?token={site.token}")
    browser.until("document.querySelector('a[href=\"#/ended\"]')")
    yield browser
    problems = browser.severe()
    addresses, hacked = browser.requests(), browser.js("return window.hacked === undefined")
    with contextlib.suppress(Exception):
        browser.js("localStorage.clear()")
    browser.open("about:blank")
    assert problems == []
    assert hacked, "stored text was run as a script"
    own = (f"http://{site.host}/", "data:", "blob:", "about:", "chrome://")
    assert [address for address in addresses if not address.startswith(own)] == []


@pytest.fixture
def ended(page: Page, site: Portal) -> Page:
    page.open(f"http://{site.host}/#/ended")
    page.until("document.querySelector('.runs tbody tr')")
    page.until("document.querySelector('.bars dt')")
    page.until("performance.getEntriesByName('hdcore-curves-shown').length")
    return page
