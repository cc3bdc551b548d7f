"""What differs in a worktree from its last commit, and what of that is an agent's work.

Guarantee: nothing is written, and no repository inside the worktree is looked into: it is named as a folder.
Rule: what was there before anybody worked (copied files, what the setup made, files that git itself writes
differently than they were committed) is no work as long as its bytes are the same.

Not promised: what git was told not to see. A file that the project ignores, or one that an agent has marked
`assume-unchanged`, is no work here.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hubd.core.naming import shown
from hubd.project.plumbing import LONG, Git, ProjectError, failure

__all__ = ["HALF_DONE", "Change", "changes", "digest", "snapshot", "work"]

HALF_DONE = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
"""What git keeps in a worktree's git dir while something goes on that a commit of ours would cut short."""
MOST = 5000
"""Differences that a worktree may begin with: more are not remembered."""
_UNMERGED = frozenset({"DD", "AU", "UD", "UA", "DU", "AA", "UU"})
_HASHED = 64 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs from HEAD, as `git status` says it."""

    code: str
    path: str

    @property
    def unmerged(self) -> bool:
        return self.code in _UNMERGED

    @property
    def folder(self) -> bool:
        """It is a repository of its own inside the worktree."""
        return self.path.endswith("/")


def changes(git: Git) -> list[Change]:
    """Return what differs, in the index or in the files, from the last commit."""
    ran = git.ask(
        "status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignore-submodules=all", "--no-renames",
        limit=LONG,
    )  # fmt: skip
    if ran.code:
        raise failure("status", ran)
    entries = [os.fsdecode(entry) for entry in ran.out.split(b"\0") if entry]
    return [Change(entry[:2], entry[3:]) for entry in entries]


def digest(path: Path) -> str:
    """Return what tells the bytes of a file, or the target of a link, from others."""
    try:
        seen = os.lstat(path)
        if stat.S_ISLNK(seen.st_mode):
            return "link:" + hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()
        if not stat.S_ISREG(seen.st_mode):
            return "other"
        if seen.st_size > _HASHED:
            return f"large:{seen.st_size}:{seen.st_mtime_ns}"
        with os.fdopen(os.open(path, _READ), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return "none"
    except OSError as error:
        said = f"a file in the worktree cannot be read: {error.strerror}"
        raise ProjectError(said, f"look at {shown(str(path))}") from error


def snapshot(tree: Path, found: list[Change]) -> dict[str, str] | None:
    """Remember these differences; None where there are too many."""
    if len(found) > MOST:
        return None
    return {change.path: digest(tree / change.path) for change in found}


def work(tree: Path, found: list[Change], given: Mapping[str, str]) -> list[Change]:
    """Return those of these differences that somebody has made since."""
    return [c for c in found if c.path not in given or given[c.path] != digest(tree / c.path)]
