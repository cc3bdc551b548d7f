"""Where an assignment's branch starts.

    it comes after nothing       the base: what the card names, else the project's default branch
    after one other              that one's branch
    after several                the first of them, with the others merged in as far as that is clean

Guarantee: the answer is a commit, made of commits alone; what is dirty or staged in a checkout is never in
it.
Rule 1: a branch that is gone (merged and removed), or that the base has in full, adds nothing: the base
stands for it.
Rule 2: a branch that would conflict is left out and named in a note, for the agent to merge; a merge is
never half made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubd.core.naming import shown
from hubd.project.merging import merge
from hubd.project.plumbing import Git, ProjectError, person
from hubd.project.repository import Named, Repository

__all__ = ["Start", "start"]


@dataclass(frozen=True, slots=True)
class Start:
    """The commit, the name of what it will be merged into, and what a reader should know."""

    commit: str
    onto: str
    notes: tuple[str, ...] = ()


def start(
    repository: Repository, base: str, after: Sequence[str], assignment: str, author: tuple[str, str]
) -> Start:
    """Choose where an assignment starts; merges are made as commits, where there are several before it."""
    root = repository.named(base) if base else repository.default()
    if root is None:
        said = f"the project has no branch, tag or commit {shown(base)}"
        raise ProjectError(said, "correct `worktree: {base: …}` of the card, or make the branch")
    onto = root.name if root.ref else repository.default().name
    notes: list[str] = []
    befores = _befores(repository, root, after, notes)
    commit = befores[0].commit if befores else root.commit
    for other in befores[1:]:
        commit = _join(repository.git, commit, befores[0], other, assignment, author, notes)
    return Start(commit, onto, tuple(shown(note) for note in notes))


def _befores(repository: Repository, root: Named, after: Sequence[str], notes: list[str]) -> list[Named]:
    """Return the branches that hold something of their own, each once, in the order of the plan."""
    git = repository.git
    found: list[Named] = []
    for name in dict.fromkeys(after):
        branch = repository.named(name)
        if branch is None:
            notes.append(f"{shown(name)} is gone; {root.name} stands for it")
        elif not git.holds(branch.commit, root.commit):
            found.append(branch)
    return [
        one
        for number, one in enumerate(found)
        if not any(
            git.holds(one.commit, other.commit) and (one.commit != other.commit or place < number)
            for place, other in enumerate(found)
            if place != number
        )
    ]


def _join(
    git: Git,
    commit: str,
    first: Named,
    other: Named,
    assignment: str,
    author: tuple[str, str],
    notes: list[str],
) -> str:
    """Merge one more branch into the start, if that is clean."""
    merged = merge(git, commit, other.commit)
    if merged.conflicts:
        files = ", ".join(shown(name) for name in merged.conflicts[:5])
        name = shown(other.name)
        notes.append(f"{name} is not merged in: it conflicts in {files}; `git merge {name}`")
        return commit
    message = f"Start {assignment} from {first.name} and {other.name}\n"
    parents = ("-p", commit, "-p", other.commit)
    who = person(*author)
    return git.word("commit-tree", *parents, "-F", "-", merged.tree, stdin=message.encode(), env=who)
