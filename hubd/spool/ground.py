"""The ground that the spool stands on: folders by descriptor, atomic renames, errors that say what to do.

Guarantee: a folder opened here was reached from the mailbox's root without following one link.
Rule 1: only this module turns a folder's path into a descriptor; every other step is relative to one.
Rule 2: nothing here replaces a file without giving back what was there.

Not promised: that a folder is still where it was when its descriptor is used. Its owner may move it
meanwhile, and then what is written lies in the moved folder, which is still theirs.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from hubd.core.naming import shown

__all__ = [
    "OUT",
    "FolderBlocked",
    "SpoolError",
    "exchange",
    "folder_at",
    "forget",
    "move_new",
    "split",
    "sync_all",
    "told",
]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOREPLACE, _EXCHANGE = 1, 2
# A kernel or a file system without these flags says one of these; then the slower ways below serve.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})

OUT = "%out"
"""Ends the name of what came out of an exchange that had to be done in three steps."""

_libc = ctypes.CDLL(None, use_errno=True)
_renameat2 = getattr(_libc, "renameat2", None)
if _renameat2 is not None:
    _renameat2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    _renameat2.restype = ctypes.c_int


class SpoolError(Exception):
    """The disk, or the rights on it, did not let the spool work. Nothing is half done: it can be repeated."""

    def __init__(self, what: str, hint: str, code: int = 0) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.code = code
        """The errno behind it, or 0."""


class FolderBlocked(SpoolError):
    """Something that is no folder lies where a folder belongs: a link, or a file. Nothing was done through
    it.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"{shown(folder)} is not a folder of the mailbox: a link or a file lies there",
            f"move it away; the hub makes {shown(folder)} again by itself",
            errno.ENOTDIR,
        )
        self.folder = folder


_HINTS = {
    errno.ENOSPC: "free some space on the disk that holds the mailbox; nothing was lost",
    errno.EDQUOT: "raise the quota of the user who runs the hub; nothing was lost",
    errno.EIO: "look at the system's log: the disk reports errors; back the mailbox up before anything else",
    errno.EROFS: "the disk is mounted read-only: mount it for writing, then start the hub again",
    errno.EACCES: "give the user who runs the hub the right to read and write this folder",
    errno.EPERM: "give the user who runs the hub the right to read and write this folder",
    errno.EXDEV: "the whole mailbox must lie on one file system: move this folder into it",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`) of the hub",
    errno.ENFILE: "the machine has no free file descriptors: close some programs",
    errno.ENAMETOOLONG: "give the file a shorter name",
}


@contextmanager
def told(doing: str, path: str) -> Iterator[None]:
    """Turn the operating system's refusal into one line what and one line what to do."""
    try:
        yield
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "try again; `hubctl doctor` looks at the mailbox's folders")
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SpoolError(f"cannot {doing} {shown(path)}: {reason}", hint, error.errno or 0) from error


def split(path: str) -> tuple[str, str]:
    """Folder and name of a path inside the mailbox; the folder of a file at the top is ''."""
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts) or parts[0] == ".git":
        raise ValueError(f"not a path inside a mailbox: {shown(path)}")
    return "/".join(parts[:-1]), parts[-1]


@contextmanager
def folder_at(root: int, folder: str, make: bool = False, mode: int = 0o777) -> Iterator[int]:
    """A descriptor of `folder` under `root`, reached without a link. FileNotFoundError where missing."""
    held = os.dup(root)
    try:
        for part in folder.split("/") if folder else ():
            below = _below(held, part, folder, mode if make else None)
            os.close(held)
            held = below
        yield held
    finally:
        os.close(held)


def _below(parent: int, part: str, folder: str, mode: int | None) -> int:
    """One step down; a missing folder is made with `mode`, unless that is None."""
    try:
        return os.open(part, _FOLDER, dir_fd=parent)
    except FileNotFoundError:
        if mode is None:
            raise
    except OSError as error:
        # A link says ELOOP or ENOTDIR, a file ENOTDIR.
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise FolderBlocked(folder) from None
        raise
    try:
        os.mkdir(part, mode, dir_fd=parent)
    except FileExistsError:
        pass  # somebody was quicker
    return _below(parent, part, folder, None)


def move_new(source: int, name: str, target: int, new: str) -> None:
    """Rename, never onto anything: FileExistsError where `new` is taken, and then nothing has changed."""
    if _rename(source, name, target, new, _NOREPLACE):
        return
    # Without the flag: a second name is only ever made where there is none, then the first one goes. A crash
    # between leaves both names; both hold the bytes.
    try:
        os.link(name, new, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except PermissionError:
        # A folder cannot be linked; renamed, it replaces nothing but an empty folder.
        if not stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
            raise
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
    else:
        os.unlink(name, dir_fd=source)


def exchange(source: int, name: str, target: int, other: str) -> None:
    """Swap two names in one instant. FileNotFoundError where one is missing, and then nothing has changed."""
    if _rename(source, name, target, other, _EXCHANGE):
        return
    # Without the flag there is an instant in which `other` is missing, but none in which bytes are. What
    # came out goes under a third name first, so that a crash leaves it beside ours, where leftovers are
    # looked for.
    third = name + OUT
    move_new(target, other, source, third)
    move_new(source, name, target, other)
    os.rename(third, name, src_dir_fd=source, dst_dir_fd=source)


def forget(folder: int, name: str) -> None:
    """Delete a file that may be gone already."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass


def _rename(source: int, name: str, target: int, new: str, flag: int) -> bool:
    """False where the system cannot do it this way at all."""
    if _renameat2 is None:
        return False
    if _renameat2(source, os.fsencode(name), target, os.fsencode(new), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), name)


def sync_all(root: int) -> None:
    """Wait until everything written so far to this file system is on the disk."""
    syncfs = getattr(_libc, "syncfs", None)
    if syncfs is None:
        os.sync()
    elif syncfs(root) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
