"""What a container sees of this machine: the mounts of a run, and what a card may add to them.

Pure: it looks at no disk. Whether a source is what its path says is for `sources.check`, before the start.

What an agent sees, everything at the same path as outside, so that what the hub tells it is true in there:

    the mailbox                        to read: README.md, NOW.md, hub.yaml, contract, cards, leases, archive
      .git                             hidden, but for the folder of this very run, to read
      agents                           hidden, but for its own folder, to read: waiting, refused
        <name>/inbox, outbox, drafts   to write
    its directory, or its worktree     to write
    the `mounts` of its card           to read, and to write where they end in `:rw`

What is hidden is covered by an empty folder that nobody can write; a tmpfs would not do, for podman copies
into it what it covers. The own folders are mounted each for itself, so that an agent cannot put a link in the
place of one; from drafts to outbox it is therefore a copy, as `mv` makes it by itself.

Rule 1: nothing of a card reaches into the mailbox, holds it, or lies over what was mounted for the run.
Rule 2: what the engine would read as its own syntax (a colon, a comma, a control character) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

__all__ = ["COVERS", "WRITABLE", "Ground", "Mount", "Unfit", "mounts", "read_mounts"]

WRITABLE = ("inbox", "outbox", "drafts")

COVERS = ("covers/git", "covers/agents")
"""The empty folders, below the run's own, that hide .git and agents."""

_MOST = 50
_ROOT = PurePosixPath("/")
_KERNEL = tuple(map(PurePosixPath, ("/proc", "/sys", "/dev")))


class Unfit(Exception):
    """A container cannot be made as its card wants it."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Mount:
    """One place of this machine that a container has. Both paths are absolute, and without `..`."""

    source: PurePosixPath
    target: PurePosixPath
    writable: bool = False
    above: PurePosixPath = _ROOT
    """Down to here the source's path is trusted; below it no link may be."""

    @property
    def bind(self) -> str:
        """Return it as the engine's API has it."""
        return f"{self.source}:{self.target}:{'rw' if self.writable else 'ro'}"


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a run takes place. All paths are absolute; the mailbox's is free of links."""

    mailbox: PurePosixPath
    agent: str
    folder: PurePosixPath
    """The run's own, below .git."""
    cwd: PurePosixPath
    engine: PurePosixPath
    """Whoever reaches the engine's socket has this whole machine. Free of links."""


def read_mounts(value: object, home: str) -> Iterator[Mount]:
    """Read a card's `mounts`; `home` stands for `~` in front of a source. Raises Unfit."""
    listed = (value,) if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(each, str) for each in listed):
        raise Unfit("container: mounts is no list", "write `mounts: [/from/here:/to/there]`")
    if len(listed) > _MOST:
        raise Unfit(f"container: {len(listed)} mounts", f"{_MOST} is the most")
    for each in listed:
        source, *rest = each.split(":")
        if len(rest) not in (1, 2) or rest[1:] not in ([], ["ro"], ["rw"]):
            hint = "write SOURCE:TARGET, to read, or SOURCE:TARGET:rw, to write; both without a colon in them"
            raise Unfit(f"container: mount {each[:200]!r}", hint)
        if source == "~" or source.startswith("~/"):
            source = home + source[1:]
        yield Mount(_path(each, source), _path(each, rest[0]), rest[1:] == ["rw"])


def _path(said: str, text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if not text.startswith("/") or ".." in path.parts or str(path) != (text.rstrip("/") or "/"):
        hint = "write whole paths, from / on and without `..`: /from/here:/to/there"
        raise Unfit(f"container: mount {said[:200]!r}", hint)
    _plain(path)
    return path


def _plain(path: PurePosixPath) -> None:
    if re.search(r"[:,\x00-\x1f\x7f]", str(path)):
        hint = "there is a colon, a comma or a control character in it: rename it"
        raise Unfit(f"{str(path)!r} cannot be mounted", hint)


def mounts(ground: Ground, asked: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """Return all mounts of a run, outer ones first. Raises Unfit where the card has asked for too much."""
    own = (*_mailbox(ground), *_directory(ground))
    for mount in own:
        _plain(mount.source)
    for at, mount in enumerate(asked):
        _allow(mount, ground)
        for other in (*asked[:at], *own):
            if _overlap(mount.target, other.target):
                what = f"container: {mount.target} and {other.target} would be mounted into one another"
                raise Unfit(what, "mount it to a place of its own: /data/NAME")
    return tuple(sorted((*own, *asked), key=lambda mount: len(mount.target.parts)))


def _mailbox(ground: Ground) -> Iterator[Mount]:
    root, folder = ground.mailbox, ground.folder
    mine = root / "agents" / ground.agent
    named = ground.agent not in ("", ".", "..") and "/" not in ground.agent
    if root == _ROOT or not named or (root / ".git") not in folder.parents or ".." in folder.parts:
        raise Unfit(f"{folder} is no run of {ground.agent!r} in {root}", "nothing was started")
    yield Mount(root, root, above=root)
    for cover, place in zip(COVERS, (".git", "agents"), strict=True):
        yield Mount(folder / cover, root / place, above=root)
    yield Mount(folder, folder, above=root)
    yield Mount(mine, mine, above=root)
    for name in WRITABLE:
        yield Mount(mine / name, mine / name, writable=True, above=root)


def _directory(ground: Ground) -> Iterator[Mount]:
    """Mount where the agent works, if that is not in the mailbox, which it sees anyway."""
    cwd, root = ground.cwd, ground.mailbox
    hint = "give the card a `directory`, or a `worktree`, beside the mailbox"
    if cwd.is_relative_to(root):
        git = cwd.is_relative_to(root / ".git") and not cwd.is_relative_to(ground.folder)
        mine = root / "agents" / ground.agent
        if git or (cwd.is_relative_to(root / "agents") and not cwd.is_relative_to(mine)):
            raise Unfit(f"{cwd} is hidden from {ground.agent}", hint)
        return
    if root.is_relative_to(cwd):
        # Whoever may write a folder may rename what is in it: the mailbox would be gone, for everybody.
        raise Unfit(f"the mailbox {root} lies in {cwd}, where {ground.agent} would write", hint)
    mount = Mount(cwd, cwd, writable=True)
    _reachable(mount, ground)
    yield mount


def _allow(mount: Mount, ground: Ground) -> None:
    """Refuse what would show something that is hidden, or is more than a place of people's own."""
    for place, why in ((ground.mailbox, "the mailbox"), (ground.cwd, "the agent's directory")):
        if mount.source.is_relative_to(place):
            raise Unfit(f"container: {mount.source} lies in {why}", "the agent sees what it may of it anyway")
    if ground.mailbox.is_relative_to(mount.source):
        raise Unfit(f"container: {mount.source} holds the mailbox", "mount a folder beside it")
    _reachable(mount, ground)


def _reachable(mount: Mount, ground: Ground) -> None:
    for place in (mount.source, mount.target):
        if place == _ROOT or any(place.is_relative_to(kernel) for kernel in _KERNEL):
            raise Unfit(f"container: {place} is not to be mounted", "mount a folder of people's own")
    if _overlap(mount.source, ground.engine):
        what = f"container: {mount.source} leads to the engine's socket, and so to this whole machine"
        raise Unfit(what, "mount a folder beside it")


def _overlap(one: PurePosixPath, other: PurePosixPath) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)
