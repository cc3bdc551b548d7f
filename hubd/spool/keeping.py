"""Keep what was not accepted: in `refused/`, where its author sees it, or in the quarantine, where none does.

Guarantee: bytes handed to `keep` or `quarantine` are on disk, whole, when the call returns; twice the same
is once.
Rule: never over something else. A name that is taken by other bytes gets a number.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from hubd.core.naming import shown
from hubd.spool.aside import PRIVATE
from hubd.spool.ground import SpoolError, folder_at, forget, move_new, split, told
from hubd.spool.placing import Placing
from hubd.spool.reading import holds, scan_at

__all__ = ["Keeping", "Quarantined", "move_numbered", "numbered"]

_MOST_NUMBERS = 10_000
_LARGEST_HASHED = 64 * 1024 * 1024  # reading more would hold up everybody else


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One file of the quarantine."""

    name: str
    """The SHA-256 of its bytes in hex; `unread-…` for what was never read (too large, or no plain file)."""
    size: int


class Keeping(Placing):
    def keep(self, data: bytes, folder: str, name: str) -> str:
        """Write bytes whose file is gone into a refused folder; answers with their path there."""
        self._crash("keep.before")
        with told("keep", f"{folder}/{name}"), folder_at(self._root, folder, make=True) as target:
            tmp = self._room("tmp")
            aside = self._aside.write(data)
            try:
                final = move_numbered(tmp, aside, target, name, data)
            except (OSError, SpoolError):
                forget(tmp, aside)
                raise
        self._crash("keep.after")
        return f"{folder}/{final}"

    def quarantine(self, data: bytes) -> Quarantined:
        """Keep bytes where only the hub's user can read them, under their hash."""
        name = hashlib.sha256(data).hexdigest()
        self._crash("quarantine.before")
        with told("quarantine", name):
            target, tmp = self._room("quarantine"), self._room("tmp")
            if not holds(target, name, (data,)):
                aside = self._aside.write(data, PRIVATE, durable=True)
                os.rename(aside, name, src_dir_fd=tmp, dst_dir_fd=target)
                os.fsync(target)
        self._crash("quarantine.after")
        return Quarantined(name, len(data))

    def quarantine_file(self, path: str) -> Quarantined | None:
        """Move what lies at `path` into the quarantine, whatever it is; None where nothing lies there."""
        folder, name = split(path)
        self._crash("quarantine.before")
        with told("quarantine", path):
            swap, target = self._room("swap"), self._room("quarantine")
            try:
                with folder_at(self._root, folder) as held:
                    entry = self._into_swap(held, name, swap, path)
            except FileNotFoundError:
                return None
            seen = os.stat(entry, dir_fd=swap, follow_symlinks=False)
            final = _hashed(swap, entry, seen)
            if final is None:
                final = move_numbered(swap, entry, target, f"unread-{seen.st_ino}-{seen.st_ctime_ns}", None)
            else:
                os.rename(entry, final, src_dir_fd=swap, dst_dir_fd=target)
        self._crash("quarantine.after")
        return Quarantined(final, seen.st_size)

    def quarantined(self) -> tuple[Quarantined, ...]:
        """What the quarantine holds, for a quota and for reports."""
        with told("list", ".git/hub/quarantine"):
            found = scan_at(self._room("quarantine"))
            return tuple(Quarantined(name, stamp.size) for name, stamp in found)

    def purge(self, name: str) -> bool:
        """Delete one file of the quarantine for good: a person asked for it."""
        if "/" in name or name in ("", ".", ".."):
            raise ValueError(f"not a name in the quarantine: {shown(name)}")
        with told("purge", name):
            try:
                os.unlink(name, dir_fd=self._room("quarantine"))
            except FileNotFoundError:
                return False
        return True


def move_numbered(source: int, entry: str, target: int, name: str, data: bytes | None) -> str:
    """Rename into a folder under the first name that is free, or that holds the same bytes already."""
    for final in numbered(name):
        try:
            move_new(source, entry, target, final)
        except FileExistsError:
            if data is None or not holds(target, final, (data,)):
                continue
            forget(source, entry)
        return final
    raise SpoolError(f"{shown(name)} lies there too often", "empty the folder", errno.EEXIST)


def numbered(name: str) -> Iterator[str]:
    """`x.md`, `x.2.md`, `x.3.md`, each short enough for a file system."""
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise ValueError(f"not the name of a file: {shown(name)}")
    yield name
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    for number in range(2, _MOST_NUMBERS):
        tail = f".{number}{dot}{suffix}"
        room = max(1, 255 - len(os.fsencode(tail)))
        yield os.fsdecode(os.fsencode(stem)[:room] + os.fsencode(tail))


def _hashed(folder: int, name: str, seen: os.stat_result) -> str | None:
    """The hash of a plain file that has no second name and is not too large to be read now."""
    if not stat.S_ISREG(seen.st_mode) or seen.st_nlink > 1 or seen.st_size > _LARGEST_HASHED:
        return None
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except PermissionError:
        return None
    with open(file, "rb", buffering=0) as reading:
        os.fchmod(file, 0o600)
        return hashlib.file_digest(reading, "sha256").hexdigest()
