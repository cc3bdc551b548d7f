"""The long-lived fast-import: the one process that moves refs/hub/main.

Guarantee: `write` returns ids only for commits that refs/hub/main holds and that survive a power loss. On any
other outcome it raises, and the reference is where it was - or where a whole group puts it.
Rule 1: one group, one checkpoint, one pack. Rule 2: `progress` proves nothing - fast-import answers it even
when it could not move the reference - so the reference is read afterwards. Rule 3: a failed fsync is never
tried again.

A killed hub's child may still be at work on what it had read. It holds a lock of its own for as long as it
lives, so that the next one starts from a reference that no longer moves.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from subprocess import TimeoutExpired

from hubd.ledger import refs, stream
from hubd.ledger.disk import sync_folder
from hubd.ledger.plumbing import Ground, Process
from hubd.ledger.terms import Commit, Crash, LedgerError, no_crash
from hubd.ledger.upkeep import clear_leftovers

__all__ = ["Died", "Unsafe", "Writer"]

_ANSWERS_AT_ONCE = 1000  # 41 bytes each: what the pipe takes before fast-import would wait for us
_LOCK_PATIENCE, _END_PATIENCE = 5.0, 10.0
_FULL = ("Out of diskspace", "No space left", "Disk quota", "File too large")


class Died(Exception):
    """fast-import ended before it answered. Nothing is known but what the reference says."""


class Unsafe(LedgerError):
    """What was written may not be on the disk, and asking again would not tell."""


class Writer:
    """Starts fast-import when there is something to write, and ends it when it has grown."""

    def __init__(self, ground: Ground, committer: Callable[[], tuple[str, str]], crash: Crash) -> None:
        self._ground = ground
        self._committer = committer
        self._crash = crash
        self._process: Process | None = None
        self._retired: Process | None = None
        self.commits = 0
        """Recorded since this fast-import started; it remembers each one."""
        self.packs = 0
        """Written since it started; it keeps each one open, and from being rolled up."""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def write(self, tip: str, commits: Sequence[Commit]) -> list[str]:
        """Put one group on top of `tip`, durably, and give the commits' ids."""
        data = b"".join(stream.group(commits, refs.TRUTH, tip, self._committer()))
        process = self.start()
        try:
            process.stdin.write(data)
            if self._crash is not no_crash:
                process.stdin.flush()
                self._crash("ledger.before-ref")
            ids = self._checkpoint(process, len(commits))
        except (OSError, ValueError) as error:  # ValueError: its pipe is closed already
            raise self._died() from error
        self._crash("ledger.after-ref")
        self.commits += len(commits)
        self.packs += 1
        self._confirm(tip, ids[-1])
        self.sync()
        return ids

    def sync(self) -> None:
        """Make the names of the new pack and of the reference durable; what is in them git has flushed."""
        try:
            for folder in ("objects/pack", "refs/hub"):
                sync_folder(self._ground.git_dir / folder)
        except OSError as error:
            raise Unsafe(
                f"the disk did not confirm a write: {error}",
                "look at the disk (`dmesg`), then start again: the ledger is read anew",
            ) from error

    def retire(self) -> None:
        """Tell fast-import to finish: its packs lose their .keep and it gives back what it holds.

        Its exit may take as long as many transitions - the packs that were rolled up meanwhile vanish with
        it - so nobody waits: it has nothing left to say, and the next one may start beside it.
        """
        self._reap(wait=True)
        process, self._process = self._process, None
        if process is not None:
            self._retired = process
            with suppress(OSError, ValueError):
                process.stdin.write(b"done\n")
                process.stdin.close()

    def retiring(self) -> bool:
        """Whether one that was told to finish is still at it."""
        return not self._reap(wait=False)

    def end(self) -> None:
        """Let fast-import finish, and wait for it."""
        self.retire()
        self._reap(wait=True)

    def _reap(self, *, wait: bool) -> bool:
        """Whether no retired fast-import is left."""
        process = self._retired
        if process is None:
            return True
        if not wait and process.popen.poll() is None:
            return False
        # Its last word is the end of its output: waiting for the process by time would wait longer.
        if wait and not select.select([process.stdout], [], [], _END_PATIENCE)[0]:
            process.popen.kill()  # everything is recorded; what it leaves is cleared at the next start
        process.popen.wait()
        self._retired = None
        self._bury(process)
        return True

    def wait_for_orphan(self) -> None:
        """Return when no earlier fast-import of this mailbox is alive, and remove what a killed one left."""
        lock = self._lock(fcntl.LOCK_EX)
        try:
            self._tidy()
        finally:
            os.close(lock)

    def start(self) -> Process:
        """The running fast-import, or a new one."""
        if self._process is not None:
            return self._process
        if self._reap(wait=False):
            self._tidy()
        # Shared among our own; whoever opens the ledger next takes it alone.
        lock = self._lock(fcntl.LOCK_SH)
        try:
            self._process = self._ground.start(
                ["fast-import", "--quiet", "--done", "--date-format=raw"], pass_fds=(lock,)
            )
        finally:
            os.close(lock)  # the child has it now, and loses it only by ending
        os.set_blocking(self._process.stderr.fileno(), False)
        self.commits = self.packs = 0
        return self._process

    def _tidy(self) -> None:
        """Remove what a writer that was killed left: none is alive here."""
        clear_leftovers(self._ground.git_dir)
        refs.clear_locks(self._ground.git_dir, (refs.TRUTH,))

    def _lock(self, how: int) -> int:
        path = self._ground.git_dir / "hub/writer.lock"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(fd, how | fcntl.LOCK_NB)
                return fd
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES) or time.monotonic() > deadline:
                    os.close(fd)
                    raise LedgerError(
                        "an earlier git fast-import of this mailbox is still at work",
                        "wait for it, or end it: `ps` shows a `git fast-import`",
                    ) from error
                time.sleep(0.005)

    def _checkpoint(self, process: Process, count: int) -> list[str]:
        """Have the reference moved, and get the ids of the group's commits."""
        ids: list[str] = []
        asked = b"checkpoint\nprogress done\n"
        while asked or len(ids) < count:
            upto = min(len(ids) + _ANSWERS_AT_ONCE, count)
            marks = range(len(ids) + 1, upto + 1)
            process.stdin.write(asked + b"".join(b"get-mark :%d\n" % mark for mark in marks))
            process.stdin.flush()
            if asked and process.stdout.readline() != b"progress done\n":
                raise BrokenPipeError
            asked = b""
            for _ in marks:
                line = process.stdout.readline()
                if len(line) != 41:
                    raise BrokenPipeError
                ids.append(line[:40].decode("ascii"))
        return ids

    def _confirm(self, tip: str, wanted: str) -> None:
        """The reference must say what fast-import says. Where somebody's lock was in the way, ask again."""
        for _ in range(3):
            found = refs.read(self._ground.git_dir, refs.TRUTH)
            if found == wanted:
                return
            if found != tip or self._process is None:
                break
            try:
                self._checkpoint(self._process, 0)
            except (OSError, ValueError) as error:
                raise self._died() from error
        complaint = self._complaint()
        # Its own idea of the branch is ahead of the truth now; a new one starts from the reference.
        self.kill()
        if found != tip:
            raise LedgerError(
                "refs/hub/main was moved by somebody else",
                "only hubd may move it: put it back (`git reflog`, a backup), then `hubctl verify`",
            )
        raise LedgerError(
            f"refs/hub/main could not be moved{': ' + complaint if complaint else ''}",
            "look for a left-over .git/refs/hub/main.lock",
        )

    def kill(self) -> None:
        """End fast-import at once. What was not checkpointed is gone; the repository is whole."""
        process, self._process = self._process, None
        if process is not None:
            process.popen.kill()
            process.popen.wait()
            self._bury(process)

    def _died(self) -> Exception:
        """Why fast-import is gone: what may be tried again is `Died`, a full or failing disk is final."""
        process = self._process
        if process is not None and process.popen.poll() is None:
            with suppress(OSError, ValueError):
                process.stdin.close()
            try:
                process.popen.wait(timeout=2)
            except TimeoutExpired:
                process.popen.kill()
        complaint = self._complaint()
        self.kill()
        if any(words in complaint for words in _FULL):
            return LedgerError(f"the disk is full: {complaint}", "make room, then save again", full=True)
        if "fsync" in complaint:
            return Unsafe(
                f"the disk did not confirm a write: {complaint}",
                "look at the disk (`dmesg`), then start again",
            )
        return Died(complaint or "git fast-import ended without a word")

    def _complaint(self) -> str:
        process = self._process
        if process is None:
            return ""
        with suppress(OSError, ValueError):
            text = process.stderr.read() or b""
            words = " ".join(text.decode("utf-8", "replace").split())
            return words.partition(" fast-import: dumping crash report")[0].removeprefix("fatal: ")
        return ""

    def _bury(self, process: Process) -> None:
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError, ValueError):
                pipe.close()
