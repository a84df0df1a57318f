"""No page has what axe finds, in both lights, on a phone and on a desk, while things happen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from operators.api.navigation import PAGES
from tests.browser.browser import Browser
from tests.browser.programs import run_nodes, run_speakers
from tests.e2e.servers import Lingua

_AXE = Path(__file__).parents[2] / "var" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
_LOOKS = [(width, is_dark) for width in (390, 1440) for is_dark in (False, True)]
# Beside the operators' own pages: a listener's, how one comes in, and a job that was looked up.
_OTHERS = ("room/123456", "admin/login/", "jobs?state=DONE")
_RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => done(
  violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`)));
"""


@pytest.fixture(scope="module")
def busy(lingua: Lingua) -> Iterator[Lingua]:
    """A server with nodes, speakers, and one who asks for what no node can."""
    with (
        run_nodes("simulate", "--nodes", "3", "--slots", "2", url=lingua.url("/ws/node")),
        run_speakers(2, url=lingua.url("/ws/session"), pause_s=1),
        run_speakers(1, url=lingua.url("/ws/session"), pause_s=5, src="ja"),
    ):
        yield lingua


@pytest.mark.req("RE6")
@pytest.mark.parametrize("name", [*PAGES, *_OTHERS])
def test_axe_finds_nothing(name: str, browser: Browser, busy: Lingua) -> None:
    for width, is_dark in _LOOKS:
        browser.resize(width, 900)
        browser.use_dark(dark=is_dark)
        browser.open(f"http://{busy.instance.address}/{name}")
        if name in PAGES and name not in ("talk", "why", "live", "room"):
            browser.wait("figures", lambda: browser.data("loaded") == "yes")
        browser.run(_AXE.read_text())
        assert browser.run_until_done(_RUN) == [], f"{width} px, dark: {is_dark}"
        wide = browser.run("return document.documentElement.scrollWidth > innerWidth")
        assert not wide, f"wider than {width} px"
        look = "dark" if is_dark else "light"
        browser.keep_picture(f"look-{name.replace('/', '-').partition('?')[0]}-{width}-{look}")
