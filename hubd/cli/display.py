"""How things look on a terminal: tables within its width, relative times, colour where it is wanted.

Guarantee: text that others wrote cannot act on the terminal: control characters and marks that turn the
direction of text are shown, not sent.
Rule: nothing here knows what a document means; it is given text and times.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click

from hubd.core.scalar import HIDDEN
from hubd.core.time import parse_wall

__all__ = ["ago", "clean", "line", "paint", "printed", "prose", "span", "state", "table", "today", "width"]

WIDTH = 80
_ROOM_FOR_TEXT = 24
_HIDDEN = re.compile(f"[{HIDDEN}\x0b\ud800-\udfff]")
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # moves, erases, colours
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # names the window, writes the clipboard
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # strings for the terminal itself
    r"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"  # the short ones
)
_COLOURING = re.compile(r"\x1b\[[0-9;:]*m")
_COLOURS: Mapping[str, str] = {
    **dict.fromkeys(("draft", "waiting", "unread", "open", "proposed", "submitted"), "blue"),
    **dict.fromkeys(("awaiting_approval", "awaiting_review", "pending", "input_required"), "yellow"),
    **dict.fromkeys(("claimed", "in_progress", "dispatched", "held", "active"), "cyan"),
    **dict.fromkeys(("completed", "accepted", "answered", "approved"), "green"),
    **dict.fromkeys(("failed", "timed_out", "cancelled", "rejected", "refused", "expired"), "red"),
    **dict.fromkeys(("error", "stuck", "over_budget", "lost", "not_started", "no_handoff"), "red"),
    **dict.fromkeys(("starting", "stopping", "stopped"), "yellow"), "started": "cyan", "done": "green",
}  # fmt: skip


def clean(text: str) -> str:
    """Text by others, with everything that would act on a terminal written as what it is."""
    return _HIDDEN.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    number = ord(found.group())
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def printed(text: str, colour: bool = False) -> str:
    """What a program printed for a terminal, as plain text: without what moves, erases, names or asks.

    `colour`: keep what only colours, and end it with the text.
    """

    def wanted(found: re.Match[str]) -> str:
        return found.group() if colour and _COLOURING.fullmatch(found.group()) else ""

    kept = _SEQUENCE.sub(wanted, text.replace("\r\n", "\n")).translate({13: "\n", 8: None, 7: None})
    parts = _COLOURING.split(kept)
    marks = [*_COLOURING.findall(kept), ""]
    out = "".join(clean(part) + mark for part, mark in zip(parts, marks, strict=True))
    return f"{out}\x1b[0m" if len(marks) > 1 else out


def line(text: str) -> str:
    """The same on one line."""
    return clean(" ".join(text.split()))


def prose(text: str) -> str:
    """The same, broken into lines that fit."""
    return textwrap.fill(line(text), width(), break_on_hyphens=False)


def width() -> int:
    """Columns to write in: 80, or a terminal's own within reason."""
    columns = shutil.get_terminal_size((WIDTH, 24)).columns
    return max(40, min(columns, 120 if sys.stdout.isatty() else WIDTH))


def paint(text: str, colour: str = "", bold: bool = False) -> str:
    """Text in colour, on a terminal that wants it."""
    wanted = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return click.style(text, fg=colour or None, bold=bold or None) if wanted and text else text


def state(word: str) -> str:
    """A state in its colour."""
    return paint(word, _COLOURS.get(word, ""))


def ago(written: str, now: datetime) -> str:
    """`4m ago`, `in 2h`: a time beside now."""
    when = parse_wall(written) if written else None
    if when is None:
        return "-"
    seconds = (now - when).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    """A length of time in its largest unit, and the next where that says more."""
    rest = max(0, int(seconds))
    for unit, size, below, smaller in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "", 0)):
        if rest >= size:
            count, left = divmod(rest, size)
            more = left // smaller if smaller and count < 10 else 0
            return f"{count}{unit}{more}{below}" if more else f"{count}{unit}"
    return f"{rest}s"


def today() -> datetime:
    """The instant that relative times are relative to."""
    from hubd.clock import SystemClock

    return SystemClock().now().wall.astimezone(UTC)


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) != 0 for c in text)


def cut(text: str, most: int, middle: bool = False) -> str:
    """A text that fits, with a mark where something was left out. `middle`: an id's end says what it is."""
    if columns_of(text) <= most:
        return text
    if middle and most > 6:
        end = text[-(most // 2) :]
        return _begin(text, most - 1 - columns_of(end)) + "…" + end
    return _begin(text, most - 1) + "…"


def _begin(text: str, most: int) -> str:
    kept = ""
    for char in text:
        if columns_of(kept + char) > most:
            break
        kept += char
    return kept


def table(head: Sequence[str], rows: Sequence[Sequence[str]], give: int, colour: int | None = None) -> str:
    """Rows in columns, within the terminal's width.

    Without room for all, the column `give` goes on a line of its own under each row if it is the last one;
    else it is cut first, then the others, the first column last: that is what people copy. `colour` is a
    column that holds states.
    """
    cells = [[line(cell) or "-" for cell in row] for row in rows]
    widths = [max(columns_of(row[n]) for row in (list(head), *cells)) for n in range(len(head))]
    room = width() - 2 * (len(head) - 1)
    last = len(head) - 1
    under = give == last and sum(widths) > room and room - sum(widths[:last]) < _ROOM_FOR_TEXT
    if under:
        widths.pop()
        room += 2
    _fit(widths, room, give)
    lines = [paint(_row(head[: len(widths)], widths, None).rstrip(), bold=True)]
    for row in cells:
        lines.append(_row(row[: len(widths)], widths, colour).rstrip())
        if under:
            lines.append(f"    {cut(row[last], width() - 4)}")
    return "\n".join(lines)


def _fit(widths: list[int], room: int, give: int) -> None:
    """Make columns narrower until they fit."""
    others = [n for n in range(1, len(widths)) if n != give]
    given = [give] if give < len(widths) else []
    for columns, least in ((given, 12), (others, 6), (given, 4), (others, 4), ([0], 4)):
        while columns and sum(widths) > room:
            widest = max(columns, key=widths.__getitem__)
            if widths[widest] <= least:
                break
            widths[widest] -= 1


def _row(cells: Sequence[str], widths: Sequence[int], colour: int | None) -> str:
    out = []
    for number, (cell, size) in enumerate(zip(cells, widths, strict=True)):
        text = cut(cell, size, middle="." in cell and " " not in cell)
        pad = " " * (size - columns_of(text))
        out.append((paint(text, _COLOURS.get(cell, "")) if number == colour else text) + pad)
    return "  ".join(out)
