"""Values made once on a laptop and kept in a file, so that they outlive the process."""

import os
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from lingua.settings.private_files import is_foreign


def keep_text(path: Path, *, make: Callable[[], str]) -> str:
    """Return the file's text; the first caller of all writes what `make` gives.

    The file is readable by its owner alone. Two processes may start at once: the text is written
    aside and linked into place, so the second finds a complete file and takes the first's value.

    :raises ImproperlyConfigured: it is another user's
    """
    try:
        text = path.read_text().strip()
    except PermissionError:
        raise _refuse(path) from None
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    else:
        if is_foreign(path):
            raise _refuse(path)
        return text
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(make())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


def _refuse(path: Path) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"{path} is another user's: be that user, or set LINGUA_VAR_DIR to a directory of yours"
    )
