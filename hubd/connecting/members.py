"""Put a member or an element into a JSON text, and take it out again, touching nothing else.

Guarantee: `take(put(text))` is `text`, byte for byte. So what stood there is seen from what stands there now:
a container that was empty is hugged by what is put in (`{"hub": …`), one that is made has space inside.
Rule: pure; no value that was there is written anew. New lines are as the file has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hubd.connecting.spans import Node, Unfit, after_comments, has_comment, scan

__all__ = ["Entry", "has", "make", "put", "renew", "take"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to stand in a JSON file: a member where `key` is given, else an element of an array."""

    path: tuple[str, ...]
    """The keys that lead to the object or array that it stands in."""
    value: Any
    ours: Callable[[Any], bool]
    """Tells a value that was written for this from somebody else's."""
    key: str = ""
    plain: bool = False
    """Its value has no mark; it is ours where another entry of the file is."""

    @property
    def name(self) -> str:
        return ".".join((*self.path, self.key) if self.key else self.path)


def make(entry: Entry, newline: str) -> str:
    """Return a new file that holds one entry."""
    return _formatted(_nested(entry, 0), "", "  ", newline, len(entry.path) + 1) + newline


def put(text: str, entry: Entry) -> str:
    """Return the text with the entry at the end of where it belongs. It must not be there yet."""
    node = scan(text)
    for depth, step in enumerate(entry.path):
        _is(node, "object", ".".join(entry.path[:depth]) or "the whole")
        place = node.get(step)
        if place is None:
            return _insert(text, node, step, _nested(entry, depth + 1), len(entry.path) - depth)
        node = node.items[place].node
    _is(node, "object" if entry.key else "array", ".".join(entry.path) or "the whole")
    if entry.key and node.get(entry.key) is not None:
        raise Unfit(f"`{entry.name}` is there already, and not from hubctl connect", "rename or remove it")
    return _insert(text, node, entry.key or None, entry.value, 0)


def take(text: str, entry: Entry) -> str | None:
    """Return the text without the entry, the same text where it is not there, None where nothing is left."""
    found = _find(text, entry)
    return text if found is None else _without(text, *found)


def renew(text: str, entry: Entry) -> str:
    """Return the text with the entry's value as it is now, in its place."""
    found = _find(text, entry)
    assert found is not None
    there = found[0].items[found[1]].node
    if there.value == entry.value:
        return text
    over_lines = "\n" in text[there.start : there.end]
    indent, unit, newline = _indent(text, there.start), _unit(text), _newline(text)
    shown = _formatted(entry.value, indent, unit, newline) if over_lines else _line(entry.value, 0)
    return text[: there.start] + shown + text[there.end :]


def has(text: str, entry: Entry) -> bool:
    """Return whether something stands in the text that was written for this entry."""
    return _find(text, entry) is not None


def _find(text: str, entry: Entry) -> tuple[Node, int, list[tuple[Node, int]]] | None:
    """Return the container that the entry is in, its place there, and how one gets there."""
    node, above = scan(text), list[tuple[Node, int]]()
    for step in entry.path:
        place = node.get(step) if node.kind == "object" else None
        if place is None:
            return None
        above.append((node, place))
        node = node.items[place].node
    found = [n for n, item in enumerate(node.items) if item.key == (entry.key or None)]
    found = [n for n in found if entry.ours(node.items[n].node.value)]
    return (node, found[-1], above) if found else None


def _is(node: Node, kind: str, name: str) -> None:
    if node.kind != kind:
        raise Unfit(f"`{name}` is no {kind}", "correct it, and repeat")


def _nested(entry: Entry, depth: int) -> Any:
    value = {entry.key: entry.value} if entry.key else [entry.value]
    for step in reversed(entry.path[depth:]):
        value = {step: value}
    return value


# putting in


def _insert(text: str, node: Node, key: str | None, value: Any, made: int) -> str:
    """Insert an item at the end of a container. `made`: how many containers around the value are new."""
    inner = text[node.start + 1 : node.end - 1]
    newline, unit = _newline(text), _unit(text)
    base = _indent(text, node.start)
    name = "" if key is None else json.dumps(key, ensure_ascii=False) + ": "
    if not node.items and not has_comment(inner):
        one_line = node.start != _root(text) and "\n" not in text.strip()
        shown = _line(value, made) if one_line else _formatted(value, base, unit, newline, made)
        return f"{text[: node.start + 1]}{name}{shown}{text[node.start + 1 :]}"
    last = node.items[-1] if node.items else None
    begin = node.start + 1 if last is None else last.node.end if last.comma is None else last.comma + 1
    if "\n" in inner:
        indent = base + unit
        if last is not None and not text[text.rfind("\n", 0, last.start) + 1 : last.start].strip(" \t"):
            indent = text[text.rfind("\n", 0, last.start) + 1 : last.start]
        shown = newline + indent + name + _formatted(value, indent, unit, newline, made)
    else:
        shown = " " + name + _line(value, made)
    at = begin + after_comments(text[begin : node.end - 1])
    before = "," if last is not None and last.comma is None else ""
    behind = "," if last is not None and last.comma is not None else ""
    return f"{text[:begin]}{before}{text[begin:at]}{shown}{behind}{text[at:]}"


def _formatted(value: Any, indent: str, unit: str, newline: str, made: int = 0) -> str:
    """Return a value over several lines. Lists of words stay on one, unless they are made for theirs."""
    if not value or not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    inner = indent + unit
    if isinstance(value, dict):
        rows = [
            f"{json.dumps(key, ensure_ascii=False)}: {_formatted(it, inner, unit, newline, made - 1)}"
            for key, it in value.items()
        ]
    elif made > 0 or any(isinstance(it, dict | list) for it in value):
        rows = [_formatted(it, inner, unit, newline, made - 1) for it in value]
    else:
        return json.dumps(value, ensure_ascii=False)
    opening, close = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}{newline}{inner}{f',{newline}{inner}'.join(rows)}{newline}{indent}{close}"


def _line(value: Any, made: int) -> str:
    """Return a value on one line; the containers that are made for it have space inside."""
    if made <= 0:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        ((key, inner),) = value.items()
        return f"{{ {json.dumps(key, ensure_ascii=False)}: {_line(inner, made - 1)} }}"
    return f"[ {_line(value[0], made - 1)} ]"


def _root(text: str) -> int:
    return scan(text).start


def _newline(text: str) -> str:
    found = re.search(r"\r?\n", text)
    return found[0] if found else "\n"


def _unit(text: str) -> str:
    """Return what the text is indented by: what its first indented line begins with."""
    found = re.search(r"\n([ \t]+)[\"{\[]", text)
    return found[1] if found and len(found[1]) <= 8 else "  "


def _indent(text: str, at: int) -> str:
    """Return what the line begins with that a place is on."""
    found = re.match(r"[ \t]*", text[text.rfind("\n", 0, at) + 1 :])
    return found[0] if found else ""


# taking out


def _without(text: str, node: Node, place: int, above: Sequence[tuple[Node, int]]) -> str | None:
    item = node.items[place]
    previous = node.items[place - 1].comma if place else None
    begin = node.start + 1 if previous is None else previous + 1
    end = item.node.end if item.comma is None else item.comma + 1
    cut = begin + after_comments(text[begin : item.start])
    if len(node.items) == 1:
        if cut == begin and cut < item.start and text[end : node.end - 1].strip() == "":
            return _emptied(text, node, above)
        return text[:cut] + text[end:]
    if item.comma is None and previous is not None:
        return text[:previous] + text[previous + 1 : cut] + text[end:]
    return text[:cut] + text[end:]


def _emptied(text: str, node: Node, above: Sequence[tuple[Node, int]]) -> str | None:
    """Take out a container that was made for its one item."""
    if above:
        return _without(text, above[-1][0], above[-1][1], above[:-1])
    outside = text[: node.start] + text[node.end :]
    return outside[: node.start] + "{}" + outside[node.start :] if outside.strip() else None
