"""The history as operators find it: the admin's list, the API, and its end."""

import asyncio
import datetime as dt
import json
import urllib.error
import urllib.request
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from operators.db import datetimes
from operators.db.history_table import HistoryTable, describe_database
from operators.db.job_history import HistoryPurge
from operators.db.job_models import EndedJob
from operators.db.job_rows import COLUMNS, TABLE, Row, make_row
from tests.history.conftest import History
from tests.history.test_job_history import await_history, work
from tests.instances.servers import Cluster
from tests.waiting import eventually

_DEADLINE_S = 60
_NEED = {"src": "en", "tgt": "es", "types": ["asr"], "pairs": [["en", "es"]]}
_START_MS = 1_795_000_000_000


def record(number: int, **changes: str) -> dict[str, str]:
    """Return what Redis knew of a job that ended `number` seconds after the start."""
    ended_ms = _START_MS + number * 1_000
    return {
        "job_id": f"job-AAAA0001-{number:012}",
        "session_id": "s-AAAA0001",
        "tenant_id": "acme",
        "node_id": "n1",
        "utterance_index": str(number),
        "trace_id": "trace-1",
        "need": json.dumps(_NEED),
        "state": "RELEASED",
        "ended_as": "DONE",
        "attempt": "1",
        "created_at_ms": str(ended_ms - 250),
        "ended_at_ms": str(ended_ms),
        "deadline_at_ms": "1",
        "at:1:NEW": str(ended_ms - 250),
        "at:1:DONE": str(ended_ms),
    } | changes


def open_table() -> HistoryTable:
    return HistoryTable(describe_database(connection.settings_dict))


def write_rows(rows: list[Row]) -> None:
    table = open_table()
    table.write_rows(rows)
    table.close()


def log_in(role: str) -> Client:
    user = User.objects.create_user(username=f"a-{role}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_row_is_written_once_and_stays_as_it_is() -> None:
    write_rows([make_row(record(1)), make_row(record(2))])
    write_rows([make_row(record(1, ended_as="FAILED", reason="LATE")), make_row(record(3))])

    assert list(EndedJob.objects.values_list("utterance_index", "state")) == [
        *((3, "DONE"), (2, "DONE"), (1, "DONE")),
    ]
    job = EndedJob.objects.get(utterance_index=1)
    assert (job.src_lang, job.tgt_lang, job.duration_ms) == ("en", "es", 250)
    assert job.record == record(1)


def test_rows_have_the_columns_of_their_model() -> None:
    assert EndedJob._meta.db_table == TABLE
    assert {field.column for field in EndedJob._meta.concrete_fields} == set(COLUMNS)


@pytest.mark.parametrize("missing", ["ended_as", "need", "job_id"])
def test_half_a_record_makes_no_row(missing: str) -> None:
    fields = record(1)
    del fields[missing]

    with pytest.raises(KeyError):
        make_row(fields)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [3, 2, 1]),
        ({"q": "s-AAAA0002"}, [2]),
        ({"q": "n2"}, [3]),
        ({"q": "globex"}, [2]),
        ({"q": "NO_AVAILABLE_NODE"}, [3]),
        ({"state": "FAILED"}, [3]),
        ({"tenant_id": "acme"}, [3, 1]),
        ({"ended_at__gte": datetimes.from_ms(_START_MS + 3_000).isoformat()}, [3]),
    ],
)
def test_a_viewer_searches_and_changes_nothing(asked: dict[str, str], found: list[int]) -> None:
    write_rows(
        [
            make_row(record(1)),
            make_row(record(2, session_id="s-AAAA0002", tenant_id="globex")),
            make_row(record(3, node_id="n2", ended_as="FAILED", reason="NO_AVAILABLE_NODE")),
        ]
    )
    client = log_in("viewer")

    page = client.get("/admin/operators/endedjob/", asked)

    assert [job.utterance_index for job in page.context["cl"].result_list] == found
    assert client.get("/admin/operators/endedjob/add/").status_code == 403
    job_id = record(1)["job_id"]
    detail = client.get(f"/admin/operators/endedjob/{job_id}/change/").content.decode()
    assert f'href="/why?job_id={job_id}"' in detail
    assert "DONE" in detail
    assert 'name="_save"' not in detail
    refused = client.post(f"/admin/operators/endedjob/{job_id}/delete/", {"post": "yes"})
    assert refused.status_code == 403


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_old_leave_the_history_and_the_young_stay() -> None:
    now = dt.datetime.now(dt.UTC)
    ages = {1: 31, 2: 29}
    for number, days in ages.items():
        ended_ms = round((now - dt.timedelta(days=days)).timestamp() * 1_000)
        moments = {"created_at_ms": str(ended_ms - 1), "ended_at_ms": str(ended_ms)}
        write_rows([make_row(record(number, **moments))])

    assert asyncio.run(HistoryPurge(table=open_table(), keep=dt.timedelta(days=30)).run_once()) == 1
    assert [job.utterance_index for job in EndedJob.objects.all()] == [2]
    told = StringIO()
    call_command("purge-history", days=28, stdout=told)
    assert told.getvalue().startswith("1 jobs removed")
    assert not EndedJob.objects.exists()


async def _ask(address: str, path: str, **asked: Any) -> tuple[int, Any]:
    def read() -> tuple[int, Any]:
        url = f"http://{address}{path}?{urlencode(asked)}"
        try:
            with urllib.request.urlopen(url, timeout=_DEADLINE_S) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())

    return await asyncio.to_thread(read)


async def test_the_api_finds_jobs_by_what_people_know_of_them(
    cluster: Cluster, history: History
) -> None:
    instance = cluster.start()
    mine = await work(instance, jobs=3)
    other = await work(instance, jobs=1)
    rows = await await_history(history, {*mine, *other})
    row = rows[mine[0]]
    path = "/api/v1/jobs/history"

    async def find(**asked: Any) -> list[str]:
        status, told = await _ask(instance.address, path, **asked)
        assert status == 200, told
        return [job["job_id"] for job in told["results"]]

    assert await find() == [*other, *reversed(mine)]
    assert await find(session_id=row["session_id"]) == [*reversed(mine)]
    assert await find(session_id=row["session_id"], limit=1, offset=1) == [mine[1]]
    assert await find(node_id=row["node_id"], state="DONE") == [*reversed(mine)]
    assert await find(state="FAILED") == []
    assert await find(since="2026-01-01", until="2026-01-02") == []
    assert await find(since="2020-01-01T00:00:00Z") == [*other, *reversed(mine)]
    status, told = await _ask(instance.address, path, since="yesterday")
    assert (status, told["error"]) == (400, "INVALID_PARAMETER")
    status, told = await _ask(instance.address, "/api/v1/jobs/failed")
    assert (status, told["results"]) == (200, [])


async def test_a_job_redis_forgot_is_found_with_its_timeline(
    cluster: Cluster, history: History
) -> None:
    instance = cluster.start()
    (job_id,) = await work(instance, jobs=1)
    await await_history(history, {job_id})
    session_id = f"s-{job_id.split('-')[1]}"
    _, before = await _ask(instance.address, f"/api/v1/jobs/{job_id}")

    assert cluster.redis.delete(cluster.key(f"{{session:{session_id}}}:job:{job_id}"))
    status, told = await _ask(instance.address, f"/api/v1/jobs/{job_id}")

    assert status == 200
    assert told["attempts"] == before["attempts"]
    assert told["ended_as"] == "DONE"


@pytest.mark.req("O11")
async def test_the_history_says_that_its_database_is_away(
    cluster: Cluster, history: History
) -> None:
    instance = cluster.start()
    await await_history(history, set(await work(instance, jobs=1)))

    history.take_away()
    status, told = await _ask(instance.address, "/api/v1/jobs/history")
    await work(instance, jobs=1)
    await _say_of_health(instance.address, "OK\nthe history of jobs is not written")
    history.bring_back()

    assert (status, told["error"]) == (503, "DATABASE_DOWN")
    await _say_of_health(instance.address, "OK")


async def _say_of_health(address: str, text: str) -> None:
    """Wait until the instance says so of itself (O11)."""
    await eventually(
        lambda: asyncio.to_thread(_read_health, address),
        "it says of itself",
        fits=lambda told: told == text,
        within_s=60,
    )


def _read_health(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/health", timeout=60) as answer:
        return str(answer.read().decode())
