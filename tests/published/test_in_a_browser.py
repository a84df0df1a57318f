"""The web client in a browser: what its README says, in a project that has nothing else."""

import functools
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.browser import Browser
from tests.browser.streaming import run_scripted_node
from tests.e2e.servers import Lingua
from tests.published import packed

_SAID = ("go forward ten meters", "avanza diez metros hacia adelante")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as there
        """Say nothing."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A project and where a browser finds it."""

    folder: Path
    address: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An empty project with the packed client, served as any web server would."""
    folder = tmp_path_factory.mktemp("packed")
    project = packed.start_project(folder, packed.pack(folder))
    # Browsers ask for one, and complain.
    (project / "favicon.ico").touch()
    handler = functools.partial(_Quiet, directory=str(project))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Site(folder=project, address=f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.req("RE3")
def test_ten_lines_lead_from_the_microphone_to_captions(
    browser: Browser, lingua: Lingua, site: Site
) -> None:
    page = packed.write_page(site.folder, f"http://{lingua.instance.address}")
    assert packed.count_lines(page) <= 10

    with run_scripted_node(_SAID, url=lingua.url("/ws/node")):
        browser.open(f"{site.address}/index.html")
        browser.wait("the caption", lambda: browser.text("#captions").strip() == _SAID[1])
        browser.keep_picture("client-readme")


_PLAYING = """<!doctype html>
<script type="importmap">
  {"imports": {"lingua-client": "/node_modules/lingua-client/dist/index.js"}}
</script>
<script type="module">
  import { Lingua, Microphone, Player } from "lingua-client";

  const { dataset } = document.body;
  const session = new Lingua({ url: "SERVER" }).session({ from: "en", to: "es", speech: SPEECH });
  const player = new Player();
  const play = player.play.bind(player);
  player.play = (samples, owner) => {
    dataset.played = `${dataset.played ?? ""} ${samples.length}`;
    return play(samples, owner);
  };
  player.follow(session);
  const microphone = await Microphone.open();
  session.on("translation_result", async () => {
    microphone.close();
    await session.close();
    dataset.ended = `${session.state} ${microphone.isClosed}`;
  });
  session.speak(microphone);
</script>
<body></body>
"""


@pytest.mark.req("RE3")
@pytest.mark.parametrize(("speech", "played"), [("true", "6400"), ("false", "19200")])
def test_a_translation_is_heard_once_by_clause_or_whole(
    speech: str, played: str, browser: Browser, lingua: Lingua, site: Site
) -> None:
    page = _PLAYING.replace("SERVER", f"http://{lingua.instance.address}")
    (site.folder / "playing.html").write_text(page.replace("SPEECH", speech))

    with run_scripted_node(_SAID, url=lingua.url("/ws/node")):
        browser.open(f"{site.address}/playing.html")
        browser.wait("the end", lambda: browser.data("ended"))

    assert (browser.data("played") or "").split() == [played]
    assert browser.data("ended") == "closed true"
