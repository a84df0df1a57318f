"""What a load reads of the servers it loads."""

import os

from bench.gauges import count_commands, read_memory_kb, read_own_memory_kb

_METRICS = """
# TYPE scheduler_phase2_redis_op_total counter
scheduler_phase2_redis_op_total{instance="a",op="create_job",result="ok"} 7.0
scheduler_phase2_redis_op_total{instance="a",op="create_job",result="err"} 1.0
scheduler_phase2_redis_op_seconds{instance="a"} 9.0
scheduler_jobs_total{instance="a"} 5.0
"""


def test_commands_are_those_of_every_kind_answered_or_not() -> None:
    assert count_commands(_METRICS) == 8


def test_what_is_shared_counts_less_where_it_is_divided() -> None:
    mine = [os.getpid()]
    assert 0 < read_own_memory_kb(mine) <= read_memory_kb(mine)
