"""CONFIG as people have it: it works, or it is refused with what to write instead."""

import re

import pytest
from channels.exceptions import InvalidChannelLayerError
from channels_streams.layer import StreamsChannelLayer
from channels_streams.redis.sentinels import read_address, read_credentials

pytestmark = pytest.mark.req("RE1")


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("redis://redis.example:6380/2", "redis://redis.example:6380/2"),
        ("rediss://user:pw@redis.example", "rediss://user:pw@redis.example"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        (("redis.example", 6380), "redis://redis.example:6380/0"),
        (["redis.example", "6380"], "redis://redis.example:6380/0"),
        (("::1", 6379), "redis://[::1]:6379/0"),
        ({"address": "redis://redis.example"}, "redis://redis.example"),
        ({"host": "redis.example", "port": 1, "db": 3}, "redis://redis.example:1/3"),
        ({"host": "redis.example", "ssl": True}, "rediss://redis.example:6379/0"),
        ({"path": "/run/redis.sock"}, "unix:///run/redis.sock"),
    ],
)
def test_hosts_of_every_form_are_understood(entry, url):
    assert StreamsChannelLayer(hosts=[entry]).options.url == url


def test_what_stands_beside_an_address_is_told_to_the_client():
    host = {"address": "rediss://r", "password": "pw", "ssl_cert_reqs": None, "max_connections": 5}
    options = StreamsChannelLayer(hosts=[host], redis_options={"client_name": "chat"}).options
    assert options.max_connections == 5
    assert options.redis_options == {"password": "pw", "ssl_cert_reqs": None, "client_name": "chat"}


def test_sentinels_are_understood():
    host = {"sentinels": [("one", 26379), ("two", "26380")], "master_name": "main", "db": 3}
    options = StreamsChannelLayer(hosts=[host | {"sentinel_kwargs": {"password": "pw"}}]).options
    assert options.sentinels == (("one", 26379), ("two", 26380))
    assert (options.master_name, options.sentinel_options) == ("main", {"password": "pw"})
    assert options.redis_options == {"db": 3}


def test_sentinels_are_understood_as_addresses():
    options = StreamsChannelLayer(
        url="redis://:pw@myMaster/3", sentinel_urls=["redis://:other@one", "redis://two:26380"]
    ).options
    address = read_address(options.url, options.sentinel_urls)
    assert address.sentinels == (("one", 26379), ("two", 26380))
    assert (address.master_name, address.sentinel_options) == ("myMaster", {"password": "other"})
    assert read_credentials(options.url) == {"password": "pw", "db": 3}
    assert read_credentials("rediss://main?ssl_ca_certs=ca")["ssl"] is True


def test_all_that_channels_redis_takes_is_taken():
    layer = StreamsChannelLayer(
        hosts=[("127.0.0.1", 6379)],
        prefix="asgi",
        expiry=30,
        group_expiry=3_600,
        capacity=7,
        channel_capacity={"http.request": 200, re.compile(r"^websocket\.send!.+"): 20},
        symmetric_encryption_keys=["secret", b"older"],
        serializer_format="msgpack",
        on_disconnect=lambda: None,
        on_reconnect=None,
    )
    assert (layer.expiry, layer.group_expiry, layer.capacity) == (30, 3_600, 7)
    assert layer.get_capacity("websocket.send!x") == 20
    assert layer.options.prefix == "asgi"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"hosts": "redis://r"}, '"hosts": ['),
        ({"hosts": {"address": "redis://r"}}, '"hosts": ['),
        ({"hosts": 6379}, '"hosts": ['),
        ({"hosts": ["redis://a", "redis://b"]}, "cluster_urls"),
        ({"hosts": [6379]}, "redis://host:6379/0"),
        ({"hosts": [("r",)]}, '("host", 6379)'),
        ({"hosts": [("r", "http")]}, "port"),
        ({"hosts": [("r", 70_000)]}, "65535"),
        ({"hosts": [("redis://r", 6379)]}, "redis.example"),
        ({"hosts": [{}]}, '"address"'),
        ({"hosts": [{"adress": "redis://r"}]}, '"address"'),
        ({"hosts": [{"sentinels": [("r", 1)]}]}, "master_name"),
        ({"hosts": [{"master_name": "m"}]}, "sentinels"),
        ({"hosts": [{"sentinels": "r:1", "master_name": "m"}]}, "pairs"),
        ({"hosts": [{"address": "redis://r", "passwrod": "x"}]}, "passwrod"),
        ({"hosts": [{"address": "redis://r", "decode_responses": True}]}, "leave it out"),
        ({"hosts": ["redis://r"], "url": "redis://r"}, "keep one"),
        ({"url": "reids://r"}, "redis://, rediss:// and unix://"),
        ({"url": "localhost:6379"}, "redis://, rediss:// and unix://"),
        ({"url": "redis//r"}, "redis://, rediss:// and unix://"),
        ({"url": "redis://r:port/0"}, "no address"),
        ({"url": "redis://r:99999/0"}, "no address"),
        ({"url": "redis://r/zero"}, "database"),
        ({"url": "redis:///0"}, "no host"),
        ({"url": "unix://"}, "socket"),
        ({"url": "redis://r/0?sockt_timeout=3"}, "sockt_timeout"),
        ({"url": None}, "a text"),
        ({"cluster_urls": "redis://r"}, '"cluster_urls": ['),
        ({"cluster_urls": ["redis://r/3"]}, "no database but 0"),
        ({"cluster_urls": ["r:7000"]}, "redis://"),
        ({"cluster_urls": ["redis://r?ssl_cert_reqs=none"]}, "redis_options"),
        ({"url": "redis://main/0", "sentinel_urls": "redis://s"}, '"sentinel_urls": ['),
        (
            {"url": "redis://main:6379/0", "sentinel_urls": ["redis://s"]},
            "redis://:password@mymaster",
        ),
        ({"sentinel_urls": ["redis://s"]}, "without a port"),
        ({"url": "unix:///r.sock", "sentinel_urls": ["redis://s"]}, "without a port"),
        ({"url": "redis://main", "sentinel_urls": ["s:26379"]}, "redis://, rediss:// and unix://"),
        ({"url": "redis://main", "sentinel_urls": ["redis://s/1"]}, "no database"),
        ({"hosts": ["redis://r"], "sentinel_urls": ["redis://s"]}, "keep one"),
        ({"cluster_urls": ["redis://r"], "sentinel_urls": ["redis://s"]}, "leave them out"),
        ({"redis_options": {"passwrod": "x"}}, "passwrod"),
        ({"redis_options": ["password"]}, "dictionary"),
        ({"redis_options": {"protocol": 3}}, "leave it out"),
        ({"host": "r"}, '"url"'),
        ({"password": "x"}, '"url"'),
        ({"sentinels": [("r", 1)]} | {"master_nam": "m"}, "master_name"),
        ({"startup_nodes": []}, "cluster_urls"),
        ({"expiry_s": 3}, '"expiry"'),
        ({"capactiy": 3}, '"capacity"'),
        ({"EXPIRY": 3}, '"expiry"'),
        ({"group_expriy": 3}, '"group_expiry"'),
        ({"symmetric_encryption_key": "x"}, '"symmetric_encryption_keys"'),
        ({"symmetric_encryption_keys": "x"}, "a list"),
        ({"symmetric_encryption_keys": [None]}, "not empty"),
        ({"symmetric_encryption_keys": [""]}, "not empty"),
        ({"random_prefix_length": 12}, "leave it out"),
        ({"serializer_format": "json"}, "msgpack"),
        ({"expiry": "60"}, "without the quotes"),
        ({"expiry": 0}, "above 0"),
        ({"expiry": -1}, "above 0"),
        ({"expiry": None}, "a number"),
        ({"expiry": float("inf")}, "above 0"),
        ({"group_expiry": "1d"}, "a number"),
        ({"capacity": 1.5}, "a whole number"),
        ({"capacity": True}, "a whole number"),
        ({"channel_capacity": 100}, "dictionary"),
        ({"channel_capacity": {"a": "1"}}, "without the quotes"),
        ({"channel_capacity": {1: 1}}, "names or patterns"),
        ({"prefix": 7}, "a text"),
        ({"prefix": ""}, "without spaces"),
        ({"prefix": "my{app}"}, "braces"),
        ({"on_disconnect": "print"}, "a function"),
        ({"at_least_once": "mail"}, '"at_least_once": ['),
        ({"finish_on_next_receive": "yes"}, "True or False"),
    ],
)
def test_it_is_refused_and_told_what_to_write(config, words):
    with pytest.raises(InvalidChannelLayerError, match=re.escape(words)):
        StreamsChannelLayer(**config)


def test_every_fault_is_told_at_once():
    with pytest.raises(InvalidChannelLayerError) as refused:
        StreamsChannelLayer(capactiy=1, expiry="x", url="redis://u:hidden@r:port")
    assert "capactiy" in str(refused.value)
    assert "expiry" in str(refused.value)
    assert "no address" in str(refused.value)


@pytest.mark.parametrize(
    "config",
    [
        {"url": "redis://u:hidden@r:port"},
        {"url": ["redis://u:hidden@r"]},
        {"hosts": "redis://u:hid@den@r"},
        {"hosts": {"address": "redis://r", "password": "hidden"}},
        {"hosts": [("redis://:hidden@r", 6379)]},
        {"hosts": [["redis://:hidden@r"]]},
        {"hosts": [{"sentinels": ["redis://:hidden@r"], "master_name": "m"}]},
        {"cluster_urls": "redis://:hidden@r"},
        {"redis_options": ["redis://:hidden@r"]},
        {"symmetric_encryption_keys": "hidden"},
        {"symmetric_encryption_keys": [["hidden"]]},
        {"symmetric_encryption_keys": [{"key": "hidden"}]},
    ],
)
def test_no_password_is_told(config):
    with pytest.raises(InvalidChannelLayerError) as refused:
        StreamsChannelLayer(**config)
    assert "hid" not in str(refused.value)
