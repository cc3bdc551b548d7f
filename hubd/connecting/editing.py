"""Bring one file to what its client is to read, or back to what it was: bytes in, bytes out.

Guarantee: `disconnected(connected(data))` is `disconnected(data)`, byte for byte, or nothing is changed: it
is tried before it is answered. What is not UTF-8 text in the file's own form is refused.
Rule: pure.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, assert_never

from hubd.connecting import blocks, members
from hubd.connecting.blocks import Block
from hubd.connecting.clients import Entries, File, Part, Whole
from hubd.connecting.spans import Unfit, scan

__all__ = ["MOST", "connected", "disconnected"]

MOST = 1 << 19
"""Bytes of a file that is edited."""


def connected(file: File, data: bytes | None) -> bytes:
    """Return the file with its parts, each written anew. Raises Unfit where that cannot be."""
    base = disconnected(file, data)
    # Where it stands already it stays in its place; people may have written below it. Else, all anew.
    for start in (data, base):
        made = start
        for part in file.parts:
            made = _put(part, made)
        assert made is not None
        _readable(file.path, made, base)
        if disconnected(file, made) == base:
            return made
    raise Unfit("what stands there could not be brought back as it is", "tidy the file, and repeat")


def disconnected(file: File, data: bytes | None) -> bytes | None:
    """Return the file without its parts; None where it was made for them. Raises Unfit for a broken file."""
    if data is None:
        return None
    _readable(file.path, data, None)
    left: bytes | None = data
    for part in reversed(file.parts):
        if left is not None:
            left = _take(part, left)
    return left


def _put(part: Part, data: bytes | None) -> bytes:
    match part:
        case Block():
            return blocks.put(data, part)
        case Entries():
            return _with_entries(part, None if data is None else data.decode()).encode()
        case Whole():
            if data is not None and not blocks.inside(data, part.block):
                raise Unfit("it is there already, and not from hubctl connect", "move it, and repeat")
            return blocks.put(data or part.head.encode() or None, part.block)
    assert_never(part)


def _with_entries(part: Entries, text: str | None) -> str:
    ours = text is not None and _has_entries(part, text)
    for entry in part.entries:
        if text is None:
            text = members.make(entry, "\n")
        elif not members.has(text, entry):
            text = members.put(text, entry)
        elif ours:
            text = members.renew(text, entry)
        elif entry.plain:
            raise Unfit(f"`{entry.name}` names `{entry.value}` already", "remove it there, and repeat")
    return text or ""


def _has_entries(part: Entries, text: str) -> bool:
    return any(members.has(text, entry) for entry in part.entries if not entry.plain)


def _take(part: Part, data: bytes) -> bytes | None:
    match part:
        case Block():
            return blocks.take(data, part)
        case Entries():
            return _without_entries(part, data)
        case Whole():
            if not blocks.inside(data, part.block):
                return data
            left = blocks.take(data, part.block)
            if left not in (None, part.head.encode()):
                raise Unfit("somebody added to it by hand", "move what was added to another file, and repeat")
            return None
    assert_never(part)


def _without_entries(part: Entries, data: bytes) -> bytes | None:
    text: str | None = data.decode()
    assert text is not None
    if not _has_entries(part, text):
        return data
    for entry in reversed(part.entries):
        # More than one is there only where somebody copied it; an element is looked for until none is left.
        while text is not None and (shorter := members.take(text, entry)) != text:
            text = shorter
            if entry.plain:
                break
    return None if text is None else text.encode()


def _readable(path: str, data: bytes, before: bytes | None) -> None:
    """Refuse what is no text of this form; and, after an edit, what says more or less than was meant."""
    if len(data) > MOST:
        raise Unfit("it is larger than 512 KiB", "is it the right file?")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Unfit(f"it is not UTF-8 text: byte {error.start}", "save it as UTF-8, and repeat") from error
    if "\0" in text:
        raise Unfit("it is no text: it holds a zero byte", "is it the right file?")
    if path.endswith(".json"):
        scan(text)
    if path.endswith(".toml"):
        now = _toml(text, before is not None)
        for key, value in (_toml(before.decode(), False) if before is not None else {}).items():
            if key != "mcp_servers" and now.get(key) != value:
                raise Unfit(f"`{key}` would have another meaning", "tidy the file, and repeat")


def _toml(text: str, edited: bool) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        if edited:
            hint = "it has `mcp_servers.hub` or `developer_instructions`: remove that, or say --shared"
            raise Unfit(f"it has no room for what is to be added: {error}", hint) from error
        raise Unfit(f"it is no TOML: {error}") from error
