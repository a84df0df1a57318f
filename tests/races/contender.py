"""A process that contends for slots and jobs; a fork of it is started by each line it reads."""

import asyncio
import json
import os
import sys

from tests.redis_under_test import open_outside, open_redis
from tests.scripts.fixtures import Stores, make_node, make_request, make_stores
from tests.scripts.fixtures import create as create_job

LANES = 10


async def contend(stores: Stores, *, me: str, attempts: int, conn_epoch: int) -> None:
    """Try for a slot `attempts` times; what is won is counted while it is held, then given back.

    The count goes up after the slot is there and down before it is given back, so it is never
    above the number of live leases: seen above what the node offers, it proves an oversell.
    """
    node = make_node(conn_epoch=conn_epoch)
    execute = stores.connection.execute
    won, peak = 0, 0

    async def lane(number: int) -> None:
        nonlocal won, peak
        for count in range(number, attempts, LANES):
            held = {"node_id": "n1", "job_id": f"{me}-{count}", "attempt": 1}
            reply = await stores.slots.reserve(
                node=node, job_id=held["job_id"], attempt=1, types=()
            )
            assert reply.word in {"reserved", "full"}, reply
            if not reply.done:
                continue
            won += 1
            peak = max(peak, await execute("INCR", f"{me[0]}:holders"))
            if count % 2:
                await stores.slots.commit(**held)
            await execute("DECR", f"{me[0]}:holders")
            free = stores.slots.finish if count % 2 else stores.slots.release
            assert (await free(**held)).word in {"run", "resv"}

    await asyncio.gather(*(lane(number) for number in range(LANES)))
    await execute("RPUSH", "reports", json.dumps({"won": won, "peak": peak}))


async def create(stores: Stores, *, me: str, job_ids: list[str], utterance_index: int) -> None:
    """Create a job under each id at once, all for one request."""
    requests = [
        make_request(job_id, request_id="r1", utterance_index=utterance_index) for job_id in job_ids
    ]
    replies = await asyncio.gather(*(create_job(stores, request) for request in requests))
    report = json.dumps({"by": me, "told": dict(zip(job_ids, replies, strict=True))})
    await stores.connection.execute("RPUSH", "reports", report)


async def work_until_killed(stores: Stores, *, me: str, conn_epoch: int) -> None:
    """Take slots, run in them and free them, for ever; say so after each step."""
    node = make_node(conn_epoch=conn_epoch)

    async def lane(number: int) -> None:
        count = 0
        while True:
            count += 1
            held = {"node_id": "n1", "job_id": f"{me}-{number}-{count}", "attempt": 1}
            if not (
                await stores.slots.reserve(node=node, job_id=held["job_id"], attempt=1, types=())
            ).done:
                continue
            await stores.connection.execute("RPUSH", "steps", me)
            await stores.slots.commit(**held)
            await stores.connection.execute("RPUSH", "steps", me)
            await stores.slots.finish(**held)

    await asyncio.gather(*(lane(number) for number in range(3)))


async def _main(task: dict[str, object]) -> None:
    url = str(task.pop("url"))
    client = open_redis(url, timeout_s=10)
    stores = make_stores(client, prefix=str(task.pop("prefix")))
    stores.use_redis_clock()
    what = {"contend": contend, "create": create, "work": work_until_killed}[str(task.pop("do"))]
    await stores.connection.execute("PING")
    # On a connection of its own: who blocks would look like a Redis that fell silent.
    starter = open_outside(url)
    await stores.connection.execute("RPUSH", "ready", str(task["me"]))
    await starter.blpop([f"go:{task['me']}"], timeout=50)
    await starter.aclose()
    await what(stores, **task)
    await stores.connection.close()


def _serve() -> None:
    """Fork for each task of standard input, and tell the child's process id."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(_main(json.loads(line)))
            sys.stdout.flush()
            os._exit(0)
        print(child, flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    _serve()
