"""Names: keys with one hash tag an entity, ids that lead home, shards that never move."""

import inspect
import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from scheduling.model import ids
from scheduling.model.credentials import Kind, draw_token
from scheduling.store.keys import Keys, MirrorKeys, pick_shard

KEYS = Keys("lingua")
NODE_KEYS = [KEYS.node.info, KEYS.node.resv, KEYS.node.run, KEYS.node.unavail, KEYS.node.cap]


@pytest.mark.req("I10", "I-3")
@given(node_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True))
def test_a_nodes_keys_differ_and_share_its_tag(node_id: str) -> None:
    keys = [make(node_id) for make in NODE_KEYS]

    assert len(set(keys)) == len(keys)
    tag = f"node:{node_id}".encode()
    assert {key_slot(key.encode()) for key in keys} == {key_slot(tag)}


@pytest.mark.req("I10", "I-3", "I-59")
@given(request=st.text(max_size=30))
def test_a_sessions_keys_share_its_tag_whatever_the_request_is_called(request: str) -> None:
    keys = [
        KEYS.session.info("s-1"),
        KEYS.session.outbox("s-1"),
        KEYS.session.job("s-1", "j"),
        KEYS.session.payload("s-1", "j"),
        KEYS.session.outcome("s-1", "j"),
        KEYS.session.binding("s-1", request),
    ]

    assert len(set(keys)) == len(keys)
    assert {key_slot(key.encode()) for key in keys} == {key_slot(b"session:s-1")}


@pytest.mark.req("I-57")
def test_every_kind_of_key_begins_with_the_prefix() -> None:
    keys = Keys("other")
    # Copies for older tools stand where those look.
    _all_begin_with("other:v1:", keys.mirror)
    for makers in (keys, *vars(keys).values()):
        if not isinstance(makers, str | MirrorKeys):
            _all_begin_with("other:v2:{", makers)


def _all_begin_with(begin: str, makers: object) -> None:
    made = 0
    for name, make in inspect.getmembers(makers, inspect.ismethod):
        # One that reads makes no key.
        if not name.startswith(("_", "read_")):
            arguments = [
                1 if each == "shard" else "x" for each in inspect.signature(make).parameters
            ]
            assert make(*arguments).startswith(begin)
            made += 1
    assert made, f"{makers} makes no key"


@pytest.mark.req("RE10")
def test_whose_a_key_is_can_be_read_from_it() -> None:
    for session_id in ("s-7F3A91C2", "x", "a:b"):
        for key in (KEYS.session.info(session_id), KEYS.session.job(session_id, "job-1")):
            assert KEYS.read_session_id(key) == session_id


@given(entity=st.text(max_size=40), shards=st.integers(1, 64))
def test_a_shard_is_the_same_at_every_call(entity: str, shards: int) -> None:
    assert 0 <= pick_shard(entity, shards) < shards
    assert pick_shard(entity, shards) == pick_shard(entity, shards)


def test_a_shard_does_not_move_with_a_new_version() -> None:
    assert [pick_shard(f"job|s-{n}|j", 16) for n in range(6)] == [5, 2, 11, 12, 9, 14]


def test_a_job_id_leads_to_its_session() -> None:
    session_id = ids.new_session_id()

    assert ids.find_session_id(ids.new_job_id(session_id)) == session_id


@pytest.mark.parametrize(
    "text", ["", "job-1", "job-0000000g-000000000000", "job-AAAA0001-000000000001\n", "s-AAAA0001"]
)
def test_an_id_that_is_none_of_ours_leads_nowhere(text: str) -> None:
    assert ids.find_session_id(text) is None


@pytest.mark.req("N1", "I1")
@pytest.mark.parametrize(
    ("draw", "form"),
    [
        (ids.new_session_id, r"s-[0-9A-F]{8}"),
        (ids.new_node_id, r"node-[0-9A-F]{8}"),
        (ids.new_instance_id, r"[A-Za-z0-9-]+-\d+-[0-9a-f]{8}"),
        (ids.new_token, r"[A-Za-z0-9_-]{22}"),
    ],
)
def test_ids_have_their_form_and_differ(draw, form: str) -> None:
    drawn = [draw() for _ in range(50)]

    assert all(re.fullmatch(form, each) for each in drawn)
    assert len(set(drawn)) == len(drawn)
    assert all(ids.is_tag_safe(each) for each in drawn if not each.startswith(("-", "_")))


@pytest.mark.req("I-65")
@pytest.mark.parametrize("draw", [ids.new_token, ids.new_session_id, lambda: draw_token(Kind.NODE)])
def test_no_secret_comes_again_when_chance_is_seeded_anew(
    draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes made of the time, or of a seed, were guessed (I-65)."""
    for name, moment in (("time", 1.0), ("time_ns", 1), ("monotonic", 1.0), ("monotonic_ns", 1)):
        monkeypatch.setattr(time, name, lambda moment=moment: moment)
    drawn = []
    for _ in range(20):
        random.seed(1)
        drawn.append(draw())

    assert len(set(map(str, drawn))) == len(drawn)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("n1", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("", False),
        ("a}b", False),
        ("a\n", False),
    ],
)
def test_only_plain_names_stand_in_a_tag(
    text: str,
    safe: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    assert ids.is_tag_safe(text) is safe
