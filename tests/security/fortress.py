"""A real server with authentication on, and the commands its operator has."""

from dataclasses import dataclass, field

from tests.manage import manage
from tests.server.launcher import Instance

DEADLINE_S = 15.0


@dataclass(kw_only=True)
class Fortress:
    """An instance with authentication on; `variables` lead commands to its database and Redis."""

    instance: Instance
    variables: dict[str, str]
    redis_url: str
    prefix: str
    tokens: dict[str, str] = field(default_factory=dict)

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py as its operator would; return what it printed."""
        return manage(*arguments, **self.variables)

    def issue(self, *arguments: str) -> str:
        """Issue a token, or return the one these arguments were used for before."""
        name = " ".join(arguments)
        if name not in self.tokens:
            self.tokens[name] = self.manage("token", "create", *arguments)
        return self.tokens[name]

    def url(self, path: str) -> str:
        return self.instance.url(path)


def prefix_of(token: str) -> str:
    """Return the part of a token that may be shown."""
    return token[:16]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


REGISTER = {
    "type": "node_register",
    "version": "1.0",
    "platform": "linux",
    "hardware": {"cpu_cores": 4, "memory_gb": 8},
    "capability_by_type": [{"type": "asr", "ready": True}],
    "accept_public_jobs": True,
    "capability_schema_version": "2.0",
}
INIT = {
    "type": "session_init",
    "client_version": "1.0",
    "platform": "web",
    "src_lang": "en",
    "tgt_lang": "es",
}
