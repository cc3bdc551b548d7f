"""Commit what lies in a worktree, for an agent that could not do it itself (a sandbox without the git dir).

Guarantee: the commit goes onto the assignment's branch and nowhere else; its author is the agent, its
committer hubd; no hook runs and nobody is asked to sign. What the project ignores, what was copied from the
person's checkout, and what was there before the agent began and is unchanged, is not in it.
Rule 1: what the agent has staged counts for nothing; the files do. So nothing that was forced into the index
against `.gitignore` is committed.
Rule 2: a repository inside the worktree is not committed, nor a changed submodule: git would have to run in
it, by what an agent has written there.

Not promised: a look for secrets, sizes or meaning. What an agent wrote into a file that is not ignored is in
the commit, as it would be after `git add --all`; the commit stays in this repository until a person pushes
it. A filter that `.gitattributes` names and the user has configured runs, as for any `git add`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hubd.core.naming import shown
from hubd.project.changes import HALF_DONE, changes, work
from hubd.project.links import opened, unlock
from hubd.project.plumbing import LONG, Git, ProjectError, person
from hubd.project.records import Record, Shelf, load
from hubd.project.worktree import Worktree

__all__ = ["commit_all"]


def commit_all(worktree: Worktree, name: str, email: str, message: str, *, alone: bool = False) -> str | None:
    """Commit the agent's work and return the commit's id; None where there is none to commit.

    `alone`: nobody works in it any more, so a lock of git's is a leftover and is removed.
    """
    gone = ProjectError(f"there is no worktree {shown(str(worktree.path))}", "it was removed already")
    if not worktree.record.exists():
        raise gone
    with Shelf(worktree.record.parent.parent).held(worktree.record.stem):
        record = load(worktree.record)
        if record is None:
            raise gone
        return _commit(record, person(name, email), message, alone)


def _commit(record: Record, who: Mapping[str, str], message: str, alone: bool) -> str | None:
    tree = opened(record)
    if alone:
        unlock(record, tree.git_dir)
    head = _head(tree, record)
    tree.out("read-tree", "-m", "HEAD", limit=LONG)  # forget what was staged, keep what is known of the files
    gone, there = _paths(tree, record)
    # Two calls: git would not remove what lies behind a link that took the place of a folder.
    for flags, paths in ((("--force-remove",), gone), (("--add",), there)):
        if paths:
            names = b"".join(os.fsencode(path) + b"\0" for path in paths)
            tree.out("update-index", *flags, "-z", "--stdin", stdin=names, limit=LONG)
    files = tree.word("write-tree")
    if files == tree.word("rev-parse", f"{head}^{{tree}}"):
        return None
    text = message.encode("utf-8", "replace").replace(b"\0", b"").strip() or b"Work of an agent"
    commit = tree.word("commit-tree", "-p", head, "-F", "-", files, stdin=text + b"\n", env=who)
    tree.out("update-ref", "-m", "hubd: commit for an agent", f"refs/heads/{record.branch}", commit, head)
    return commit


def _head(tree: Git, record: Record) -> str:
    """Return the tip of the assignment's branch; it must be what the worktree is on."""
    on = os.fsdecode(tree.ask("symbolic-ref", "--quiet", "HEAD").out).strip()
    if on != f"refs/heads/{record.branch}":
        where = shown(on.removeprefix("refs/heads/")) or "no branch"
        said = f"the worktree is on {where}, not on {record.branch}"
        raise ProjectError(said, "commit there by hand, or go back: `git switch` in the worktree")
    half = [name for name in HALF_DONE if (tree.git_dir / name).exists()]
    if half or tree.out("ls-files", "--unmerged", "-z"):
        said = "a merge, rebase or pick in the worktree is half done"
        raise ProjectError(said, f"finish or abort it in {shown(record.path)}")
    return tree.word("rev-parse", "--verify", "HEAD^{commit}")


def _paths(tree: Git, record: Record) -> tuple[list[str], list[str]]:
    """Return the paths that the agent has removed, and those that it has made or changed."""
    found = work(Path(record.path), changes(tree), record.given)
    mine = [c for c in found if not c.folder and c.path not in record.copied]
    return [c.path for c in mine if "D" in c.code], [c.path for c in mine if "D" not in c.code]
