"""What the ledger holds, as it is asked for.

Guarantee: bytes as they were recorded. Bytes that the history names and the disk has lost are an error, never
an absence.
Rule: nothing here writes. What starts a process of its own says so; the rest goes through the long-lived one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from hubd.ledger import refs
from hubd.ledger.plumbing import Ground
from hubd.ledger.reader import Reader
from hubd.ledger.terms import LedgerError, Logged

__all__ = ["History"]

Rows = list  # inside the class `list` is the method


class History:
    """The reading half of a ledger."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._reader = Reader(ground)
        self._tip = refs.read(ground.git_dir, refs.TRUTH)

    @property
    def reader_pid(self) -> int | None:
        """The process that reads, while there is one."""
        return self._reader.pid

    def tip(self) -> str:
        """The last commit of the truth; empty before the first. A reader beside a hub sees it move."""
        if self._ground.readonly:
            self._tip = refs.read(self._ground.git_dir, refs.TRUTH)
        return self._tip

    def read(self, path: str, rev: str = refs.TRUTH) -> bytes | None:
        """The bytes of one file; None where the commit has no such file."""
        if "\n" in path:
            return next((self.blob(oid) for found, oid in self.list(path, rev) if found == path), None)
        found = self._object(f"{rev}:{path}")
        if found is not None:
            return found[2] if found[1] == "blob" else None
        folder, _, name = path.rpartition("/")
        if any(name == child for child, _, _ in self._reader.children(rev, folder)):
            raise _gone(path)
        return None

    def exists(self, path: str, rev: str = refs.TRUTH) -> bool:
        """Whether the commit holds this file."""
        return self.read(path, rev) is not None

    def blob(self, oid: str) -> bytes:
        """The bytes of one blob by its id."""
        found = self._object(oid)
        if found is None or found[1] != "blob":
            raise _gone(oid)
        return found[2]

    def list(self, prefix: str = "", rev: str = refs.TRUTH) -> list[tuple[str, str]]:
        """(path, blob id) of every file below a folder, or of the one at this path. Starts a process."""
        if not self._known(rev):
            return []
        return self._reader.files(rev, [prefix] if prefix else [])

    def children(self, folder: str = "", rev: str = refs.TRUTH) -> Rows[tuple[str, str, bool]]:
        """(name, object id, whether it is a folder) of one folder alone. Starts no process."""
        return self._reader.children(rev, folder)

    def load(self, prefixes: Sequence[str] = (), rev: str = refs.TRUTH) -> Iterator[tuple[str, bytes]]:
        """(path, bytes) of every file below these folders (all of them without any), one after another."""
        if not self._known(rev):
            return
        files = self._reader.files(rev, prefixes)
        answers = self._reader.objects(oid for _, oid in files)
        for (path, oid), answer in zip(files, answers, strict=True):
            yield path, self.blob(oid) if answer is None else answer[2]

    def changes(self, old: str, new: str) -> Rows[tuple[str, str | None, str | None]]:
        """(path, old blob id, new blob id) where two commits differ; an empty name is the empty tree."""
        return [(row.path, row.old, row.new) for row in self._reader.differences(old, new)]

    def versions(self, old: str, new: str) -> dict[str, set[str]]:
        """By path, the id of every blob that it has been since a commit; an empty name is the beginning.

        Also of what came and went in between, where `changes` shows nothing.
        """
        return self._reader.versions(old, new)

    def messages(self, old: str, new: str = refs.TRUTH) -> Iterator[Logged]:
        """The hub's commits after `old` up to `new`, oldest first. An empty `old`: from the beginning."""
        if self._known(new):
            yield from self._reader.commits(
                ["--first-parent", "--reverse", new, *([f"^{old}"] if old else [])]
            )

    def log(
        self,
        limit: int | None = None,
        *,
        start: str = refs.TRUTH,
        skip: int = 0,
        path: str | Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Logged]:
        """The hub's commits newest first, of these files or folders alone if any are named.

        `since` looks at every commit, also behind one whose clock was wrong.
        """
        if not self._known(start):
            return
        args = ["--first-parent", f"--skip={skip}", start]
        if limit is not None:
            args.append(f"--max-count={limit}")
        if since is not None:
            args.append(f"--since-as-filter=@{int(since.timestamp())}")
        if until is not None:
            args.append(f"--until=@{int(until.timestamp())}")
        paths = [] if path is None else [path] if isinstance(path, str) else list(path)
        yield from self._reader.commits(args, paths)

    def commit(self, rev: str = refs.TRUTH) -> Logged | None:
        """One commit by any name git knows for it."""
        found = self._reader.commit(rev)
        return self._reader.commit(rev) if found is None and self._mend() else found

    def at_seq(self, seq: int) -> Logged | None:
        """The commit with this Hub-Seq. Sequence numbers have no gaps, so it lies that far below the tip."""
        last = self.commit(self.tip()) if self.tip() else None
        if last is None or last.seq is None or seq > last.seq or seq < 0:
            return None
        found = self.commit(f"{last.oid}~{last.seq - seq}")
        if found is not None and found.seq == seq:
            return found
        return next((c for c in self.log() if c.seq == seq), None)

    def version_at(self, path: str, seq: int) -> bytes | None:
        """The bytes of `path` right after the commit with this Hub-Seq; None if it was not there."""
        found = self.at_seq(seq)
        return None if found is None else self.read(path, found.oid)

    def delivered(self) -> str:
        """The last commit whose consequences lie in the mailbox for sure; empty when none does."""
        return refs.read(self._ground.git_dir, refs.DELIVERED)

    def _object(self, name: str) -> tuple[str, str, bytes] | None:
        """What git calls so. Where it knows no such thing, a pack may have lost its index: see `mending`."""
        found = self._reader.object(name)
        return self._reader.object(name) if found is None and self._mend() else found

    def _mend(self) -> bool:
        """Give packs back the index they lost. False: none has lost it, or nothing may be written here."""
        return False

    def _known(self, rev: str) -> bool:
        """False only for a ledger without any commit."""
        return rev != refs.TRUTH or bool(self.tip())


def _gone(what: str) -> LedgerError:
    return LedgerError(
        f"the ledger has lost the bytes of {what}",
        "restore the mailbox's .git from a clone or a backup; `git fsck` lists more",
    )
