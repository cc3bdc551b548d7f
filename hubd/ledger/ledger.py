"""The ledger: every transition of a mailbox as one commit of refs/hub/main.

Guarantee: what `record` returns for is in the history and on the disk. A group is recorded as a whole or not.
Guarantee: nothing in the mailbox - hook, filter, configuration, replaced object - runs in a git started here.
Rule 1: whoever records holds the hub lock; the ledger does not take it. Rule 2: no process is started for a
transition: two long-lived ones write and read.

Not promised: use from several threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from hubd.ledger import gitdir, refs, upkeep
from hubd.ledger.disk import flush
from hubd.ledger.history import History
from hubd.ledger.mending import mend
from hubd.ledger.people import People
from hubd.ledger.plumbing import Ground
from hubd.ledger.reader import parse_trailers
from hubd.ledger.stream import message
from hubd.ledger.terms import Commit, Crash, Foreign, LedgerError, Logged, RolledUp, no_crash
from hubd.ledger.upkeep import Upkeep
from hubd.ledger.writer import Died, Unsafe, Writer

__all__ = ["Ledger"]

Rows = list  # inside the class `list` is the method

# When fast-import has grown: it remembers each commit, and keeps each pack (one a group) from a roll-up.
_COMMITS, _PACKS = 5_000, 100
_DUE = 40  # packs that are worth a roll-up
_UNTENDED = 150  # groups after which `record` does what `idle` does
_FILES_AT_ONCE = 24  # files of rolled-up packs that one `idle` removes


class Ledger(History):
    """One mailbox's git. Made by `create` or `open`."""

    def __init__(self, ground: Ground, host: str | None, branch: str, crash: Crash) -> None:
        super().__init__(ground)
        self._host = host
        self._writer = Writer(ground, self._committer, crash)
        self._people = People(ground, self._reader, branch)
        self._upkeep = Upkeep(ground)
        self._broken: LedgerError | None = None
        self._packs_seen = 0
        self._look, self._due = True, _DUE
        self._untended = 0

    @classmethod
    def create(
        cls, root: str | os.PathLike[str], *, host: str, branch: str = "main", crash: Crash = no_crash
    ) -> Ledger:
        """Make the ledger of a new mailbox. It has no commit yet: `tip()` is empty."""
        gitdir.lay(_absolute(root), branch)
        return cls.open(root, host=host, branch=branch, crash=crash)

    @classmethod
    def open(
        cls,
        root: str | os.PathLike[str],
        *,
        host: str | None = None,
        branch: str = "main",
        readonly: bool = False,
        crash: Crash = no_crash,
    ) -> Ledger:
        """Open a ledger: to record (the caller holds the hub lock), or `readonly` beside a running hub.

        Opened to record, it puts back what the hub wrote into .git (see `warnings`), waits for the last
        breath of a killed hub's fast-import and clears what it left. `host` is needed for the first commit
        only.
        """
        ground = Ground(_absolute(root), readonly=readonly)
        ground.check()
        ledger = cls(ground, host, branch, crash)
        if not readonly:
            ledger._writer.wait_for_orphan()
            refs.clear_locks(ground.git_dir, (refs.DELIVERED, refs.FOLLOWED, f"refs/heads/{branch}"))
            ledger._people.clear()
            ledger._mend()
        ledger._tip = refs.read(ground.git_dir, refs.TRUTH)
        return ledger

    @property
    def root(self) -> Path:
        return self._ground.root

    @property
    def warnings(self) -> list[str]:
        """What was found changed in .git and put back, in words for the operator."""
        return self._ground.warnings

    @property
    def writer_pid(self) -> int | None:
        return self._writer.pid

    # -- recording ---------------------------------------------------------------------------------

    def record(self, commits: Sequence[Commit]) -> list[str]:
        """Record a group: one commit each, in order. THE commit point: on return they are durable.

        ValueError: something in them cannot be a commit. LedgerError: none of them was recorded.
        """
        self._writable()
        if self._broken is not None:
            raise LedgerError(f"the ledger is shut: {self._broken.what}", self._broken.hint)
        if not commits:
            return []
        if self._untended >= _UNTENDED:
            self._tend(None)
        self._untended += 1
        if _changed(self._ground) != self._packs_seen:
            self._mend()
        try:
            ids = self._write(commits)
        except (LedgerError, ValueError) as error:
            if isinstance(error, Unsafe):
                self._broken = error
            raise
        except BaseException:
            # Cut off in the middle: only the reference knows what was recorded, and a new start reads it.
            self._writer.kill()
            self._broken = LedgerError("a write was interrupted", "start again: the ledger is read anew")
            raise
        self._tip = ids[-1]
        self._packs_seen = _changed(self._ground)
        return ids

    def _write(self, commits: Sequence[Commit]) -> list[str]:
        for attempt in (1, 2):
            self._unmoved()
            try:
                return self._writer.write(self._tip, commits)
            except Died as error:
                # It may have died with the reference moved and the answer unsaid: then the group is recorded.
                landed = self._landed(commits)
                if landed:
                    self._writer.sync()
                    return landed
                self._mend()
                if attempt == 2:
                    raise LedgerError(
                        f"git fast-import ended twice: {error}", "`git fsck` may tell why"
                    ) from error
            except LedgerError as error:
                if attempt == 2 or error.full or isinstance(error, Unsafe) or not self._mend():
                    raise
        raise AssertionError("unreachable")

    def _unmoved(self) -> None:
        found = refs.read(self._ground.git_dir, refs.TRUTH)
        if found != self._tip:
            self._writer.kill()
            was, now = self._tip[:12] or "nothing", found[:12] or "nothing"
            raise LedgerError(
                f"refs/hub/main was moved by somebody else, from {was} to {now}",
                "only hubd may move it: look at `git log refs/hub/main`, put it back, then `hubctl verify`",
            )

    def _landed(self, commits: Sequence[Commit]) -> list[str]:
        """The ids of this very group, if the reference was moved to its end."""
        found = refs.read(self._ground.git_dir, refs.TRUTH)
        if found == self._tip:
            return []
        logged: list[Logged] = []
        while found and found != self._tip and len(logged) <= len(commits):
            commit = self._reader.commit(found)
            if commit is None:
                break
            logged.insert(0, commit)
            found = commit.parents[0] if commit.parents else ""
        same = found == self._tip and [(c.subject, c.trailers) for c in logged] == [
            (said.partition("\n")[0], parse_trailers(said)) for said in (message(c).decode() for c in commits)
        ]
        return [c.oid for c in logged] if same else []

    def _committer(self) -> tuple[str, str]:
        if self._host is None:
            last = self._reader.commit(self._tip) if self._tip else None
            self._host = last.trailers.get("Hub-Host", "localhost") if last else "localhost"
        return "hubd", f"hubd@{self._host}"

    # -- how far delivery got ----------------------------------------------------------------------

    def mark_delivered(self, commit: str, *, durable: bool = False) -> None:
        """Note that everything up to this commit lies in the mailbox, which is flushed to the disk before.

        It may lag: where somebody's git holds the reference's lock nothing is noted; the next call does it.
        """
        self._writable()
        flush(self.root)
        refs.swap(self._ground.git_dir, refs.DELIVERED, commit, durable=durable)

    # -- people --------------------------------------------------------------------------------------

    def follow(self) -> Foreign | None:
        """Bring refs/heads/main to the tip. Where a person has moved it, tell that instead and leave it.

        The same answer comes until the commit is adopted; while they are busy or rebase, nothing moves.
        """
        self._writable()
        return self._people.follow(self.tip())

    def files_of_foreign(self, foreign: Foreign) -> Rows[tuple[str, bytes | None]]:
        """(path, bytes, or None where it is gone) of what a person's commits change and the truth lacks.

        Links and submodules are given as what git stores for them. Of `behind` there is nothing to judge.
        """
        return self._people.files(foreign)

    def adopt(self, foreign: Foreign) -> bool:
        """Bring refs/heads/main on from where a person moved it. False: they are busy, or moved it again.

        Call it once their files are judged and, unless they only went back, a commit is recorded that has
        theirs as second parent.
        """
        self._writable()
        return self._people.adopt(foreign, self.tip())

    def away(self) -> str | None:
        """Where a person has taken HEAD, in words; None while it is on the branch that follows."""
        return self._people.away()

    def busy(self) -> str | None:
        """What a person has begun with git and not finished, in words; None if nothing."""
        return self._people.busy()

    def at_work(self) -> bool:
        """Whether a person's git is writing into the work tree just now."""
        return self._people.at_work()

    def elsewhere(self) -> str:
        """The commit of the truth whose files a person's git has put into the work tree.

        Empty while HEAD is where we left it. Theirs may lie on top: what differs from it is their own.
        """
        return self._people.elsewhere(self.tip())

    def refresh_index(self) -> bool:
        """Bring the index of people's git to the tip, so that `git status` speaks of their own changes alone.

        False: not now - they are away or busy, or refs/heads/main does not follow. Starts two processes.
        """
        self._writable()
        return self._people.refresh(self.tip())

    # -- upkeep --------------------------------------------------------------------------------------

    def idle(self) -> RolledUp | None:
        """Call when nothing waits; `record` does so itself when that is never.

        Settles a roll-up that has ended, ends a fast-import that has grown and starts the next one, starts a
        roll-up when it is due. A few milliseconds: it waits for no roll-up.
        """
        if self._ground.readonly or self._broken is not None:
            return None
        return self._tend(_FILES_AT_ONCE)

    def _tend(self, files: int | None) -> RolledUp | None:
        self._untended = 0
        self._mend()
        writer = self._writer
        if writer.commits >= _COMMITS or writer.packs >= _PACKS:
            writer.retire()
            self._look = True
        writer.start()
        try:
            done = self._upkeep.settle(wait=False, files=files)
            if self._look and not writer.retiring():
                self._look = self._upkeep.begin(due=self._due)
        except LedgerError as error:
            # The packs stay as they were. Trying again at once would fail again.
            self._ground.warn(f"{error.what} ({error.hint})")
            self._due *= 2
            return None
        if done is not None:
            self._due = _DUE
        return done

    def roll_up(self) -> RolledUp:
        """Merge all small packs now, and wait for it."""
        self._writable()
        self._upkeep.settle(wait=True)
        self._writer.end()
        before = upkeep.count_packs(self._ground.git_dir)
        self._upkeep.begin(due=2)
        return self._upkeep.settle(wait=True) or RolledUp(before, before)

    def packs(self) -> int:
        """How many packs the ledger has."""
        return upkeep.count_packs(self._ground.git_dir)

    def close(self) -> None:
        """End the git processes. What was recorded is safe without it."""
        self._upkeep.leave()
        self._writer.end()
        self._reader.close()
        with suppress(LedgerError):  # the next start does it
            self._mend()

    def _mend(self) -> bool:
        if self._ground.readonly:
            return False
        names = mend(self._ground, self._upkeep.leaving)
        for name in names:
            self._ground.warn(f"{name} had lost its index, as happens beside `git gc`; it was made again")
        self._packs_seen = _changed(self._ground)
        return bool(names)

    def _writable(self) -> None:
        if self._ground.readonly:
            raise LedgerError("the ledger is open for reading only", "only the holder of the hub lock writes")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _changed(ground: Ground) -> int:
    """When packs were last added or taken away: somebody else did if it was not us."""
    return os.stat(ground.git_dir / "objects/pack").st_mtime_ns


def _absolute(root: str | os.PathLike[str]) -> Path:
    return Path(root).resolve()
