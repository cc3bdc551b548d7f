"""Read what lies in a folder that somebody else may write to.

Guarantee: nothing here blocks, follows a link, or reads more than one document's worth of bytes.
Guarantee: what cannot be a document is a value that says what it is, never an exception.
Rule 1: only plain files with one name are read. A second hard link can lead to a file that its writer may
not read, and lets the bytes change after they were judged.

Not promised: that bytes read twice are the same, or that a `Stamp` changes with every write. Two writes of
one size within one tick of the file system's clock (up to 10 ms) leave the same stamp; whoever acts on bytes
compares bytes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "ABSENT",
    "LARGEST",
    "MOVING",
    "Absent",
    "Bytes",
    "Moving",
    "NotAFile",
    "Read",
    "Stamp",
    "Use",
    "holds",
    "read_at",
    "scan_at",
    "stamp_at",
    "use_at",
]

LARGEST = 1024 * 1024
"""Bytes of the largest document."""

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a folder entry looked like, without reading it. Equal stamps: most likely nothing has changed."""

    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, seen: os.stat_result) -> Stamp:
        return cls(seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Bytes:
    """The whole of a plain file, which did not change while it was read."""

    data: bytes
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Absent:
    """No file of this name, or no folder."""


@dataclass(frozen=True, slots=True)
class NotAFile:
    """Something that is not read, and why. It can still be moved by its name."""

    code: str
    """link, fifo, device, socket, directory, hard-link, too-large, unreadable"""
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Moving:
    """It changed while it was looked at, or somebody has it open for writing. Look again later."""


Read = Bytes | Absent | NotAFile | Moving

ABSENT = Absent()
MOVING = Moving()


def read_at(folder: int, name: str, largest: int = LARGEST) -> Read:
    """Look, read, look again. Errors of the disk itself pass through as OSError."""
    try:
        before = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return ABSENT
    code = _unfit(before, largest)
    if code is not None:
        return NotAFile(code, Stamp.of(before))
    try:
        file = os.open(name, _OPEN, dir_fd=folder)
    except FileNotFoundError:
        return MOVING
    except PermissionError:
        return NotAFile("unreadable", Stamp.of(before))
    except OSError as error:
        # Between the two calls a link or a socket took its place.
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return MOVING
        raise
    try:
        # The one that was opened may be another than the one that was looked at: every check counts on this
        # one.
        opened = os.fstat(file)
        if Stamp.of(opened) != Stamp.of(before) or _unfit(opened, largest) is not None:
            return MOVING
        data = _all(file, largest + 1)
        after = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return MOVING
    finally:
        os.close(file)
    if Stamp.of(after) != Stamp.of(opened) or len(data) != after.st_size or after.st_nlink != 1:
        return MOVING
    return Bytes(data, Stamp.of(after))


def _unfit(seen: os.stat_result, largest: int) -> str | None:
    mode = seen.st_mode
    if stat.S_ISREG(mode):
        if seen.st_nlink > 1:
            return "hard-link"
        return "too-large" if seen.st_size > largest else None
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISFIFO(mode):
        return "fifo"
    return "socket" if stat.S_ISSOCK(mode) else "device"


def _all(file: int, most: int) -> bytes:
    """Up to `most` bytes. One call is enough for nearly every document, the second sees the end."""
    parts, left = [], most
    while left > 0:
        part = os.read(file, min(left, 1 << 17))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def holds(folder: int, name: str, versions: tuple[bytes, ...]) -> bool | None:
    """Whether a plain file of this name holds exactly one of these. None: there is nothing of this name.

    For comparing only, so it looks at files with several links too: nothing of them gets out.
    """
    try:
        seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(seen.st_mode) or all(seen.st_size != len(version) for version in versions):
        return False
    try:
        file = os.open(name, _OPEN, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM):
            return False
        raise
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return False
        return _all(file, max(map(len, versions)) + 1) in versions
    finally:
        os.close(file)


class Use(StrEnum):
    """Who else has a file open, as far as the kernel tells."""

    NOBODY = "nobody"
    READERS = "readers"
    WRITER = "writer"
    UNKNOWN = "unknown"


def use_at(folder: int, name: str) -> Use:
    """Who has this file open now.

    Only for files that lie where nobody else opens them: an editor that truncates and then writes may have
    held the file when it was taken away, and its bytes arrive here late. UNKNOWN for another user's file, on
    a file system without leases, and for what is no plain file.
    """
    try:
        file = os.open(name, _OPEN, dir_fd=folder)
    except OSError:
        return Use.UNKNOWN
    try:
        # A write lease is refused while anybody else has the file open, a read lease while somebody writes.
        # The end of a lease is told by a signal: SIGIO would kill us, SIGURG is ignored.
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        for lease, use in ((fcntl.F_WRLCK, Use.NOBODY), (fcntl.F_RDLCK, Use.READERS)):
            try:
                fcntl.fcntl(file, fcntl.F_SETLEASE, lease)
            except BlockingIOError:
                continue
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            return use
        return Use.WRITER
    except OSError:
        return Use.UNKNOWN
    finally:
        os.close(file)


def scan_at(folder: int) -> list[tuple[str, Stamp]]:
    """Every entry of a folder with its stamp, links and all, by name. What vanishes meanwhile is left out."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                found.append((entry.name, Stamp.of(entry.stat(follow_symlinks=False))))
            except FileNotFoundError:
                continue
    found.sort(key=lambda pair: pair[0])
    return found


def stamp_at(folder: int, name: str) -> Stamp | None:
    try:
        return Stamp.of(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return None
