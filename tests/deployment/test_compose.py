"""compose.yaml, process by process: what it starts is used through its nginx and its Prometheus."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.deployment import use
from tests.deployment.manifests import read_compose
from tests.deployment.stack import Stack, running
from tests.deployment.tls import ending_tls
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually, wait_until

# Letters and digits, as the file's head asks for.
SECRETS = {"SECRET_KEY": "5f0b3c9d8e7a6142" * 4, "POSTGRES_PASSWORD": "9a1c" * 8}
# What its head says for others than this machine's user; the last is the node that runs beside it.
VARIABLES = SECRETS | {
    "LINGUA_HTTPS": "on",
    "ALLOWED_HOSTS": f"{use.NAME},127.0.0.1",
    "CSRF_TRUSTED_ORIGINS": f"https://{use.NAME}",
}
NAME, PASSWORD = "operator", "a pass phrase of some length"
# A rule waits a minute before it fires.
_FIRES_WITHIN_S = 150

pytestmark = pytest.mark.req("ED14")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("compose"), VARIABLES) as stack:
        stack.run_in(
            *("one", "python", "manage.py", "createsuperuser", "--noinput"),
            *("--username", NAME, "--email", "operator@example.org"),
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        )
        yield stack


@pytest.fixture(scope="module")
def door(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[use.Door]:
    """Yield what ends TLS before nginx."""
    with ending_tls(
        tmp_path_factory.mktemp("tls"), before=stack.door, out_by=stack.gateway
    ) as door:
        yield door


@pytest.fixture(scope="module")
def tokens(stack: Stack) -> dict[str, str]:
    return {
        kind: stack.run_in("one", "python", "manage.py", "token", "create", kind, "first")
        for kind in ("node", "api")
    }


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_nothing_starts_without_what_only_its_operator_knows(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        read_compose({name: text for name, text in SECRETS.items() if name != missing})


def test_every_service_is_healthy_and_reads_each_variable_it_is_given(stack: Stack) -> None:
    for name in ("one", "two", "three"):
        log = stack.read_log(name)
        assert "no setting has that name" not in log
        assert "Traceback" not in log


def test_an_operator_logs_in_through_nginx_and_stays_so_on_every_instance(door: use.Door) -> None:
    browser = use.Browser(door)
    status, page = browser.log_in(NAME, PASSWORD)
    # Whichever of the three answers, it knows who asks.
    seen = [browser.get("/admin/operators/") for _ in range(6)]

    assert (status, "Log out" in page) == (200, True), page[:2000]
    assert [answer for answer, _ in seen] == [200] * 6
    assert {cookie.name: cookie.secure for cookie in browser.cookies} == {
        "csrftoken": True,
        "sessionid": True,
    }


def test_who_asks_nginx_without_tls_is_led_there_once(stack: Stack) -> None:
    told = use.ask_plainly(stack.door, "/admin/login/")

    assert told == (301, f"https://{use.NAME}/admin/login/")


async def test_a_sentence_is_translated_through_nginx(
    door: use.Door, tokens: dict[str, str]
) -> None:
    async with (
        door.connected(FakeNode, "/ws/node", tokens["node"]) as node,
        door.connected(Speaker, "/ws/session", tokens["api"]) as speaker,
    ):
        await node.register(use.LANGUAGES)
        await node.make_ready()
        await speaker.init(use.LANGUAGES)

        assert await use.translate(speaker, node)


def test_prometheus_scrapes_all_three_and_nobody_else_sees_metrics(
    stack: Stack, door: use.Door
) -> None:
    prometheus = f"http://{stack.addresses['prometheus']}:9090"

    def are_up() -> bool:
        told = use.ask_json(f"{prometheus}/api/v1/targets")["data"]["activeTargets"]
        return [target["health"] for target in told] == ["up"] * 3

    wait_until(are_up, within_s=60)

    assert use.Browser(door).get("/metrics")[0] == 404
    services = stack.services
    assert services["one"].environment["LINGUA_METRICS_ALLOW"] == services["prometheus"].address


async def test_a_speaker_survives_the_restart_of_its_instance(
    stack: Stack, door: use.Door, tokens: dict[str, str]
) -> None:
    async with use.working_node(f"ws://{stack.door}/ws/node", tokens["node"]):
        async with door.connected(Speaker, "/ws/session", tokens["api"]) as speaker:
            await speaker.init(use.LANGUAGES, resume_token="")
            await speaker.say(0)
            await speaker.result(0)
            # Nobody knows which instance nginx has chosen: the one whose end closes the socket.
            for name in ("one", "two", "three"):
                code = await asyncio.to_thread(stack.stop_one, name)
                await asyncio.to_thread(stack.start_one, name)
                assert code == 0, stack.read_log(name)[-3000:]
                if speaker.close_code is not None:
                    break
        async with door.connected(Speaker, "/ws/session", tokens["api"]) as again:
            await again.init(use.LANGUAGES, resume_token=speaker.resume_token)
            await again.say(1)
            result = await again.result(1)

    assert speaker.close_code == 1012
    assert again.session_id == speaker.session_id
    assert result["text_translated"].startswith("es:")


async def test_a_lost_instance_is_an_alert(stack: Stack) -> None:
    prometheus = f"http://{stack.addresses['prometheus']}:9090"
    await asyncio.to_thread(stack.stop_one, "three")

    def read_alerts() -> list[tuple[str, str, str]]:
        alerts = use.ask_json(f"{prometheus}/api/v1/alerts")["data"]["alerts"]
        return [
            (alert["labels"]["alertname"], alert["labels"].get("instance", ""), alert["state"])
            for alert in alerts
        ]

    async def read() -> list[tuple[str, str, str]]:
        return await asyncio.to_thread(read_alerts)

    lost = f"{stack.addresses['three']}:5010"
    await eventually(
        read,
        "the lost instance is no alert",
        fits=lambda alerts: ("InstanceMissing", lost, "firing") in alerts,
        within_s=_FIRES_WITHIN_S,
    )
    await asyncio.to_thread(stack.start_one, "three")
