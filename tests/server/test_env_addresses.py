"""Hosts, origins, addresses and keys: what nothing could match is refused, and no secret told."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from lingua.settings import env, env_addresses
from lingua.settings.databases import parse_database_url

pytestmark = pytest.mark.req("ED14")

NAME = "TEST_VALUE"
Read = Callable[[str], object]
HOSTS: Read = functools.partial(env_addresses.env_hosts, default=())
ORIGINS: Read = env_addresses.env_origins
WITH_SUBDOMAINS: Read = functools.partial(env_addresses.env_origins, with_subdomains=True)
LISTENING: Read = functools.partial(env_addresses.env_listening_host, default="127.0.0.1")
WORD: Read = functools.partial(env.env_word, default="lingua")
REDIS, MASTERS = env_addresses.env_redis_url, env_addresses.env_redis_masters


def read_database(name: str) -> object:
    return parse_database_url(env.env_str(name, default=""), sqlite_file=Path("unused"))


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (read_database, "postgresql://lingua:[secret]@host/name", "%5B"),
        (read_database, "postgresql://lingua:secret[@host/name", "%5B"),
        (read_database, "postgresql://lingua:12/secret@host:5432/name", "%2F"),
        (read_database, "postgresql://lingua:12/x?secret@host:5432/name", "%3F"),
        (read_database, "postgresql://lingua:12/x#secret@host:5432/name", "%23"),
        (REDIS, "redis://:12/secret@host:6379/0", "%2F"),
        (REDIS, "redis://:[secret]@host:6379/0", "%5B"),
        (REDIS, "redis://host:6379/secret", "redis://host:port/0"),
        (MASTERS, "host:7001", "redis://host:port"),
        (MASTERS, "redis://:12/secret@host:7001", "%2F"),
        (MASTERS, "redis://host:7001,redis://host:secret", "with commas"),
        (MASTERS, "redis://host:7001/3", "redis://host:port"),
        (env_addresses.env_http_url, "hub.example.org", "https://host"),
        (env_addresses.env_http_url, "https://me:12/secret@hub.example.org", "%2F"),
        (env.env_secret, "secret", "at least 32 characters"),
        (env.env_secret, ("secret and more of it" * 3)[:31], "openssl rand -hex 32"),
        (env.env_secret, "secr" * 20, "nobody can guess"),
        (HOSTS, "https://talk.example.org", "names without scheme, port and path"),
        (HOSTS, "talk.example.org,talk.example.org:443", "'talk.example.org:443'"),
        (HOSTS, "talk.example.org/live", "without scheme, port and path"),
        (HOSTS, "*.example.org", "such as talk.example.org, .example.org"),
        (HOSTS, "talk.example.org.", "without scheme, port and path"),
        (HOSTS, "büro.example.org", "xn--"),
        (HOSTS, "::1", "or [::1]"),
        (ORIGINS, "talk.example.org", "such as https://talk.example.org"),
        (ORIGINS, "talk.example.org:8443", "origins of pages"),
        (ORIGINS, "null", "origins of pages"),
        (ORIGINS, "https://*.example.org", "origins of pages"),
        (WITH_SUBDOMAINS, "https://talk.example.org/live", "origins of pages"),
        (WITH_SUBDOMAINS, "https://talk.*.org", "origins of pages"),
        (WITH_SUBDOMAINS, "https://me@talk.example.org", "origins of pages"),
        (env_addresses.env_receivers, "http://hooks.example.org", "host or host:port"),
        (LISTENING, "http://127.0.0.1", "its port is LINGUA_PORT"),
        (LISTENING, "localhost:5010", "its port is LINGUA_PORT"),
        (WORD, "a{b}", "letters, digits"),
        (WORD, "lingua*", "letters, digits"),
        (WORD, "first one", "letters, digits"),
    ],
)
def test_what_nothing_could_match_is_refused_in_words(
    read: Read, text: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, text)

    with pytest.raises(ImproperlyConfigured) as refused:
        read(NAME)

    assert words in str(refused.value)
    assert "secr" not in str(refused.value)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (WITH_SUBDOMAINS, "https://talk.example.org", ["https://talk.example.org"]),
        (WITH_SUBDOMAINS, "https://*.example.org", ["https://*.example.org"]),
        (ORIGINS, "https://Talk.Example.org/", ["https://talk.example.org"]),
        (ORIGINS, "https://talk.example.org:443", ["https://talk.example.org"]),
        (ORIGINS, "http://t.example.org:8080", ["http://t.example.org:8080"]),
        (ORIGINS, "http://[::1]:5010", ["http://[::1]:5010"]),
        (ORIGINS, "capacitor://localhost", ["capacitor://localhost"]),
        (HOSTS, "*,.example.org,[::1],my_host,10.0.0.1", None),
        (env_addresses.env_receivers, "127.0.0.1:1,[::1]:80,hooks.example.org", None),
        (MASTERS, "redis://:p%40ss@h:7001,rediss://h:7002/0,redis://[::1]:7003/", None),
        (REDIS, "rediss://user:p%2Fw@h:6379/2?ssl_ca_certs=/etc/ca.pem", None),
        (REDIS, "unix:///run/redis/redis.sock?db=1", None),
        (REDIS, "redis://h", None),
        (LISTENING, "::", None),
        (LISTENING, "[::1]", None),
        (LISTENING, "lingua-1.example.org", None),
        (WORD, "lingua:eu-1/a.b_c", None),
        (env.env_secret, "5f0b3c9d8e7a6142" * 4, None),
        (env_addresses.env_http_url, "http://me:pw@hub.example.org:8080/base", None),
    ],
)
def test_what_is_right_is_taken_and_origins_as_browsers_spell_them(
    read: Read, text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, text)

    parts = text.split(",")
    # Lists come as lists, what is one value as it stands.
    assert read(NAME) in ([value] if value is not None else [text, parts])
