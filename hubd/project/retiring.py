"""Worktrees that are not needed any more: what they hold, and their removal when that is nothing.

Guarantee: a worktree is removed only when every commit of its branch is in some branch of the person's own,
or there is none, and no file in it is work; its branch goes with it only while it stands at the commit that
was judged. What the project ignores (builds, dependencies, copies) goes with the folder: it is no work.
Rule 1: a branch counts as merged by its commits, or, where they were squashed, by its files: each is in the
project's branch exactly as the agent left it. A revert, a conflict solved otherwise, any doubt: it is kept.
Rule 2: nothing that git keeps elsewhere (objects, other branches an agent made, stashes) is touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hubd.core.naming import shown
from hubd.project.changes import HALF_DONE, changes, work
from hubd.project.links import admin_of, opened, unlock
from hubd.project.plumbing import Git, ProjectError
from hubd.project.records import Record, Shelf, every, load
from hubd.project.repository import Repository
from hubd.project.worktree import PREFIX, Worktree, forget

__all__ = ["Listed", "absorbed", "retire", "worktrees"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A worktree as a list of them shows it."""

    path: Path
    assignment: str
    project: str
    branch: str
    state: str
    """`empty`, `merged`, `2 commits not merged`, `uncommitted work`, `unfinished`, or what is wrong."""
    hub: str
    record: Path


@dataclass(frozen=True, slots=True)
class _Holding:
    """What a worktree holds. Only `disposable` ones may go."""

    state: str
    disposable: bool
    tip: str = ""


def retire(worktree: Worktree) -> str:
    """Remove a worktree that holds no work, with its branch. Return `removed`, or `kept: ` and why.

    Nobody works in it when this is called. Called again, it says `removed` again.
    """
    shelf = Shelf(worktree.record.parent.parent)
    if not worktree.record.exists():
        return "removed"
    try:
        with shelf.held(worktree.record.stem):
            record = load(worktree.record)
            return "removed" if record is None else _retired(shelf, record)
    except ProjectError as error:
        return f"kept: {error.what}"
    except OSError as error:
        return f"kept: it cannot be removed: {error.strerror}"


def _retired(shelf: Shelf, record: Record) -> str:
    holding = _holding(record)
    if not holding.disposable:
        return f"kept: {holding.state}"
    admin = admin_of(record)
    if admin is not None:
        unlock(record, admin)
    if forget(shelf, record, holding.tip):
        return "removed"
    return f"removed, but the branch {record.branch} has moved and was kept"


def worktrees(home: Path) -> Iterator[Listed]:
    """Yield every worktree below a home, with what it holds. Nothing is changed."""
    for path in every(home):
        try:
            record = load(path)
            if record is not None:
                state = _holding(record).state
                yield Listed(
                    Path(record.path),
                    record.assignment,
                    record.project,
                    record.branch,
                    state,
                    record.hub,
                    path,
                )
        except ProjectError as error:
            yield Listed(path.parent.parent / path.stem, path.stem, "", "", f"lost: {error.what}", "", path)


def _holding(record: Record) -> _Holding:
    if not Path(record.common).is_dir():
        return _Holding(f"its project {shown(record.project)} is gone", disposable=False)
    git = Git(Path(record.common))
    if record.state == "ready":
        return _files(record, git) or _branch(record, git)
    branch = _branch(record, git)
    if record.state == "removing":
        # Its files were judged before the first was removed.
        return branch if branch.disposable else _Holding(branch.state, disposable=True)
    fresh = not record.again and branch.state == "empty"
    return _Holding("unfinished", disposable=fresh, tip=branch.tip)


def _files(record: Record, git: Git) -> _Holding | None:
    """Return the work that lies in the folder and in no branch; None where there is none."""
    path = Path(record.path)
    if not os.path.lexists(path):
        return None
    tree = opened(record)
    if any((tree.git_dir / name).exists() for name in HALF_DONE):
        return _Holding("a merge, rebase or pick is half done", disposable=False)
    if work(path, changes(tree), record.given):
        return _Holding("uncommitted work", disposable=False)
    head = _tip(tree, "HEAD")
    if head and not git.out("for-each-ref", "--count=1", f"--contains={head}", "refs/heads").strip():
        return _Holding("commits on no branch", disposable=False)
    return None


def _branch(record: Record, git: Git) -> _Holding:
    tip = _tip(git, f"refs/heads/{record.branch}")
    if not tip or git.holds(tip, record.base):
        return _Holding("empty", True, tip)
    return _judged(git, record, tip)


def _tip(git: Git, ref: str) -> str:
    return git.ask("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").out.decode("ascii").strip()


def _judged(git: Git, record: Record, tip: str) -> _Holding:
    """Return whether the commits of a branch are anywhere else."""
    refs = os.fsdecode(
        git.out("for-each-ref", "--format=%(refname)", f"--contains={tip}", "refs/heads", "refs/remotes")
    ).splitlines()
    if any(not _ours(ref) for ref in refs):
        return _Holding("merged", True, tip)
    onto = Repository(Path(record.project)).named(record.onto)
    if onto is not None and absorbed(git, record.base, tip, onto.commit):
        return _Holding("merged", True, tip)
    excluded = ["--not", record.base, *([onto.commit] if onto is not None else [])]
    count = int(git.word("rev-list", "--count", tip, *excluded))
    return _Holding(f"{count} commit{'s' if count != 1 else ''} not merged", disposable=False)


def _ours(ref: str) -> bool:
    """Return whether a reference is a branch of the hub's, here or pushed somewhere."""
    kind, _, name = ref.removeprefix("refs/").partition("/")
    return (name if kind == "heads" else name.partition("/")[2]).startswith(PREFIX)


def absorbed(git: Git, base: str, tip: str, onto: str) -> bool:
    """Return whether every file that changed from base to tip is in `onto` exactly as it is at the tip."""
    listed = (
        "diff-tree",
        "-r",
        "-z",
        "--name-only",
        "--no-renames",
        "--no-ext-diff",
        "--ignore-submodules=none",
    )
    mine = set(git.names(*listed, base, tip))
    return bool(mine) and not mine & set(git.names(*listed, tip, onto))
