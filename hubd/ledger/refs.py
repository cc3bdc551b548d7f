"""References as files: read, compared and swapped without a git process.

Guarantee: `swap` moves a reference only from the value it was told, under git's own lock file, as a whole.
Rule: refs/hub/main is moved by fast-import alone; what is moved here follows it.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from hubd.ledger.disk import from_disk, sync_folder
from hubd.ledger.terms import LedgerError

__all__ = ["DELIVERED", "FOLLOWED", "TRUTH", "clear_locks", "read", "swap", "symbolic"]

TRUTH = "refs/hub/main"
DELIVERED = "refs/hub/delivered"
FOLLOWED = "refs/hub/followed"

_OID = re.compile(r"[0-9a-f]{40}")


def read(git_dir: Path, ref: str) -> str:
    """The commit a reference names; empty when there is no such reference."""
    for _ in range(3):
        # A `git pack-refs` in between moves the value from the one file to the other: look again.
        for value in (_loose(git_dir, ref), _packed(git_dir, ref)):
            if value:
                return value
    return ""


def symbolic(git_dir: Path, name: str = "HEAD") -> str | None:
    """The branch that HEAD is on; None when it is on a commit of its own."""
    try:
        fd = os.open(git_dir / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            text = os.read(fd, 1024).decode("utf-8", "replace").strip()
        finally:
            os.close(fd)
    except OSError as error:
        raise LedgerError(
            f".git/{name} cannot be read: {error}", f"write `ref: refs/heads/main` into .git/{name}"
        ) from error
    return text[4:].strip() if text.startswith("ref:") else None


def swap(git_dir: Path, ref: str, new: str, old: str | None = None, *, durable: bool = False) -> bool:
    """Move a reference if it still is `old` (None: whatever it is). False: it is not, or its lock is held."""
    path = git_dir / ref
    lock = Path(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False
    except OSError as error:
        raise from_disk(error) from error
    moved = False
    try:
        try:
            if old is not None and read(git_dir, ref) != old:
                return False
            os.write(fd, f"{new}\n".encode("ascii"))
            # An empty reference after a power loss would stop every git in this folder.
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(lock, path)
        moved = True
        if durable:
            sync_folder(path.parent)
        return True
    except OSError as error:
        raise from_disk(error) from error
    finally:
        # Once it is renamed, a lock of that name is somebody else's.
        if not moved:
            with suppress(FileNotFoundError):
                os.unlink(lock)


def clear_locks(git_dir: Path, names: tuple[str, ...]) -> None:
    """Remove the locks of our own references.

    The caller holds the hub lock and no fast-import is alive: only a person's `git pack-refs` could hold one
    now, for an instant, and it is given that.
    """
    for name in names:
        lock = git_dir / f"{name}.lock"
        for _ in range(50):
            if not lock.exists():
                break
            time.sleep(0.01)
        else:
            with suppress(FileNotFoundError):
                os.unlink(lock)


def _loose(git_dir: Path, ref: str) -> str:
    try:
        fd = os.open(git_dir / ref, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""
    except OSError as error:
        raise LedgerError(f".git/{ref} cannot be read: {error}", "restore .git from a backup") from error
    try:
        text = os.read(fd, 256).decode("ascii", "replace").strip()
    except IsADirectoryError:
        return ""
    finally:
        os.close(fd)
    if not _OID.fullmatch(text):
        raise LedgerError(
            f".git/{ref} holds no commit id", "write the last good one into it: a backup knows it"
        )
    return text


def _packed(git_dir: Path, ref: str) -> str:
    try:
        lines = (git_dir / "packed-refs").read_bytes().splitlines()
    except FileNotFoundError:
        return ""
    suffix = b" " + ref.encode()
    for line in lines:
        if line.endswith(suffix) and len(line) == 40 + len(suffix):
            return line[:40].decode("ascii", "replace")
    return ""
