"""A Chromium without a window, driven as a person would: real clicks, keys and drags."""

from __future__ import annotations

import json
import shutil
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_S = 20.0
_LOOK_S = 0.02
_BURST, _BURST_S = 10, 1.0  # Chromium drops, without a word, what a page saves beyond ten files in a second
_INSTALL = "apt-get install -y --no-install-recommends chromium chromium-driver"


class Page:
    """The one tab of the browser."""

    def __init__(self, driver: Any, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads
        self._saved_at: deque[float] = deque(maxlen=_BURST)

    def open(self, address: str) -> None:
        self.driver.get(address)

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, expression: str, *arguments: Any, patience_s: float = PATIENCE_S) -> Any:
        """Wait until a JavaScript expression is true, and return its value."""
        end = time.monotonic() + patience_s
        while True:
            found = self.js(f"return {expression}", *arguments)
            if found:
                return found
            if time.monotonic() > end:
                shown = self.js("return document.getElementById('main')?.innerText.slice(0, 1500)")
                raise AssertionError(f"not within {patience_s:g} s: {expression} {arguments}\n{shown}\n{self.severe()}")
            time.sleep(_LOOK_S)

    def find(self, css: str) -> Any:
        return self.until("document.querySelector(arguments[0])", css)

    def text(self, css: str) -> str:
        found: str = self.find(css).text
        return found

    def click(self, css: str) -> None:
        element = self.find(css)
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, css: str, text: str) -> None:
        """Write into a field, in place of what is there."""
        element = self.find(css)
        element.clear()
        element.send_keys(text)

    def press(self, *keys: str) -> None:
        """Press keys; those with names as in selenium's `Keys`: ``press("TAB", "ENTER", "?")``."""
        from selenium.webdriver import ActionChains, Keys

        actions = ActionChains(self.driver)
        for key in keys:
            actions.send_keys(getattr(Keys, key, key) if len(key) > 1 else key)
        actions.perform()

    def drag(self, css: str, start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> None:
        """Drag inside of an element, from and to shares of its width and height."""
        element = self.find(css)
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        left, top, width, height = self.js(
            "const b = arguments[0].getBoundingClientRect(); return [b.left, b.top, b.width, b.height]", element
        )

        def mouse(kind: str, share: float, buttons: int) -> None:
            x = left + width * (start[0] + (end[0] - start[0]) * share)
            y = top + height * (start[1] + (end[1] - start[1]) * share)
            self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons, clickCount=1)

        mouse("mouseMoved", 0, 0)
        mouse("mousePressed", 0, 1)
        for step in range(1, steps + 1):
            mouse("mouseMoved", step / steps, 1)
        mouse("mouseReleased", 1, 0)

    def command(self, name: str, **parameters: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def size(self, width: int, height: int) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def prefer(self, **features: str) -> None:
        """Emulate what the system prefers: ``prefer(color_scheme="dark")``."""
        chosen = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
        self.command("Emulation.setEmulatedMedia", features=chosen)

    def download(self, button: str, pattern: str) -> bytes:
        """Click a button and return the file that comes; no faster than the browser takes from a person."""
        for old in self.downloads.iterdir():
            old.unlink()
        if len(self._saved_at) == _BURST:
            time.sleep(max(0.0, self._saved_at[0] + _BURST_S - time.monotonic()))
        self.click(button)
        end = time.monotonic() + PATIENCE_S
        while not (found := list(self.downloads.glob(pattern))):  # it has another name until it is whole
            assert time.monotonic() < end, [path.name for path in self.downloads.iterdir()]
            time.sleep(_LOOK_S)
        self._saved_at.append(time.monotonic())
        return found[0].read_bytes()

    def severe(self) -> list[str]:
        """Return the errors on the browser's console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the last call."""
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """Start the browser; `folder` takes its profile and what it downloads."""
    try:
        from selenium.webdriver import Chrome, ChromeOptions, ChromeService
    except ModuleNotFoundError:
        raise RuntimeError("the browser tests need selenium: pip install -e '.[browser]'") from None
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    server = shutil.which("chromedriver")
    if program is None or server is None:
        raise RuntimeError(f"the browser tests need chromium and chromedriver: {_INSTALL}")
    options = ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",  # which a container's root has not
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--lang=en-GB",
        "--force-color-profile=srgb",
        f"--user-data-dir={folder / 'profile'}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    downloads = folder / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    driver = Chrome(options=options, service=ChromeService(server))
    try:
        page = Page(driver, downloads)
        page.size(1280, 900)
        yield page
    finally:
        driver.quit()
