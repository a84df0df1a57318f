"""The hook that is asked before a job is accepted."""

import pytest
from lingua_node.mistakes import NodeMistake
from node_testing.nodes import make_node
from node_testing.scheduler import running


@pytest.mark.req("ND9")
@pytest.mark.parametrize(("answer", "reason"), [(False, None), ("a game runs", "a game runs")])
async def test_what_the_hook_declines_is_never_accepted(scheduler, bench, answer, reason):
    node = make_node(bench.work)

    @node.accept
    def is_wanted(assign):
        return True if assign.job_id == "job-wanted" else answer

    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.assign(job_id="job-1")
        declined = await socket.expect("job_decline")
        assert (declined["job_id"], declined["attempt_id"]) == ("job-1", 1)
        assert declined.get("reason") == reason
        await socket.begin(job_id="job-wanted")
        # The same attempt once more: it runs here, and is not asked about again.
        await socket.assign(job_id="job-wanted")
        assert (await socket.expect("job_ack"))["job_id"] == "job-wanted"
        await socket.expect("job_started")
        bench.go.set()
        await socket.expect("job_result")
        assert (node.counters.declined, node.counters.accepted, bench.runs) == (1, 1, 1)


@pytest.mark.req("ND9")
@pytest.mark.parametrize("answer", [None, 1, "", ["no"]])
async def test_an_answer_that_is_none_fails_the_job_in_words(scheduler, bench, answer):
    node = make_node(bench.work)
    node.accept(lambda _assign: answer)

    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.assign()
        failed = await socket.expect("job_result")
        assert "@node.accept returns True, False" in failed["error"]["message"]


@pytest.mark.req("ND9")
def test_a_hook_that_cannot_be_asked_is_told_at_once(bench):
    async def asks(_assign):
        return True

    def is_wanted(_assign):
        return True

    node = make_node(bench.work)
    for wrong in (None, 1, lambda: True, asks):
        with pytest.raises(NodeMistake):
            node.accept(wrong)
    node.accept(is_wanted)
    with pytest.raises(NodeMistake, match="one function"):
        node.accept(is_wanted)
    with pytest.raises(NodeMistake, match="acknowledge"):
        make_node(bench.work, acknowledge=False).accept(is_wanted)
