"""Merge two commits in memory: would it be clean, and what would come out?

Guarantee: no work tree, index or reference is touched. `forecast` adds no object to the project either: what
git must write lies in a folder that is gone afterwards.
Rule: a merge driver of the user's is used, as it would be in the merge that is forecast.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hubd.project.plumbing import LONG, Git, ProjectError, failure, version

__all__ = ["Merged", "forecast", "merge"]

_NEEDS = (2, 38)


@dataclass(frozen=True, slots=True)
class Merged:
    """What came out."""

    tree: str
    """The id of the merged files."""
    conflicts: tuple[str, ...]
    """The files in conflict; empty where the merge is clean."""


def merge(git: Git, ours: str, theirs: str, env: Mapping[str, str] | None = None) -> Merged:
    """Merge two commits into a tree that is kept in the project. Both are commit ids."""
    if version() < _NEEDS:
        raise ProjectError("git cannot merge without a work tree", "install git 2.38 or newer")
    words = ("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", ours, theirs)
    ran = git.ask(*words, limit=LONG, env=env)
    if ran.code not in (0, 1):
        raise failure("merge-tree", ran)
    tree, *files = [os.fsdecode(part) for part in ran.out.split(b"\0") if part]
    return Merged(tree, tuple(dict.fromkeys(files)) if ran.code else ())


def forecast(git: Git, ours: str, theirs: str) -> tuple[str, ...]:
    """Return the files that would be in conflict if these two were merged."""
    objects = git.word("rev-parse", "--path-format=absolute", "--git-path", "objects")
    with tempfile.TemporaryDirectory(prefix="hubd-merge-") as aside:
        (Path(aside) / "pack").mkdir()
        env = {
            "GIT_OBJECT_DIRECTORY": aside,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(objects),
            "GIT_INDEX_FILE": str(Path(aside) / "index"),
        }
        return merge(git, ours, theirs, env).conflicts


def _quoted(path: str) -> str:
    """A path as git reads it in a list that is split at colons."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
