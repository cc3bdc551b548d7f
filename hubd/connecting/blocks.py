"""Put a marked block of lines into a text, and take it out again, touching nothing else.

Guarantee: `take(put(data))` is `data`, byte for byte. An end that has no newline stays one: then the block
has none either, and that is how `take` knows. A file that is made for a block is None before and after.
Rule 1: pure. Rule 2: a mark is a line of its own; marks that do not pair are refused, never guessed at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hubd.connecting.spans import Unfit

__all__ = ["VERSION", "Block", "inside", "put", "take"]

VERSION = 1


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that one client's connection owns in a text file."""

    client: str
    lines: tuple[str, ...]
    style: str = "markdown"
    """How a mark is hidden: as `markdown`, else behind `#`."""
    top: bool = False
    """It stands at the start of the file, not at its end."""

    @property
    def name(self) -> str:
        """What the marks call it: a file may hold one at its start and one at its end."""
        return f"{self.client} (settings)" if self.top else self.client

    @property
    def marks(self) -> tuple[str, str]:
        begin = f"hubctl connect {self.name}, version {VERSION}: made by it, removed with --remove"
        end = f"end of hubctl connect {self.name}"
        if self.style == "markdown":
            return f"<!-- {begin} -->", f"<!-- {end} -->"
        return f"# {begin}", f"# {end}"

    def rows(self, newline: bytes) -> bytes:
        begin, end = self.marks
        return newline.join(row.encode() for row in (begin, *self.lines, end))


def put(data: bytes | None, block: Block) -> bytes:
    """Return the data with the block: in its place where there is one, else at the start or the end."""
    where = None if data is None else _span(data, block)
    if data is not None and where is not None:
        start, end = where
        return data[:start] + block.rows(_newline(data[start:])) + data[end:]
    newline = _newline(data or b"")
    rows = block.rows(newline)
    if data is None:
        return rows + newline
    if block.top:
        return rows + newline + newline + data
    if data.endswith(b"\n"):
        return data + newline + rows + newline
    return data + newline + newline + rows


def take(data: bytes, block: Block) -> bytes | None:
    """Return the data without the block, the same data where it is not there, None where nothing is left."""
    where = _span(data, block)
    if where is None:
        return data
    start, end = where
    begin_line = data[start : data.index(b"\n", start) + 1]
    newline = b"\r\n" if begin_line.endswith(b"\r\n") else b"\n"
    before, after = data[:start], data[end:]
    ended = after.startswith(newline)
    after = after.removeprefix(newline)
    if block.top:
        spaced = after.startswith(newline)
        after = after.removeprefix(newline)
        return before + after if before or after or spaced else None
    before = before.removesuffix(newline)
    if not ended and not after:
        before = before.removesuffix(newline)
    return before + after if before or after or not ended else None


def inside(data: bytes, block: Block) -> tuple[str, ...]:
    """Return the lines that a block holds now; none where it is not there."""
    where = _span(data, block)
    if where is None:
        return ()
    return tuple(data[slice(*where)].decode("utf-8", "replace").splitlines()[1:-1])


def _span(data: bytes, block: Block) -> tuple[int, int] | None:
    """Return where the block stands, from its first mark to the end of its last."""
    name = re.escape(block.name.encode())
    hidden = (rb"<!-- ", rb" -->") if block.style == "markdown" else (rb"# ", rb"")
    begins = [
        found.start()
        for found in re.finditer(
            rb"^%bhubctl connect %b, version [^\r\n]*\r?$" % (hidden[0], name), data, re.M
        )
    ]
    end = rb"^%bend of hubctl connect %b%b(?=\r?$)" % (hidden[0], name, hidden[1])
    ends = [found.end() for found in re.finditer(end, data, re.M)]
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        what = f"the marks of `hubctl connect {block.name}` do not pair"
        raise Unfit(what, "remove what is left of that block by hand, and repeat")
    return begins[0], ends[0]


def _newline(data: bytes) -> bytes:
    found = re.search(rb"\r?\n", data)
    return found[0] if found else b"\n"
