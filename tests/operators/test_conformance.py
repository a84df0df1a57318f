"""Whatever is asked of the API, the answer is one its description names, and never a fault."""

from collections.abc import Iterator

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.e2e.servers import Lingua, Servers
from tests.manage import issue_api_token

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_EXAMPLES = 8
schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True))


@pytest.fixture(scope="module")
def asked(seen_redis: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lingua]:
    """A server of its own: what is asked of it drains its nodes and purges its dead letters."""
    servers = Servers(directory=tmp_path_factory.mktemp("asked"), redis_url=seen_redis.url)
    yield servers.start("uvicorn", LINGUA_REQUEST_BURST="100000", LINGUA_STATS_INTERVAL_S="0.5")
    servers.end()


@pytest.fixture(scope="module")
def headers(asked: Lingua) -> dict[str, str]:
    """Who asks may operate: so commands are carried out, and not only refused."""
    token = issue_api_token(var=asked.instance.notes_file.parent / "var")
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.req("D1", "D6", "O2")
@schema.parametrize()
@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_the_api_answers_as_it_says(
    case: schemathesis.Case, asked: Lingua, headers: dict[str, str]
) -> None:
    _ask(case, asked, headers)


def test_an_answer_that_is_not_as_described_is_noticed(
    asked: Lingua, headers: dict[str, str]
) -> None:
    wrong = SchemaGenerator().get_schema(public=True)
    wrong["components"]["schemas"]["Cluster"]["properties"]["total_nodes"] = {"type": "string"}
    case = schemathesis.openapi.from_dict(wrong)["/api/v1/cluster"]["GET"].Case()

    with pytest.raises(FailureGroup, match="schema"):
        _ask(case, asked, headers)


def _ask(case: schemathesis.Case, asked: Lingua, headers: dict[str, str]) -> None:
    answer = case.call(base_url=f"http://{asked.instance.address}", headers=headers, timeout=60)
    case.validate_response(answer, checks=_CHECKS)


def test_every_operation_of_operators_has_an_example_and_says_what_it_does() -> None:
    described = SchemaGenerator().get_schema(public=True)
    described["paths"] = {
        path: item for path, item in described["paths"].items() if path.startswith("/api/")
    }
    plain = {
        f"{method} {path}"
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if not operation.get("description")
    }
    without = {
        f"{method} {path}"
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if not any(
            "examples" in kind
            for answer in operation["responses"].values()
            for kind in answer.get("content", {}).values()
        )
    }

    assert plain == set()
    assert without == set()
