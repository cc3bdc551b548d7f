"""What a handoff says, held against what is in the repository.

    reported   its author says so; what is there does not say the same, or nobody can tell
    verified   the branch is there with commits of its own, the named commit is one of them, and the files
               that they change are the files that were named
    merged     the branch is there, the named commit is on it, and the base has all of it now

Guarantee: `examine` changes nothing in the project and does not raise: what cannot be looked at is
`reported`, with a note that says why.
Rule 1: a branch without commits of its own is never verified nor merged, whatever was claimed.
Rule 2: a handoff that names no files declares nothing, so nothing of it is verified.
Rule 3: where an agent committed to the base itself and no worktree says from where on, the named commit
alone is compared, and then it must be all that was declared.

Not promised: that the work is good, or that the tests were run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hubd.core.document import Value
from hubd.core.naming import shown
from hubd.project.changes import changes, work
from hubd.project.differing import Differing, differing
from hubd.project.links import opened
from hubd.project.merging import forecast
from hubd.project.plumbing import Git, ProjectError
from hubd.project.records import load
from hubd.project.repository import Named, Repository
from hubd.project.retiring import absorbed
from hubd.project.worktree import Worktree

__all__ = ["Evidence", "examine"]

_OTHERS = 30  # branches of a round with which a merge is forecast
_LISTED = 50  # files that are named one by one


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found."""

    evidence: Literal["reported", "verified", "merged"] = "reported"
    head: str = ""
    """The commit at the tip of the branch."""
    base: str = ""
    """Where the branch left the one it was started from."""
    commits: int = 0
    diffstat: str = ""
    undeclared: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    note: str = ""

    def result(self) -> dict[str, Value]:
        """Return it as the `result:` of a request: text, without what is empty."""
        found: dict[str, Value] = {
            "evidence": self.evidence, "head": self.head, "base": self.base, "commits": str(self.commits),
            "diffstat": self.diffstat, "undeclared": self.undeclared, "conflicts": self.conflicts,
            "note": self.note,
        }  # fmt: skip
        return {name: value for name, value in found.items() if value and (name != "commits" or self.head)}


@dataclass(slots=True)
class _Case:
    """What is known so far. `doubts` keep it from being verified; `remarks` do not."""

    repository: Repository
    onto: Named
    doubts: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def note(self) -> str:
        return shown("; ".join(dict.fromkeys((*self.doubts, *self.remarks))))[:1000]


def examine(
    project: Path,
    *,
    branch: str = "",
    commit: str = "",
    changed_files: Sequence[str] = (),
    worktree: Worktree | None = None,
    base: str = "",
    others: Sequence[str] = (),
) -> Evidence:
    """Look at what a handoff names.

    `base`: the branch that the work is for; else what the worktree was made for, else the project's default.
    `others`: the branches of the same round, for the forecast of conflicts.
    """
    try:
        repository = Repository(project)
        record = load(worktree.record) if worktree is not None else None
        name = base or (record.onto if record is not None else "")
        onto = repository.named(name) if name else repository.default()
        if onto is None:
            return Evidence(note=f"the base {shown(name)[:200]} is not in the project")
        case = _Case(repository, onto)
        head = _head(case, branch or (worktree.branch if worktree is not None else ""), commit)
        if worktree is not None:
            _uncommitted(case, worktree)
        if head is None:
            return Evidence(note=case.note)
        start = worktree.base if worktree is not None and repository.commit(worktree.base) else ""
        return _look(case, head, start, commit, changed_files, others)
    except ProjectError as error:
        return Evidence(note=shown(error.what)[:1000])


def _head(case: _Case, branch: str, commit: str) -> Named | None:
    """Return what the work is on: the branch, or, where none is named, the commit alone."""
    if branch:
        found = case.repository.named(branch)
        if found is None:
            case.doubts.append(f"there is no branch {shown(branch)[:200]}")
        return found
    if not commit:
        case.doubts.append("neither a branch nor a commit was named")
        return None
    found = case.repository.named(commit)
    case.doubts.append("no branch was named" if found else f"there is no commit {shown(commit)[:64]}")
    return found


def _uncommitted(case: _Case, worktree: Worktree) -> None:
    record = load(worktree.record)
    if record is None or not worktree.path.is_dir():
        return
    left = work(worktree.path, changes(opened(record)), record.given)
    if left:
        files = ", ".join(shown(change.path) for change in left[:5])
        more = f" and {len(left) - 5} more" if len(left) > 5 else ""
        case.remarks.append(f"not committed in the worktree: {files}{more}")


def _look(
    case: _Case, head: Named, start: str, commit: str, declared: Sequence[str], others: Sequence[str]
) -> Evidence:
    git, tip, onto = case.repository.git, head.commit, case.onto
    within = git.holds(tip, onto.commit)
    left = _left(git, tip, start, onto.commit, within)
    if not left:
        case.doubts.append(f"{onto.name} and {head.name} have no common history")
        return Evidence(head=tip, note=case.note)
    _named_commit(case, commit, tip, start)
    alone = left == tip and not start and not case.doubts
    if alone:
        left, right = _only(case, commit) or (tip, tip)
    else:
        right = tip
    own = int(git.word("rev-list", "--count", right, f"^{left}", *([] if within else [f"^{onto.commit}"])))
    if not own:
        case.doubts.append("there is no commit of its own on the branch")
        return Evidence(head=tip, base=left, note=case.note)
    found = differing(git, left, right)
    undeclared = _undeclared(case, declared, found)
    if case.doubts or (alone and undeclared):
        grade: Literal["reported", "verified", "merged"] = "reported"
    elif within or absorbed(git, left, tip, onto.commit):
        grade = "merged"
    else:
        grade = "verified" if any(declared) and not undeclared else "reported"
    conflicts = () if within else _conflicts(case, head, others)
    return Evidence(grade, tip, left, own, found.text, undeclared, conflicts, case.note)


def _only(case: _Case, commit: str) -> tuple[str, str] | None:
    """Return the named commit and the one before it, where the base has everything already."""
    case.remarks.append(f"{case.onto.name} has all of it already; only the named commit was compared")
    oid = case.repository.commit(commit) if commit else None
    parent = case.repository.git.ask("rev-parse", "--verify", "--quiet", f"{oid}^1") if oid else None
    if oid is None or parent is None or parent.code:
        return None
    return parent.out.decode("ascii").strip(), oid


def _left(git: Git, tip: str, start: str, onto: str, within: bool) -> str:
    """Return the commit from which the branch's own work is counted; empty where there is none.

    Where it started, unless it has taken in more of the base since: that is not its work.
    """
    if start and not git.holds(start, tip):
        start = ""  # it was rebased
    if within:
        return start or tip
    ran = git.ask("merge-base", onto, tip)
    common = ran.out.decode("ascii").split("\n", 1)[0].strip() if ran.code == 0 else ""
    return common if not start or (common and common != start and git.holds(start, common)) else start


def _named_commit(case: _Case, commit: str, tip: str, start: str) -> None:
    """Hold the commit that was named against the branch."""
    if not commit:
        return
    git, oid = case.repository.git, case.repository.commit(commit)
    if oid is None:
        case.doubts.append(f"there is no commit {shown(commit)[:64]}")
    elif not git.holds(oid, tip):
        case.doubts.append(f"the commit {commit} is not on the branch")
    elif start and git.holds(oid, start):
        case.doubts.append(f"the commit {commit} is older than the assignment")
    elif oid != tip:
        later = git.word("rev-list", "--count", f"{oid}..{tip}")
        case.remarks.append(f"of its commits, the branch has {later} later than {commit}")


def _undeclared(case: _Case, declared: Sequence[str], found: Differing) -> tuple[str, ...]:
    """Return the files of which only one side knows."""
    names = {name.removeprefix("./") for name in declared if name}
    if not names:
        case.remarks.append("no changed files were named")
        return ()
    known = {shown(name): name for name in (*found.changed, *found.renamed)}
    names = {known.get(name, name) for name in names}
    lines = [f"changed, not named: {shown(n)[:300]}" for n in sorted(found.changed - names)]
    lines += [f"named, not changed: {shown(n)[:300]}" for n in sorted(names - found.changed - found.renamed)]
    more = len(lines) - _LISTED
    return tuple(lines if more <= 0 else [*lines[:_LISTED], f"and {more} more"])


def _conflicts(case: _Case, head: Named, others: Sequence[str]) -> tuple[str, ...]:
    """Forecast a merge with the base and with each other branch of the round."""
    # The attributes that a person's own merge would go by lie in their checkout.
    git = Git(case.repository.common, case.repository.top)
    rivals = [case.onto]
    for name in list(dict.fromkeys(others))[:_OTHERS]:
        rival = case.repository.named(name)
        if rival is not None and rival.ref != head.ref and rival.commit != head.commit:
            rivals.append(rival)
    lines = []
    for rival in rivals:
        try:
            files = forecast(git, rival.commit, head.commit)
        except ProjectError as error:
            case.remarks.append(f"no forecast of a merge with {rival.name}: {error.what}")
            continue
        if files:
            more = f" and {len(files) - 5} more" if len(files) > 5 else ""
            lines.append(f"{shown(rival.name)}: {', '.join(shown(name)[:200] for name in files[:5])}{more}")
    return tuple(lines)
