"""What ties a worktree to its project's git dir: found by the record, never by what an agent could write.

    PROJECT/.git/worktrees/<name>/gitdir   says where the worktree is; git's, in the project
    WORKTREE/.git                          says where that folder is; in the worktree, anybody's

Guarantee: only what leads to this worktree, or was being made for it and leads nowhere, is removed.
Rule: the `.git` file is written, never followed.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from hubd.core.naming import shown
from hubd.project.copying import remove_tree
from hubd.project.plumbing import Git, ProjectError
from hubd.project.records import Record, Shelf

__all__ = ["admin_of", "opened", "relink", "remove_admin", "unlock"]

_STALE = 2.0  # seconds after which a lock of git's, where nobody works, is a leftover
_YOUNG = 60.0  # seconds in which git fills a worktree's folder in the git dir


def opened(record: Record) -> Git:
    """Return the worktree as a repository that is named outright, whatever its `.git` file says now."""
    admin = admin_of(record)
    path = Path(record.path)
    if admin is None or path.is_symlink() or not path.is_dir():
        said = f"{shown(record.path)} is no worktree of the project any more"
        raise ProjectError(said, "keep what matters in it; the next start makes another")
    return Git(admin, path)


def admin_of(record: Record) -> Path | None:
    """Return the folder in the project's git dir that belongs to the worktree."""
    return next((folder for folder, path in _linked(record) if path == Path(record.path)), None)


def _linked(record: Record) -> list[tuple[Path, Path | None]]:
    """Return every linked worktree's folder in the git dir whose name may be ours, and where it leads."""
    found: list[tuple[Path, Path | None]] = []
    base = Path(record.path).name
    try:
        entries = sorted(os.scandir(Path(record.common) / "worktrees"), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return found
    for entry in entries:
        # git calls it like the worktree's folder, with a number where that was taken.
        if re.fullmatch(rf"{re.escape(base)}\d*", entry.name) and entry.is_dir(follow_symlinks=False):
            folder = Path(entry.path)
            try:
                text = os.fsdecode((folder / "gitdir").read_bytes()).removesuffix("\n")
            except FileNotFoundError:
                text = ""
            found.append((folder, (folder / text).parent if text else None))
    return found


def relink(shelf: Shelf, record: Record, admin: Path) -> None:
    """Write the worktree's `.git` file anew, if it is not as git wrote it."""
    link, right = Path(record.path) / ".git", b"gitdir: " + os.fsencode(admin) + b"\n"
    if link.is_dir() and not link.is_symlink():
        # Somebody made a repository of their own in it. It is kept, where it hides nothing.
        number = 1
        while (aside := shelf.notes / f"{record.assignment}.git-{number}").exists():
            number += 1
        link.rename(aside)
    elif _holds(link, right):
        return
    aside = shelf.notes / f"{record.assignment}.link"
    aside.write_bytes(right)
    os.replace(aside, link)


def _holds(path: Path, data: bytes) -> bool:
    """Return whether a path is a plain file of these bytes."""
    plain = not path.is_symlink() and path.is_file()
    return plain and path.stat().st_size == len(data) and path.read_bytes() == data


def unlock(record: Record, admin: Path) -> None:
    """Remove the locks that a git which was killed has left in the worktree, or at its branch."""
    branch = Path(record.common) / "refs" / "heads" / record.branch
    for lock in [*admin.glob("*.lock"), branch.with_name(f"{branch.name}.lock")]:
        while True:
            try:
                age = time.time() - lock.stat().st_mtime
            except FileNotFoundError:
                break
            if not 0 <= age < _STALE:
                lock.unlink(missing_ok=True)
                break
            time.sleep(0.05)  # a person may be looking at it with git just now


def remove_admin(record: Record) -> None:
    """Remove git's knowledge of this worktree, and of it alone."""
    for folder, path in _linked(record):
        # One without a path was being made when git died; a young one may be being made now, for another.
        if path == Path(record.path) or (path is None and time.time() - folder.stat().st_mtime > _YOUNG):
            remove_tree(folder)
    try:
        (Path(record.common) / "worktrees").rmdir()
    except OSError:
        pass  # others are in it, or it never was
