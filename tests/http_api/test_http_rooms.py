"""Members of rooms without a socket: by requests, among others who have one (RM1, RM3)."""

import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import pytest

from tests.http_api.test_http_speakers import await_end
from tests.instances.servers import MORTAL, Cluster, kill
from tests.peers.frames import Frame, draw_languages
from tests.peers.http import AUDIO, Reply, ask
from tests.peers.listener import EventReader
from tests.peers.member import Member, list_names
from tests.peers.node import FakeNode
from tests.redis_under_test import OwnRedis
from tests.server.launcher import Instance

pytestmark = pytest.mark.req("RM1", "RM3", "J16")

_numbers = itertools.count()


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_server: OwnRedis
) -> Iterator[Instance]:
    """One instance of each kind; its tests open more rooms a minute than one address may."""
    cluster = Cluster(
        directory=tmp_path_factory.mktemp(request.param),
        redis_url=redis_server.url,
        prefix=f"http-rooms-{next(_numbers)}",
        server_name=request.param,
    )
    yield cluster.start(LINGUA_ROOMS_PER_MINUTE="1000", LINGUA_ROOM_GUESSES_PER_MINUTE="1000")
    cluster.end()


class HttpMember:
    """Somebody who speaks in a room by requests."""

    def __init__(self, address: str, pair: tuple[str, str]) -> None:
        self.address = address
        self.pair = pair
        self.seat: Frame = {}

    @classmethod
    async def create(cls, address: str, pair: tuple[str, str], **named: Any) -> Self:
        member = cls(address, pair)
        reply = await member.enter("create", **named)
        assert reply.status == 201, reply
        return member

    async def enter(self, how: str, **named: Any) -> Reply:
        src, tgt = self.pair
        wanted = {"src_lang": src, "tgt_lang": tgt} | named
        reply = await ask(self.address, f"/v1/room/{how}", wanted)
        if reply.status == 201:
            self.seat = reply.json
        return reply

    async def ask(self, what: str, **changes: Any) -> Reply:
        """Leave a room, or end it."""
        return await ask(self.address, f"/v1/room/{what}", self._name() | changes)

    async def say(self, **changes: Any) -> Reply:
        src, tgt = self.pair
        spoken = {"src_lang": src, "tgt_lang": tgt, "audio": AUDIO} | self._name()
        return await ask(self.address, "/v1/dispatch/f2f", spoken | changes)

    @property
    def shown(self) -> dict[str, str]:
        """What shows that a job is its own."""
        return {"X-Lingua-Member-Token": self.seat["member_token"]}

    async def look(self, job_id: str, *, method: str = "GET", **headers: str) -> Reply:
        """Ask what became of a job, or end it."""
        return await ask(self.address, f"/v1/job/{job_id}", method=method, headers=headers)

    def _name(self) -> Frame:
        return {name: self.seat[name] for name in ("room_code", "session_id", "member_token")}


class Place:
    """A room of its own for each test, opened by a request."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.address = instance.address
        self.pair = draw_languages()
        self.spoken, self.heard = self.pair
        self.stack = contextlib.AsyncExitStack()

    async def open(self) -> None:
        named = {"display_name": "Ann", "preferred_lang": self.spoken}
        self.ann = await HttpMember.create(self.address, self.pair, **named)
        self.code: str = self.ann.seat["room_code"]

    async def member(self, name: str) -> Member:
        opened = Member.open(self.instance.url("/ws/session"), self.pair)
        member = await self.stack.enter_async_context(opened)
        await member.join_room(self.code, display_name=name)
        return member

    async def node(self, pair: tuple[str, str] | None = None) -> FakeNode:
        opened = FakeNode.open(self.instance.url("/ws/node"), pair or self.pair)
        return await self.stack.enter_async_context(opened)

    async def listener(self, lang: str) -> EventReader:
        path = f"/rooms/{self.code}/captions?lang={lang}"
        events = await self.stack.enter_async_context(EventReader.open(self.address, path))
        await events.next("listening")
        return events


@pytest.fixture
async def place(server: Instance) -> AsyncIterator[Place]:
    place = Place(server)
    async with place.stack:
        await place.open()
        yield place
    assert "Traceback" not in server.errors, server.errors


async def test_what_is_said_by_a_request_reaches_members_and_listeners_in_their_languages(
    place: Place,
) -> None:
    other = draw_languages()[1]
    bob, events = await place.member("Bob"), await place.listener(other)
    to_heard, to_other = await place.node(), await place.node((place.spoken, other))

    reply = await place.ann.say()
    for node, text in ((to_heard, "for Bob"), (to_other, "for who listens")):
        await node.finish(await node.job(), text_translated=text)
    told = await bob.next("translation_result")
    _, caption = await events.next("caption")

    assert reply.status == 200, reply
    assert (told["text_translated"], told["session_id"]) == (
        "for Bob",
        place.ann.seat["session_id"],
    )
    assert (caption["text"], caption["speaker_name"]) == ("for who listens", "Ann")
    shown = place.ann.shown
    ids = [job["job_id"] for job in reply.json["jobs"]]
    ends = [await await_end(place.address, job_id, headers=shown) for job_id in ids]
    assert {end["result"]["text_translated"] for end in ends} == {"for Bob", "for who listens"}
    assert reply.json["refused"] == []


async def test_who_joins_by_a_request_is_seen_is_heard_for_and_leaves(place: Place) -> None:
    bob, cid = await place.member("Bob"), HttpMember(place.address, draw_languages())
    node = await place.node((place.spoken, cid.pair[1]))

    joined = await cid.enter("join", room_code=place.code, display_name=" <b>Cid\n")
    seen = await bob.sees("Ann", "Bob", "<b>Cid")
    events = await place.listener(cid.pair[1])
    await bob.say(5)
    await node.finish(await node.job(), text_translated="for Cid")
    _, caption = await events.next("caption")
    left = await cid.ask("leave")
    after = await bob.sees("Ann", "Bob")

    assert joined.status == 201
    assert [one.get("display_name") for one in joined.json["members"]] == ["Ann", "Bob", "<b>Cid"]
    assert seen["members"][2]["session_id"] == joined.json["session_id"]
    assert caption["text"] == "for Cid"
    assert (left.status, left.json) == (200, {"room_code": place.code})
    assert list_names(after) == ["Ann", "Bob"]
    assert (await cid.say()).json["error"] == "ROOM_NOT_FOUND", "it may speak there no more"


async def test_alone_in_a_room_a_speaker_is_answered_as_outside_it(place: Place) -> None:
    node = await place.node()

    reply = await place.ann.say()
    await node.finish(await node.job(), text_translated="hola")

    (job,) = reply.json["jobs"]
    ended = await await_end(place.address, job["job_id"], headers=place.ann.shown)
    assert ended["result"]["text_translated"] == "hola"


async def test_an_utterance_that_is_said_again_is_one_job_and_is_shown_once(place: Place) -> None:
    bob, node = await place.member("Bob"), await place.node()

    first = await place.ann.say()
    job = await node.job()
    during = await place.ann.say(utterance_index=0)
    await node.finish(job, text_translated="once")
    await bob.next("translation_result")
    after = await place.ann.say(utterance_index=0)
    await bob.check_alive()

    ids = [reply.json["jobs"][0]["job_id"] for reply in (first, during, after)]
    assert len(set(ids)) == 1
    assert len(bob.told("translation_result")) == 1
    assert bob.told("missing_result") == []


async def test_a_language_that_nobody_serves_is_told_to_its_listeners_and_silences_no_other(
    place: Place,
) -> None:
    unserved = draw_languages()[1]
    bob, node = await place.member("Bob"), await place.node()
    events = await place.listener(unserved)

    reply = await place.ann.say()
    await node.finish(await node.job(), text_translated="for Bob")
    await bob.next("translation_result")
    _, missing = await events.next("caption_missing")

    assert [one["tgt_lang"] for one in reply.json["refused"]] == [unserved]
    assert missing["reason"] == "no_capable_node"


async def test_who_reads_the_language_it_was_said_in_is_shown_what_was_recognized(
    place: Place,
) -> None:
    events, node = await place.listener(place.spoken), await place.node()

    await place.ann.say()
    await node.finish(await node.job())
    _, caption = await events.next("caption")

    assert caption["text"] == "heard 0"


async def test_whoever_opened_a_room_ends_it_for_all(place: Place) -> None:
    bob, events = await place.member("Bob"), await place.listener(place.heard)
    guest = HttpMember(place.address, place.pair)
    await guest.enter("join", room_code=place.code)

    forbidden = await guest.ask("end")
    ended = await place.ann.ask("end")
    await bob.next("room_expired")
    await events.next("room_expired")
    late = [await place.ann.ask("end"), await place.ann.say(), await guest.ask("leave")]
    late.append(await HttpMember(place.address, place.pair).enter("join", room_code=place.code))

    assert (forbidden.status, forbidden.json["error"]) == (403, "NOT_HOST")
    assert ended.status == 200
    assert [(one.status, one.json["error"]) for one in late] == [(404, "ROOM_NOT_FOUND")] * 4


@pytest.mark.parametrize("wrong", ["", "x", "of another"])
async def test_a_session_of_a_room_is_spoken_for_with_its_own_token_alone(
    place: Place, wrong: str
) -> None:
    thief = HttpMember(place.address, place.pair)
    await thief.enter("join", room_code=place.code)
    shown = thief.seat["member_token"] if wrong == "of another" else wrong

    tried = [await place.ann.say(member_token=shown), await place.ann.say(member_token=None)]
    tried += [await place.ann.say(member_token=shown, room_code=None)]
    tried += [await place.ann.ask(what, member_token=shown or "-") for what in ("leave", "end")]
    tried += [await place.ann.ask("language", member_token=shown or "-", preferred_lang="fr")]

    assert {(one.status, one.json["error"]) for one in tried} == {(404, "INVALID_SESSION")}
    assert (await place.ann.say()).json.get("error") != "INVALID_SESSION"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_members_job_is_looked_at_and_ended_with_its_own_token_alone(
    place: Place, method: str
) -> None:
    bob, node = await place.member("Bob"), await place.node()
    thief = HttpMember(place.address, place.pair)
    await thief.enter("join", room_code=place.code)
    (mine,) = (await place.ann.say()).json["jobs"]
    job = await node.job()
    wrong = [{}, {"X-Lingua-Member-Token": ""}, {"X-Lingua-Member-Token": "x"}, thief.shown]

    tried = [await thief.look(mine["job_id"], method=method, **shown) for shown in wrong]
    before = await place.ann.look(mine["job_id"], **place.ann.shown)
    await node.finish(job, text_translated="for Bob")
    told = await bob.next("translation_result")
    after = await place.ann.look(told["job_id"], method=method, **place.ann.shown)

    assert {(one.status, one.json["error"]) for one in tried} == {(404, "NO_SUCH_JOB")}
    assert (before.status, before.json.get("ended")) == (200, None)
    assert told["job_id"] == mine["job_id"], "everybody in the room is shown its id"
    assert after.json["result"]["text_translated"] == "for Bob"


async def test_a_member_ends_its_own_job(place: Place) -> None:
    bob, node = await place.member("Bob"), await place.node()
    (mine,) = (await place.ann.say()).json["jobs"]
    await node.job()

    ended = await place.ann.look(mine["job_id"], method="DELETE", **place.ann.shown)
    missing = await bob.next("missing_result")

    assert (ended.status, ended.json["error"]) == (200, "CANCELLED")
    assert missing["reason"] == "cancelled"
    assert (await node.next("job_cancel"))["job_id"] == mine["job_id"]


async def test_no_session_of_a_socket_is_a_members_by_requests(place: Place) -> None:
    bob = await place.member("Bob")

    tried = [await place.ann.ask("leave", session_id=bob.session_id)]
    tried.append(await place.ann.say(session_id=bob.session_id))

    assert {(one.status, one.json["error"]) for one in tried} == {(404, "INVALID_SESSION")}
    assert await bob.check_alive() == []


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"room_code": "no code"}, 404, "ROOM_NOT_FOUND"),
        ({"room_code": "٠١٢٣٤٥"}, 404, "ROOM_NOT_FOUND"),
        ({"room_code": "0" * 65}, 400, "INVALID_MESSAGE"),
        ({"room_code": None}, 400, "INVALID_MESSAGE"),
        ({"preferred_lang": "auto"}, 400, "INVALID_MESSAGE"),
        ({"preferred_lang": "no language"}, 400, "INVALID_MESSAGE"),
        ({"src_lang": "!"}, 400, "INVALID_MESSAGE"),
        ({"tgt_lang": "auto"}, 400, "INVALID_MESSAGE"),
    ],
)
async def test_who_cannot_join_is_told_why(
    place: Place, changes: dict[str, Any], status: int, error: str
) -> None:
    guest = HttpMember(place.address, place.pair)

    reply = await guest.enter("join", **({"room_code": place.code} | changes))

    assert (reply.status, reply.json["error"]) == (status, error)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"audio": "no base64!"}, "INVALID_MESSAGE"),
        ({"audio": "SUQzBAAAAAAAI1RTU0UAAAAP"}, "INVALID_AUDIO"),
        ({"audio": None}, "INVALID_MESSAGE"),
        ({"src_lang": "auto!"}, "INVALID_MESSAGE"),
        ({"session_id": None}, "INVALID_MESSAGE"),
    ],
)
async def test_what_cannot_be_said_is_refused_and_the_room_notices_nothing(
    place: Place, changes: dict[str, Any], error: str
) -> None:
    bob = await place.member("Bob")

    reply = await place.ann.say(**changes)

    assert (reply.status, reply.json["error"]) == (400, error)
    assert await bob.check_alive() == []


async def test_a_body_that_is_none_is_refused(place: Place) -> None:
    for path in ("create", "join", "language", "leave", "end"):
        for body in (b"", b"[]", b"{", b'{"room_code": 7}'):
            reply = await ask(place.address, f"/v1/room/{path}", raw=body)

            assert (reply.status, reply.json["error"]) == (400, "INVALID_MESSAGE")
        reply = await ask(place.address, f"/v1/room/{path}", method="GET")
        assert reply.status == 405


@pytest.fixture
def limited(either_server: Cluster) -> Instance:
    return either_server.start(
        # So few that a test need not ask ten times a minute.
        LINGUA_ROOMS_PER_MINUTE="2",
        LINGUA_ROOM_GUESSES_PER_MINUTE="2",
    )


async def test_rooms_opened_and_codes_tried_are_counted(limited: Instance) -> None:
    member = HttpMember(limited.address, draw_languages())
    opened = [await member.enter("create") for _ in range(3)]
    code = int(opened[0].json["room_code"])
    wrong = [f"{(code + number) % 10**6:06}" for number in range(500_000, 500_004)]
    tried = [await member.enter("join", room_code=one) for one in wrong]

    assert [reply.status for reply in opened] == [201, 201, 429]
    assert opened[2].json["error"] == "RATE_LIMITED"
    assert opened[2].json["details"]["retry_after_ms"] > 0
    assert [reply.status for reply in (tried[0], tried[1], tried[-1])] == [404, 404, 429]


@pytest.mark.parametrize("request_", ["say", "language"])
async def test_a_members_seat_comes_along_to_the_instance_it_asks_next(
    cluster: Cluster, request_: str
) -> None:
    one, two = cluster.start(**MORTAL), cluster.start(**MORTAL)
    pair = draw_languages()
    ann = await HttpMember.create(one.address, pair, display_name="Ann", preferred_lang=pair[0])
    async with (
        Member.open(two.url("/ws/session"), pair) as bob,
        FakeNode.open(two.url("/ws/node"), pair) as node,
    ):
        await bob.join_room(ann.seat["room_code"], display_name="Bob")
        kill(one)
        ann.address = two.address
        if request_ == "language":
            chosen = await ann.ask("language", preferred_lang="FR")
            seen = await bob.sees("Ann", "Bob")
            while seen["members"][0].get("preferred_lang") != "fr":
                seen = await bob.sees("Ann", "Bob")
            assert (chosen.status, chosen.json["preferred_lang"]) == (200, "fr")
        said = await ann.say()
        await node.finish(await node.job(), text_translated="from the other one")
        told = await bob.next("translation_result")
        # The grace is over for whoever asked nothing: she did.
        key = cluster.key("{room:%s}:members") % ann.seat["room_code"]
        seat = json.loads(cluster.redis.hget(key, ann.seat["session_id"]))
        await bob.check_alive()
        last = [frame for frame in bob.told("room_members") if frame["members"]][-1]

    assert said.status == 200, said
    assert told["text_translated"] == "from the other one"
    assert seat["lang"] == ("fr" if request_ == "language" else pair[0])
    assert list_names(last) == ["Ann", "Bob"]


async def test_who_asks_two_instances_in_turn_is_in_the_room_at_each(cluster: Cluster) -> None:
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    ann = await HttpMember.create(one.address, pair, display_name="Ann")
    async with (
        Member.open(two.url("/ws/session"), pair) as bob,
        FakeNode.open(two.url("/ws/node"), pair) as node,
    ):
        await bob.join_room(ann.seat["room_code"], display_name="Bob")
        for address, text in ((two.address, "a"), (one.address, "b"), (two.address, "c")):
            ann.address = address
            assert (await ann.say()).status == 200
            await node.finish(await node.job(), text_translated=text)
            assert (await bob.next("translation_result"))["text_translated"] == text
        left = await ann.ask("leave")
        await bob.sees("Bob")
        late = await ann.ask("language", preferred_lang="fr")
    assert left.status == 200
    assert (late.status, late.json["error"]) == (404, "ROOM_NOT_FOUND")


async def test_who_says_nothing_after_its_instance_ended_is_out_once_the_grace_is_over(
    cluster: Cluster,
) -> None:
    grace = {**MORTAL, "LINGUA_SESSION_GRACE_S": "0.2"}
    one, two = cluster.start(**grace), cluster.start(**grace)
    ann = await HttpMember.create(one.address, draw_languages(), display_name="Ann")
    async with Member.open(two.url("/ws/session"), draw_languages()) as bob:
        await bob.join_room(ann.seat["room_code"], display_name="Bob")
        kill(one)
        await bob.sees("Bob")
        ann.address = two.address
        gone = await ann.say()
    assert (gone.status, gone.json["error"]) == (404, "ROOM_NOT_FOUND")
