"""Where web hooks may go and where never, and how one POST is sent and answered."""

import asyncio
import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams_testing.listening import listening

from scheduling.model.errors import BadInput
from sessions_app.webhook_client import WebhookClient, is_public
from tests.http_api.hook_receiver import HookReceiver

OURS = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
    *("::1/128", "fc00::/7", "fe80::/10", "ff00::/8", "2001:db8::/32"),
)
_LONG = 64 * 1024 * 1024
OTHERS = ("1.0.0.0/8", "8.8.0.0/16", "93.184.0.0/16", "2606:4700::/32", "2a00:1450::/32")


def answering(answer: bytes) -> contextlib.AbstractAsyncContextManager[str]:
    """A listener that answers whatever comes with `answer`, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    return listening(serve)


async def post(client: WebhookClient, url: str) -> int:
    async with asyncio.timeout(60):
        return await client.post(url, body=b"{}", headers={})


@pytest.mark.req("J16")
@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/",
        "https://hooks.example:8443/path?query=1",
        "https://93.184.216.34/",
        "https://[2606:4700::1111]/",
        "HTTPS://Hooks.Example",
    ],
)
def test_a_hook_may_go_to_https_at_a_public_address(url: str) -> None:
    WebhookClient(hosts=()).check(url)


@pytest.mark.req("J15", "J16")
@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "//hooks.example/",
        "hooks.example",
        "",
        "https://",
        "https:///path",
        "https://user@hooks.example/",
        "https://user:secret@hooks.example/",
        "https://hooks.example:port/",
        "https://hooks.example:99999/",
        "https://hooks.example:22/",
        "https://hooks.example:6379/",
        "https://1.1.1.1:25/",
        "https://[::1/",
        "https://hooks.example/a b",
        "https://hooks.example/a\r\nHost: evil",
        "https://hooks.example/\x7f",
        "https://hööks.example/",
        "https://hooks.example/" + "a" * 2_048,
    ],
)
def test_what_is_no_plain_https_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput) as refused:
        WebhookClient(hosts=()).check(url)

    assert refused.value.code == "CALLBACK_FORBIDDEN"


@pytest.mark.req("J16")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.0.0.8",
        "192.0.0.170",
        "192.31.196.1",
        "192.175.48.6",
        "[::ffff:192.0.0.8]",
        "[2620:4f:8000::1]",
        "[::1]",
        "[fe80::1%25eth0]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2002:808:808::]",
        "[::127.0.0.1]",
        "[::10.0.0.1]",
        "[::8.8.8.8]",
        "[::ffff:0:7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[fec0::1]",
        "[2001:0:7f00:1::1]",
        "[2001:20::1]",
        "[2606:4700::5efe:7f00:1]",
        "[2606:4700::200:5efe:a00:1]",
        "[3fff::1]",
        "[5f00::1]",
        "[100::1]",
        "192.88.99.1",
    ],
)
def test_an_address_of_ours_is_refused_in_whatever_form(host: str) -> None:
    with pytest.raises(BadInput) as refused:
        WebhookClient(hosts=()).check(f"https://{host}/")

    assert refused.value.code == "CALLBACK_FORBIDDEN"


@pytest.mark.req("J16")
@given(
    address=st.one_of([st.ip_addresses(network=ipaddress.ip_network(net)) for net in OURS]).map(str)
)
def test_no_address_of_a_private_network_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.req("J16")
@given(address=st.one_of([st.ip_addresses(network=ipaddress.ip_network(net)) for net in OTHERS]))
def test_an_address_of_the_internet_is_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert is_public(str(address))


@pytest.mark.req("J16")
@given(address=st.ip_addresses(v=4))
def test_an_address_inside_another_counts_as_itself(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    inside = [
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x2606_4700 << 96) | (0x5EFE << 32) | number),
    ]

    assert {is_public(str(one)) for one in inside} == {is_public(str(address))}


@pytest.mark.req("J16")
@given(number=st.integers(0, 2**128 - 1).filter(lambda number: number >> 125 != 1))
def test_no_ipv6_address_outside_what_is_given_to_the_internet_is_public(number: int) -> None:
    address = ipaddress.IPv6Address(number)
    inner = ipaddress.IPv4Address(number & 0xFFFF_FFFF)
    stands_for_another = number >> 32 in {0xFFFF, 0x64FF9B << 64}

    assert is_public(str(address)) is (stands_for_another and is_public(str(inner)))


@pytest.mark.req("J16")
@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        (("127.0.0.1:8080",), "http://127.0.0.1:8080/hook"),
        (("127.0.0.1",), "http://127.0.0.1:8080/hook"),
        (("hooks.internal",), "http://HOOKS.internal/"),
        (("Hooks.Internal:80",), "http://hooks.internal/"),
        (("hooks.internal:443",), "https://hooks.internal/"),
        (("::1",), "http://[::1]:8080/"),
    ],
)
def test_a_listed_host_may_be_anywhere(hosts: tuple[str, ...], url: str) -> None:
    WebhookClient(hosts=hosts).check(url)


@pytest.mark.req("J16")
@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        (("127.0.0.1:8080",), "http://127.0.0.1:8081/"),
        (("127.0.0.1:8080",), "http://127.0.0.1/"),
        (("hooks.internal",), "http://evil.hooks.internal/"),
        (("hooks.internal",), "http://hooks.internal@evil.example/"),
        (("127.0.0.1:80",), "https://127.0.0.1/"),
    ],
)
def test_what_is_not_listed_word_for_word_is_not_listed(hosts: tuple[str, ...], url: str) -> None:
    with pytest.raises(BadInput):
        WebhookClient(hosts=hosts).check(url)


@pytest.mark.req("J16")
async def test_a_name_that_stands_for_an_address_of_ours_is_refused_before_it_is_asked() -> None:
    async with HookReceiver.open() as receiver:
        port = receiver.address.partition(":")[2]
        with pytest.raises(BadInput) as refused:
            await post(WebhookClient(hosts=()), f"https://localhost:{port}/")

        assert refused.value.code == "CALLBACK_FORBIDDEN"
        assert receiver.told == []


@pytest.mark.req("J16")
async def test_a_hook_arrives_as_it_was_sent() -> None:
    async with HookReceiver.open() as receiver:
        client = WebhookClient(hosts=(receiver.address,))
        await client.post(
            f"http://{receiver.address}/hooks/1?who=me",
            body='{"text":"¿qué?"}'.encode(),
            headers={"X-Lingua-Signature": "t=1,v1=ab", "User-Agent": "Other"},
        )
        told = await receiver.next(1)

    assert (told.path, told.json) == ("/hooks/1?who=me", {"text": "¿qué?"})
    assert told.headers == {
        "host": receiver.address,
        "user-agent": "Other",
        "content-type": "application/json",
        "content-length": "18",
        "connection": "close",
        "x-lingua-signature": "t=1,v1=ab",
    }


@pytest.mark.req("J16", "ED12")
async def test_a_body_that_nobody_reads_keeps_no_connection() -> None:
    """Closed in order, the rest of it would be sent for as long as the receiver is there."""
    is_over, arrived = asyncio.Event(), asyncio.Queue[int]()

    async def read_late(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await is_over.wait()
        count = 0
        with contextlib.suppress(OSError):
            while part := await reader.read(1 << 20):
                count += len(part)
        arrived.put_nowait(count)

    async with listening(read_late) as address, asyncio.timeout(60):
        client = WebhookClient(hosts=(address,))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(
                client.post(f"http://{address}/", body=bytes(_LONG), headers={}), timeout=0.3
            )
        is_over.set()

        assert await arrived.get() < _LONG


@pytest.mark.req("J16")
async def test_a_hook_without_a_path_goes_to_the_root() -> None:
    async with HookReceiver.open() as receiver:
        await post(WebhookClient(hosts=(receiver.address,)), f"http://{receiver.address}")

        assert (await receiver.next(1)).path == "/"


@pytest.mark.req("J16")
@pytest.mark.parametrize("status", [200, 204, 404, 500])
async def test_the_status_is_what_the_hook_was_answered_with(status: int) -> None:
    async with HookReceiver.open(status) as receiver:
        client = WebhookClient(hosts=(receiver.address,))

        assert await post(client, f"http://{receiver.address}/") == status


@pytest.mark.req("J16")
async def test_a_redirect_is_not_followed() -> None:
    async with HookReceiver.open(302) as receiver:
        client = WebhookClient(hosts=(receiver.address,))

        assert await post(client, f"http://{receiver.address}/first") == 302
        assert [told.path for told in receiver.told] == ["/first"]


@pytest.mark.req("J16")
@pytest.mark.parametrize("answer", [b"", b"\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 fine\r\n"])
async def test_an_answer_that_is_no_http_is_an_error(answer: bytes) -> None:
    async with answering(answer) as address:
        with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with the line
            await post(WebhookClient(hosts=(address,)), f"http://{address}/")


@pytest.mark.req("J16")
async def test_a_secure_hook_is_sent_to_nobody_without_a_certificate() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as address:
        with pytest.raises(OSError, match="SSL"):
            await post(WebhookClient(hosts=(address,)), f"https://{address}/")


@pytest.mark.req("J16")
async def test_nobody_there_is_an_error() -> None:
    async with answering(b"") as address:
        pass

    with pytest.raises(OSError, match="Connect call failed"):
        await post(WebhookClient(hosts=(address,)), f"http://{address}/")
