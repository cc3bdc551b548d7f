"""Kernel locks: the one that makes a hub the only writer, and the ones that show that a worker lives.

Guarantee: a lock of this module is gone the moment its holder is, however that ended; none is ever broken by
age.
Rule 1: this is filelock's only home. Rule 2: a lock file is never deleted by its holder: deleting it lets a
second process lock a new file of the same name.

    lock            locked by the hub for its whole life; its bytes mean nothing
    lock.holder     one line of JSON about who holds it, for people and for the next one who asks
    alive/<number>  locked by the worker that holds the lease of this number

Not promised: anything between machines. These are locks of one kernel on a local file system; on NFS they
may be emulated or missing, which `HubLock.acquire` refuses where it can tell.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
import warnings
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

import filelock

from hubd.core.time import format_wall

__all__ = ["Held", "Holder", "HubBusy", "HubLock", "LeaseError", "Liveness", "Mode", "parse_holder"]

Mode = Literal["step", "daemon"]

_ROUND = 0.1  # seconds between two looks at who holds the lock
_POLL = 0.01
_FORMAT = 1
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LeaseError(Exception):
    """The system did not give the lock, for another reason than that somebody has it."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the hub lock, in its own words."""

    pid: int
    started: int
    """When the process began, in the kernel's ticks since `boot`: tells it from a later one of the same pid.
    """
    boot: str
    host: str
    mode: Mode
    since: str
    """Wall time, for people."""

    def __str__(self) -> str:
        who = "hubd" if self.mode == "daemon" else "a command"
        return f"{who}, process {self.pid} on {self.host}, since {self.since}"


class HubBusy(Exception):
    """Somebody else is the hub now. `holder` is None where they have not said who they are."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(f"the mailbox is in use by {holder or 'another process'}")
        self.holder = holder
        self.what = str(self)
        self.hint = (
            "it serves everybody; to end it: `hubctl down`"
            if holder is not None and holder.mode == "daemon"
            else "try again in a moment"
        )


class HubLock:
    """Makes its holder the only process that commits to this mailbox.

    It does not stop anybody from editing files, and it does not survive its own file: whoever deletes that
    lets a second hub in. Both hubs find out by `still_ours`, which is why it is asked before each group of
    commits; what was committed before the question stands.

    A child made by fork alone must not use it. A child made by exec does not have it.
    """

    def __init__(self, path: Path, host: str | None = None) -> None:
        self.path = path
        self.record = path.with_name(path.name + ".holder")
        self._host = socket.gethostname() if host is None else host
        self._lock: filelock.BaseFileLock | None = None
        self._lock_seen = self._record_seen = (0, 0)
        self._text = b""

    def acquire(self, mode: Mode, since: datetime, wait: float = 0.0) -> Holder:
        """Become the hub, or raise HubBusy after `wait` seconds.

        A daemon that finds a living daemon does not wait: that one means to stay. A daemon waits for a step,
        and a step for anybody: a daemon that is just starting may be about to end again.
        """
        if self._lock is not None:
            raise RuntimeError("this process holds the hub lock already")
        deadline = time.monotonic() + wait
        while True:
            lock = self._try(min(_ROUND, max(0.0, deadline - time.monotonic())))
            if lock is not None:
                break
            holder = self.holder()
            lasting = holder is not None and holder.mode == "daemon" and mode == "daemon"
            if lasting or time.monotonic() >= deadline:
                raise HubBusy(holder)
        try:
            holder = Holder(
                os.getpid(), _started(os.getpid()) or 0, _boot(), self._host, mode, format_wall(since)
            )
            self._text = json.dumps({"hub-lock": _FORMAT, **asdict(holder)}).encode() + b"\n"
            self._lock_seen = _identity(self.path)
            self._write_record()
        except OSError as error:
            lock.release()
            raise _refused(self.record, error) from error
        self._lock = lock
        return holder

    def _try(self, wait: float) -> filelock.BaseFileLock | None:
        lock = filelock.FileLock(self.path, thread_local=False)
        with warnings.catch_warnings():
            # On a file system without locks filelock warns, and goes on with a file that merely exists.
            warnings.simplefilter("ignore")
            try:
                lock.acquire(timeout=wait, poll_interval=_POLL)
            except filelock.Timeout:
                return None
            except OSError as error:
                raise _refused(self.path, error) from error
        if not isinstance(lock, filelock.UnixFileLock):
            lock.release()
            raise _refused(self.path, OSError(errno.ENOSYS, "no locks here"))
        # The file may have been deleted between being opened and being locked: then the name leads to another
        # one, which is free.
        try:
            if _is_locked(self.path):
                return lock
        except FileNotFoundError:
            pass
        lock.release()
        return None

    def still_ours(self) -> bool:
        """Whether the names still lead to the files that this process locked and wrote: two stats."""
        if self._lock is None:
            return False
        try:
            if _identity(self.path) != self._lock_seen:
                return False
        except OSError:
            return False
        try:
            return _identity(self.record) == self._record_seen
        except FileNotFoundError:
            # Nobody else has said that they are the hub; say it again.
            try:
                self._write_record()
            except OSError:
                return False
            return True
        except OSError:
            return False

    def holder(self) -> Holder | None:
        """Who holds the lock, read without it. None: nobody, or nobody who said so and still lives.

        What it says may be over by the time it is read. A holder in another container or on another host is
        believed, because its process cannot be looked at from here.
        """
        try:
            holder = parse_holder(self.record.read_bytes())
        except OSError:
            return None
        if holder is None:
            return None
        if holder.host == self._host and (holder.boot != _boot() or _started(holder.pid) != holder.started):
            return None
        return holder

    def release(self) -> None:
        """Stop being the hub. May be called twice."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        try:
            # Not if somebody else has become the hub meanwhile: then it is their record.
            if _identity(self.record) == self._record_seen:
                self.record.unlink()
        except OSError:
            pass  # a record without a living process says nothing
        lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def _write_record(self) -> None:
        aside = self.record.with_name(f"{self.record.name}.{os.getpid()}")
        aside.write_bytes(self._text)
        self._record_seen = _identity(aside)
        aside.replace(self.record)


class Held:
    """A worker's hold on its lease, until `release` or the end of the process."""

    def __init__(self, path: Path, lock: filelock.BaseFileLock) -> None:
        self._path = path
        self._lock = lock
        self._seen = _identity(path)

    def still_held(self) -> bool:
        """False once the hub has let the lease go (it deletes the file)."""
        try:
            return self._lock.is_locked and _identity(self._path) == self._seen
        except OSError:
            return False

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


class Liveness:
    """Shows that a lease's worker is alive: one lock file for each lease number.

    It does not stop a superseded worker from writing; the fencing token does. It does not show that the
    worker gets anywhere; patience ends that. The lock is the wrapper's, not its command's: a command that
    outlives its wrapper counts as gone. And whoever may write to the folder can hold or delete any of these
    files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def hold(self, number: int, wait: float = 1.0) -> Held | None:
        """Hold this lease's lock; None where another process holds it, or the lease was let go meanwhile.

        It is tried for `wait` seconds, because somebody may be asking at this instant.
        """
        path = self._path(number)
        lock = filelock.FileLock(path, thread_local=False)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=wait, poll_interval=_POLL)
        except filelock.Timeout:
            return None
        except OSError as error:
            raise _refused(path, error) from error
        try:
            return Held(path, lock)
        except FileNotFoundError:
            lock.release()
            return None

    def alive(self, number: int) -> bool | None:
        """Whether a process holds this lease's lock. None: none ever did, or the lease was let go.

        Does not wait, and two who ask at once do not take one another for the worker.
        """
        try:
            return _is_locked(self._path(number))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refused(self._path(number), error) from error

    def let_go(self, number: int) -> None:
        """The lease has ended: forget about it, whoever still holds the file."""
        try:
            self._path(number).unlink(missing_ok=True)
        except OSError as error:
            raise _refused(self._path(number), error) from error

    def hand_over(self, number: int) -> int:
        """Hold this lease's lock for a process that is about to be started, and return its descriptor.

        The lock lives as long as any copy of the descriptor: pass it on, then close it here.
        Raises LeaseError.
        """
        path = self._path(number)
        try:
            self.folder.mkdir(exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(file)
                raise
        except OSError as error:
            raise _refused(path, error) from error
        return file

    def numbers(self) -> list[int]:
        """Every lease that has a file here, in order."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def _path(self, number: int) -> Path:
        if not 0 <= number < 2**63:
            raise ValueError(f"not a lease number: {number}")
        return self.folder / str(number)


def parse_holder(text: bytes) -> Holder | None:
    """A holder's record; None for anything else, a later format included."""
    try:
        fields = json.loads(text)
        if not isinstance(fields, dict) or fields.pop("hub-lock", None) != _FORMAT:
            return None
        holder = Holder(**fields)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (holder.boot, holder.host, holder.mode, holder.since)
    if type(holder.pid) is not int or type(holder.started) is not int or holder.pid <= 0:
        return None
    if not all(isinstance(text, str) for text in texts) or holder.mode not in ("step", "daemon"):
        return None
    return holder


def _is_locked(path: Path) -> bool:
    """Whether any process holds this file's lock. A shared lock asks, so that those who ask never meet."""
    file = os.open(path, _OPEN)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _identity(path: Path) -> tuple[int, int]:
    seen = os.stat(path, follow_symlinks=False)
    return seen.st_dev, seen.st_ino


def _started(pid: int) -> int | None:
    """The 22nd word of /proc/<pid>/stat; None where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
        # The second word is the program's name in brackets, with any bytes in it.
        return int(text.rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def _refused(path: Path, error: OSError) -> LeaseError:
    if error.errno in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
        return LeaseError(
            f"the file system of {path} has no locks", "move the mailbox to a local disk of this machine"
        )
    reason = os.strerror(error.errno) if error.errno else str(error)
    return LeaseError(f"cannot lock {path}: {reason}", "`hubctl doctor` looks at the mailbox's folders")
