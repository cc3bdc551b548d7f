"""Which files differ between two commits, and by how much: names whole, counts as text for a reader.

Guarantee: the names are exact, whatever bytes they are made of; the text is bounded and printable.
Rule: no external diff and no text conversion runs, and nothing is said of the inside of a submodule.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from hubd.core.naming import shown
from hubd.project.plumbing import Git

__all__ = ["Differing", "differing"]

_LINES = 40
_WIDE = 160
_PLAIN = ("-r", "-z", "-M", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none")


@dataclass(frozen=True, slots=True)
class Differing:
    """What changed. A file that was renamed is changed under its new name; its old one is in `renamed`."""

    changed: frozenset[str]
    renamed: frozenset[str]
    text: str


def differing(git: Git, old: str, new: str) -> Differing:
    """Compare two commits."""
    parts = git.out("diff-tree", *_PLAIN, "--numstat", old, new).split(b"\0")
    changed: set[str] = set()
    renamed: set[str] = set()
    lines: list[str] = []
    plus = minus = 0
    index = 0
    while index < len(parts) and parts[index]:
        added, removed, name = parts[index].split(b"\t", 2)
        index += 1
        source = b""
        if not name:  # a rename: the two names follow
            source, name = parts[index], parts[index + 1]
            index += 2
        path = os.fsdecode(name)
        changed.add(path)
        if source:
            renamed.add(os.fsdecode(source))
        count = "binary" if added == b"-" else f"+{int(added)} -{int(removed)}"
        if added != b"-":
            plus, minus = plus + int(added), minus + int(removed)
        was = f" (was {_short(os.fsdecode(source))})" if source else ""
        if len(lines) < _LINES:
            lines.append(f"{_short(path)}{was} | {count}")
    if not changed:
        return Differing(frozenset(), frozenset(), "")
    if len(changed) > _LINES:
        lines.append(f"and {len(changed) - _LINES} more")
    lines.append(f"{len(changed)} file{'s' if len(changed) != 1 else ''} changed, +{plus} -{minus}")
    # A copy may leave its source where it was: then it is no old name.
    return Differing(frozenset(changed), frozenset(renamed - changed), "\n".join(lines))


def _short(path: str) -> str:
    text = shown(path)
    return text if len(text) <= _WIDE else "…" + text[1 - _WIDE :]
