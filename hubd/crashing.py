"""End this process at a named point of its work, so that tests can see what a restart makes of it.

HUBD_CRASH=deliver.after:2 kills it (SIGKILL) at the second `deliver.after`; `*:17` at the 17th point of any
name. Without the variable nothing happens.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def crash_at(where: str) -> Callable[[str], None]:
    """Return the function that is called at every point."""
    if not where:
        return lambda _point: None
    point, _, count = where.partition(":")
    left = int(count or 1)

    def crash(at: str) -> None:
        nonlocal left
        if point in ("*", at):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return crash
