"""The line as it should be: what a bounce shows beside the line that was refused.

Guarantee: what is offered is sound by itself, or nothing is offered. Nothing here decides that a line is
refused; it is asked only afterwards, so it may take its time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hubd.core.scalar import INNER_KEY, KEY, dump_line, flow, quote, quoted

Sound = Callable[[str], bool]

_PARTS = re.compile(r"(?P<lead> *(?:- +)*)(?P<key>[A-Za-z_][A-Za-z0-9_-]*) *:(?P<gap>[ \t]*)(?P<value>.*)")
_ITEM = re.compile(r"(?P<lead> *(?:- +)+)(?P<value>.*)")
_MISNAMED = re.compile(r"""(?P<lead> *(?:- +)*)["']?(?P<key>[A-Za-z][A-Za-z0-9_ -]*?)["']?(?P<rest> *:.*)""")
_PLAINLY_SOUND = re.compile(r" *(?:- +)*[a-z][a-z0-9_-]*:(?: [A-Za-z0-9][A-Za-z0-9_./ -]*)?")
_BLOCK_OPENING = re.compile(r"[|>][-+0-9]*")
_COMMENTED = re.compile(
    r"""(?P<kept>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|\[[^#]*\]|\{[^#]*\}|[|>][-+0-9]*)[ \t]*#.*"""
)
_MARKED = re.compile(r"""[&!]\S* +[\[{|>"']""")
_PART = re.compile(r"""[ ]*(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,]*)[ ]*(?:,|\Z)""")


def line(lines: Sequence[str], number: int, sound: Sound) -> str:
    """Line `number`, whose value was cut or turned into something else, as it should be; or ""."""
    written = lines[number].rstrip(" ")
    start, value = _taken_apart(written)
    if not start or not value:
        return ""
    if value.startswith("#") and _leads(lines, number):
        return start.rstrip(" ")
    commented = _COMMENTED.fullmatch(value)
    if commented:
        kept = start + commented["kept"].rstrip()
        if commented["kept"][0] in "|>" or sound(kept):
            return kept
    if start + value != written and sound(start + value) and "#" not in value:
        return start + value  # only blanks were wrong
    if value.startswith("[") and value.endswith("]") and not re.search(r"[\[\]{}]", value[1:-1]):
        listed = start + "[" + ", ".join(_items(value[1:-1])) + "]"
        if sound(listed):
            return listed
    if value[0] in "[{" and _unbalanced(value):
        return ""  # it may go on below
    if _MARKED.match(value):
        return ""  # an anchor or tag that was meant as one
    return _if_sound(start + quoted(_unwrapped(value)), sound)


def text_line(lines: Sequence[str], number: int, sound: Sound) -> str:
    """Line `number` with its whole value in quotes; or ""."""
    start, value = _taken_apart(lines[number].rstrip(" "))
    return _if_sound(start + quoted(value), sound) if start and value else ""


def joined(lines: Sequence[str], number: int, value: str, sound: Sound) -> str:
    """Line `number`, whose value went over several lines, as one; or ""."""
    start, _ = _taken_apart(lines[number].rstrip(" "))
    return _if_sound(start + quote(value), sound) if start else ""


def is_text_item(lines: Sequence[str], number: int) -> bool:
    """Whether line `number` is an item whose words before a colon are no key, and nothing belongs to it."""
    return bool(_ITEM.fullmatch(lines[number])) and not _leads(lines, number)


def key_line(lines: Sequence[str], number: int, sound: Sound) -> str:
    """Line `number`, whose key is no key, as it should be; or ""."""
    written = lines[number].rstrip(" ")
    named = _MISNAMED.fullmatch(written)
    if not named:
        return ""
    better = f"{named['lead']}{named['key'].lower().replace(' ', '_')}{named['rest']}"
    return _if_sound(better, sound) if better != written else ""


def spaced(written: str, sound: Sound) -> str:
    """`title:x`, with the blank that it lacks after the colon; or ""."""
    parts = _PARTS.fullmatch(written.rstrip(" "))
    if not parts or parts["gap"] or parts["lead"] or not KEY.fullmatch(parts["key"]) or not parts["value"]:
        return ""
    return _if_sound(dump_line(parts["key"], parts["value"]), sound)


def find(lines: Sequence[str], first: int, last: int, sound: Sound) -> tuple[int, str] | None:
    """The line between `first` and `last` that is not sound by itself, and how it should be."""
    opened: int | None = None  # a list that is not closed on its line: at fault only if nothing else is
    block_at = -1  # the indentation of a key that opens a block of text, while we are in it
    for number in range(first, min(last + 1, len(lines))):
        written = lines[number].rstrip(" ")
        indentation = len(written) - len(written.lstrip(" "))
        if block_at >= 0 and (not written or indentation > block_at):
            continue
        block_at = -1
        if not written or written[indentation] == "#" or _PLAINLY_SOUND.fullmatch(written):
            continue
        start, value = _taken_apart(written)
        if not start:
            better = spaced(written, sound)
            if better:
                return number, better
        elif _BLOCK_OPENING.fullmatch(value):
            block_at = indentation
        elif sound(written):
            continue
        elif value[:1] in ("[", "{") and _unbalanced(value):
            opened = number if opened is None else opened
        elif better := line(lines, number, sound):
            return number, better
    if opened is not None:
        following = lines[opened + 1] if opened + 1 < len(lines) else ""
        if not following.strip() or (_PARTS.match(following) and not following.startswith(" ")):
            return opened, text_line(lines, opened, sound)
    return None


def reason(written: str) -> str:
    """Why YAML does not read the value on this line as text."""
    _, value = _taken_apart(written.rstrip(" "))
    if value[:1] and value[0] in "[]{},&*!|>'\"%@`?:-":
        return f"a value that is text and begins with `{value[0]}` stands in quotes"
    if ": " in value or value.endswith(":"):
        return "a value that holds `: ` stands in quotes: YAML would begin a new key there"
    return "YAML does not read this value as text; put it in quotes"


def _taken_apart(written: str) -> tuple[str, str]:
    """What stands before a value, and the value. An item whose first words are no key is text as a whole."""
    parts = _PARTS.fullmatch(written)
    if parts and (parts["gap"] or not parts["value"]):
        known = INNER_KEY if parts["lead"] else KEY
        if known.fullmatch(parts["key"]):
            return f"{parts['lead']}{parts['key']}: ", parts["value"].strip()
    item = _ITEM.fullmatch(written)
    return (item["lead"], item["value"].strip()) if item else ("", "")


def _leads(lines: Sequence[str], number: int) -> bool:
    """Whether the next line belongs to what this one begins."""
    here, following = lines[number], lines[number + 1] if number + 1 < len(lines) else ""
    return following.startswith("-") or _indentation(following) > _indentation(here)


def _indentation(written: str) -> int:
    return len(written) - len(written.lstrip(" "))


def _unwrapped(value: str) -> str:
    """The text in quotes that do not do what they were meant to: `'it's'`, but not `"a" or "b"`."""
    mark = value[0]
    if len(value) < 2 or mark not in "'\"" or value[-1] != mark:
        return value
    inner = value[1:-1]
    at = inner.find(mark)
    return inner if at < 0 or inner[at + 1 : at + 2].isalnum() else value


def _items(inner: str) -> list[str]:
    """The items of a list on one line, those that need it in quotes."""
    items = [found.group().rstrip(",").strip() for found in _PART.finditer(inner)]
    return [item if item[0] in "\"'" else flow(item) for item in items if item]


def _unbalanced(value: str) -> bool:
    return value.count("[") + value.count("{") > value.count("]") + value.count("}")


def _if_sound(candidate: str, sound: Sound) -> str:
    return candidate if sound(candidate) else ""
