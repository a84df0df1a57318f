"""The description of the sockets is one that AsyncAPI's own tools take."""

import json
from pathlib import Path

import jsonschema
import pytest

from scripts import client, wire
from tests.web_client.conftest import ROOT


@pytest.mark.req("RE3")
def test_the_description_is_valid_asyncapi(tmp_path: Path) -> None:
    client.run_npm("install", "--silent", "@asyncapi/specs@6", folder=tmp_path)
    schema = tmp_path / "node_modules/@asyncapi/specs/schemas/3.0.0.json"
    described = json.loads((ROOT / wire.DESCRIPTION).read_text())

    validator = jsonschema.Draft7Validator(json.loads(schema.read_text()))

    assert [error.message for error in validator.iter_errors(described)] == []
