"""Which of several attempts a speaker follows before the end of a job (ND6, SP5)."""

import pytest

from sessions_app.followed_attempts import FollowedAttempts

pytestmark = pytest.mark.req("ND6", "SP5")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ([(1, False), (2, True), (1, False)], [True, False, True]),
        ([(2, True), (1, False), (2, True)], [True, False, True]),
        ([(1, False), (2, False), (1, False)], [True, True, False]),
        ([(2, True), (3, False), (2, True)], [True, True, False]),
        ([(0, False), (1, False), (0, False)], [True, True, True]),
    ],
    ids=["second is late", "first is late", "tried again", "both failed", "older instances"],
)
def test_what_two_attempts_say_is_never_mixed(
    said: list[tuple[int, bool]], shown: list[bool]
) -> None:
    followed = FollowedAttempts()

    assert [
        followed.follows("job-1", attempt, is_hedge=is_hedge) for attempt, is_hedge in said
    ] == shown


def test_a_job_that_is_over_is_forgotten() -> None:
    followed = FollowedAttempts()
    assert followed.follows("job-1", 3, is_hedge=False)

    followed.forget("job-1")

    assert followed.follows("job-1", 1, is_hedge=False)
