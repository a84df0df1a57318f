"""What a member of a room listens in."""

import pytest

from sessions_app.requests import Profile
from sessions_app.room_frames import choose_language


@pytest.mark.req("RM4")
@pytest.mark.parametrize(
    ("profile", "preferred", "lang"),
    [
        ({"src_lang": "zh", "tgt_lang": "en"}, None, "en"),
        ({"src_lang": "zh", "tgt_lang": "en"}, "es", "es"),
        ({"src_lang": "zh", "tgt_lang": "pt-BR"}, "DE", "de"),
        (
            {"src_lang": "auto", "tgt_lang": "en", "mode": "two_way_auto", "lang_a": "zh"},
            None,
            "en",
        ),
        ({"src_lang": "zh", "tgt_lang": "zh", "mode": "two_way_auto", "lang_b": "en"}, None, "en"),
        ({"src_lang": "en", "tgt_lang": "en", "mode": "two_way_auto", "lang_b": "en"}, None, "zh"),
        ({"src_lang": "auto", "tgt_lang": "en", "mode": "two_way_auto"}, "fr", "fr"),
    ],
)
def test_a_member_listens_in_what_it_names_else_in_what_it_does_not_speak(
    profile: dict[str, str], preferred: str | None, lang: str
) -> None:
    pair = {"lang_a": "zh", "lang_b": "en"} if "mode" in profile else {}
    known = Profile(trace_id="t", tenant_id="t", **(pair | profile))

    assert choose_language(known, preferred) == lang
