"""Keep the log of a hubd that runs in the background short.

Guarantee: the log is never longer than `MOST` for long; what stood before is in `hubd.log.1`, until that is
replaced. Rule: only the log that this process itself writes to, as its standard error, is touched; a
terminal, a pipe and a supervisor's journal are left alone.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["MOST", "turn_over"]

MOST = 8 << 20


def turn_over(log: Path, most: int = MOST, stream: int = 2) -> bool:
    """Begin the log anew where it has grown too long. It is emptied in place: whoever writes, appends."""
    written = os.fstat(stream)
    if not stat.S_ISREG(written.st_mode) or written.st_size <= most:
        return False
    try:
        there = log.lstat()
    except FileNotFoundError:
        return False
    if (there.st_dev, there.st_ino) != (written.st_dev, written.st_ino):
        return False
    aside = log.with_name(f"{log.name}.tmp")
    aside.write_bytes(log.read_bytes()[-most:])
    os.replace(aside, log.with_name(f"{log.name}.1"))
    os.ftruncate(stream, 0)
    return True
