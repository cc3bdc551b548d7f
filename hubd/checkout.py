"""What a person's git has written into the live folders: it is nobody's proposal.

`git checkout`, `git reset` and `git stash` bring back files that the hub itself once wrote, and remove those
it has written since. That is no edit, no deletion and no decision of anybody's.
Guarantee: a file counts as git's only while HEAD is not where the hub left it, and only with the very bytes
of the commit of the truth that HEAD leads to; everything else is judged like any saved file.
"""

from __future__ import annotations

from collections.abc import Iterable

from hubd.hub import Hub
from hubd.spool import Absent, Bytes, FolderBlocked


def base(hub: Hub) -> str:
    """Return the commit of the truth whose files a person's git has written; empty if it has written none."""
    found = hub.ledger.elsewhere()
    if found != hub.eyes.elsewhere[0]:
        hub.eyes.elsewhere = (found, hub.state.seq)
    return found


def wrote(hub: Hub, commit: str, path: str) -> bool:
    """Return whether git left a path as it is now: as the commit has it, or gone as there."""
    try:
        read = hub.spool.read(path)
    except FolderBlocked:
        return False
    then = hub.ledger.read(path, commit)
    if isinstance(read, Bytes):
        return read.data == then
    if not isinstance(read, Absent) or then is not None:
        return False
    doc = hub.state.live_path(path)
    # What was delivered since git was here, git has not removed: its owner has.
    return doc is None or doc.number("rev") <= hub.eyes.elsewhere[1]


def put_back(hub: Hub, commit: str, paths: Iterable[str]) -> int:
    """Make what git wrote hold the truth again; answers with how many files that were."""
    count = 0
    for path in paths:
        if wrote(hub, commit, path):
            then = hub.ledger.read(path, commit)
            hub.acting.put(path, hub.truth(path), *([then] if then is not None else []))
            count += 1
    return count
