"""What stands in a block that its reader has saved: boxes, ticked or not, and lines of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hubd.core.document import Document

_TICK = re.compile(r"^\s*[-*+]\s+\[([ xX])\]\s+(.+?)\s*$")


@dataclass(frozen=True, slots=True)
class Marks:
    """The texts behind ticked boxes, and all lines that are no boxes."""

    ticked: tuple[str, ...]
    lines: tuple[str, ...]


def read_marks(block: str | None) -> Marks:
    """Return the ticks and lines of a block."""
    ticked: list[str] = []
    lines: list[str] = []
    for line in (block or "").splitlines():
        found = _TICK.match(line)
        if found is None:
            lines.append(line.rstrip())
        elif found[1] != " ":
            ticked.append(found[2])
    return Marks(tuple(ticked), tuple(lines))


def new_ticks(saved: Document, base: Document) -> tuple[str, ...]:
    """Return the boxes that were ticked since."""
    before = read_marks(base.block).ticked
    return tuple(t for t in read_marks(saved.block).ticked if t not in before)


def new_text(saved: Document, base: Document) -> str:
    """Return what was written into the block: the lines that the hub did not write."""
    if saved.block is None:
        return ""
    known = list(read_marks(base.block).lines)
    out: list[str] = []
    for line in read_marks(saved.block).lines:
        if line and line in known:
            known.remove(line)
        elif line.strip() or out:
            out.append(re.sub(r"^(Note|Answer):\s*", "", line))
    return "\n".join(out).strip()
