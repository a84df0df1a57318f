"""Whatever is asked of work over HTTP, the answer is one its description names."""

from typing import Any

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True)).include(
    path_regex="^/v1/"
)


@pytest.mark.req("J16", "N18")
@schema.parametrize()
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_work_answers_as_it_says(case: schemathesis.Case, shared: Any) -> None:
    answer = case.call(base_url=f"http://{shared.address}", timeout=30)
    case.validate_response(answer, checks=_CHECKS)
