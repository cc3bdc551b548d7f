"""Keep the archive on disk small: what is finished stays readable for a while, and in the ledger for good.

Guarantee: a file is removed only if the ledger holds the very same bytes at that path. Rule: the work is
bounded by what lies on disk, never by the size of the ledger.
"""

from __future__ import annotations

import os
from pathlib import Path

from hubd.hub import Hub
from hubd.spool import Displaced

_DAY = 86_400.0


def tidy_archive(hub: Hub) -> int:
    """Remove archived files that are too old or too many on disk; answers with how many."""
    settings = hub.state.settings
    oldest = hub.now().wall.timestamp() - settings.number("archive_days") * _DAY
    found = sorted(_files(hub.layout.archive), reverse=True)
    removed = 0
    for number, (modified, path) in enumerate(found):
        if number < settings.number("archive_files") and modified >= oldest:
            continue
        relative = path.relative_to(hub.layout.root).as_posix()
        data = hub.ledger.read(relative)
        if data is None:
            continue
        outcome = hub.spool.take_away(relative, data)
        if isinstance(outcome, Displaced):
            hub.spool.put_back(outcome)  # somebody changed it: their bytes stay
            continue
        removed += 1
        _remove_empty(path.parent, hub.layout.archive)
    return removed


def _files(folder: Path) -> list[tuple[float, Path]]:
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                found.append((path.lstat().st_mtime, path))
            except FileNotFoundError:
                continue
    return found


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
