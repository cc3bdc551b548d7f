"""What the hub observed outside, a run's end or the work that was handed off, as lines of a document.

Guarantee: whatever a process printed or git said, what comes out has the form of its line and fits a header;
done twice, the second time changes nothing.
Rule: nothing is refused here: what has no line, or cannot be brought into its form, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hubd.core.check import LINE_MOST, check_value
from hubd.core.document import Value
from hubd.core.envelope import presentable
from hubd.core.model import KINDS, Field, Kind, Type
from hubd.core.scalar import HIDDEN

__all__ = ["MOST", "RESULTS", "told"]

MOST = 5_000
"""Bytes of one text, or of all the lines of one list."""
RESULTS: Mapping[str, tuple[Kind, tuple[str, ...]]] = {
    "end": (
        Kind.RUN,
        (
            "outcome", "status", "exit", "seconds", "session", "cost_usd", "turns", "input_tokens",
            "output_tokens", "denied", "branch", "note",
        ),
    ),
    "check": (
        Kind.HANDOFF,
        ("evidence", "head", "base", "commits", "diffstat", "undeclared", "conflicts", "note"),
    ),
}  # fmt: skip
"""What the `result` of a verb may name: lines of a document of this kind."""

_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_HIDDEN = re.compile(f"[{HIDDEN}]")
_AMOUNT = re.compile(r"(\d{1,12})(?:\.(\d+))?\Z")


def told(do: str, result: Mapping[str, Value]) -> dict[str, Value]:
    """Return a result with every line in its form; what is no line of it is left out."""
    kind, names = RESULTS.get(do, (Kind.RUN, ()))
    found: dict[str, Value] = {}
    for name in names:
        field, value = KINDS[kind].field(name), result.get(name)
        if field is None or value is None:
            continue
        formed = _formed(field, value)
        if formed and check_value(field, formed) is None:
            found[name] = formed
    return found


def _formed(field: Field, value: Value) -> Value:
    if field.type is Type.TEXTS:
        lines = value if isinstance(value, tuple) else (value,)
        return _listed(tuple(line for v in lines if isinstance(v, str) and (line := _line(v))))
    if not isinstance(value, str):
        return ""
    if field.type is Type.TEXT:
        # Of a note the end is kept, because that says why; of a diffstat the beginning.
        text = _plain(value).strip("\n").rstrip()
        return _last(text) if field.name == "note" else _first(text)
    if field.type is Type.NUMBER and (amount := _AMOUNT.match(value)):
        return f"{amount[1]}.{amount[2][:6]}" if amount[2] else value
    return _line(value) if field.type is Type.LINE else value


def _plain(text: str) -> str:
    """Text without colours, bells and other things that only a terminal understands."""
    text = _TERMINAL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return presentable(_HIDDEN.sub("", text))


def _line(text: str) -> str:
    return " ".join(_plain(text).split())[:LINE_MOST].rstrip()


def _listed(lines: tuple[str, ...]) -> tuple[str, ...]:
    sizes = [len(line.encode()) + 4 for line in lines]
    if sum(sizes) <= MOST:
        return lines
    room, kept = MOST - 40, list[str]()  # what says how many are missing needs room too
    for line, size in zip(lines, sizes, strict=True):
        room -= size
        if room < 0:
            break
        kept.append(line)
    return (*kept, f"… and {len(lines) - len(kept)} more")


def _first(text: str) -> str:
    return text.encode()[:MOST].decode(errors="ignore").rstrip()


def _last(text: str) -> str:
    data = text.encode()
    return text if len(data) <= MOST else data[-MOST:].decode(errors="ignore").lstrip()
