"""The processes of a run end with it, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PROGRAM = """
import signal, sys
from pathlib import Path
from bench.processes import end_in_order, start_redis

end_in_order()
with start_redis(Path(sys.argv[1]), append_only=False) as redis:
    print(redis.pid, flush=True)
    signal.pause()
"""


def test_who_is_told_to_end_ends_what_it_started(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as program:
        assert program.stdout is not None
        redis_pid = int(program.stdout.readline())
        program.send_signal(signal.SIGTERM)
        assert program.wait(30) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(redis_pid, 0)
