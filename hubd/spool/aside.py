"""Write aside: whole files in .git/hub/tmp, made before anybody sees them and renamed into place by others.

Guarantee: a name handed out by `write` holds all of its data; where that cannot be, no file is left.
Rule: what lies in tmp is the hub's own and worth nothing after a crash.

Files that were spent are written again instead of deleted. ext4 looks past every inode deleted in the last
minutes before it gives one out, so that where thousands of deliveries delete what they replace, making a
file costs ten times as much as using one again (340 us against 40). Only a file of our own is used again,
and only while nobody has it open or has another name for it: a reader of an old document never sees a new
one appear under its hands.

Not promised: that nobody kept a way back to a spent file without opening it (an O_PATH descriptor). Such a
process runs as the hub's own user or with its rights, and could read the new document where it lies.
"""

from __future__ import annotations

import itertools
import os
import stat

from hubd.spool.ground import folder_at, forget, move_new
from hubd.spool.reading import Use, scan_at

__all__ = ["Aside", "Rooms"]

PUBLIC = 0o644
PRIVATE = 0o600

_SPARES = 64
_LARGEST_SPARE = 64 * 1024


class Rooms:
    """Descriptors of the hub's folders in .git/hub, made where they are missing and held until `close`."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._held: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        held = self._held.get(name)
        if held is not None:
            if os.fstat(held).st_nlink:
                return held
            os.close(self._held.pop(name))  # somebody deleted it: make it again
        # Nobody else may look: bytes on their way, bytes set aside.
        with folder_at(self._root, f".git/hub/{name}", make=True, mode=0o700) as opened:
            return self._held.setdefault(name, os.dup(opened))

    def close(self) -> None:
        while self._held:
            os.close(self._held.popitem()[1])


class Aside:
    """Makes files in tmp and gets rid of what is no longer needed."""

    def __init__(self, room: Rooms) -> None:
        self._room = room
        self._numbers = itertools.count(1)
        self._spares: list[str] = []
        self._mode: int | None = None  # what the umask makes of PUBLIC

    def write(self, data: bytes, mode: int = PUBLIC, durable: bool = False) -> str:
        """The name in tmp of a file that holds `data`. OSError where the disk does not take all of it."""
        tmp = self._room("tmp")
        file, name = self._open(tmp, mode)
        try:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(file, rest) :]
                seen = os.fstat(file)
                if seen.st_size > len(data):
                    os.ftruncate(file, len(data))
                if mode == PUBLIC:
                    self._mode = stat.S_IMODE(seen.st_mode)
                if durable:
                    os.fsync(file)
            finally:
                os.close(file)
        except OSError:
            forget(tmp, name)
            raise
        return name

    def _open(self, tmp: int, mode: int) -> tuple[int, str]:
        """A file to write into: a spare one, which may be longer than what is written, or a new one."""
        # Never a spare for what is private: it may once have been open to more readers.
        while mode == PUBLIC and self._spares:
            name = self._spares.pop()
            try:
                return os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=tmp), name
            except FileNotFoundError:
                continue
        while True:
            name = self._name()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                return os.open(name, flags, mode, dir_fd=tmp), name
            except FileExistsError:
                continue

    def spend(self, folder: int, name: str, use: Use) -> None:
        """Nobody needs the bytes of this file, which lies in one of the hub's rooms and which `use` have
        open.
        """
        if use is Use.NOBODY and len(self._spares) < _SPARES and self._is_like_ours(folder, name):
            spare = self._name()
            try:
                move_new(folder, name, self._room("tmp"), spare)
            except FileExistsError:
                pass
            else:
                self._spares.append(spare)
                return
        forget(folder, name)

    def _is_like_ours(self, folder: int, name: str) -> bool:
        seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return (
            stat.S_ISREG(seen.st_mode)
            and seen.st_nlink == 1
            and seen.st_uid == os.geteuid()
            and stat.S_IMODE(seen.st_mode) == self._mode
            and seen.st_size <= _LARGEST_SPARE
        )

    def clear(self) -> int:
        """Remove everything from tmp; answers with how many files that were."""
        tmp = self._room("tmp")
        self._spares.clear()
        names = [name for name, _ in scan_at(tmp)]
        for name in names:
            forget(tmp, name)
        return len(names)

    def _name(self) -> str:
        return f"{os.getpid()}-{next(self._numbers)}"
