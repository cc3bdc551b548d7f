"""Connect a client to a mailbox: find out what is to change in a project, then change all of it or nothing.

Guarantee: `survey` changes nothing; a file that cannot be edited is refused before any other is touched, and
where a write fails, those before it are taken back. A committed file changes only where it is to be shared.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hubd.connecting import blocks
from hubd.connecting.clients import CLIENTS, File, Member, blank
from hubd.connecting.editing import connected, disconnected
from hubd.connecting.files import Folder
from hubd.connecting.ignoring import EXCLUDE, Around, around
from hubd.connecting.spans import Unfit

__all__ = ["Change", "Survey", "carry_out", "diff", "survey"]


@dataclass(frozen=True, slots=True)
class Change:
    """One file, as it is and as it is to be; None is no file."""

    folder: Folder
    path: str
    name: str
    """What a person calls it."""
    old: bytes | None
    new: bytes | None

    @property
    def word(self) -> str:
        if self.old == self.new:
            return "as it should be"
        return "make" if self.old is None else "remove" if self.new is None else "change"


@dataclass(slots=True)
class Survey:
    """What is to be done in a project."""

    changes: list[Change]
    left: list[tuple[str, str]] = field(default_factory=list)
    """Files that are committed and stay as they are, and the command that does without."""

    @property
    def open(self) -> list[Change]:
        return [change for change in self.changes if change.old != change.new]


def survey(client: str, project: Path, member: Member | None, shared: bool = False) -> Survey:
    """Find out what is to change. Without a member: so that nothing of the client's connection is left."""
    folder = Folder(Path(project).resolve())
    tree = around(folder.root)
    desk = _Desk(folder)
    found = Survey([])
    files = CLIENTS[client].files
    if member is None or shared:
        for file in (*files(blank(), True), *files(blank(), False)):
            desk.edit(file, disconnect=True)
    local: list[str] = []
    for file in files(member, shared) if member is not None else ():
        before = desk.edit(file)
        if shared:
            continue
        if tree is None or not tree.commits(desk.at(file)):
            local.append(file.path)
        elif desk.now[desk.at(file)] != before:
            desk.now[desk.at(file)] = before
            if not file.instead:
                hint = "say --shared to change it for everybody, or connect a folder of your own"
                raise Unfit(f"{file.path} is committed here, so it is not yours alone", hint)
            found.left.append((file.path, file.instead))
    found.changes = desk.changes()
    if tree is not None:
        found.changes.append(_excluded(tree, client, local))
    return found


def carry_out(found: Survey) -> None:
    """Change the files. Raises Unfit, and then everything is as it was."""
    done: list[Change] = []
    for change in found.open:
        try:
            with _named(change.name):
                change.folder.write(change.path, change.old, change.new)
        except Unfit:
            for earlier in reversed(done):
                earlier.folder.write(earlier.path, earlier.new, earlier.old)
            raise
        done.append(change)


def diff(changes: Sequence[Change]) -> Iterator[str]:
    """Show what is to change, as `diff -u` does."""
    for change in changes:
        old, new = ((data or b"").decode().splitlines() for data in (change.old, change.new))
        names = [
            "/dev/null" if data is None else f"{side}/{change.name}"
            for side, data in (("a", change.old), ("b", change.new))
        ]
        yield from difflib.unified_diff(old, new, names[0], names[1], lineterm="")


class _Desk:
    """The files of a project while they are edited, by where they really are."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.read: dict[str, bytes | None] = {}
        self.now: dict[str, bytes | None] = {}
        self.names: dict[str, str] = {}

    def at(self, file: File) -> str:
        """Return where a file really is, and read it when it is met first."""
        with _named(file.path):
            real = self.folder.real(file.path)
            if real not in self.read:
                self.read[real] = self.now[real] = self.folder.read(real)
                self.names[real] = file.path
        return real

    def edit(self, file: File, disconnect: bool = False) -> bytes | None:
        """Edit one file, and return what it held before."""
        real = self.at(file)
        before = self.now[real]
        with _named(file.path):
            self.now[real] = disconnected(file, before) if disconnect else connected(file, before)
        return before

    def changes(self) -> list[Change]:
        return [
            Change(self.folder, real, self.names[real], self.read[real], self.now[real]) for real in self.read
        ]


def _excluded(tree: Around, client: str, paths: Sequence[str]) -> Change:
    folder, name = Folder(tree.common), f".git/{EXCLUDE}"
    with _named(name):
        real = folder.real(EXCLUDE)
        old = folder.read(real)
        block = tree.block(client, paths, old or b"")
        new = blocks.put(old, block) if block.lines else None if old is None else blocks.take(old, block)
    return Change(folder, real, name, old, new)


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Say in which file it is that something does not fit."""
    try:
        yield
    except Unfit as error:
        raise Unfit(f"{path}: {error.what}", error.hint) from error
