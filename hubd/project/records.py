"""What the hub knows of each worktree it has made: one small file beside it, outside the project.

    HOME/<project>-<hash>/<assignment>/             the worktree
    HOME/<project>-<hash>/.hubd/<assignment>.json   this record
    HOME/<project>-<hash>/.hubd/<assignment>.log    what the setup said
    HOME/<project>-<hash>/.hubd/<assignment>.lock   locked by who works on them, and by every git it started

Guarantee: the record is written before the first thing it speaks of is made, and removed after the last is
gone; so whatever a crash leaves behind is known to be the hub's, and nothing else is.
Rule: a record is replaced as a whole.

    making     what is there was never handed out: it may be cleared and made again
    ready      somebody may work in it
    removing   it was found to hold no work: removing it may be gone on with
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hubd.core.naming import shown
from hubd.core.place import ID
from hubd.project.plumbing import HELD, ProjectError
from hubd.project.repository import Repository

__all__ = ["Record", "Shelf", "every"]

_FORMAT = 1
_NOTES = ".hubd"
_WAIT = 60.0  # seconds for a git that outlived its hub
_POLL = 0.05
STATES = ("making", "ready", "removing")


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that must outlive the hub's process about one worktree."""

    hub: str
    assignment: str
    project: str
    """The folder that the card names."""
    common: str
    """The project's git dir, the one that branches are in."""
    path: str
    """The worktree."""
    branch: str
    base: str
    """The commit that the branch started from."""
    onto: str
    """The name of what the work is for: the branch that it will be merged into."""
    state: str = "making"
    again: bool = False
    """The branch is older than this making of the worktree, and may hold work."""
    copied: tuple[str, ...] = ()
    """Files that were copied from the person's checkout: never committed."""
    given: dict[str, str] = field(default_factory=dict)
    """What differed from the commit before anybody worked here, by what the setup and the copying did."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the worktrees of one project lie, and their records."""

    folder: Path

    @classmethod
    def of(cls, home: Path, repository: Repository, hub: str) -> Shelf:
        """Make the place for a project's worktrees. It is never inside the project."""
        if not home.is_absolute():
            said = f"{shown(str(home))} is not an absolute path"
            raise ProjectError(said, "correct `worktrees:` in hub.yaml")
        real = Path(os.path.realpath(home))
        for inside in {repository.top, repository.main_top, repository.common} - {None}:
            assert inside is not None
            if real.is_relative_to(inside.resolve()):
                said = f"worktrees would lie inside the project {shown(str(inside))}"
                raise ProjectError(said, "set `worktrees:` in hub.yaml to a folder outside of every project")
        shelf = cls(real / repository.key(hub))
        try:
            shelf.notes.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            said = f"worktrees cannot be kept in {shown(str(real))}: {error.strerror}"
            raise ProjectError(said, "set `worktrees:` in hub.yaml to a folder of yours") from error
        if shelf.notes.is_symlink() or shelf.folder.is_symlink():
            said = f"{shown(str(shelf.folder))} is a link"
            raise ProjectError(said, "remove it; the hub makes a folder there")
        return shelf

    @property
    def notes(self) -> Path:
        return self.folder / _NOTES

    def at(self, assignment: str) -> Path:
        """Return the path of an assignment's record."""
        if not ID.match(assignment):
            raise ProjectError(f"{shown(assignment)[:100]} is no id of an assignment", "use its whole id")
        return self.notes / f"{assignment}.json"

    def log(self, assignment: str) -> Path:
        """Return the path of what an assignment's setup said."""
        return self.at(assignment).with_name(f"{assignment}.log")

    def read(self, assignment: str) -> Record | None:
        return load(self.at(assignment))

    def write(self, record: Record) -> Path:
        """Put a record in the place of the one before, durably."""
        path = self.at(record.assignment)
        aside = path.with_name(f"{path.name}.new")
        data = json.dumps({"format": _FORMAT, **asdict(record)}, indent=1).encode("ascii")
        with open(aside, "wb", opener=_private) as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(aside, path)
        return path

    @contextmanager
    def held(self, assignment: str) -> Iterator[None]:
        """Keep everybody else from an assignment's worktree, also those who come after a hub that was killed.

        The git that it had started may be at work still; it has inherited the lock.
        """
        lock = self.at(assignment).with_name(f"{assignment}.lock")
        deadline = time.monotonic() + _WAIT
        while True:
            self.notes.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                fd = _private(str(lock), os.O_RDWR | os.O_CREAT)
            except FileNotFoundError:
                continue  # the last worktree of this project has just been removed, and the shelf with it
            try:
                if _locked(fd, lock):
                    before = HELD.set((fd,))
                    try:
                        yield
                    finally:
                        HELD.reset(before)
                    return
            finally:
                os.close(fd)
            if time.monotonic() > deadline:
                said = f"the worktree of {assignment} is still being worked on by a git, or by another hub"
                raise ProjectError(said, "wait for it, or see what it does: `ps -ef`")
            time.sleep(_POLL)

    def drop(self, assignment: str) -> None:
        """Forget a worktree of which nothing is left; and the shelf itself with the last of them."""
        record = self.at(assignment)
        for path in (self.log(assignment), record, record.with_name(f"{assignment}.lock")):
            path.unlink(missing_ok=True)
        for folder in (self.notes, self.folder):
            try:
                folder.rmdir()
            except OSError:
                return  # something else lies there


def _locked(fd: int, lock: Path) -> bool:
    """Take the lock, unless somebody has it, or it was removed while we waited for it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(fd), os.stat(lock))
    except (BlockingIOError, FileNotFoundError):
        return False


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def load(path: Path) -> Record | None:
    """Read a record. None where there is none; a ProjectError where it cannot be understood."""
    try:
        data = json.loads(path.read_bytes())
        if data.pop("format") != _FORMAT or data["state"] not in STATES:
            raise ValueError("another format")
        data |= {"copied": tuple(data["copied"]), "notes": tuple(data["notes"])}
        return Record(**data)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        said = f"the record {shown(str(path))} cannot be read: {error}"
        hint = "look at the worktree beside it, keep what matters, then remove both"
        raise ProjectError(said, hint) from error


def every(home: Path) -> Iterator[Path]:
    """Yield the path of every record below a home, in order."""
    try:
        shelves = sorted(entry.name for entry in os.scandir(os.path.realpath(home)) if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in shelves:
        yield from sorted((Path(os.path.realpath(home)) / name / _NOTES).glob("*.json"))
