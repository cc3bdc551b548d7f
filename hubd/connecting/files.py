"""Read and write files below one folder, never through a link that leads out of it.

Guarantee: a file is replaced in one instant, keeps its mode, and is written only while it still holds what
was read; folders that were needed are made, and go when they are empty. What is no plain file is refused.
Rule: this is the only module of the package that reads or writes.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hubd.connecting.editing import MOST
from hubd.connecting.spans import Unfit

__all__ = ["Folder"]

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that a person named; `root` is free of links."""

    root: Path

    def real(self, path: str) -> str:
        """Return where a path leads, below the root. A link may lead to another place in it, not out."""
        there = Path(os.path.realpath(self.root / path))
        if not there.is_relative_to(self.root):
            raise Unfit("it leads out of the project", "replace the link by a file")
        below = there.relative_to(self.root)
        linked = below.as_posix() != PurePosixPath(path).as_posix()
        if linked and (".git" in below.parts or not there.exists()):
            raise Unfit("it is a link that leads nowhere good", "replace the link by a file")
        return below.as_posix()

    def read(self, path: str) -> bytes | None:
        """Return what a file holds; None where there is none."""
        try:
            with self._within(path, make=False) as (folder, name):
                fd = os.open(name, _FILE, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unfit(f"it cannot be read: {error.strerror}", "see what it is, and repeat") from error
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise Unfit("it is no plain file", "see what it is, and repeat")
        with os.fdopen(fd, "rb") as file:
            return file.read(MOST + 1)

    def write(self, path: str, old: bytes | None, new: bytes | None) -> None:
        """Bring a file from what was read to what it is to hold; None is no file."""
        if self.read(path) != old:
            raise Unfit("somebody has just changed it", "repeat")
        try:
            with self._within(path, make=new is not None) as (folder, name):
                if new is None:
                    os.unlink(name, dir_fd=folder)
                else:
                    _replace(folder, name, new)
                os.fsync(folder)
            if new is None:
                self._tidy(path)
        except OSError as error:
            raise Unfit(f"it cannot be written: {error.strerror}", "may you write there?") from error

    def _tidy(self, path: str) -> None:
        for above in PurePosixPath(path).parents:
            if above.name and not any((self.root / above).iterdir()):
                (self.root / above).rmdir()

    @contextmanager
    def _within(self, path: str, make: bool) -> Iterator[tuple[int, str]]:
        """Open the folder that a path is in, step by step, and give its last name."""
        *above, name = PurePosixPath(path).parts
        fd = os.open(self.root, _DIR)
        try:
            for part in above:
                if make:
                    _make(part, fd)
                deeper = os.open(part, _DIR, dir_fd=fd)
                os.close(fd)
                fd = deeper
            yield fd, name
        finally:
            os.close(fd)


def _make(name: str, folder: int) -> None:
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        return  # whether it is a folder is seen when it is opened


def _replace(folder: int, name: str, data: bytes) -> None:
    beside = f".{name}.{secrets.token_hex(4)}.tmp"
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            mode = _mode(folder, name)
            if mode is not None:
                os.fchmod(fd, mode)
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(beside, dir_fd=folder)
        raise


def _mode(folder: int, name: str) -> int | None:
    try:
        return stat.S_IMODE(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None
