"""Where a connection comes from, whatever stands in its head."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockets.client_address import ClientAddresses, name_sender

pytestmark = pytest.mark.req("ED12")

_PROXIES = ("10.0.0.0/8", "fd00::/8", "192.0.2.1")


def come(client: str, *said: str) -> dict[str, Any]:
    """A connection from an address, with a header for each of `said`."""
    return {
        "client": (client, 40_000),
        "headers": [(b"x-forwarded-for", text.encode("latin1")) for text in said],
    }


@pytest.mark.parametrize(
    ("client", "said", "address"),
    [
        ("198.51.100.7", (), "198.51.100.7"),
        ("198.51.100.7", ("203.0.113.1",), "198.51.100.7"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.1",), "203.0.113.1"),
        ("192.0.2.1", ("203.0.113.1",), "203.0.113.1"),
        ("192.0.2.2", ("203.0.113.1",), "192.0.2.2"),
        ("10.0.0.1", ("6.6.6.6, 203.0.113.1",), "203.0.113.1"),
        ("10.0.0.1", ("6.6.6.6", "203.0.113.1, 10.0.0.2"), "203.0.113.1"),
        ("10.0.0.1", ("6.6.6.6, nonsense, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("fd00::1", ("2001:db8::7",), "2001:db8::7"),
        ("::ffff:10.0.0.1", ("::ffff:203.0.113.1",), "203.0.113.1"),
        ("fe80::1%eth0", (), "fe80::1"),
        ("", ("203.0.113.1",), ""),
    ],
)
def test_only_what_a_trusted_proxy_added_counts(
    client: str, said: tuple[str, ...], address: str
) -> None:
    assert ClientAddresses(proxies=_PROXIES).find(come(client, *said)) == address


@given(said=st.lists(st.text(st.characters(codec="latin1")), max_size=4))
def test_without_a_proxy_no_header_counts(said: list[str]) -> None:
    assert ClientAddresses().find(come("198.51.100.7", *said)) == "198.51.100.7"


@given(said=st.lists(st.text(st.characters(codec="latin1")), max_size=4))
def test_whatever_a_client_wrote_it_is_who_the_proxy_heard(said: list[str]) -> None:
    scope = come("10.0.0.1", *said, "203.0.113.1")

    assert ClientAddresses(proxies=_PROXIES).find(scope) == "203.0.113.1"


def test_a_connection_may_have_no_address() -> None:
    assert ClientAddresses().find({"client": None}) == ""


def test_all_addresses_of_an_ipv6_site_are_one_sender() -> None:
    assert name_sender("2001:db8:1:2::1") == name_sender("2001:db8:1:2:ffff::9")
    assert name_sender("2001:db8:1:2::1") != name_sender("2001:db8:1:3::1")
    assert name_sender("192.0.2.1") != name_sender("192.0.2.2")
