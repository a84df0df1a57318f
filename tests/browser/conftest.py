"""A headless Chromium with a microphone that plays a recording, and a server to look at."""

import json
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.browser.browser import Browser
from tests.e2e.servers import Lingua, Servers

_ROOT = Path(__file__).parents[2]
_CLIPS = _ROOT / "packages/lingua-node/src/lingua_node/clips"
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
    *("--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage"),
)


def write_recording(path: Path, *clips: str, between_s: float = 0.0) -> None:
    """Write clips after silence, with silence between and behind them, as Chromium takes it."""
    with wave.open(str(path), "wb") as out:
        for number, name in enumerate(clips):
            with wave.open(str(_CLIPS / f"{name}.wav")) as clip:
                rate, speech = clip.getframerate(), clip.readframes(clip.getnframes())
            if not number:
                out.setnchannels(1)
                out.setsampwidth(2)
                out.setframerate(rate)
            silence_s = between_s if number else 0.25
            out.writeframes(b"\0\0" * int(rate * silence_s) + speech)
        out.writeframes(b"\0\0" * (rate * 30))


@pytest.fixture(scope="session")
def microphone_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the microphone hears: one sentence, and then nothing."""
    path = tmp_path_factory.mktemp("microphone") / "speech.wav"
    write_recording(path, "go_forward_ten_meters")
    return path


@pytest.fixture
def browser(microphone_file: Path, tmp_path: Path) -> Iterator[Browser]:
    """A window of a desktop's size; whatever a page complains of fails the test."""
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in (
        *_FLAGS,
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--use-file-for-fake-audio-capture={microphone_file}%noloop",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        browser = Browser(driver, folder=_ROOT / "var" / "screenshots")
        browser.resize(1280, 900)
        yield browser
        complaints = [line for line in driver.get_log("browser") if line["level"] == "SEVERE"]
        assert complaints == [], json.dumps(complaints, indent=1)
    finally:
        driver.quit()


@pytest.fixture
def is_durable() -> bool:
    """No test here kills its Redis."""
    return False


@pytest.fixture(scope="session")
def lingua(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lingua]:
    """A server with usual limits and statistics made twice a second."""
    redis = EmbeddedRedis(directory=tmp_path_factory.mktemp("browser-redis"), append_only=False)
    redis.start()
    servers = Servers(directory=tmp_path_factory.mktemp("browser"), redis_url=redis.url)
    yield servers.start(
        "uvicorn",
        LINGUA_STATS_INTERVAL_S="0.5",
        LINGUA_RUN_TIMEOUT_S="30",
        LINGUA_PENDING_TIMEOUT_S="2",
        LINGUA_PENDING_MAX_JOBS="20",
        # A thousand nodes of one test come from this address, and others after them.
        LINGUA_PRINCIPAL_MAX_NODE_IDS="5000",
        # Server, browser and a node of words share this machine: busy is no reason here.
        LINGUA_RESOURCE_THRESHOLD_PERCENT="100",
    )
    servers.end()
    redis.stop()
