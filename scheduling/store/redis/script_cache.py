"""Scripts as Redis takes them: by digest, and as text for a Redis that forgot it."""

import hashlib

from lua import scripts
from scheduling.store.redis.routes import Argument, Command


class ScriptCache:
    """Every script of ours, by name and by digest."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._names: dict[Argument, str] = {}
        self._texts: dict[Argument, str] = {}
        for name in scripts.list_names():
            source = scripts.load_source(name)
            digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
            self._digests[name] = digest
            self._names[digest] = name
            self._texts[digest] = source

    def get_digest(self, name: str) -> str:
        """Return what EVALSHA takes for a script."""
        return self._digests[name]

    def name(self, command: Command) -> str:
        """Return the name of a command's script, or its own."""
        script = self._names.get(command[1]) if len(command) > 1 else None
        return script or str(command[0]).lower()

    def spell_out(self, command: Command) -> Command:
        """Return an EVALSHA with the script's text."""
        return ("EVAL", self._texts[command[1]], *command[2:])
