"""Operators edit what nodes are tried with; what cannot be used says why (ND10)."""

import io
import wave

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from operators.db.pool_source import DatabaseSource
from operators.db.probe_models import CLIPS, SpeechProbe, note_found
from scheduling.placement.pool_config import PoolRules

pytestmark = [pytest.mark.django_db, pytest.mark.req("ND10")]

URL = "/admin/operators/speechprobe/"


@pytest.fixture(autouse=True)
def english() -> None:
    """Tests that empty the tables leave none of what migrations put there."""
    clip = (CLIPS / "go_forward_ten_meters.wav").read_bytes()
    made = {"words": ["go", "forward"], "clip": clip}
    SpeechProbe.objects.get_or_create(language="en", defaults=made)
    for role, verbs in {"viewer": ("view",), "operator": ("view", "add", "change")}.items():
        rights = Permission.objects.filter(codename__in=[f"{verb}_speechprobe" for verb in verbs])
        Group.objects.get_or_create(name=role)[0].permissions.add(*rights)


def log_in(role: str) -> Client:
    user = User.objects.create_user(username=f"a-{role}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def make_clip(
    *, seconds: float = 1, channels: int = 1, rate: int = 16_000, sample: bytes = b"\1\2"
) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as clip:
        clip.setnchannels(channels)
        clip.setsampwidth(2)
        clip.setframerate(rate)
        clip.writeframes(sample * int(seconds * rate * channels))
    return written.getvalue()


def fill(clip: bytes | None, **changes: str) -> dict[str, object]:
    filled: dict[str, object] = {"language": "de", "words": "guten, Tag", "enabled": "on"}
    if clip is not None:
        filled["clip_file"] = SimpleUploadedFile("clip.wav", clip)
    return filled | changes


def test_the_english_probe_ships() -> None:
    (probe,) = DatabaseSource(PoolRules())._read().probes

    assert (probe.language, probe.words, probe.sample_rate) == ("en", ("go", "forward"), 16_000)
    assert len(probe.audio) == 89_160


def test_an_operator_makes_changes_and_switches_a_probe_off() -> None:
    client, source = log_in("operator"), DatabaseSource(PoolRules())

    assert client.post(f"{URL}add/", fill(make_clip())).status_code == 302
    german = SpeechProbe.objects.get(language="de")
    assert [probe.words for probe in source._read().probes] == [("guten", "Tag"), ("go", "forward")]
    note_found("de", passed=False, failed=3)
    assert "no node heard these words yet" in client.get(URL).content.decode()
    changed = client.post(f"{URL}{german.pk}/change/", fill(None, words="Abend"))
    assert changed.status_code == 302
    assert [probe.words for probe in source._read().probes] == [("Abend",), ("go", "forward")]
    german.refresh_from_db()
    assert german.found == "", "other words are to be heard now"
    client.post(f"{URL}{german.pk}/change/", fill(None, enabled=""))
    assert [probe.language for probe in source._read().probes] == ["en"]


@pytest.mark.parametrize(
    ("filled", "told"),
    [
        (fill(None), "needs its clip"),
        (fill(b"mp3"), "no WAV file"),
        (fill(make_clip()[:30]), "no WAV file"),
        (fill(make_clip(channels=2)), "one channel"),
        (fill(make_clip(rate=96_000)), "8 to 48 kHz"),
        (fill(make_clip(seconds=0.1)), "must last"),
        (fill(make_clip(seconds=21)), "must last"),
        (fill(make_clip(seconds=40)), "more than 1000000 bytes"),
        (fill(make_clip(sample=b"\0\0")), "silent"),
        (fill(make_clip(), words=""), "required"),
        (fill(make_clip(), words="... !"), "nobody says it"),
        (fill(make_clip(), language="??"), "no language"),
        (fill(make_clip(), language="auto"), "names no language"),
        (fill(make_clip(), language="EN"), "already"),
    ],
)
def test_a_probe_that_cannot_be_used_says_why(filled: dict[str, object], told: str) -> None:
    for uploaded in filled.values():
        if isinstance(uploaded, SimpleUploadedFile):
            uploaded.seek(0)
    page = log_in("operator").post(f"{URL}add/", filled)

    assert page.status_code == 200
    assert told in page.content.decode()
    assert SpeechProbe.objects.count() == 1


def test_a_row_that_was_spoilt_in_the_database_is_no_probe() -> None:
    SpeechProbe.objects.create(language="fr", words=[], clip=b"")

    assert [probe.language for probe in DatabaseSource(PoolRules())._read().probes] == ["en"]


def test_a_viewer_sees_probes_and_changes_none() -> None:
    client = log_in("viewer")

    assert client.get(URL).status_code == 200
    assert client.get(f"{URL}add/").status_code == 403
