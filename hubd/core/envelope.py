"""What is around a header: bytes, line ends, and the hub's block at the head of a body.

Guarantee: nothing is taken away that cannot be put back byte for byte.
Rule: the two marker lines are recognised in one place only, as the first thing in a body.
"""

from __future__ import annotations

import re
from typing import NoReturn

from hubd.core.flaw import refuse
from hubd.core.scalar import HUB_CLOSE, HUB_OPEN

BOM = "\ufeff"

_CONTROLS = bytes(set(range(0x20)) - {0x09, 0x0A, 0x0D})
_LONE_CR = re.compile(r"\r(?!\n)")
_MARKERS = re.compile(f"{HUB_OPEN}|{HUB_CLOSE}")
_OPENING_LINE = re.compile(rf"{HUB_OPEN}(?:(\r?\n)|\Z)")
_CLOSING_LINE = re.compile(rf"(?<=\n){HUB_CLOSE}(?=\r?\n|\Z)")
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]|\r(?!\n)")


def decoded(data: bytes) -> str:
    """The bytes as text: UTF-8, no control characters, no carriage return without its newline."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        refuse("not-utf8", line, f"byte {error.start} is not UTF-8")
    if len(data.translate(None, _CONTROLS)) != len(data):
        at = next(index for index, char in enumerate(text) if char < " " and char not in "\t\n\r")
        _refuse_character(text, at)
    if "\r" in text:
        lone = _LONE_CR.search(text)
        if lone:
            _refuse_character(text, lone.start())
    return text


def check_newlines(header: str, newline: str, top: int) -> None:
    """All lines of a header end the same way. What follows a header may be mixed: it is kept, not read."""
    crlf = newline == "\r\n"
    if header.count("\r\n") != (header.count("\n") if crlf else 0):
        lines = header.split("\n")
        number = next(number for number, line in enumerate(lines) if line.endswith("\r") != crlf)
        refuse("mixed-newlines", number + top, "the lines of a header all end the same way", lines[number])


def split_block(rest: str, newline: str, top: int, ended: bool) -> tuple[str | None, str, bool]:
    """The hub's block, the body after it, and whether the line before the body has its newline.

    `rest` is what follows the closing fence's line, and `top` its first line's number.
    """
    opening = _OPENING_LINE.match(rest)
    block, start = None, 0
    if opening:
        close = _CLOSING_LINE.search(rest, opening.end())
        if close is None:
            refuse("unclosed-block", top, f"the hub's block has no closing `{HUB_CLOSE}` line", HUB_OPEN)
        block = rest[opening.end() : close.start()]
        inner = _MARKERS.search(block)
        if inner:
            _refuse_marker(rest, opening.end() + inner.start(), top)
        ended = close.end() < len(rest)
        start = close.end() + (len(newline) if ended else 0)
        if opening[1] != newline or (ended and not rest.startswith(newline, close.end())):
            message = "the lines of the hub's markers end as the header's do"
            refuse("mixed-newlines", top, message, HUB_OPEN)
    outside = _MARKERS.search(rest, start)
    if outside:
        _refuse_marker(rest, outside.start(), top)
    return block, rest[start:], ended


def block_text(text: str, newline: str) -> str:
    """Text as it can stand in the hub's block: whole lines, all with the document's newline."""
    lines = presentable(text).replace("\r\n", "\n")
    if lines and not lines.endswith("\n"):
        lines += "\n"
    return lines if newline == "\n" else lines.replace("\n", newline)


def presentable(text: str) -> str:
    """Text that may quote anything (a log, a stranger's file) as it can stand in a document.

    What could not be read back is made visible: a marker as text, other characters as U+FFFD.
    """
    if "<!--" in text:
        text = _MARKERS.sub(lambda found: "&lt;" + found.group()[1:-1] + "&gt;", text)
    return _UNWRITABLE.sub("\ufffd", text)


def _refuse_character(text: str, at: int) -> NoReturn:
    line = text.count("\n", 0, at)
    message = f"a document holds no control character, and here is U+{ord(text[at]):04X}"
    if text[at] == "\r":
        message = "a carriage return stands here without its newline"
    refuse("control-character", line + 1, message, text.split("\n", line + 1)[line])


def _refuse_marker(rest: str, at: int, top: int) -> NoReturn:
    number = rest.count("\n", 0, at)
    written = rest.split("\n", number + 1)[number]
    message = f"`{HUB_OPEN}` and `{HUB_CLOSE}` are the hub's: once, and as the first lines of the body"
    refuse("hub-marker", top + number, message, written)
