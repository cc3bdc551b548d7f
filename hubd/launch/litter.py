"""What a client's sandbox leaves when it is killed: empty files and folders that it had put in the way.

Guarantee: nothing is removed but an empty folder, or an empty file that nobody may write, under a name that
the preset lists. git never keeps the one, and checks out no such other.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from hubd.launch.presets import Preset

__all__ = ["clear_litter"]


def clear_litter(preset: Preset, folders: Iterable[Path]) -> list[Path]:
    """Clear the folders that a run could write in, once it has ended; return what was removed."""
    gone: list[Path] = []
    for path in [path for folder in folders for pattern in preset.litter for path in folder.glob(pattern)]:
        with suppress(OSError):
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode):
                path.rmdir()  # fails where it is not empty
            elif stat.S_ISREG(found.st_mode) and found.st_size == 0 and not found.st_mode & 0o222:
                path.unlink()
            else:
                continue
            gone.append(path)
    return gone
