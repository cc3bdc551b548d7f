"""Reading the ledger: one long-lived cat-file, and short-lived commands where a walk is needed.

Guarantee: what is read is what the commit holds, byte for byte; no filter, no replaced object, no work tree.
Rule: nothing here writes. A cat-file that died is started again once; a second death is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from hubd.ledger.plumbing import Ground, Process
from hubd.ledger.terms import LedgerError, Logged

__all__ = ["Difference", "Reader", "parse_trailers"]

_AT_ONCE = 16_000  # characters of requests: they must fit the pipe while cat-file waits for us to read
_FIELDS = "%H%x00%P%x00%T%x00%an%x00%ae%x00%at%x00%B%x00"
_TRAILER = re.compile(r"([A-Za-z][A-Za-z0-9-]*): ?(.*)")
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_NULL = "0" * 40


@dataclass(frozen=True, slots=True)
class Difference:
    """One file in which two commits differ: its blobs, and git's mode of the second."""

    path: str
    old: str | None
    new: str | None
    mode: str


class Reader:
    """Gives blobs, trees, differences and commits."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def object(self, name: str) -> tuple[str, str, bytes] | None:
        """Id, type and bytes of what git calls `name`; None where it knows no such object."""
        return next(self.objects([name]))

    def objects(self, names: Iterable[str]) -> Iterator[tuple[str, str, bytes] | None]:
        """Many at once, in order."""
        waiting: list[str] = []
        size = 0
        for name in names:
            if "\n" in name:
                raise ValueError(f"not a name that can be asked for: {name!r}")
            waiting.append(name)
            size += len(name)
            if size > _AT_ONCE:
                yield from self._batch(waiting)
                waiting, size = [], 0
        if waiting:
            yield from self._batch(waiting)

    def files(self, rev: str, prefixes: Sequence[str] = ()) -> list[tuple[str, str]]:
        """(path, blob id) of every file below these folders, or at these paths. Starts a process."""
        out = self._ground.run(["ls-tree", "-r", "-z", "--full-tree", rev, "--", *prefixes])
        rows = []
        for line in out.split(b"\0")[:-1]:
            meta, _, path = line.partition(b"\t")
            if meta[7:11] == b"blob":
                rows.append((_text(path), meta[-40:].decode("ascii")))
        return rows

    def children(self, rev: str, folder: str) -> list[tuple[str, str, bool]]:
        """(name, id, is a folder) of one folder, through the long-lived process."""
        found = self.object(f"{rev}:{folder}")
        if found is None or found[1] != "tree":
            return []
        rows, data, at = [], found[2], 0
        while at < len(data):
            space, nul = data.index(b" ", at), data.index(b"\0", at)
            name, is_folder = _text(data[space + 1 : nul]), data[at:space] == b"40000"
            rows.append((name, data[nul + 1 : nul + 21].hex(), is_folder))
            at = nul + 21
        return rows

    def differences(self, old: str, new: str) -> list[Difference]:
        """Every file in which two commits differ. An empty name: the empty tree."""
        out = self._ground.run(
            ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff",
             "--no-textconv", old or _EMPTY_TREE, new or _EMPTY_TREE]
        )  # fmt: skip
        rows = []
        parts = out.split(b"\0")[:-1]
        for meta, path in zip(parts[::2], parts[1::2], strict=True):
            _, mode, before, after, _ = meta.decode("ascii").split(" ")
            rows.append(
                Difference(
                    _text(path), None if before == _NULL else before, None if after == _NULL else after, mode
                )
            )
        return rows

    def versions(self, old: str, new: str) -> dict[str, set[str]]:
        """Every blob that a file has been, from one commit through all those after it up to another."""
        out = self._ground.run(
            ["log", "--first-parent", "--diff-merges=first-parent", "--raw", "-z", "--no-renames",
             "--no-abbrev", "--no-ext-diff", "--no-textconv", "--root", "--format=",
             new, *([f"^{old}"] if old else []), "--"]
        )  # fmt: skip
        found: dict[str, set[str]] = {}
        parts = iter(out.split(b"\0"))
        for meta in parts:
            words = meta.decode("ascii").split(" ")
            if len(words) == 5:
                blobs = {words[2], words[3]} - {_NULL}
                found.setdefault(_text(next(parts)), set()).update(blobs)
        return found

    def commits(self, args: Sequence[str], paths: Sequence[str] = ()) -> Iterator[Logged]:
        """The commits that rev-list gives for these arguments, while it still runs."""
        process = self._ground.start(
            ["rev-list", "--no-commit-header", f"--format=tformat:{_FIELDS}", *args, "--", *paths]
        )
        process.stdin.close()
        ended = False
        try:
            fields: list[bytes] = []
            rest = b""
            while chunk := process.stdout.read1(1 << 16):  # type: ignore[attr-defined]
                *whole, rest = (rest + chunk).split(b"\0")
                fields += whole
                used = len(fields) - len(fields) % 7
                for at in range(0, used, 7):
                    yield _logged(fields[at : at + 7])
                del fields[:used]
            ended = True
        finally:
            if not ended:
                process.popen.kill()
            complaint = process.stderr.read()
            status = process.popen.wait()
            process.stdout.close()
            process.stderr.close()
        if status:
            raise LedgerError(
                f"history cannot be read: {complaint.decode('utf-8', 'replace').strip()}",
                "`git fsck` in the mailbox tells which object is gone; restore it from a clone or a backup",
            )

    def commit(self, name: str) -> Logged | None:
        """One commit, through the long-lived process."""
        found = self.object(name)
        if found is None or found[1] != "commit":
            return None
        oid, _, data = found
        head, _, message = data.partition(b"\n\n")
        tree, parents, author = "", [], b""
        for line in head.split(b"\n"):
            key, _, value = line.partition(b" ")
            if key == b"tree":
                tree = value.decode("ascii")
            elif key == b"parent":
                parents.append(value)
            elif key == b"author":
                author = value
        who, _, stamp = author.rpartition(b"> ")
        name_part, _, email = who.partition(b" <")
        return _logged(
            [oid.encode(), b" ".join(parents), tree.encode(), name_part, email, stamp.split(b" ")[0], message]
        )

    def close(self) -> None:
        """End cat-file; the next question starts another, which knows nothing of packs that are gone."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _batch(self, names: Sequence[str]) -> Iterator[tuple[str, str, bytes] | None]:
        """Give each answer as it comes. What a process that died still owed is asked again, once."""
        answered = 0
        for attempt in (1, 2):
            # Taken out while it owes answers: whoever asks in between gets another process.
            process, self._process = self._process or self._start(), None
            settled = False
            try:
                asked = "".join(f"{name}\n" for name in names[answered:])
                process.stdin.write(asked.encode("utf-8", "surrogateescape"))
                process.stdin.flush()
                for name in names[answered:]:
                    answer = _answer(process, name)
                    answered += 1
                    settled = answered == len(names)
                    yield answer
                return
            except (OSError, EOFError) as error:
                if attempt == 2:
                    with suppress(OSError, ValueError):
                        process.popen.kill()
                        error = OSError(
                            process.stderr.read().decode("utf-8", "replace").strip() or str(error)
                        )
                    raise LedgerError(
                        f"git cat-file ended: {error}", "`git fsck` in the mailbox may tell why"
                    ) from error
            finally:
                if settled and self._process is None:
                    self._process = process
                else:
                    _end(process)

    def _start(self) -> Process:
        return self._ground.start(["cat-file", "--batch"])


def _end(process: Process) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        with suppress(OSError, ValueError):
            pipe.close()
    process.popen.kill()  # it only reads: nothing is lost, and nobody waits
    process.popen.wait()


def _answer(process: Process, name: str) -> tuple[str, str, bytes] | None:
    header = process.stdout.readline()
    if not header.endswith(b"\n"):
        raise EOFError("no answer")
    words = header[:-1].rsplit(b" ", 2)
    if len(words) == 3 and words[2].isdigit() and len(words[0]) == 40:
        size = int(words[2])
        data = process.stdout.read(size + 1)
        if len(data) != size + 1:
            raise EOFError("half an answer")
        return words[0].decode("ascii"), words[1].decode("ascii"), data[:-1]
    if header.endswith((b" missing\n", b" ambiguous\n")):
        return None
    raise LedgerError(f"git cat-file does not understand {name!r}: {header!r}", "this is an error in hubd")


def _logged(fields: Sequence[bytes]) -> Logged:
    oid, parents, tree, name, email, stamp, message = (_text(field) for field in fields)
    message = message.strip("\n")
    return Logged(
        oid=oid.strip(),
        parents=tuple(parents.split()),
        tree=tree,
        subject=message.partition("\n")[0],
        author=name,
        email=email,
        when=datetime.fromtimestamp(int(stamp) if stamp.isdigit() else 0, UTC),
        trailers=parse_trailers(message),
    )


def parse_trailers(message: str) -> dict[str, str]:
    """`Key: value` lines of the last paragraph. The first of two equal keys counts."""
    found: dict[str, str] = {}
    _, gap, last = message.rstrip("\n").rpartition("\n\n")
    for line in last.split("\n") if gap else ():
        match = _TRAILER.fullmatch(line)
        if match is None:
            return {}
        found.setdefault(match[1], match[2])
    return found


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
