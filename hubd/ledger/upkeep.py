"""Packs: many small ones become few.

Guarantee: a pack is removed only after every object of it was found in the one that replaces it, and that
one is on the disk. Nothing is pruned: what no reference reaches stays as well.
Rule 1: packs that a running writer holds (`.keep`) are left alone. Rule 2: one roll-up at a time; it runs
beside recording and is settled by the thread that started it.

Only the small packs are rewritten, those that together outweigh the next larger one, so that an object is
copied a handful of times in its life however large the ledger grows.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hubd.ledger.disk import from_disk, sync_folder
from hubd.ledger.plumbing import Ground, Process
from hubd.ledger.terms import LedgerError, RolledUp

__all__ = ["Upkeep", "clear_leftovers", "count_packs"]

_LARGE = 256 << 20  # packs of this size are left alone for good
_AT_ONCE = 1000
_LOOSE_DUE = 1000
_KEPT_BY_FAST_IMPORT = b"fast-import"
_UNFINISHED = b"PACK\0\0\0\2\0\0\0\0"
_STALE = 600.0
_ID = struct.Struct("20s")
_IDS = 8 + 256 * 4
_AT_ONCE_COMPARED = 100_000


@dataclass(frozen=True, slots=True)
class _Running:
    process: Process
    names: tuple[str, ...]
    loose: tuple[str, ...]
    before: int


class Upkeep:
    """Rolls packs up in a git of its own, which is started, looked at and settled without waiting for it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._folder = ground.git_dir / "objects/pack"
        self._running: _Running | None = None
        self._graph: Process | None = None
        self._doomed: list[Path] = []
        self._before: int | None = None

    def begin(self, *, due: int) -> bool:
        """Start a roll-up if there are this many packs to merge. True: one is running."""
        if self._running is not None or self._before is not None:
            return True
        if not self._reap_graph(wait=False):
            return False
        sizes = dict(self._free())
        names = _small(sizes, due)
        loose = self._loose() if len(names) < due else ()
        if len(names) < 2:
            if len(loose) < _LOOSE_DUE:
                return False
            names = ()
        else:
            loose = ()
        before = count_packs(self._ground.git_dir)
        args = ["pack-objects", "-q", "--threads=1", "--non-empty", *(["--stdin-packs"] if names else [])]
        process = self._ground.start([*args, str(self._folder / "pack")], nice=True)
        lines = "".join(f"{word}\n" for word in ([f"{name}.pack" for name in names] or loose))
        with suppress(BrokenPipeError):
            process.stdin.write(lines.encode("ascii"))
            process.stdin.close()
        self._running = _Running(process, names, loose, before)
        return True

    def settle(self, *, wait: bool, files: int | None = None) -> RolledUp | None:
        """Go on with a roll-up that has ended, or wait for it. None: there is none, or it is not done.

        Removes this many files (None: all), since hundreds take longer than a transition may have to wait.
        """
        if wait:
            self._reap_graph(wait=True)
        running = self._running
        if running is not None and (wait or running.process.popen.poll() is not None):
            self._running = None
            self._verify(running)
        for _ in range(len(self._doomed) if files is None else min(files, len(self._doomed))):
            with suppress(FileNotFoundError):
                os.unlink(self._doomed.pop())
        if self._doomed or self._before is None:
            return None
        done = RolledUp(self._before, count_packs(self._ground.git_dir))
        self._before = None
        self._start_graph()
        self._reap_graph(wait=wait)
        return done

    @property
    def leaving(self) -> set[str]:
        """Packs that are being taken away."""
        return {path.stem for path in self._doomed}

    def leave(self) -> None:
        """Wait for what is running. Its work is settled by whoever rolls up next: packs twice are no harm."""
        if self._running is not None:
            _finish(self._running.process)
            self._running = None
        self._reap_graph(wait=True)

    def _verify(self, running: _Running) -> None:
        """Doom the files of the packs and loose objects of which the new pack holds everything."""
        status, printed, complaint = _finish(running.process)
        out = printed.split()
        if status or len(out) != 1:
            raise LedgerError(
                f"packs cannot be rolled up: {complaint or status}", "`git fsck` in the mailbox"
            )
        new = f"pack-{out[0]}"
        try:
            sync_folder(self._folder)
        except OSError as error:
            raise from_disk(error) from error
        old = [read_ids(self._folder / f"{name}.idx") for name in running.names]
        missing = lacking(
            [*old, bytes.fromhex("".join(running.loose))], read_ids(self._folder / f"{new}.idx")
        )
        if missing is not None:
            raise LedgerError(
                f"a roll-up lacks {missing.hex()}", "nothing was removed; `git fsck` may tell more"
            )
        doomed = [self._folder / (name + ext) for name in running.names if name != new for ext in _EXTENSIONS]
        objects = self._ground.git_dir / "objects"
        doomed += [objects / oid[:2] / oid[2:] for oid in running.loose]
        # Taken from the end. A multi-pack-index that somebody's git has written would lead to packs that go.
        self._doomed = [*reversed(doomed), self._folder / "multi-pack-index"]
        self._before = running.before

    def _start_graph(self) -> None:
        """Bring the commit graph up to date: with it `git log PATH` looks only at commits that may matter.

        It is a help, no more: where somebody else writes it at this moment, that will do.
        """
        if self._reap_graph(wait=False):
            self._graph = self._ground.start(
                ["commit-graph", "write", "--reachable", "--split", "--changed-paths", "--no-progress"],
                nice=True,
            )

    def _reap_graph(self, *, wait: bool) -> bool:
        if self._graph is None:
            return True
        if not wait and self._graph.popen.poll() is None:
            return False
        _finish(self._graph)
        self._graph = None
        return True

    def _free(self) -> Iterator[tuple[str, int]]:
        """Packs that nobody holds, with their sizes."""
        names = set(os.listdir(self._folder))
        for name in names:
            stem, _, ext = name.rpartition(".")
            if ext != "pack" or not {f"{stem}.idx"} <= names or names & {f"{stem}.keep", f"{stem}.promisor"}:
                continue
            with suppress(FileNotFoundError):
                yield stem, os.stat(self._folder / name).st_size

    def _loose(self) -> tuple[str, ...]:
        found: list[str] = []
        objects = self._ground.git_dir / "objects"
        for folder in sorted(os.listdir(objects)):
            if len(folder) == 2 and (objects / folder).is_dir():
                found += [folder + name for name in os.listdir(objects / folder) if len(name) == 38]
        return tuple(found)


# In this order: a pack without its index is not looked for.
_EXTENSIONS = (".idx", ".rev", ".bitmap", ".pack")


def count_packs(git_dir: Path) -> int:
    """How many packs there are."""
    return sum(name.endswith(".pack") for name in os.listdir(git_dir / "objects/pack"))


def clear_leftovers(git_dir: Path) -> tuple[str, ...]:
    """Remove what a killed fast-import of ours left. Only while none is alive."""
    folder = git_dir / "objects/pack"
    removed: list[str] = []
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            if not entry.is_file(follow_symlinks=False):
                continue
            if entry.name.endswith(".keep"):
                ours = Path(entry.path).read_bytes() == _KEPT_BY_FAST_IMPORT
            elif entry.name.startswith("tmp_pack_"):
                # fast-import alone writes its number of objects last; an empty file may be anyone's.
                with open(entry.path, "rb") as file:
                    head = file.read(12)
                age = time.time() - entry.stat().st_mtime
                ours = head == _UNFINISHED or (not head and age > _STALE)
            else:
                continue
            if ours:
                os.unlink(entry.path)
                removed.append(entry.name)
    for report in git_dir.glob("fast_import_crash_*"):
        with suppress(FileNotFoundError):
            report.unlink()
            removed.append(report.name)
    return tuple(removed)


def _small(sizes: dict[str, int], due: int) -> tuple[str, ...]:
    """The packs to merge: the smallest, up to the last that weighs less than twice all below it."""
    ranked = sorted(
        (name for name, size in sizes.items() if size < _LARGE), key=lambda name: (sizes[name], name)
    )
    if len(ranked) < due:
        return ()
    total, upto = 0, 0
    for number, name in enumerate(ranked, start=1):
        if sizes[name] <= 2 * total:
            upto = number
        total += sizes[name]
    return tuple(ranked[: min(upto, _AT_ONCE)])


def _finish(process: Process) -> tuple[int, str, str]:
    """Wait for a git to end: its status, what it printed and what it complained of."""
    said = [pipe.read().decode("utf-8", "replace").strip() for pipe in (process.stdout, process.stderr)]
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()
    return process.popen.wait(), said[0], said[1]


def read_ids(path: Path) -> bytes:
    """The sorted object ids that a pack's .idx (version 2) lists, 20 bytes each; none if it is gone."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b""
    if data[:8] != b"\xfftOc\0\0\0\2":
        raise LedgerError(f"{path.name} is not of version 2", "`git fsck` in the mailbox")
    return data[_IDS : _IDS + 20 * int.from_bytes(data[_IDS - 4 : _IDS], "big")]


def lacking(old: Sequence[bytes], new: bytes) -> bytes | None:
    """An id of the old lists that the new one lacks. A share at a time, so that it needs little memory."""
    shares = 1 + len(new) // (20 * _AT_ONCE_COMPARED)
    for share in range(shares):
        wanted = {oid for (oid,) in _ID.iter_unpack(new) if oid[1] % shares == share}
        for ids in old:
            for (oid,) in _ID.iter_unpack(ids):
                if oid[1] % shares == share and oid not in wanted:
                    return bytes(oid)
    return None
