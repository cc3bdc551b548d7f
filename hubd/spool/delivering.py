"""Put documents where they belong and take them away, so that it can be done again at any time.

Guarantee: an agent's folder shows a document whole or not at all, and what lay there before is never
overwritten.
Guarantee: each call, repeated with the same arguments after a crash at any instant, ends in the same files.
Rule 1: nothing is judged here. What is not what the caller expected is handed back as `Displaced`, and kept.
Rule 2: the bytes decide, not names, times or what an earlier call did.

    deliver     the truth -> inbox, waiting, archive, leases, NOW.md
    take_away   what the hub delivered and the ledger no longer has there
    consume     an accepted file of an outbox
    refuse      what was not accepted -> agents/NAME/refused, under the name it had
    quarantine  what must not be shown -> .git/hub/quarantine, under its hash

Crash points, for tests: `<verb>.before` and `<verb>.after` around each, and between the renames of one:
`deliver.written`, `deliver.aside`, `deliver.placed`, `take.taken`, `refuse.taken`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from hubd.spool.ground import FolderBlocked, SpoolError, folder_at, forget, split, told
from hubd.spool.keeping import Keeping, move_numbered
from hubd.spool.placing import Displaced
from hubd.spool.reading import holds

__all__ = ["Delivered", "Refused", "Spool", "Taken", "submit"]

Versions = bytes | tuple[bytes, ...] | None
"""What the hub put there before, where it may be one of several: after a crash, all since the last sync."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The data lies at the path."""

    changed: bool
    """False: it lay there already, and nothing was written."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Nothing lies at the path."""

    changed: bool
    """False: nothing lay there before either."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The refused bytes lie in the refused folder."""

    path: str | None
    """Where; None where there was nothing to move and no data to keep."""
    newer: Displaced | None = None
    """Something newer that was saved meanwhile and could not be put back: its name is taken by something
    newest.
    """


class Spool(Keeping):
    """The mailbox's folders, read and written safely. Paths are the ledger's: `agents/ada/inbox/x.md`."""

    def deliver(
        self, path: str, data: bytes, expected: Versions = None, durable: bool = False
    ) -> Delivered | Displaced:
        """Put `data` at `path`. `expected`: what the hub put there before and may now be replaced.

        Displaced: the data is in place, and what it took the place of waits in swap to be judged.
        """
        folder, name = split(path)
        self._crash("deliver.before")
        with told("deliver", path), folder_at(self._root, folder, make=True) as held:
            outcome: Delivered | Displaced = Delivered(changed=False)
            if not _lies_there(held, name, data):
                outcome = self._replace(held, path, data, (data, *_versions(expected)), durable)
                if durable:
                    os.fsync(held)
        self._crash("deliver.after")
        return outcome

    def _replace(
        self, held: int, path: str, data: bytes, known: tuple[bytes, ...], durable: bool
    ) -> Delivered | Displaced:
        tmp, swap = self._room("tmp"), self._room("swap")
        aside = self._aside.write(data, durable=durable)
        self._crash("deliver.written")
        entry = self._place(tmp, aside, held, path, swap)
        self._crash("deliver.placed")
        if entry is None or self._discard(swap, entry, known):
            return Delivered(changed=True)
        return self._displaced(swap, path, entry) or Delivered(changed=True)

    def take_away(self, path: str, expected: Versions) -> Taken | Displaced:
        """Remove the file at `path` if it holds what is expected; else it waits in swap (see `put_back`)."""
        return self._take("take_away", path, _versions(expected))

    def consume(self, path: str, accepted: bytes) -> Taken | Displaced:
        """Remove an accepted file from an outbox. Displaced: its author has saved something else since."""
        return self._take("consume", path, (accepted,))

    def _take(self, verb: str, path: str, known: tuple[bytes, ...]) -> Taken | Displaced:
        folder, name = split(path)
        self._crash(f"{verb}.before")
        outcome: Taken | Displaced = Taken(changed=False)
        with told("take away", path):
            try:
                with folder_at(self._root, folder) as held:
                    swap = self._room("swap")
                    entry = self._into_swap(held, name, swap, path)
                    self._crash("take.taken")
                    outcome = Taken(changed=True)
                    if not self._discard(swap, entry, known):
                        outcome = self._displaced(swap, path, entry) or outcome
            except FileNotFoundError:
                pass
        self._crash(f"{verb}.after")
        return outcome

    def refuse(self, path: str, folder: str, name: str, data: bytes | None = None) -> Refused:
        """Move what lies at `path` into the refused `folder`, under `name` or the next free `name.2`.

        `data`: the bytes that were refused. They are in the folder afterwards even if the file is gone or is
        another by now; another one is put back where it lay, to be judged by itself. Without `data` (a link,
        a folder, something too large) whatever lies there is moved unread.
        """
        self._crash("refuse.before")
        with told("refuse", path):
            refused = self._refuse(path, folder, name, data)
        self._crash("refuse.after")
        return refused

    def _refuse(self, path: str, folder: str, name: str, data: bytes | None) -> Refused:
        parent, file = split(path)
        swap = self._room("swap")
        with folder_at(self._root, folder, make=True) as target:
            try:
                with folder_at(self._root, parent) as held:
                    if data is None:
                        final = move_numbered(held, file, target, name, None)
                        return Refused(f"{folder}/{final}")
                    entry = self._into_swap(held, file, swap, path)
            except (FileNotFoundError, FolderBlocked):
                return Refused(None if data is None else self.keep(data, folder, name))
            self._crash("refuse.taken")
            if holds(swap, entry, (data,)):
                return Refused(f"{folder}/{move_numbered(swap, entry, target, name, data)}")
            final_path = self.keep(data, folder, name)
            newer = self._displaced(swap, path, entry)
            if newer is None or self.put_back(newer):
                return Refused(final_path)
            return Refused(final_path, newer)

    def refuse_displaced(self, displaced: Displaced, folder: str, name: str) -> str:
        """Move something out of swap into the refused folder; answers with its path."""
        self._crash("refuse.before")
        with (
            told("refuse", displaced.path or displaced.entry),
            folder_at(self._root, folder, make=True) as target,
        ):
            final = move_numbered(self._room("swap"), displaced.entry, target, name, displaced.data)
        self._crash("refuse.after")
        return f"{folder}/{final}"


def _lies_there(folder: int, name: str, data: bytes) -> bool:
    """Whether exactly this lies there, and under no second name by which somebody could change it."""
    if not holds(folder, name, (data,)):
        return False
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_nlink == 1
    except FileNotFoundError:
        return False


def _versions(expected: Versions) -> tuple[bytes, ...]:
    if expected is None:
        return ()
    return (expected,) if isinstance(expected, bytes) else expected


def submit(folder: str | os.PathLike[str], name: str, data: bytes) -> str:
    """Save a new document in an outbox as a careful author does: written aside, then renamed into place.

    For programs that drop documents, in a sandbox that lets them write to their outbox only. Answers with
    the name in use: the next free number where another file has it. The name aside begins with a dot, and so
    is ignored.
    """
    with told("save into", os.fspath(folder)):
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            aside = f".{os.getpid()}-{os.urandom(4).hex()}.tmp"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(aside, flags, 0o644, dir_fd=held)
            try:
                with open(file, "wb", closefd=True) as writing:
                    writing.write(data)
                final = move_numbered(held, aside, held, name, data)
            except (OSError, SpoolError):
                forget(held, aside)
                raise
            return final
        finally:
            os.close(held)
