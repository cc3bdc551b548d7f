"""Logs that never grow beyond their cap: the beginning and the end are kept, and a line says what is missing.

Guarantee: at every instant, also after a kill, the file of a log is whole: everything, or a head, one line
about the gap, and a tail, each cut at a line's end where there is one near.
Rule 1: a log is appended to, or replaced by rename; so who follows it by its name and its inode misses
nothing unsaid. Rule 2: memory does not depend on how much is written, nor on the cap.

    [hubd: bytes 2097152 to 9437184 of the output are missing]

The first number is where the line stands in the file (after one newline more, if the head ended in mid-line).
While it is rewritten, a log takes half as much space again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Capped", "Gap", "Tail", "gap_line"]

Gap = Callable[[int, int], bytes]
"""Makes the line about the bytes that are missing: from, to."""

_LEAST = 4096
_PIECE = 1 << 20
_LINE_MOST = 120  # the line about a gap is shorter
_NEAR = 65_536  # how far from the ideal cut a line's end is looked for
_MAKE = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_GAP = re.compile(rb"\n?\[hubd: bytes (\d+) to (\d+) of the output are missing\]\n")


def gap_line(start: int, end: int) -> bytes:
    """Say what is missing, as text."""
    return b"[hubd: bytes %d to %d of the output are missing]\n" % (start, end)


class Capped:
    """One log, written by one process."""

    def __init__(self, folder: int, name: str, cap: int, gap: Gap = gap_line) -> None:
        """`folder`: a descriptor, which must stay open."""
        self._folder = folder
        self._name = name
        self._cap = max(cap, _LEAST)
        self._keep = self._cap // 4  # of each end, when it has to be cut
        self._gap = gap
        self._head: int | None = None  # how long the part before the gap is, once there is one
        self._size = 0
        self.total = 0
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        self._fd = self._make(name)

    def _make(self, name: str) -> int:
        return os.open(name, _MAKE, 0o600, dir_fd=self._folder)

    def write(self, data: bytes) -> None:
        """Append; if the file would grow beyond its cap, cut out its middle. Raises OSError (a full disk)."""
        for start in range(0, len(data), self._keep):
            piece = data[start : start + self._keep]
            if self._size + len(piece) > self._cap:
                self._cut()
            self._append(piece)
            self.total += len(piece)

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            wrote = os.write(self._fd, left)
            self._size += wrote
            left = left[wrote:]

    def _cut(self) -> None:
        """Write the head and the latest part anew, under another name, and put that in place."""
        if self._head is None:
            self._head = self._line_end_before(self._keep)
        start = self._line_end_after(self._size - self._keep)
        mid_line = self._head > 0 and os.pread(self._fd, 1, self._head - 1) != b"\n"
        said = (b"\n" if mid_line else b"") + self._gap(self._head, self.total - (self._size - start))
        old, size = self._fd, self._size
        new = self._make(f"{self._name}.new")
        try:
            self._fd, self._size = new, 0
            self._copy(old, 0, self._head)
            self._append(said)
            self._copy(old, start, size)
            os.rename(f"{self._name}.new", self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            self._fd, self._size = old, size
            os.close(new)
            with suppress(OSError):
                os.unlink(f"{self._name}.new", dir_fd=self._folder)
            raise
        os.close(old)

    def _copy(self, source: int, start: int, end: int) -> None:
        while start < end:
            piece = os.pread(source, min(_PIECE, end - start), start)
            if not piece:
                return
            self._append(piece)
            start += len(piece)

    def _line_end_before(self, place: int) -> int:
        near = min(_NEAR, place // 2)
        found = os.pread(self._fd, near, place - near).rfind(b"\n")
        return place if found < 0 else place - near + found + 1

    def _line_end_after(self, place: int) -> int:
        piece = os.pread(self._fd, min(_NEAR, self._keep // 2), place)
        found = piece.find(b"\n")
        if found >= 0:
            return place + found + 1
        # Not within a character: at most three bytes continue one.
        return place + next((n for n in range(min(4, len(piece))) if piece[n] & 0xC0 != 0x80), 0)

    def close(self) -> None:
        """Write no more."""
        os.close(self._fd)


@dataclass(frozen=True, slots=True)
class _Found:
    """Where the line about a gap stands in a file, and up to which byte of the output it speaks."""

    start: int
    end: int
    until: int


class Tail:
    """Reads a log while it is written. What it was too slow for is said in a line, as in the log itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._at = 0  # in the file as it is now
        self._gap: _Found | None = None  # in the file as it is now

    def take(self) -> bytes:
        """Return what is new, or nothing: also while the log is not there yet."""
        new = self._read()
        if not new and self._moved():
            new = self._follow() or self._read()
        return new

    def _read(self) -> bytes:
        if self._fd is None:
            return b""
        if self._gap is not None and self._at == self._gap.start:
            return self._leap(self._gap.start)
        most = _PIECE
        if self._gap is not None and self._at < self._gap.start:
            most = min(most, self._gap.start - self._at)
        data = os.pread(self._fd, most, self._at)
        self._at += len(data)
        return data

    def _leap(self, reached: int) -> bytes:
        """Go on behind the gap, from this byte of the output."""
        assert self._gap is not None
        self._at = self._gap.end
        return gap_line(reached, self._gap.until)

    def _moved(self) -> bool:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False
        return self._fd is None or not os.path.samestat(there, os.fstat(self._fd))

    def _follow(self) -> bytes:
        """Open the log as it is now, and go on where the one before has ended; says what lies between."""
        reached = self._at
        if self._gap is not None and self._at >= self._gap.end:
            reached += self._gap.until - self._gap.end
        self.close()
        self._fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._at, self._gap = reached, self._find_gap()
        if self._gap is None or reached <= self._gap.start:
            return b""
        if reached < self._gap.until:
            return self._leap(reached)
        self._at = reached - (self._gap.until - self._gap.end)
        return b""

    def _find_gap(self) -> _Found | None:
        assert self._fd is not None
        start, seen = 0, b""
        while piece := os.pread(self._fd, _PIECE, start + len(seen)):
            seen += piece
            for found in _GAP.finditer(seen):
                # It says itself where it stands; a line that only looks like it does not.
                if start + found.start() <= int(found[1]) <= start + found.start() + 1:
                    return _Found(int(found[1]), start + found.end(), int(found[2]))
            keep = seen[-_LINE_MOST:]
            start, seen = start + len(seen) - len(keep), keep
        return None

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
