"""The portal as a person sees it, in a Chromium without a window: a sweep that has ended and one that runs."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from ui.chromium import Page
from ui.portal import Portal, portal
from ui.shown import rows, saved, strip, wait_for_count
from ui.sweeps import (
    CROWD,
    HOSTILE,
    INTERVALS,
    METRIC,
    NOTE,
    OPTIONS,
    RUNS,
    configuration,
    final,
    is_stopped,
    live,
)

from hdcore.store import StoreReader
from hdcore.typing import RunStatus

pytestmark = pytest.mark.browser
VALUED = {number: final(number) for number in range(RUNS)}
BEST = max(VALUED, key=VALUED.__getitem__)


# ---------------------------------------------------------------------- coming in


def test_the_printed_address_opens_the_list_and_leaves_no_token_behind(page: Page, site: Portal) -> None:
    assert page.js("return location.href") == f"http://{site.host}/"
    (cookie,) = page.driver.get_cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (f"hdcore-{site.port}", True, "Strict")
    assert page.js("return document.cookie") == ""
    assert f"{RUNS} of {RUNS}" in page.text(".sweeps")
    page.click("a[href='#/ended']")
    page.until("document.querySelector('h1').textContent === 'ended'")


def test_without_the_cookie_nothing_is_shown(page: Page, site: Portal) -> None:
    page.driver.delete_all_cookies()
    page.open(f"http://{site.host}/#/ended")
    page.driver.refresh()
    assert page.until("document.body.innerText").startswith("the token is missing or wrong")
    assert all("401" in problem for problem in page.severe())


def test_an_address_of_no_sweep_is_told_as_text(page: Page, site: Portal) -> None:
    page.open(f"http://{site.host}/#/{HOSTILE.replace(' ', '%20')}")
    assert f"no sweep is named {HOSTILE!r}" in page.until("document.querySelector('.error')?.textContent")
    assert all("404" in problem for problem in page.severe())


# ---------------------------------------------------------------------- a sweep


def test_the_head_has_goal_best_limits_policy_and_what_it_saved(ended: Page) -> None:
    head = ended.text(".head")
    stopped = [number for number in VALUED if is_stopped(number) and number != 5]  # which failed
    for words in (
        "Completed", f"maximize {METRIC}", "MedianStopping, evaluation_interval 1, delay_evaluation 5",
        f"at most {RUNS} runs", "4 at a time", f"{len(stopped)} stopped early by the policy", "% of intervals saved",
        f"by run {BEST}",
    ):  # fmt: skip
        assert words in head
    assert not ended.find("button.danger").is_displayed()


def test_the_table_is_sorted_by_the_metric_first_and_then_by_what_is_clicked(ended: Page) -> None:
    by_value = sorted(VALUED, key=lambda number: -VALUED[number])
    assert rows(ended)[:10] == by_value[:10]
    assert ended.js("return document.querySelector('tr.best').dataset.run") == str(BEST)
    titles = ended.js("return [...document.querySelectorAll('.runs th')].map(cell => cell.innerText.trim())")
    for title in ("run", "status", "started", "duration", "rate", "option", HOSTILE, "run id"):
        assert title in titles
    column = titles.index("rate") + 1
    for order, is_up in (("ascending", True), ("descending", False)):
        ended.click(f".runs th:nth-child({column}) button")
        ended.until(f"document.querySelector('.runs th:nth-child({column})').getAttribute('aria-sort') === '{order}'")
        wanted = sorted(VALUED, key=lambda number: configuration(number)["rate"], reverse=not is_up)
        assert rows(ended)[:10] == wanted[:10]


@pytest.mark.parametrize(
    ("line", "keeps"),
    [
        ("Failed", lambda number: number == 5),
        ("rate<0.001", lambda number: configuration(number)["rate"] < 0.001),
        ("option=adam layers>=3",
         lambda number: configuration(number)["option"] == "adam" and configuration(number)["layers"] >= 3),
        ("median stopping", lambda number: is_stopped(number) and number != 5),
        ("<script>window.hacked=1</script> sgd", lambda number: False),
    ],
)  # fmt: skip
def test_the_filter_takes_words_and_comparisons(ended: Page, line: str, keeps: Any) -> None:
    ended.type(".bar input", line)
    wait_for_count(ended, sum(map(keeps, range(RUNS))))
    assert all(keeps(number) for number in rows(ended))


def test_a_brush_filters_table_curves_scatter_and_history(ended: Page) -> None:
    ended.drag(strip("option"), (0.5, 0.62), (0.5, 0.38))
    # The axis has its options in order of their letters: the middle one is chosen.
    option = sorted(OPTIONS)[1]
    chosen = [number for number in VALUED if configuration(number)["option"] == option]
    wait_for_count(ended, len(chosen))
    assert set(rows(ended)) <= set(chosen)
    for plot in ("Training curves", "Scatter"):
        ended.until(
            "[...document.querySelectorAll('[role=img]')].some(plot => plot.ariaLabel.startsWith(arguments[0])"
            " && plot.ariaLabel.includes(` ${arguments[1]} runs`))",
            plot,
            len(chosen),
        )
    # A second one on an axis of logarithms: its upper half is a factor of the square root of the range.
    ended.drag(strip("rate"), (0.5, 0.5), (0.5, -0.1))
    both = [number for number in chosen if configuration(number)["rate"] >= 10**-2.5]
    wait_for_count(ended, len(both))
    assert 0 < len(both) < len(chosen)
    assert f"{len(both)} of {RUNS} runs chosen" in ended.text("section[aria-label='Parallel coordinates']")
    # The brush is moved as a whole, and forgotten.
    ended.drag(strip("rate"), (0.5, 0.25), (0.5, 0.75))
    lower = [number for number in chosen if configuration(number)["rate"] < 10**-2.5]
    wait_for_count(ended, len(lower))
    ended.press("ESCAPE")
    wait_for_count(ended, RUNS)


def test_every_view_works_from_the_keyboard(ended: Page) -> None:
    ended.js("document.querySelector('#main').focus()")
    ended.press("?")
    assert "the next run" in ended.until("document.querySelector('dialog[open]')?.textContent")
    ended.press("ESCAPE")
    ended.until("!document.querySelector('dialog')")
    ended.press("/", *"Failed")
    wait_for_count(ended, 1)
    ended.type(".bar input", "x")
    ended.press("BACKSPACE")
    wait_for_count(ended, RUNS)
    # Brushes: the lowest option, then all again.
    ended.js("document.querySelector(arguments[0]).focus()", strip("option"))
    ended.press("ARROW_DOWN")
    lowest = [number for number in VALUED if configuration(number)["option"] == sorted(OPTIONS)[0]]
    wait_for_count(ended, len(lowest))
    assert ended.find(strip("option")).get_attribute("aria-valuetext") == sorted(OPTIONS)[0]
    ended.press("ARROW_UP")
    wait_for_count(ended, RUNS // 3)
    ended.press("DELETE")
    wait_for_count(ended, RUNS)
    ended.press("TAB")
    assert ended.js("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    # The training curves: to the best run, and open it.
    ended.js("document.querySelector('[aria-describedby=keys-curves]').focus()")
    ended.press("ARROW_DOWN", "ENTER")
    ended.until("document.querySelector('h1').textContent === arguments[0]", f"Run {BEST}")
    ended.press("s")
    ended.until("document.querySelector('h1').textContent === 'ended'")
    ended.press("l")
    ended.until("document.querySelector('h1').textContent === 'Sweeps'")


def test_whoever_comes_back_from_a_run_finds_brushes_filter_and_order_again(ended: Page) -> None:
    ended.click(".runs th:nth-child(1) button")
    ended.drag(strip("option"), (0.5, 0.62), (0.5, 0.38))
    wait_for_count(ended, RUNS // 3)
    ended.type(".bar input", "layers>2")
    chosen = [n for n in range(RUNS) if configuration(n)["option"] == sorted(OPTIONS)[1] and n % 4 > 1]
    wait_for_count(ended, len(chosen))
    ended.click("tr[data-run] a")
    ended.until("document.querySelector('h1').textContent === arguments[0]", f"Run {chosen[0]}")
    ended.press("s")
    ended.until("document.querySelector('.runs tbody tr')")
    wait_for_count(ended, len(chosen))
    assert rows(ended) == chosen


def test_the_pointer_finds_a_curve_and_a_drag_zooms(ended: Page) -> None:
    over = "document.querySelector('.u-over')"
    left, top, width = ended.js(
        f"{over}.scrollIntoView({{block: 'center'}}); const b = {over}.getBoundingClientRect();"
        "return [b.left, b.top, b.width]"
    )
    # The best curve ends in the upper right corner: walk down from it until the pointer is on a curve.
    for step in range(60):
        ended.command("Input.dispatchMouseEvent", type="mouseMoved", x=left + width - 3, y=top + 2 + step)
        if ended.js("return !document.querySelector('.tip').hidden"):
            break
    assert f"run {BEST}" in ended.until("document.querySelector('.tip:not([hidden])')?.innerText")
    axis = "document.querySelector('.plot.over canvas').toDataURL()"
    before = ended.js(f"return {axis}")
    ended.drag(".u-over", (0.2, 0.3), (0.5, 0.7))
    zoomed = ended.until(f"(found => found !== arguments[0] && found)({axis})", before)
    ended.js("document.querySelector('[aria-describedby=keys-curves]').focus()")
    ended.press("0")
    ended.until(f"{axis} !== arguments[0]", zoomed)


def test_a_crowd_is_painted_by_a_worker_and_brushed_all_the_same(page: Page, site: Portal) -> None:
    page.open(f"http://{site.host}/#/crowd")
    inked = (
        "(canvas => canvas && canvas.width && canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        ".data.reduce((sum, value, i) => sum + (i % 4 === 3 && value > 20), 0) / canvas.width / canvas.height)"
        "(document.querySelector(arguments[0]))"
    )
    curves, lines = ".u-over canvas.layer", ".parallel canvas"
    page.until(f"{inked} > 0.005", curves)
    everything = page.until(f"(share => share > 0.2 && share)({inked})", lines)
    page.drag(strip("score"), (0.5, 0.01), (0.5, 0.2))
    wait_for_count(page, CROWD // 2)
    page.until(
        "document.querySelector('[aria-describedby=keys-curves]').ariaLabel.includes(` ${arguments[0]} runs`)",
        CROWD // 2,
    )
    drawing = ET.fromstring(saved(page, "Training curves", "SVG"))
    assert len([path for path in drawing.iter() if path.tag.endswith("path")]) == CROWD // 2 + 1
    page.click("section[aria-label='Parallel coordinates'] .bar button")
    wait_for_count(page, CROWD)
    page.until(f"Math.abs({inked} - arguments[1]) < 0.02", lines, everything)


# ---------------------------------------------------------------------- a run


def test_the_page_of_a_run_has_everything_that_is_known_of_it(page: Page, site: Portal) -> None:
    page.open(f"http://{site.host}/#/ended/0")
    page.until("document.querySelectorAll('.plots .panel').length === 2")
    shown = page.until("document.querySelector('.log')?.textContent.includes('first line') && main.innerText")
    for words in ("Canceled" if is_stopped(0) else "Completed", "GPU-0", "HD_ended_0", METRIC, HOSTILE, OPTIONS[0]):
        assert words in shown
    assert page.js("return document.querySelector('.log').textContent") == f"first line\n{HOSTILE}{NOTE}\n"
    assert page.js("return document.querySelector('#main td.long:nth-child(3)').textContent") == NOTE
    files = page.js("return [...document.querySelectorAll('.files a')].map(link => [link.textContent, link.href])")
    assert [name for name, _ in files] == ["stdout.log", f"outputs/{HOSTILE}.txt"]
    assert page.js(
        "const request = new XMLHttpRequest(); request.open('GET', arguments[0], false); request.send();"
        "return request.responseText",
        files[1][1],
    ) == "weights"  # fmt: skip
    page.press("n")
    page.until("document.querySelector('h1').textContent === 'Run 1'")


def test_why_a_run_ended_is_on_its_page(page: Page, site: Portal) -> None:
    stopped = next(number for number in VALUED if is_stopped(number) and number != 5)
    page.open(f"http://{site.host}/#/ended/{stopped}")
    assert "median stopping at interval 7" in page.until("document.querySelector('.facts dd') && main.innerText")
    page.open(f"http://{site.host}/#/ended/5")
    page.until("main.innerText.includes(arguments[0])", f"exit code 3: {HOSTILE}")


# ---------------------------------------------------------------------- a sweep that runs


def test_a_running_sweep_is_followed_and_canceled_without_loading_anything_again(
    page: Page, site: Portal, root: Path, tmp_path: Path
) -> None:
    def statuses() -> dict[int, RunStatus]:
        with StoreReader.open(root / "sweeps" / "live") as reader:
            return {run.number: run.status for run in reader.runs()}

    with live(root, tmp_path / "control") as sweep:
        page.click(".sweeps a[href='#/live']")
        page.js("window.isSame = true")
        reports = "document.querySelector(`tr[data-run='${arguments[0]}'] td:nth-child(6)`)?.textContent"
        for number in (0, 1):
            page.until(f"{reports} === '1'", number)
        sweep.report(7)
        for number in (0, 1):
            page.until(f"{reports} === '7'", number)
        page.until("document.querySelector('.bestline')?.textContent.includes('score 7.')")

        # A run: its log follows, and it is canceled after a question.
        page.click("tr[data-run='0'] a")
        page.until("document.querySelector('.log')?.textContent.endsWith('run 0 said 7\\n')")
        sweep.report(9)
        page.until("document.querySelector('.log').textContent.endsWith('run 0 said 8\\nrun 0 said 9\\n')")
        page.until("document.querySelector('.plots [role=img]').ariaLabel.includes('9 points')")
        page.click("button.danger")
        assert "Cancel run 0 of live?" in page.until("document.querySelector('dialog[open]')?.textContent")
        page.press("ENTER")  # the harmless answer has the focus
        page.until("!document.querySelector('dialog')")
        assert statuses()[0] is RunStatus.RUNNING
        page.click("button.danger")
        page.click("dialog .danger")
        page.until("document.querySelector('.badge').textContent === 'Canceled'")
        assert statuses()[0] is RunStatus.CANCELED
        assert not page.find("#main > div > .head button.danger").is_displayed()

        # The sweep goes on with the next run, and is canceled.
        page.press("s")
        page.until(f"{reports} === '9'", 2)
        page.click("button.danger")
        page.click("dialog .danger")
        page.until("document.querySelector('.badge').textContent === 'Canceled'")
        page.until("[...document.querySelectorAll('.runs tbody tr')].every(row => row.innerText.includes('Canceled'))")
        sweep.driver.wait(30)
        assert set(statuses().values()) == {RunStatus.CANCELED}
        assert page.js("return window.isSame")


def test_the_page_says_that_the_portal_is_gone_and_comes_back_with_it(page: Page, root: Path, tmp_path: Path) -> None:
    with portal(root) as other:
        page.open(f"http://{other.host}/?token={other.token}")
        page.until("document.querySelector('a[href=\"#/ended\"]')")
        page.open(f"http://{other.host}/#/ended")
        page.until("document.querySelector('.runs tbody tr')")
    page.until("document.querySelector('#link').textContent === 'connection lost, trying again'")
    assert rows(page)
    with portal(root, "--port", str(other.port)):
        page.until("document.querySelector('#link').textContent === ''")
    page.open("about:blank")
    assert all("ERR_" in problem for problem in page.severe())
    page.requests()


def test_curves_of_single_runs_are_what_the_server_has(ended: Page, site: Portal) -> None:
    answer = json.loads(site.get("/api/sweeps/ended/runs/1/metrics").body)[METRIC]
    assert len(answer) == (7 if is_stopped(1) else INTERVALS)
    fetched = ended.js(
        "return import('/static/api.js').then(api => api.getCurves('ended', 120, new Set([1, 2])))"
        ".then(curves => [...curves].map(([number, {x, y}]) => [number, [...x], [...y]]))"
    )
    assert [number for number, _, _ in fetched] == [1, 2]
    assert fetched[0][1] == [interval for interval, _, _ in answer]
    assert fetched[0][2] == pytest.approx([value for _, _, value in answer], rel=1e-6)
