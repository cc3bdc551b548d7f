"""Swap: the private room in which what was taken out of somebody's folder waits until it is judged.

Guarantee: from the moment a file leaves an agent's folder until it is dropped by name here, its bytes are on
disk.
Rule 1: an entry is dropped only while it holds exactly the bytes that its dropper names, and nobody is
writing it.
Rule 2: an entry's name says where it came from (`<number>-<path, percent-encoded>`), so that a hub that
starts after a crash can judge it without any other record.

Files made aside in tmp are not here: they are the hub's own, and are cleared at start.
"""

from __future__ import annotations

import errno
import itertools
import os
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hubd.spool.aside import Aside, Rooms
from hubd.spool.ground import OUT, exchange, folder_at, forget, move_new, split, sync_all, told
from hubd.spool.reading import (
    ABSENT,
    LARGEST,
    MOVING,
    Bytes,
    Moving,
    NotAFile,
    Read,
    Stamp,
    Use,
    holds,
    read_at,
    scan_at,
    stamp_at,
    use_at,
)

__all__ = ["Displaced", "Placing", "swap_name", "swap_path"]

_LONGEST = 255  # bytes of a file name
_TRIES = 100  # of a rename that somebody keeps racing; each failure needs another write of theirs


def _no_crash(_point: str) -> None:
    """Where a test would stop the process, nothing happens."""


@dataclass(frozen=True, slots=True)
class Displaced:
    """Something else than expected lay at `path`. It lies in swap now, whole, until the caller has judged
    it.
    """

    path: str | None
    """Where it lay; None where the name in swap does not tell."""
    entry: str
    """Its name in swap."""
    read: Bytes | NotAFile | Moving
    """What it is. Moving: its writer is not done; ask `again` later."""

    @property
    def data(self) -> bytes | None:
        return self.read.data if isinstance(self.read, Bytes) else None


class Placing:
    """What every way of putting and taking is made of: reading, writing aside, swap.

    `root` is the mailbox; its descriptor is held until `close`. Not for several threads at once. Several
    processes may read; only the holder of the hub lock puts and takes.
    """

    def __init__(self, root: Path, crash: Callable[[str], None] = _no_crash, largest: int = LARGEST) -> None:
        self.root = root
        self._crash = crash
        self._largest = largest
        self._numbers = itertools.count(1)
        with told("open the mailbox", str(root)):
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._room = Rooms(self._root)
        self._aside = Aside(self._room)

    def close(self) -> None:
        self._room.close()
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # Looking: nothing changes.

    def read(self, path: str) -> Read:
        """What lies at a path of the mailbox. FolderBlocked where a link lies on the way."""
        folder, name = split(path)
        with told("read", path):
            try:
                with folder_at(self._root, folder) as held:
                    return read_at(held, name, self._largest)
            except FileNotFoundError:
                return ABSENT

    def stamp(self, path: str) -> Stamp | None:
        """The stamp of a file or a folder, without opening it; None where it is missing."""
        folder, name = split(path)
        with told("look at", path):
            try:
                with folder_at(self._root, folder) as held:
                    return stamp_at(held, name)
            except FileNotFoundError:
                return None

    def is_there(self, folder: str) -> bool:
        """Whether a folder of the mailbox is there. FolderBlocked where a link or a file has its place."""
        with told("look at", folder):
            try:
                with folder_at(self._root, folder):
                    return True
            except FileNotFoundError:
                return False

    def scan(self, folder: str) -> list[tuple[str, Stamp]]:
        """Every entry of a folder, by name; nothing where the folder is missing."""
        with told("list", folder):
            try:
                with folder_at(self._root, folder) as held:
                    return scan_at(held)
            except FileNotFoundError:
                return []

    # Swap, as the caller sees it.

    def leftovers(self) -> tuple[Displaced, ...]:
        """What lies in swap: at start, what a crash left.

        Some of it may be the hub's own, on its way to a folder; it equals what the ledger holds for that
        path.
        """
        with told("list", ".git/hub/swap"):
            swap = self._room("swap")
            found = ((entry, read_at(swap, entry, self._largest)) for entry, _ in scan_at(swap))
            return tuple(
                Displaced(swap_path(entry), entry, read)
                for entry, read in found
                if isinstance(read, Bytes | NotAFile | Moving)
            )

    def again(self, displaced: Displaced) -> Displaced | None:
        """Look at an entry of swap once more; None where it is gone."""
        with told("read", displaced.entry):
            return self._displaced(self._room("swap"), displaced.path, displaced.entry)

    def drop(self, displaced: Displaced) -> Displaced | None:
        """The caller has judged these bytes and keeps them elsewhere: delete them here.

        Answers with what is there now, where that is something else. What is not a file is dropped as it is.
        """
        with told("remove", displaced.entry):
            swap = self._room("swap")
            if isinstance(displaced.read, Bytes):
                if not self._discard(swap, displaced.entry, (displaced.read.data,)):
                    return self._displaced(swap, displaced.path, displaced.entry)
            elif isinstance(displaced.read, NotAFile) and displaced.read.code != "directory":
                forget(swap, displaced.entry)
            else:
                return displaced
        return None

    def put_back(self, displaced: Displaced) -> bool:
        """Back to where it lay, unless something new lies there: then nothing happens and the answer is
        False.
        """
        if displaced.path is None:
            return False
        folder, name = split(displaced.path)
        with told("put back", displaced.path), folder_at(self._root, folder, make=True) as held:
            try:
                move_new(self._room("swap"), displaced.entry, held, name)
            except (FileExistsError, FileNotFoundError):
                return False
        return True

    def clear(self) -> int:
        """Remove what a crash left half-written in tmp. Only for the holder of the hub lock, at its start."""
        with told("clear", ".git/hub/tmp"):
            return self._aside.clear()

    def sync(self) -> None:
        """Return when everything delivered so far would survive a loss of power."""
        with told("sync", str(self.root)):
            sync_all(self._root)

    # The steps that putting and taking are made of. They speak OSError.

    def _into_swap(self, source: int, name: str, swap: int, path: str) -> str:
        """Move an entry into swap, under a name that says where it belongs. FileNotFoundError: it is gone."""
        while True:
            entry = swap_name(next(self._numbers), path)
            try:
                move_new(source, name, swap, entry)
            except FileExistsError:
                continue
            return entry

    def _discard(self, swap: int, entry: str, versions: tuple[bytes, ...]) -> bool:
        """Delete an entry of swap if its bytes are among these and nobody is writing it; True: it is gone."""
        # In this order: here nobody opens it any more, so without a writer now there is none while we
        # compare.
        use = use_at(swap, entry)
        same = use is not Use.WRITER and holds(swap, entry, versions)
        if same:
            self._aside.spend(swap, entry, use)
        return same is not False

    def _displaced(self, swap: int, path: str | None, entry: str) -> Displaced | None:
        read = MOVING if use_at(swap, entry) is Use.WRITER else read_at(swap, entry, self._largest)
        return Displaced(path, entry, read) if isinstance(read, Bytes | NotAFile | Moving) else None

    def _place(self, source: int, name: str, held: int, path: str, swap: int) -> str | None:
        """Put `source/name` at `path`, whatever lies there. Answers with the entry of what came out, if any.

        What came out is in swap in the same instant: a crash can lose neither.
        """
        target = split(path)[1]
        try:
            for _ in range(_TRIES):
                try:
                    move_new(source, name, held, target)
                    return None
                except FileExistsError:
                    pass
                if source != swap:
                    # Exchanged straight out of tmp, what comes out would lie where a start clears.
                    source, name = swap, self._into_swap(source, name, swap, path)
                    self._crash("deliver.aside")
                try:
                    exchange(source, name, held, target)
                    return name
                except FileNotFoundError:
                    continue  # it was taken away just now
            raise OSError(errno.EBUSY, "it keeps changing")
        except OSError:
            forget(source, name)  # still ours: a rename that failed has changed nothing
            raise


def swap_name(number: int, path: str) -> str:
    """`17-agents%2Fada%2Finbox%2Fx.md`; one too long for that ends in `%cut` and does not tell its path."""
    name = f"{number}-{urllib.parse.quote_from_bytes(os.fsencode(path), safe='')}"
    return name if len(name) <= _LONGEST - len(OUT) else name[: _LONGEST - 20] + "%cut"


def swap_path(entry: str) -> str | None:
    """The path that `swap_name` was given, or None."""
    number, dash, quoted = entry.removesuffix(OUT).partition("-")
    if not dash or not number.isdigit() or quoted.endswith("%cut"):
        return None
    path = os.fsdecode(urllib.parse.unquote_to_bytes(quoted))
    try:
        split(path)
    except ValueError:
        return None
    return path
