"""Whether two path globs can name the same path.

Guarantee: never a miss: where some path matches both, the answer is yes. It is exact for `*`, `?` and `**`; a
character class counts as any character.
"""

from __future__ import annotations

import re

_WILD = re.compile(r"[*?\[]")


def overlap(one: str, other: str) -> bool:
    """Return whether two globs can name the same path. `**` spans folders; a name before `:` is a project.

    Globs of different projects never overlap. A trailing slash stands for everything below.
    """
    first, second = _project(one), _project(other)
    if first[0] != second[0] or not _alike(first[1], second[1]):
        return False
    return _meet(first[1].split("/"), second[1].split("/"))


def _project(glob: str) -> tuple[str, str]:
    project, colon, rest = glob.partition(":")
    if not colon:
        project, rest = "", glob
    rest = rest.removeprefix("./")
    return project, rest + "**" if rest.endswith("/") or not rest else rest


def _alike(one: str, other: str) -> bool:
    """Whether what stands before the first wild card agrees: most globs differ there, and this is cheap."""
    first, second = _fixed(one), _fixed(other)
    return first.startswith(second) or second.startswith(first)


def _fixed(glob: str) -> str:
    wild = _WILD.search(glob)
    if wild is None:
        return glob
    # `src/**` also means `src` itself, so the slash before it is not fixed.
    return glob[: wild.start()].removesuffix("/")


def _meet(one: list[str], other: list[str]) -> bool:
    """Whether some path is matched by both: walks the pairs of positions, each once."""
    seen, pending = {(0, 0)}, [(0, 0)]
    while pending:
        i, j = pending.pop()
        if i == len(one) and j == len(other):
            return True
        following = []
        mine, theirs = one[i : i + 1] == ["**"], other[j : j + 1] == ["**"]
        if mine:
            following.append((i + 1, j))
        if theirs:
            following.append((i, j + 1))
        if i < len(one) and j < len(other) and (mine or theirs or _segments(one[i], other[j])):
            following.append((i if mine else i + 1, j if theirs else j + 1))
        for step in following:
            if step not in seen:
                seen.add(step)
                pending.append(step)
    return False


def _segments(one: str, other: str) -> bool:
    """Whether some name is matched by both patterns of one folder's level."""
    first, second = _tokens(one), _tokens(other)
    seen, pending = {(0, 0)}, [(0, 0)]
    while pending:
        i, j = pending.pop()
        if i == len(first) and j == len(second):
            return True
        mine, theirs = first[i : i + 1] == ["*"], second[j : j + 1] == ["*"]
        following = []
        if mine:
            following.append((i + 1, j))
        if theirs:
            following.append((i, j + 1))
        if i < len(first) and j < len(second):
            same = mine or theirs or first[i] == second[j] or "?" in (first[i], second[j])
            if same:
                following.append((i if mine else i + 1, j if theirs else j + 1))
        for step in following:
            if step not in seen:
                seen.add(step)
                pending.append(step)
    return False


def _tokens(pattern: str) -> list[str]:
    """Return a pattern as single characters, `*`, and `?` for whatever stands for any one character."""
    tokens = []
    at = 0
    while at < len(pattern):
        close = pattern.find("]", at + 2) if pattern[at] == "[" else -1
        if close > 0:
            tokens.append("?")
            at = close + 1
        else:
            tokens.append(pattern[at])
            at += 1
    return tokens
