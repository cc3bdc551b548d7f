"""A pack that has lost its index gets it back.

`git gc` deletes every index whose pack it has not seen. It lists the folder entry by entry, and of a pack and
an index that are made meanwhile it may see the index alone. So beside a hub at work a person's gc now and
then takes away the index of the newest pack, and with it, as it seems, every commit of that group. The pack
is still there.

Guarantee: nothing is removed and no pack is changed; an index is made of its pack's own bytes.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from hubd.ledger.plumbing import Ground

__all__ = ["mend"]


def mend(ground: Ground, leaving: Collection[str] = ()) -> tuple[str, ...]:
    """Index every pack that has no index, but for those on their way out; answers with their names.

    Starts a process only if there is one.
    """
    folder = Path(ground.git_dir, "objects/pack")
    names = set(os.listdir(folder))
    lost = sorted(
        name
        for name in names
        if name.startswith("pack-")
        and name.endswith(".pack")
        and f"{name[:-5]}.idx" not in names
        and name[:-5] not in leaving
    )
    for name in lost:
        ground.run(["index-pack", str(folder / name)])
    return tuple(lost)
