"""Files written so that they are whole and stay.

Rule: what the disk refuses is a LedgerError here, with what to do about it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from hubd.ledger.terms import LedgerError

__all__ = ["bytes_of", "flush", "from_disk", "mode_of", "sync_folder", "write_aside"]


def write_aside(git_dir: Path, path: Path, data: bytes) -> None:
    """Replace a file as a whole: either its old bytes are there or the new ones."""
    aside = git_dir / "hub/tmp" / f"{path.name}.{os.getpid()}"
    try:
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(aside, path)
    except OSError as error:
        raise from_disk(error) from error


def from_disk(error: OSError) -> LedgerError:
    """What the operator is told when the disk refuses."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = "make room, then save again" if full else "look at the disk and at the rights of .git"
    return LedgerError(f"{'the disk is full' if full else 'the disk refuses'}: {error}", hint, full=full)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable: git flushes files, and not the folder that lists them."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def flush(root: Path) -> None:
    """Write out the file system that holds the mailbox."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs = None
        with suppress(AttributeError, OSError):
            syncfs = ctypes.CDLL(None, use_errno=True).syncfs
        if syncfs is None:
            os.sync()
        elif syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise from_disk(OSError(code, os.strerror(code), str(root)))
    finally:
        os.close(fd)


def mode_of(path: Path) -> int | None:
    """What lies there, a link counting as a link; None for nothing."""
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def bytes_of(path: Path) -> bytes | None:
    """What a small plain file holds; None for anything else. No link is followed, no pipe waited for."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, 1 << 20) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    finally:
        os.close(fd)
