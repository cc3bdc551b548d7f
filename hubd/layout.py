"""Where everything of a mailbox lies on disk, and what the names in its folders mean.

Guarantee: a path made here lies under the root by name; no text of a document becomes one.
Rule 1: this module knows paths; it reads no document and writes none. On a disk it only makes folders.
Rule 2: folders are made through descriptors, never through a link; a link where a folder belongs is reported.

Not promised: that a path leads to what its name says. An agent owns its own folders and may have put a link
there; only reading and writing through descriptors, as the spool does, keeps to the mailbox.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hubd.core import place
from hubd.core.naming import Naming, naming, shown

__all__ = ["AGENT_FOLDERS", "Folders", "Layout", "MailboxError", "Naming", "find", "naming", "shown"]

AGENT_FOLDERS = ("inbox", "waiting", "outbox", "drafts", "refused")
_TOP_FOLDERS = ("agents", "cards", "leases", "archive")
# What no one but the hub may look into: bytes on their way, bytes set aside, what a run printed.
_PRIVATE = (".git/hub/swap", ".git/hub/tmp", ".git/hub/quarantine", ".git/hub/log")
_HUB_FOLDERS = (".git/hub", *_PRIVATE, ".git/hub/alive")


class MailboxError(Exception):
    """No mailbox where one was looked for."""

    def __init__(self, start: Path, hint: str) -> None:
        super().__init__(f"no mailbox in {shown(str(start))} or above it")
        self.start = start
        self.what = str(self)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Folders:
    """What `Layout.folders` found to do."""

    made: tuple[Path, ...]
    """Were missing, are there now."""
    blocked: tuple[Path, ...]
    """Something that is no folder lies there: a link, a file. Left as it is, and not used."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one mailbox. `root` is absolute and free of links when it comes from `find`."""

    root: Path

    @property
    def git_dir(self) -> Path:
        return self.root / ".git"

    @property
    def hub_dir(self) -> Path:
        return self.root / ".git" / "hub"

    @property
    def lock(self) -> Path:
        return self.hub_dir / "lock"

    @property
    def socket(self) -> Path:
        return self.hub_dir / "sock"

    @property
    def swap(self) -> Path:
        return self.hub_dir / "swap"

    @property
    def tmp(self) -> Path:
        return self.hub_dir / "tmp"

    @property
    def quarantine(self) -> Path:
        return self.hub_dir / "quarantine"

    @property
    def logs(self) -> Path:
        return self.hub_dir / "log"

    @property
    def runs(self) -> Path:
        return self.hub_dir / "runs"

    @property
    def alive(self) -> Path:
        return self.hub_dir / "alive"

    @property
    def settings(self) -> Path:
        return self.root / place.SETTINGS

    @property
    def now(self) -> Path:
        return self.root / "NOW.md"

    @property
    def readme(self) -> Path:
        return self.root / "README.md"

    @property
    def contract(self) -> Path:
        return self.root / "contract"

    @property
    def cards(self) -> Path:
        return self.root / "cards"

    @property
    def leases(self) -> Path:
        return self.root / "leases"

    @property
    def archive(self) -> Path:
        return self.root / "archive"

    @property
    def agents(self) -> Path:
        return self.root / "agents"

    def agent(self, name: str) -> Path:
        if not place.NAME.fullmatch(name):
            raise ValueError(f"not an agent's name: {shown(name)}")
        return self.root / "agents" / name

    def inbox(self, name: str) -> Path:
        return self.agent(name) / "inbox"

    def waiting(self, name: str) -> Path:
        return self.agent(name) / "waiting"

    def outbox(self, name: str) -> Path:
        return self.agent(name) / "outbox"

    def drafts(self, name: str) -> Path:
        return self.agent(name) / "drafts"

    def refused(self, name: str) -> Path:
        return self.agent(name) / "refused"

    def path(self, relative: str) -> Path:
        """The place on disk of a path of the ledger's tree (`agents/ada/inbox/x.md`)."""
        parts = relative.split("/")
        if "\0" in relative or any(part in ("", ".", "..") for part in parts) or parts[0] == ".git":
            raise ValueError(f"not a path inside a mailbox: {shown(relative)}")
        return self.root.joinpath(*parts)

    def relative(self, path: Path | str) -> str | None:
        """The opposite of `path`, by name alone; None for what does not lie under the root."""
        try:
            inside = Path(path).relative_to(self.root).as_posix()
        except ValueError:
            return None
        return None if inside == "." or ".." in inside.split("/") else inside

    @property
    def exists(self) -> bool:
        """A mailbox is a folder that holds hub.yaml and .git/hub, the latter without links on the way."""
        return (
            stat.S_ISREG(_mode(self.settings))
            and stat.S_ISDIR(_mode(self.git_dir))
            and stat.S_ISDIR(_mode(self.hub_dir))
        )

    def watched(self) -> list[Path]:
        """Every folder in which a person or an agent may change something, as far as it is there and no
        link.
        """
        found = [self.root, self.git_dir / "refs" / "heads", self.cards, self.agents]
        try:
            names = sorted(name for name in os.listdir(self.agents) if place.NAME.fullmatch(name))
        except OSError:
            names = []
        for name in names:
            home = self.agents / name
            # Below a link nothing is the mailbox's, and so neither looked at nor watched.
            if stat.S_ISDIR(_mode(home)):
                found += [home, home / "inbox", home / "outbox", home / "waiting"]
        return [folder for folder in found if stat.S_ISDIR(_mode(folder))]

    def folders(self, agents: Iterable[str] = ()) -> Folders:
        """Make what is missing of the mailbox's own folders and of these agents'. Can be repeated any time.

        The root and its `.git` are not made here: without them this is no mailbox.
        """
        wanted = [*_TOP_FOLDERS, *_HUB_FOLDERS]
        for name in agents:
            self.agent(name)  # refuses what is not a name
            wanted += [f"agents/{name}", *(f"agents/{name}/{folder}" for folder in AGENT_FOLDERS)]
        made, blocked = [], []
        root = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for relative in wanted:
                outcome = _make(root, relative)
                if outcome is None:
                    blocked.append(self.root / relative)
                elif outcome:
                    made.append(self.root / relative)
        finally:
            os.close(root)
        return Folders(tuple(made), tuple(blocked))


def _mode(path: Path) -> int:
    """What lies there, a link counting as a link; 0 for nothing that can be seen."""
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


def _make(root: int, relative: str) -> bool | None:
    """Whether the last folder of this path had to be made; None where a link or a file is in the way."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    *parents, last = relative.split("/")
    held = os.dup(root)
    try:
        for part in parents:
            down = os.open(part, flags, dir_fd=held)
            os.close(held)
            held = down
        try:
            os.mkdir(last, 0o700 if relative in _PRIVATE else 0o777, dir_fd=held)
        except FileExistsError:
            os.close(os.open(last, flags, dir_fd=held))
            return False
        return True
    except OSError as error:
        # ELOOP and ENOTDIR: a link or a file lies there. ENOENT: a parent was blocked, or went away just now.
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENOENT):
            return None
        raise
    finally:
        os.close(held)


def find(
    given: str | os.PathLike[str] | None = None, variable: str | None = None, cwd: Path | None = None
) -> Layout:
    """The mailbox that somebody means: `-C` (`given`), else HUB_MAILBOX (`variable`), else `cwd`.

    Each is looked at upwards. What was named outright is never replaced by a guess: a wrong `-C` is an error,
    even inside a mailbox.
    """
    if given is not None:
        start, hint = Path(given), "name the mailbox with `-C DIR`, or make one there with `hubctl init DIR`"
    elif variable:
        start, hint = Path(variable), "HUB_MAILBOX is wrong: correct it, or make one with `hubctl init DIR`"
    else:
        start = Path.cwd() if cwd is None else cwd
        hint = "use `-C DIR` or HUB_MAILBOX, or make a mailbox with `hubctl init DIR`"
    if cwd is not None:
        start = cwd / start
    start = start.expanduser()
    try:
        physical = start.resolve()
    except (OSError, RuntimeError):  # a circle of links
        raise MailboxError(start, hint) from None
    for folder in (physical, *physical.parents):
        layout = Layout(folder)
        if layout.exists:
            return layout
    raise MailboxError(physical, hint)
