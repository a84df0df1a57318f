"""Scripts as Redis takes them: by digest, and as text for a Redis that forgot it."""

import hashlib

from lua import scripts
from scheduling.store.redis.routes import Argument, Command


class ScriptCache:
    """Every script of ours: its digest by its name, its text by its digest."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._texts: dict[Argument, str] = {}
        for name in scripts.list_names():
            source = scripts.load_source(name)
            digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
            self._digests[name] = digest
            self._texts[digest] = source

    def get_digest(self, name: str) -> str:
        """Return what EVALSHA takes for a script."""
        return self._digests[name]

    def spell_out(self, command: Command) -> Command:
        """Return an EVALSHA with the script's text."""
        return ("EVAL", self._texts[command[1]], *command[2:])
