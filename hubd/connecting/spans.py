"""Where the parts of a JSON text stand, comments and trailing commas included, so that it is edited in place.

Guarantee: every position is an index into the text that was given; nothing is normalised.
Rule: pure. What is not JSON (with `//` and `/* */` comments), or names a key twice, is refused with its line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = ["Item", "Node", "Unfit", "after_comments", "has_comment", "scan"]

DEEPEST = 100
_SPACE = re.compile(r"[ \t\r\n]+")
_COMMENT = re.compile(r"//[^\r\n]*|/\*(?:[^*]|\*(?!/))*\*/")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"')
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")


class Unfit(Exception):
    """A file cannot be edited: why, and what to do about it."""

    def __init__(self, what: str, hint: str = "mend it, and repeat") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Item:
    """One element of an array, or one member of an object with its key."""

    key: str | None
    start: int
    """Where it begins: of a member, where its key does."""
    node: Node
    comma: int | None
    """Where the comma after it stands, if there is one."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value: `text[start:end]`."""

    kind: str
    """`object`, `array` or `scalar`."""
    start: int
    end: int
    value: Any
    items: Sequence[Item] = ()

    def get(self, key: str) -> int | None:
        """Return the place of a member among the items."""
        return next((n for n, item in enumerate(self.items) if item.key == key), None)


@lru_cache(maxsize=4)
def scan(text: str) -> Node:
    """Return the one value of a JSON text. A byte order mark at its start is passed over."""
    scanner = _Scanner(text, 1 if text.startswith("\ufeff") else 0)
    scanner.skip()
    if scanner.at == len(text):
        raise Unfit("it holds nothing", "remove it, or write {} into it")
    node = scanner.value(0)
    scanner.skip()
    if scanner.at != len(text):
        raise scanner.wrong("something stands after its end")
    return node


def after_comments(trivia: str) -> int:
    """Return the place behind the last comment of what stands between two parts; 0 without one."""
    return max((found.end() for found in _COMMENT.finditer(trivia)), default=0)


def has_comment(trivia: str) -> bool:
    return after_comments(trivia) > 0


class _Scanner:
    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def wrong(self, what: str) -> Unfit:
        return Unfit(f"line {self.text.count(chr(10), 0, self.at) + 1}: {what}")

    def skip(self) -> None:
        while found := (_SPACE.match(self.text, self.at) or _COMMENT.match(self.text, self.at)):
            self.at = found.end()

    def take(self, sign: str) -> bool:
        if self.text.startswith(sign, self.at):
            self.at += 1
            return True
        return False

    def value(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise self.wrong("it is nested too deeply")
        start = self.at
        if self.text.startswith(("{", "["), start):
            return self._container(depth)
        found = _STRING.match(self.text, start) or _SCALAR.match(self.text, start)
        if found is None:
            raise self.wrong("this is no JSON value")
        self.at = found.end()
        value = json.loads(found[0]) if len(found[0]) < 1000 or found[0][0] == '"' else found[0]
        return Node("scalar", start, self.at, value)

    def _container(self, depth: int) -> Node:
        start = self.at
        kind, close = ("object", "}") if self.take("{") else ("array", "]")
        self.at = start + 1
        items: list[Item] = []
        while True:
            self.skip()
            if self.take(close):
                break
            if items and items[-1].comma is None:
                raise self.wrong("a comma is missing")
            items.append(self._item(kind, depth))
        keys = [item.key for item in items if item.key is not None]
        if len(keys) != len(set(keys)):
            raise self.wrong("a key stands twice in one object")
        value: Any = [item.node.value for item in items]
        if kind == "object":
            value = dict(zip(keys, value, strict=True))
        return Node(kind, start, self.at, value, tuple(items))

    def _item(self, kind: str, depth: int) -> Item:
        start, key = self.at, None
        if kind == "object":
            named = _STRING.match(self.text, self.at)
            if named is None:
                raise self.wrong("a key in quotes is missing")
            key = str(json.loads(named[0]))
            self.at = named.end()
            self.skip()
            if not self.take(":"):
                raise self.wrong("a colon is missing")
            self.skip()
        node = self.value(depth + 1)
        after = self.at
        self.skip()
        comma = self.at - 1 if self.take(",") else None
        if comma is None:
            self.at = after
        return Item(key, start, node, comma)
