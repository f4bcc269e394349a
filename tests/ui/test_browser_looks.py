"""How the portal looks and sounds: pictures of plots, dark and light, phones, less motion, names for screen readers."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from ui.chromium import Page
from ui.portal import Portal
from ui.shown import REPLAY_S, saved
from ui.sweeps import HOSTILE, METRIC, RUNS

pytestmark = pytest.mark.browser

PLOTS = ["Training curves", "Parallel coordinates", "Scatter", "Best so far", "Importance"]


def test_every_plot_is_saved_as_lines_and_as_pixels(ended: Page) -> None:
    ended.prefer(color_scheme="dark")
    lines = {}
    for plot in PLOTS:
        drawing = ET.fromstring(saved(ended, plot, "SVG"))
        space = "{http://www.w3.org/2000/svg}"
        words = {element.text for element in drawing.iter(f"{space}text")}
        assert any(METRIC in (word or "") for word in words), plot
        lines[plot] = len([*drawing.iter(f"{space}path")])
        assert lines[plot] + len([*drawing.iter(f"{space}rect")]) > 3, plot
        assert not [*drawing.iter(f"{space}image"), *drawing.iter(f"{space}script")]
        assert next(drawing.iter(f"{space}rect")).get("fill") == "#ffffff"  # light, though the page is dark
        assert drawing.findtext(f"{space}desc")
        pixels = saved(ended, plot, "PNG")
        assert pixels.startswith(b"\x89PNG\r\n\x1a\n")
        assert int.from_bytes(pixels[16:20], "big") == 1920
    assert lines["Training curves"] == RUNS + 1  # and the grid


def test_a_metric_of_a_run_is_saved_with_its_name_as_text(page: Page, site: Portal) -> None:
    page.open(f"http://{site.host}/#/ended/0")
    page.until("document.querySelectorAll('.plots .panel').length === 2")
    drawing = saved(page, HOSTILE, "SVG").decode()
    assert f">ended run 0: {HOSTILE.replace('<', '&lt;').replace('>', '&gt;')}<" in drawing
    ET.fromstring(drawing)


def test_dark_and_light_follow_the_system_and_the_button(ended: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    picture = "document.querySelector('.parallel canvas').toDataURL()"
    light = ended.until(f"{ground} === 'rgb(255, 255, 255)' && {picture}")
    ended.prefer(color_scheme="dark")
    ended.until(f"{ground} === 'rgb(13, 17, 23)' && {picture} !== arguments[0]", light)
    ended.click("#theme")
    ended.until(f"{ground} === 'rgb(255, 255, 255)' && {picture} === arguments[0]", light)
    ended.driver.refresh()
    ended.until(f"{ground} === 'rgb(255, 255, 255)' && document.querySelector('.bars dt')")


@pytest.mark.parametrize("place", ["", "ended", "ended/0", "ended/replay"])
def test_a_phone_shows_everything_without_scrolling_sideways(page: Page, site: Portal, place: str) -> None:
    page.size(360, 740)
    page.open(f"http://{site.host}/#/{place}")
    page.until("document.querySelector('#main td, #main .facts dd, .bars dt')", patience_s=REPLAY_S)
    page.until("document.documentElement.scrollWidth <= 360")
    wide = page.js(
        "return [...document.querySelectorAll('#main *')].filter(node => node.getBoundingClientRect().right > 361"
        " && !node.closest('.scroller, .scrolls, .plot.wide, .unseen')).map(node => node.outerHTML.slice(0, 80))"
    )
    assert wide == []


def test_motion_is_reduced_where_the_system_wants_that(ended: Page) -> None:
    duration = "getComputedStyle(document.querySelector('.fill')).transitionDuration"
    assert ended.js(f"return {duration}") == "0s"
    ended.prefer(reduced_motion="no-preference")
    assert ended.js(f"return {duration}") == "0.3s"


@pytest.mark.parametrize("place", ["", "ended", "ended/0", "ended/replay"])
def test_whatever_can_be_used_or_seen_has_a_name_for_those_who_hear_the_page(
    page: Page, site: Portal, place: str
) -> None:
    page.open(f"http://{site.host}/#/{place}")
    page.until("document.querySelector('#main td, .bars dt') && document.querySelector('h1')", patience_s=REPLAY_S)
    if place:
        page.until("document.querySelector('.uplot, .settings')")
    page.command("Accessibility.enable")
    nodes = page.command("Accessibility.getFullAXTree")["nodes"]
    page.command("Accessibility.disable")

    def has(node: dict[str, Any], name: str) -> bool:
        return any(found["name"] == name and found["value"].get("value") for found in node.get("properties", ()))

    nameless = [
        node["role"]["value"]
        for node in nodes
        if not node["ignored"]
        and (has(node, "focusable") or node["role"]["value"] in ("image", "img", "button", "progressbar"))
        and node["role"]["value"] not in ("RootWebArea", "main", "generic")
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    plots = page.js("return [...document.querySelectorAll('canvas')].map(c => c.closest('[role=img]')?.ariaLabel)")
    assert all(len(label or "") > 30 for label in plots)
