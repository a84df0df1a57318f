"""Files that are their user's alone: what a neighbour on the machine cannot read or replace."""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_PRIVATE = 0o700
# sun_path: 104 bytes on the BSDs and macOS, 108 on Linux, a zero at the end of each.
_LONGEST_SOCKET_PATH = 103
# Not the one of TMPDIR: commands must find what `serve` made, whoever calls them.
_TEMPORARY = "/tmp"  # noqa: S108 - only a directory of our own in it is used
# What an installation writes below its directory, and what else may lie there and is no secret.
_WRITTEN = ("secret_key*", "lingua.sqlite3*", "redis")
_HARMLESS = ("static", "*.log*", "traces*", "coverage", "screenshots")


def write_privately() -> None:
    """Let whatever this process makes from now on be its user's alone."""
    os.umask(os.umask(_OTHERS) | _OTHERS)


def tighten(directory: Path) -> None:
    """Take from others what an older installation left open to them.

    Of a directory that holds other things, too, others lose the right to write alone, and of its
    files only those an installation writes are touched; one that all may write to stays as it is.
    """
    if _is_owned(directory) and not _mode(directory) & stat.S_ISVTX:
        kinds = (*_WRITTEN, *_HARMLESS)
        is_ours = all(any(each.match(kind) for kind in kinds) for each in directory.iterdir())
        _close(directory, _OTHERS if is_ours else _OTHERS_WRITE)
    for path in list_written(directory):
        # Whoever writes the database beside us makes files and removes them.
        with contextlib.suppress(FileNotFoundError):
            if _is_owned(path):
                _close(path, _OTHERS)


def list_open(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield those that others may read or write."""
    for path in paths:
        try:
            mode = _mode(path)
        except FileNotFoundError:
            continue
        if mode & _OTHERS:
            yield path


def list_written(directory: Path) -> Iterator[Path]:
    """Yield what an installation has written below its directory; links are not followed."""
    for pattern in _WRITTEN:
        for path in directory.glob(pattern):
            if path.is_symlink():
                continue
            yield path
            if path.is_dir():
                yield from (each for each in path.rglob("*") if not each.is_symlink())


def is_foreign(path: Path) -> bool:
    """Say whether a file was put there by somebody who is neither we nor whose directory it is."""
    if not hasattr(os, "geteuid"):
        return False
    known = {os.geteuid(), 0, path.parent.stat().st_uid}
    return path.stat().st_uid not in known


def find_socket_path(directory: Path) -> Path:
    """Return where the socket of a program with files in `directory` is: there, if a path may be so
    long, else in a directory of our own among the temporary ones, always the same.

    :raises ImproperlyConfigured: somebody else made that directory
    """
    path = directory / "redis.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    name = sha256(os.fsencode(directory)).hexdigest()[:16]
    folder = Path(_TEMPORARY) / f"lingua-{os.geteuid()}-{name}"
    if folder.is_symlink() or (folder.exists() and not _is_owned(folder)):
        raise _refuse(folder)
    return folder / "redis.sock"


def make_private_directory(directory: Path) -> None:
    """Make a directory that is ours alone, or see that it is.

    :raises ImproperlyConfigured: somebody else made it, or it is a link
    """
    directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    if directory.is_symlink() or not _is_owned(directory):
        raise _refuse(directory)
    _close(directory, _OTHERS)


def _refuse(directory: Path) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{directory} is another user's: remove it, or be that user")


def _is_owned(path: Path) -> bool:
    return not hasattr(os, "geteuid") or path.lstat().st_uid == os.geteuid()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _close(path: Path, bits: int) -> None:
    mode = _mode(path)
    if mode & bits:
        path.chmod(mode & ~bits)
