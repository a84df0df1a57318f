"""What the load counts as errors, and what it asked for."""

import json
from unittest.mock import Mock

import pytest

from bench.actors import Load, Node

_TOLD = memoryview(json.dumps({"type": "error", "code": "NO_SUCH_JOB"}).encode())
_LIMITED = memoryview(json.dumps({"type": "error", "code": "RATE_LIMITED"}).encode())


@pytest.fixture
async def node() -> Node:
    one = Node(Load(speech_bytes=0), slots=1)
    one._client = Mock()
    return one


async def test_who_refuses_jobs_there_never_were_expects_to_be_told_so(node: Node):
    node.refuse(1)
    node._take(_TOLD)
    assert node._load.turned_away == 1
    assert node._load.errors == []


async def test_any_other_error_is_one(node: Node):
    node.refuse(1)
    node._take(_LIMITED)
    assert node._load.turned_away == 0
    assert len(node._load.errors) == 1


async def test_who_refused_nothing_should_not_be_told(node: Node):
    node._take(_TOLD)
    assert len(node._load.errors) == 1
