"""A browser as these tests use it: open a page, wait for what it shows, keep a picture."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

_DEADLINE_S = 45


class Browser:
    """One window; pictures go to `folder` for a person to look at."""

    def __init__(self, driver: WebDriver, *, folder: Path) -> None:
        self._driver = driver
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def open(self, url: str) -> None:
        self._driver.get(url)

    def resize(self, width: int, height: int) -> None:
        self._driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def use_dark(self, *, dark: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def text(self, selector: str) -> str:
        """Return what the first match shows, an empty text where there is none yet."""
        return next(iter(self.texts(selector)), "")

    def texts(self, selector: str) -> list[str]:
        """Return what every match shows, read at one moment: live lists change all the time."""
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)"
        texts: list[str] = self._driver.execute_script(script, selector)
        return texts

    def data(self, name: str) -> str | None:
        """Return one of the notes a page leaves on its body."""
        value: str | None = self.run(f"return document.body.dataset.{name} ?? null")
        return value

    def click(self, selector: str) -> None:
        self._driver.find_element(By.CSS_SELECTOR, selector).click()

    def press(self, key: str) -> None:
        """Press a key of `selenium.webdriver.common.keys.Keys` where the focus is."""
        self._driver.switch_to.active_element.send_keys(key)

    def fill(self, selector: str, text: str) -> None:
        field = self._driver.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        field.send_keys(text)

    def choose(self, selector: str, value: str) -> None:
        Select(self._driver.find_element(By.CSS_SELECTOR, selector)).select_by_value(value)

    def run(self, script: str) -> Any:
        return self._driver.execute_script(script)

    def run_until_done(self, script: str) -> Any:
        """Run a script that calls its last argument when it is done."""
        return self._driver.execute_async_script(script)

    def take_complaints(self) -> list[str]:
        """Return what the page complained of since this was asked last, and forget it."""
        log = self._driver.get_log("browser")
        return [line["message"] for line in log if line["level"] == "SEVERE"]

    def wait(self, what: str, until: Callable[[], object]) -> None:
        """Wait until `until` holds; `what` says what was missing."""
        WebDriverWait(self._driver, _DEADLINE_S, poll_frequency=0.1).until(
            lambda _: until(), message=what
        )

    def list_foreign_hosts(self) -> list[str]:
        """Return the hosts other than the server that anything on the page came from."""
        hosts: list[str] = self.run(
            "return performance.getEntriesByType('resource').map((e) => new URL(e.name).host)"
            ".filter((host) => host && host !== location.host)"
        )
        return hosts

    def keep_picture(self, name: str) -> None:
        """Write what the window shows, the whole page of it."""
        size = self.run("return document.documentElement.scrollHeight")
        picture = self._driver.execute_cdp_cmd(
            "Page.captureScreenshot",
            {
                "captureBeyondViewport": True,
                "clip": {
                    "x": 0,
                    "y": 0,
                    "width": self.run("return innerWidth"),
                    "height": min(size, 4000),
                    "scale": 1,
                },
            },
        )
        (self._folder / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))
