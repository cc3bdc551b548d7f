"""Look, just before a container is made, whether every source of its mounts is what its path says.

Guarantee: `check` refuses a source with a link anywhere in the part of its path that is not trusted, and one
that is neither a folder nor a file. The engine follows links, as root: one that an agent has planted would
give it whatever it leads to.
Rule: only empty folders are made here, and only those are removed.

Not promised: that a source stays what it was. Whoever may write the folder it lies in, outside of a container
and as the same user, may be quicker than the engine; but that one has the rights of this user anyway.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from hubd.launch.mounting import COVERS, Ground, Mount, Unfit

__all__ = ["check", "cover", "uncover"]

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def check(mounts: Iterable[Mount]) -> None:
    """Look at every source. Raises Unfit for the first that is not as it must be."""
    for mount in mounts:
        kind = _walk(mount)
        if not stat.S_ISDIR(kind) and not stat.S_ISREG(kind):
            raise Unfit(f"{mount.source} is neither a folder nor a file", "mount a folder that holds it")


def _walk(mount: Mount) -> int:
    """Go down the path name by name; return what is at its end."""
    here = mount.above
    fd = _open(None, str(here), here)
    try:
        for name in mount.source.relative_to(here).parts:
            here /= name
            below = _open(fd, name, here)
            os.close(fd)
            fd = below
            if stat.S_ISLNK(os.fstat(fd).st_mode):
                hint = f"write where it leads: {os.path.realpath(here)}"
                raise Unfit(f"{here} is a link, and no link is mounted", hint)
        return os.fstat(fd).st_mode
    finally:
        os.close(fd)


def _open(above: int | None, name: str, here: PurePosixPath) -> int:
    try:
        return os.open(name, _LOOK, dir_fd=above)
    except FileNotFoundError as error:
        raise Unfit(f"{here} does not exist", "make it, or take it out of the card") from error
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise Unfit(f"{here} cannot be reached: {why}", "look at its permissions") from error


def cover(ground: Ground) -> None:
    """Make the empty folders that hide parts of the mailbox, and in them the places for what goes on top."""
    places = (ground.folder.relative_to(ground.mailbox / ".git"), PurePosixPath(ground.agent))
    for name, place in zip(COVERS, places, strict=True):
        Path(ground.folder, name, place).mkdir(parents=True, exist_ok=True)


def uncover(ground: Ground) -> None:
    """Remove them. Only when the container is gone: what is mounted on a folder goes with the folder."""
    top = Path(ground.folder, PurePosixPath(COVERS[0]).parts[0])
    for folder, _, _ in os.walk(top, topdown=False):
        with suppress(OSError):
            os.rmdir(folder)
