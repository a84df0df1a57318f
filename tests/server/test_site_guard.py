"""Which hosts and origins are ours: the guard alone, without a server."""

from typing import Any

import pytest

from lingua.serving.site_guard import SiteGuard
from operators.console.console import NAMED_BY
from scheduling.model.errors import BadInput

pytestmark = pytest.mark.req("ED9")

_OURS = ("localhost", "127.0.0.1", "[::1]")


def _guard(
    *,
    hosts: tuple[str, ...] = _OURS,
    origins: tuple[str, ...] = (),
    session_origins: tuple[str, ...] = (),
) -> SiteGuard:
    return SiteGuard(hosts=hosts, origins=origins, session_origins=session_origins)


def _scope(
    path: str = "/ws/session", *, host: str = "localhost:5010", kind: str = "websocket", **sent: str
) -> dict[str, Any]:
    headers = [(name.replace("_", "-").encode(), text.encode()) for name, text in sent.items()]
    return {"type": kind, "path": path, "headers": [(b"host", host.encode()), *headers]}


def _refuse(guard: SiteGuard, scope: dict[str, Any]) -> str:
    with pytest.raises(BadInput) as refused:
        guard.admit(scope)
    return refused.value.code


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "LocalHost.:80", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:65535"],
)
def test_a_name_of_ours_is_known_however_it_is_written(host: str) -> None:
    scope = _scope(host=host)

    assert _guard().admit(scope) is scope


@pytest.mark.parametrize(
    "host",
    [
        *("evil.com", "EVIL.com:5010", "evil.com.", "127.0.0.1.evil.com", "localhost.evil.com"),
        *("evil-localhost", "localhostevil.com", "xlocalhost", "notlocalhost.", "evil.localhost"),
        *("127.0.0.2", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.1", "0"),
        *("[::]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", "[::1%lo]", "::1", "[::1", "::1]"),
        *("localhost:", "localhost:65536", "localhost:-1", "localhost:5010:5010", "localhost:x"),
        *("localhost evil.com", "localhost,evil.com", "evil.com,localhost", "localhost/evil.com"),
        *("user@localhost", "localhost@evil.com", "localhost#evil.com", "localhost?", "local\x00"),
        *(
            "",
            ".",
            "..",
            "localhost..",
            "-localhost",
            "http://localhost",
            "l\u00f6calhost",
            "a" * 400,
        ),
    ],
)
def test_any_other_host_is_foreign(host: str) -> None:
    for path in ("/ws/session", "/ws/node", "/v1/node/poll", "/admin/", "/"):
        assert _refuse(_guard(), _scope(path, host=host)) == "FOREIGN_HOST"


def test_no_host_or_two_of_them_are_refused_even_if_both_are_ours() -> None:
    without = {"type": "http", "path": "/v1/jobs", "headers": []}
    twice = _scope("/v1/jobs")
    twice["headers"].append((b"host", b"localhost:5010"))

    assert _refuse(_guard(), without) == _refuse(_guard(), twice) == "FOREIGN_HOST"


@pytest.mark.parametrize("target", ["http://localhost/v1/jobs", "http://evil.com/", "*", ""])
def test_a_target_that_is_no_path_is_refused(target: str) -> None:
    assert _refuse(_guard(), _scope(target, kind="http")) == "FOREIGN_HOST"


@pytest.mark.parametrize("path", ["/ws/session", "/ws/node", "/ws/live", "/v1/dispatch", "/admin/"])
@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:5010", "http://localhost:5010"),
        ("LOCALHOST:5010", "HTTP://localhost:5010"),
        # TLS ended at a proxy, which hands the name on.
        ("localhost", "https://localhost"),
        ("localhost", "https://localhost:443"),
        ("localhost:80", "http://localhost"),
        ("[::1]:5010", "http://[::1]:5010"),
    ],
)
def test_a_page_that_asks_where_it_came_from_comes_in(path: str, host: str, origin: str) -> None:
    assert _guard().admit(_scope(path, host=host, origin=origin))


@pytest.mark.parametrize("path", ["/ws/session", "/ws/node", "/ws/live", "/v1/dispatch", "/admin/"])
@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.com", "https://evil.com:5010", "null", "", "file://", "about:blank"),
        *("http://localhost.evil.com:5010", "http://localhost:5010.evil.com", "http://xlocalhost"),
        *(
            "http://localhost@evil.com",
            "http://evil.com@localhost:5010",
            "http://evil.com#localhost",
        ),
        *(
            "http://localhost:5010/evil.com",
            "http://localhost:5010/",
            "//localhost:5010",
            "localhost",
        ),
        *("chrome-extension://localhost", "ws://localhost:5010", "javascript://localhost:5010"),
        *("http://localhost:5010,http://evil.com", "http://localhost:5010 http://evil.com"),
        *("http://evil.com\thttp://localhost", "http://127.0.0.1.evil.com", "http://127.1:5010"),
        *(
            "http://[::ffff:127.0.0.1]:5010",
            "http://localhost:99999",
            "http://localhost%2eevil.com",
        ),
    ],
)
def test_a_page_of_another_site_is_foreign(path: str, origin: str) -> None:
    assert _refuse(_guard(), _scope(path, origin=origin)) == "FOREIGN_ORIGIN"


def test_two_origins_are_refused_even_if_both_are_ours() -> None:
    scope = _scope(origin="http://localhost:5010")
    scope["headers"].append((b"origin", b"http://localhost:5010"))

    assert _refuse(_guard(), scope) == "FOREIGN_ORIGIN"


def test_pages_of_another_port_of_ours_reach_speakers_alone() -> None:
    origin = "http://localhost:9001"

    assert _guard().admit(_scope("/ws/session", origin=origin))
    for path in ("/ws/node", "/ws/live", "/v1/dispatch", "/admin/"):
        assert _refuse(_guard(), _scope(path, origin=origin)) == "FOREIGN_ORIGIN"


def test_pages_of_listed_origins_reach_speakers_alone_and_no_other_page_does() -> None:
    guard = _guard(session_origins=("https://app.example/", "capacitor://localhost"))

    for origin in ("https://app.example", "https://APP.example", "capacitor://localhost"):
        assert guard.admit(_scope("/ws/session", origin=origin))
        assert _refuse(guard, _scope("/ws/node", origin=origin)) == "FOREIGN_ORIGIN"
    assert guard.admit(_scope("/ws/session", origin="http://localhost:5010"))
    for foreign in ("http://app.example", "https://app.example:8443", "http://localhost:9001"):
        assert _refuse(guard, _scope("/ws/session", origin=foreign)) == "FOREIGN_ORIGIN"


def test_trusted_origins_reach_everything_and_their_look_alikes_nothing() -> None:
    guard = _guard(origins=("https://desk.example:8443", "https://*.desk.example"))

    for origin in (
        "https://desk.example:8443",
        "https://a.desk.example",
        "https://b.a.desk.example",
    ):
        assert guard.admit(_scope("/admin/", kind="http", origin=origin))
    for foreign in (
        *("https://desk.example", "http://a.desk.example", "https://evildesk.example"),
        *("https://a.desk.example:8443", "https://evil.com/.desk.example", "https://.desk.example"),
    ):
        assert _refuse(guard, _scope("/admin/", kind="http", origin=foreign)) == "FOREIGN_ORIGIN"


def test_where_every_host_is_allowed_pages_of_other_hosts_are_not() -> None:
    guard = _guard(hosts=("*",))

    assert guard.admit(_scope(host="any.example", origin="https://any.example"))
    assert _refuse(guard, _scope(host="any.example", origin="https://evil.com")) == "FOREIGN_ORIGIN"


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site"])
def test_an_image_on_another_page_asks_for_no_work(site: str) -> None:
    scope = _scope("/v1/node/poll", kind="http", sec_fetch_site=site)

    assert _refuse(_guard(), scope) == "FOREIGN_ORIGIN"
    # Somebody followed a link to a page of ours.
    assert _guard().admit(_scope("/dashboard", kind="http", sec_fetch_site=site))


@pytest.mark.parametrize("path", ["/admin/login/", "/api/v1/tickets", "/nothing"])
def test_a_page_of_elsewhere_changes_nothing_without_naming_itself(path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "X"):
        scope = _scope(path, kind="http", sec_fetch_site="cross-site") | {"method": method}
        assert _refuse(_guard(), scope) == "FOREIGN_ORIGIN"
        for own in ("same-origin", "none"):
            assert _guard().admit(scope | _scope(path, kind="http", sec_fetch_site=own))


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
@pytest.mark.parametrize(
    ("host", "named_by"),
    [
        ("10.1.2.3:5010", "address"),
        ("[fd00::7]:5010", "address"),
        ("one:5010", "bare name"),
        ("evil.com", "foreign name"),
        ("127.0.0.1.evil.com:5010", "foreign name"),
    ],
)
def test_probes_are_answered_under_any_host_and_know_how_they_named_us(
    path: str, host: str, named_by: str
) -> None:
    admitted = _guard().admit(_scope(path, host=host, kind="http"))

    assert admitted[NAMED_BY] == named_by
    assert admitted["headers"] == [(b"host", b"localhost")]


def test_a_probe_may_name_no_host_but_not_two_or_a_broken_one() -> None:
    nameless = {"type": "http", "path": "/ready", "headers": []}

    assert _guard().admit(nameless)[NAMED_BY] == "address"
    for host in ("10.0.0.1,evil.com", "10.0.0.1/x", "a b"):
        assert _refuse(_guard(), _scope("/ready", host=host, kind="http")) == "FOREIGN_HOST"


def test_a_page_of_another_site_does_not_probe() -> None:
    scope = _scope("/metrics", kind="http", origin="https://evil.com")

    assert _refuse(_guard(), scope) == "FOREIGN_ORIGIN"
