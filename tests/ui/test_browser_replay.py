"""The replay of policies on a sweep, as a person sees it in the portal."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from ui.chromium import Page
from ui.portal import Portal
from ui.shown import REPLAY_S, saved

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def expected(root: Path) -> dict[str, Any]:
    """What the command line says of the same sweep."""
    argv = [sys.executable, "-m", "hdcore", "replay", "ended", "--json", "--root", str(root)]
    found: dict[str, Any] = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    return found


@pytest.fixture
def replay(page: Page, site: Portal) -> Page:
    page.open(f"http://{site.host}/#/ended")
    page.until("document.querySelector('.head .replay a')")
    page.press("r")
    page.until("document.querySelector('.settings tbody tr')", patience_s=REPLAY_S)
    return page


def names(page: Page) -> list[str]:
    found: list[str] = page.js("return [...document.querySelectorAll('.settings tbody tr')].map(r => r.dataset.policy)")
    return found


def test_recommendation_and_table_are_those_of_the_command_line(replay: Page, expected: dict[str, Any]) -> None:
    shown = replay.js("return main.innerText")
    assert expected["sentence"] in shown
    assert f"--policy {expected['recommended']}" in shown
    assert all(note in shown for note in expected["notes"])
    every = {setting["policy"]: setting for setting in expected["settings"]}
    wanted = {name for name, one in every.items() if one["on_front"]} | {expected["recommended"], expected["ran"]}
    assert set(names(replay)) == wanted
    assert replay.js("return document.querySelector('.settings tr.best').dataset.policy") == expected["recommended"]
    replay.click("#all-settings")
    replay.until("document.querySelectorAll('.settings tbody tr').length === arguments[0]", len(every))
    shares = [every[name]["saved"] for name in names(replay)]
    assert shares == sorted(shares, reverse=True)
    first = every[names(replay)[0]]
    assert f"{first['saved']:.0%}".replace("%", " %") in replay.text(".settings tbody td")
    replay.click(".settings thead th:nth-child(1) button")
    replay.until("document.querySelector('.settings th').getAttribute('aria-sort') === 'ascending'")
    assert names(replay) == sorted(every)


def test_the_plot_is_walked_from_the_keyboard_and_points_at_the_table(replay: Page, expected: dict[str, Any]) -> None:
    plot = "section[aria-label='Saving against loss'] canvas"
    front = [one["policy"] for one in expected["settings"] if one["on_front"]]
    assert all(name in replay.until("document.querySelector(arguments[0]).ariaLabel", plot) for name in front)
    before = replay.js("return document.querySelector(arguments[0]).toDataURL()", plot)
    replay.click("#all-settings")
    replay.js("document.querySelector(arguments[0]).focus()", plot)
    replay.press("ARROW_LEFT")
    most = replay.until("document.querySelector('.settings tr.near')?.dataset.policy")
    assert max(one["saved"] for one in expected["settings"]) == next(
        one["saved"] for one in expected["settings"] if one["policy"] == most
    )
    assert replay.js("return document.querySelector('[aria-live=polite].unseen').textContent").startswith(
        f"{most} saves"
    )
    replay.press("ARROW_LEFT")
    assert replay.until("(name => name !== arguments[0] && name)(document.querySelector('.near').dataset.policy)", most)
    assert most not in replay.text(".tip")
    replay.until("document.querySelector(arguments[0]).toDataURL() !== arguments[1]", plot, before)
    drawing = ET.fromstring(saved(replay, "Saving against loss", "SVG"))
    words = {element.text for element in drawing.iter() if element.tag.endswith("}text")}
    assert {"intervals saved (%)", "start orders that lose the best run (%)"} <= words
    assert saved(replay, "Saving against loss", "PNG").startswith(b"\x89PNG\r\n\x1a\n")


def test_it_is_asked_for_once_and_stands_there_when_somebody_comes_back(replay: Page) -> None:
    replay.requests()
    replay.press("s")
    replay.until("document.querySelector('.runs tbody tr')")
    replay.click(".head .replay a")
    replay.until("document.querySelector('.settings tbody tr')")
    assert not replay.find(".head button").is_displayed()  # nothing to ask for, nothing to stop
    asked = [address for address in replay.requests() if address.endswith("/replay")]
    assert len(asked) == 1


def test_a_sweep_that_cannot_be_replayed_says_why(page: Page, site: Portal) -> None:
    page.open(f"http://{site.host}/#/nowhere/replay")
    assert "no sweep is named 'nowhere'" in page.until("document.querySelector('.error')?.textContent")
    assert all("404" in problem for problem in page.severe())


def test_a_replay_under_way_can_be_stopped_and_asked_for_again(page: Page, site: Portal) -> None:
    page.js(
        "window.told = {state: 'working', since_s: 3, error: null, is_current: false, result: null};"
        "window.posted = [];"
        "window.fetch = async (path, options) => {"
        "  if (options.method === 'POST') window.posted.push(path);"
        "  return new Response(JSON.stringify(options.method === 'POST' ? {done: 'so'} : window.told)); };"
        "location.hash = '#/ended/replay';"
    )
    page.until("document.querySelector('.head [role=status]')?.textContent === 'replaying for 3.0 s'")
    again, stop = ".head button:nth-of-type(1)", ".head button:nth-of-type(2)"
    assert not page.find(again).is_displayed()
    page.click(stop)
    page.js("window.told = {...window.told, state: 'stopped', since_s: null}")
    page.until("document.querySelector('.head [role=status]').textContent === 'stopped'")
    assert not page.find(stop).is_displayed()
    page.js("window.told = {...window.told, state: 'failed', error: 'it was too long'}")
    page.click(again)
    page.until("document.querySelector('.head [role=alert]').textContent === 'it was too long'")
    posted = page.js("return window.posted")
    path = "api/sweeps/ended/replay"
    assert posted[0] == f"{path}/stop"
    assert set(posted[1:]) == {path}
