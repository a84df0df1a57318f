"""How long properties are searched: shortly by default, `make test-properties` for long."""

from hypothesis import settings

settings.register_profile(
    "thorough",
    max_examples=1_000,
    stateful_step_count=60,
    deadline=None,
    derandomize=False,
    print_blob=True,
)
