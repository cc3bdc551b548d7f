"""A work tree of a person's project for one assignment: outside the project, on a branch of its own.

Guarantee: the person's checkout, index, HEAD, branches, stash, hooks and configuration are as they were.
What is added to the project is `refs/heads/hub/<assignment>`, `worktrees/<assignment>` in its git dir, and
objects, which stay until the person's own `git gc` finds them unused.
Guarantee: `prepare` may be called again at any time, also after a crash at any instant; it mends what is
half made and returns the same worktree, with the work that earlier attempts left in it.
Rule 1: it is called while nobody works in the worktree: locks of git's found there are then leftovers.
Rule 2: what the hub did not make (a branch of that name, a folder in its place) is left alone, and another
name is taken.
Rule 3: `git worktree prune` and the like are never used: they would tidy up after the user too.

Not promised: that a card's `setup` keeps to the worktree. It is a program that a person chose, run as the
user; where it changed the project's git configuration (a worktree shares it), a note says so. Submodules are
not checked out: a `setup` of `[git, submodule, update, --init]` does that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hubd.core.document import Value
from hubd.core.naming import shown
from hubd.project.changes import changes, snapshot
from hubd.project.copying import copy, remove_tree
from hubd.project.links import admin_of, opened, relink, remove_admin, unlock
from hubd.project.plumbing import HUBD, LONG, Git, ProjectError, failure
from hubd.project.records import Record, Shelf, every, load
from hubd.project.repository import Repository, is_ref
from hubd.project.setting_up import SETUP_LIMIT, run_setup
from hubd.project.starting import start
from hubd.project.wishes import Wishes, read_wishes

__all__ = ["PREFIX", "Worktree", "find", "forget", "prepare"]

PREFIX = "hub/"


@dataclass(frozen=True, slots=True)
class Worktree:
    """A worktree that is ready to be worked in."""

    path: Path
    branch: str
    base: str
    """The commit that the branch started from."""
    made: bool
    """It was made, or made again, just now; False: it was there, with whatever earlier attempts left."""
    notes: tuple[str, ...]
    """What an agent or a person should know, one line each."""
    record: Path
    """Where the hub remembers it."""


def prepare(
    project: Path,
    home: Path,
    hub: str,
    assignment: str,
    settings: Mapping[str, Value],
    after: Sequence[str] = (),
    author: tuple[str, str] = HUBD,
    *,
    environment: Mapping[str, str] | None = None,
    limit: float = SETUP_LIMIT,
) -> Worktree:
    """Make, or find and mend, the worktree of one assignment. `limit`: seconds for a command of the setup."""
    wishes = read_wishes(settings)
    repository = Repository(project)
    shelf = Shelf.of(home, repository, hub)
    order = _Order(str(project), hub, assignment, tuple(after), author)
    making = _Making(repository, shelf, wishes, environment, limit)
    try:
        with shelf.held(assignment):
            return _prepared(order, making)
    except OSError as error:
        said = f"the worktree of {assignment} cannot be made: {error.strerror}: {shown(str(error.filename))}"
        raise ProjectError(said, "see whose the file is, and remove it") from error


@dataclass(frozen=True, slots=True)
class _Order:
    """For whom a worktree is made, and after what."""

    project: str
    hub: str
    assignment: str
    after: tuple[str, ...]
    author: tuple[str, str]


def _prepared(order: _Order, making: _Making) -> Worktree:
    repository, shelf, wishes = making.repository, making.shelf, making.wishes
    record = shelf.read(order.assignment)
    notes: tuple[str, ...] = ()
    if record is not None and record.state == "ready":
        mended = _mended(repository, shelf, record)
        if mended is not None:
            return mended
        record, notes = _to_make_again(shelf, record)
    elif record is not None:
        _clear(record)
        record = record if record.again else None
    if record is None or repository.branch(record.branch) is None:
        begin = start(repository, wishes.base, order.after, order.assignment, order.author)
        path, branch = _free(repository, shelf, order.assignment)
        record = Record(
            order.hub, order.assignment, order.project, str(repository.common), str(path), branch,
            begin.commit, begin.onto, notes=begin.notes + notes,
        )  # fmt: skip
    record = replace(record, state="making", copied=wishes.copy, given={})
    shelf.write(record)
    return making.make(record)


def find(home: Path, hub: str, assignment: str) -> Worktree | None:
    """Return the worktree that was prepared for an assignment, as it was recorded; nothing is mended."""
    for path in every(home):
        record = load(path) if path.stem == assignment else None
        if record is not None and record.hub == hub and record.state == "ready":
            return _worktree(record, path, made=False)
    return None


def _worktree(record: Record, path: Path, made: bool) -> Worktree:
    return Worktree(Path(record.path), record.branch, record.base, made, record.notes, path)


def _free(repository: Repository, shelf: Shelf, assignment: str) -> tuple[Path, str]:
    """Return a folder and a branch that are nobody's yet."""
    if repository.branch(PREFIX.rstrip("/")) is not None:
        said = f"the project has a branch called {PREFIX.rstrip('/')}, so that none can be called {PREFIX}…"
        raise ProjectError(said, "rename it: `git branch -m hub another-name`")
    for number in range(1, 100):
        name = assignment if number == 1 else f"{assignment}-{number}"
        path, branch = shelf.folder / name, PREFIX + name
        if not is_ref(branch):
            break
        if not os.path.lexists(path) and repository.branch(branch) is None:
            return path, branch
    raise ProjectError(f"there is no name left for a branch {PREFIX}{assignment}", "remove old hub/ branches")


def _mended(repository: Repository, shelf: Shelf, record: Record) -> Worktree | None:
    """Return the worktree if it is there, without leftovers of a crash; None where it must be made again."""
    path, admin = Path(record.path), admin_of(record)
    if path.is_symlink() or not path.is_dir() or admin is None or not (admin / "HEAD").is_file():
        return None
    unlock(record, admin)
    relink(shelf, record, admin)
    if repository.branch(record.branch) is None:
        # Deleted by force. What was committed may be lost; what lies in the folder is not.
        repository.git.out("update-ref", "-m", "hubd: again", f"refs/heads/{record.branch}", record.base, "")
    return _worktree(record, shelf.at(record.assignment), made=False)


def _to_make_again(shelf: Shelf, record: Record) -> tuple[Record, tuple[str, ...]]:
    """Its folder, or git's knowledge of it, is gone. Keep the branch, and whatever lies there."""
    path, number = Path(record.path), 2
    notes: list[str] = []
    if not os.path.lexists(path):
        remove_admin(record)
        notes.append("its folder was gone and was made again from its branch; what was not committed is lost")
    while os.path.lexists(path):
        notes.append(f"{shown(str(path))} is no worktree any more, and was left as it is")
        path, number = shelf.folder / f"{record.assignment}-{number}", number + 1
    said = tuple(dict.fromkeys((*record.notes, *notes)))
    return replace(record, path=str(path), notes=said, again=True), tuple(notes)


@dataclass(frozen=True, slots=True)
class _Making:
    """Makes what a record says. A crash, or an error, leaves what the next call clears."""

    repository: Repository
    shelf: Shelf
    wishes: Wishes
    environment: Mapping[str, str] | None
    limit: float

    def make(self, record: Record) -> Worktree:
        path, ref = Path(record.path), f"refs/heads/{record.branch}"
        git = self.repository.git
        if self.repository.branch(record.branch) is None:
            git.out("update-ref", "-m", f"hubd: start {record.assignment}", ref, record.base, "")
        git.out("worktree", "add", str(path), record.branch, limit=LONG)
        tree = opened(record)
        if tree.word("symbolic-ref", "HEAD") != ref:
            hint = "is there a tag or a remote of that name?"
            raise ProjectError(f"git did not check out {record.branch}", hint)
        notes = [*record.notes, *self._fill(record, tree)]
        given = snapshot(path, changes(tree))
        if given is None:
            notes.append("the setup leaves thousands of files that .gitignore does not exclude")
        said = tuple(dict.fromkeys(notes))
        record = replace(record, state="ready", again=False, given=given or {}, notes=said)
        return _worktree(record, self.shelf.write(record), made=True)

    def _fill(self, record: Record, tree: Git) -> list[str]:
        """Copy and set up what the card asks for; return what a reader should know."""
        path, top = Path(record.path), self.repository.top
        if self.wishes.copy and top is None:
            said = "`copy:` needs a checkout to copy from, and the project is a bare repository"
            raise ProjectError(said, "set `directory:` of the card to a checkout")
        for name in self.wishes.copy:
            assert top is not None
            copy(top, path, name)
        notes = _exposed(tree, self.wishes.copy)
        if (path / ".gitmodules").is_file() and not self.wishes.setup:
            notes.append(
                "submodules are not checked out; `setup: [git, submodule, update, --init]` does that"
            )
        if self.wishes.setup:
            log, common = self.shelf.log(record.assignment), Path(record.common)
            notes += run_setup(self.wishes.setup, path, common, log, self.environment, self.limit)
        return notes


def _exposed(tree: Git, copied: Sequence[str]) -> list[str]:
    """Say which copied files an agent's own `git add` would commit."""
    if not copied:
        return []
    ran = tree.ask("check-ignore", "-z", "--stdin", stdin=b"".join(os.fsencode(n) + b"\0" for n in copied))
    if ran.code not in (0, 1):
        raise failure("check-ignore", ran)
    ignored = {os.fsdecode(name) for name in ran.out.split(b"\0") if name}
    return [
        f"{shown(name)} was copied here and is not ignored by the project: do not commit it"
        for name in copied
        if name not in ignored
    ]


def _clear(record: Record) -> None:
    """Remove what was half made, or half removed. Nobody has worked in it since."""
    remove_tree(Path(record.path))
    remove_admin(record)
    branch = Path(record.common) / "refs" / "heads" / record.branch
    branch.with_name(f"{branch.name}.lock").unlink(missing_ok=True)
    if not record.again:
        # Only while it stands where it was made: a name that was free then may be somebody's now.
        Git(Path(record.common)).ask("update-ref", "-d", f"refs/heads/{record.branch}", record.base)


def forget(shelf: Shelf, record: Record, tip: str) -> bool:
    """Remove a worktree that holds no work, and its branch if that stands at `tip`. Return whether it did."""
    shelf.write(replace(record, state="removing", again=True))
    remove_tree(Path(record.path))
    remove_admin(record)
    gone = not tip or Git(Path(record.common)).ask(
        "update-ref", "-d", f"refs/heads/{record.branch}", tip
    ).code == 0  # fmt: skip
    shelf.drop(record.assignment)
    return gone
