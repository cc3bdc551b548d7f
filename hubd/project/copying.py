"""Copy single files from a person's checkout into a worktree, and delete folders that the hub has made.

Guarantee: what is read is a plain file inside the checkout, what is written is inside the worktree, whatever
links lie in either.
Rule: every step goes through the descriptor of the folder before, never through a link.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from hubd.core.naming import shown
from hubd.project.plumbing import ProjectError

__all__ = ["copy", "remove_tree"]

MOST = 16 << 20
"""Bytes of a file that is copied: it is for settings, not for data."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def copy(checkout: Path, worktree: Path, name: str) -> None:
    """Copy one file by its path from the top; its permissions are kept, as far as they are its owner's."""
    data, mode = _read(checkout, name)
    *folders, last = name.split("/")
    folder = os.open(worktree, _FOLDER)
    try:
        for part in folders:
            try:
                os.mkdir(part, 0o755, dir_fd=folder)
            except FileExistsError:
                pass
            folder = _into(folder, part)
        aside = f".{last}.hubd"
        try:
            os.unlink(aside, dir_fd=folder)
        except FileNotFoundError:
            pass
        out = os.open(aside, _NEW, 0o600, dir_fd=folder)
        with os.fdopen(out, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode & 0o755)
        os.replace(aside, last, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        raise _refused(name, f"cannot be put into the worktree: {error.strerror}") from error
    finally:
        os.close(folder)


def _read(checkout: Path, name: str) -> tuple[bytes, int]:
    *folders, last = name.split("/")
    try:
        folder = os.open(checkout, _FOLDER)
        try:
            for part in folders:
                folder = _into(folder, part)
            with os.fdopen(os.open(last, _READ, dir_fd=folder), "rb") as file:
                seen = os.fstat(file.fileno())
                if not stat.S_ISREG(seen.st_mode):
                    raise _refused(name, "is not a plain file")
                data = file.read(MOST + 1)
        finally:
            os.close(folder)
    except FileNotFoundError as error:
        raise _refused(name, "is not in the project's checkout") from error
    except OSError as error:
        raise _refused(name, "is not a plain file, or lies behind a link") from error
    if len(data) > MOST:
        raise _refused(name, f"is larger than {MOST >> 20} MiB")
    return data, stat.S_IMODE(seen.st_mode)


def _into(folder: int, part: str) -> int:
    """Go one folder down; the descriptor of the one before is closed."""
    below = os.open(part, _FOLDER, dir_fd=folder)
    os.close(folder)
    return below


def _refused(name: str, why: str) -> ProjectError:
    hint = "correct the card's `worktree: {copy: […]}`"
    return ProjectError(f"`copy:` names {shown(name)}, which {why}", hint)


def remove_tree(path: Path) -> None:
    """Delete a folder and what is in it, also what was made read-only. No link is followed."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except PermissionError:
        # Package caches make their folders read-only.
        os.chmod(path, 0o700)
        for top, folders, _ in os.walk(path):
            for name in folders:
                below = os.path.join(top, name)
                if stat.S_ISDIR(os.lstat(below).st_mode):
                    os.chmod(below, 0o700)
        shutil.rmtree(path)
