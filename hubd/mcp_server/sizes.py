"""Pages, and answers that stay small: a model pays for every token, and some clients cut what is too long.

Guarantee: an answer's JSON is at most `MOST` bytes, whatever lies in the mailbox: below 25k tokens, also
where a token is but two bytes. What was left out is said, and how to get at it.
Rule: a cursor says what was the last that was shown, so a page does not shift when something comes or goes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hubd.mcp_server.asking import Failed

__all__ = ["MOST", "cut", "packed", "page", "read_cursor", "size", "write_cursor"]

MOST = 48_000
_ROOM = 40_000
_LINE = 400
Row = dict[str, Any]


def packed(answer: Mapping[str, Any]) -> str:
    """An answer as JSON; a character that no file can hold is replaced."""
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode("utf-8")


def size(answer: Any) -> int:
    return len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))


def write_cursor(*key: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def read_cursor(text: str, *forms: type) -> list[Any]:
    """What a cursor holds: as many values as there are forms. Raises Failed."""
    try:
        held = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        held = None
    fits = isinstance(held, list) and len(held) == len(forms)
    if not fits or any(type(value) is not form for value, form in zip(held, forms, strict=True)):
        raise Failed("bad-cursor", "`cursor` is not one that an answer gave", "leave it out to begin again")
    return list(held)


def page(
    rows: Sequence[Row], limit: int, cursor: str, key: Callable[[Row], tuple[str, str]],
    grow: Callable[[Row], Row] = dict, newest: bool = False,
) -> tuple[list[Row], str]:  # fmt: skip
    """The rows after the cursor, in the order of their keys, and the cursor of the next page.

    `grow` makes of a row what is shown, for those rows alone that are. `newest`: the highest keys first.
    """
    after = tuple(read_cursor(cursor, str, str)) if cursor else None
    ordered = sorted(rows, key=key, reverse=newest)
    rest = [r for r in ordered if after is None or (key(r) < after if newest else key(r) > after)]
    found: list[Row] = []
    room = _ROOM
    for row in rest[:limit]:
        shown = grow(row)
        room -= size(shown)
        if room < 0 and found:
            break
        found.append(shown)
    more = len(found) < len(rest)
    return found, write_cursor(*key(rest[len(found) - 1])) if more else ""


def cut(value: Any, most: int = _LINE) -> Any:
    """The same, with every text cut that is longer than a line."""
    if isinstance(value, str):
        return value if len(value) <= most else value[: most - 1] + "…"
    if isinstance(value, Mapping):
        return {key: cut(inner, most) for key, inner in value.items()}
    return [cut(inner, most) for inner in value[:50]] if isinstance(value, list) else value
