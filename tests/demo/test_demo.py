"""The demonstration, as somebody who tries Lingua runs it."""

import json

import pytest

from tests.manage import run


@pytest.mark.req("J5", "N1", "J13")
@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_spoken_english_comes_back_as_spoken_spanish(server):
    demo = run("demo", "--once", "--server", server)

    assert demo.returncode == 0, demo.stderr
    told = json.loads(demo.stdout)
    assert told["text_asr"] == "go forward ten meters"
    assert "metros" in told["text_translated"]
    assert told["tts_bytes"] > 16_000, "half a second of speech at least"
    assert 0 < told["dispatch_ms"] < told["total_ms"]
    assert told["node_id"].startswith("node-")


def test_a_clip_that_is_no_recording_is_refused_with_the_reason(tmp_path):
    clip = tmp_path / "noise.wav"
    clip.write_bytes(b"not a recording")

    demo = run("demo", "--once", "--clip", str(clip))

    assert demo.returncode == 1
    assert "cannot read" in demo.stderr
    assert "Traceback" not in demo.stderr
