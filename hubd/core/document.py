"""The document: front matter and body, as bytes and as fields.

Guarantee: `parse(data).render() == data` for all bytes that are accepted, and `parse` never raises.
Rule 1: a change to a header is textual, line by line; what the hub does not own stays byte for byte.
Rule 2: nothing here knows what a key means; the hub's keys are told by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from frontmatter import Post
from frontmatter.default_handlers import BaseHandler

from hubd.core.envelope import BOM, block_text, check_newlines, decoded, presentable, split_block
from hubd.core.flaw import Flaw, FlawError, refuse
from hubd.core.grammar import read
from hubd.core.scalar import HUB_CLOSE, HUB_OPEN, Value, dump_line, quote

__all__ = [
    "BLOCK_LIMIT",
    "DOCUMENT_LIMIT",
    "HEADER_LIMIT",
    "HUB_CLOSE",
    "HUB_OPEN",
    "Document",
    "Entry",
    "Flaw",
    "Value",
    "document",
    "dump_line",
    "parse",
    "parse_settings",
    "quote",
]

HEADER_LIMIT = 64 * 1024
DOCUMENT_LIMIT = 1024 * 1024  # of what the author wrote and the hub's lines; the hub's block is counted apart
BLOCK_LIMIT = 1024 * 1024

_LEAD = re.compile(r"(?:[ ]*(?:#[^\n]*)?\r?\n)*")
_CLOSING_FENCE = re.compile(r"\n---(?=\r?\n|\Z)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One top-level key. `text` is its exact lines, with the comments and blank lines before it."""

    key: str
    value: Value
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was read, or is to be written. All text is exact.

    `tail`: comment lines before the closing fence. `block`: the text between the hub's marker lines, if these
    come first in the body. `body`: everything after. `ended`: whether the last fence or marker line has a
    newline; only a document without a body can lack it.
    """

    bom: bool
    newline: str
    entries: tuple[Entry, ...]
    tail: str
    block: str | None
    body: str
    ended: bool = True

    def get(self, key: str) -> Value | None:
        """The value of a key, or None."""
        for entry in self.entries:
            if entry.key == key:
                return entry.value
        return None

    def text(self, key: str, default: str = "") -> str:
        """The value of a key where it is text, else the default."""
        value = self.get(key)
        return value if isinstance(value, str) else default

    def entry(self, key: str) -> Entry | None:
        """The entry of a key, or None."""
        return next((entry for entry in self.entries if entry.key == key), None)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys in the order of their lines."""
        return tuple([entry.key for entry in self.entries])

    @property
    def header(self) -> dict[str, Value]:
        """A new dict of all keys."""
        return {entry.key: entry.value for entry in self.entries}

    def render(self) -> bytes:
        """The bytes: the exact inverse of `parse`."""
        newline = self.newline
        parts = [BOM if self.bom else "", "---", newline]
        parts += [entry.text for entry in self.entries]
        parts += [self.tail, "---"]
        if self.block is not None:
            parts += [newline, HUB_OPEN, newline, self.block, HUB_CLOSE]
        if self.ended or self.body:
            parts.append(newline)
        parts.append(self.body)
        return "".join(parts).encode()

    def with_fields(self, changes: Mapping[str, Value | None], first: Sequence[str] = ()) -> Document:
        """Replace, remove (None) and insert keys; every other byte stays.

        A replaced key keeps its place and the comments before it; comments before a removed key stay. A new
        key that is in `first` goes behind the last of those that stand before it there, or to the top; the
        others go to the end in the order given.
        """
        entries: list[Entry] = []
        known: set[str] = set()
        loose: str | None = None  # what stood before keys that went away, until the next key
        for entry in self.entries:
            known.add(entry.key)
            if entry.key in changes:
                value = changes[entry.key]
                if value is None:
                    loose = (loose or "") + _lead(entry.text)
                    continue
                if value != entry.value:
                    entry = self._entry(entry.key, value, _lead(entry.text))
            if loose is not None:
                entry = Entry(entry.key, entry.value, _joined(entries, loose + entry.text), 0)
                loose = None
            entries.append(entry)
        tail = self.tail if loose is None else _joined(entries, loose + self.tail)
        added = {key: value for key, value in changes.items() if value is not None and key not in known}
        for number, key in enumerate(first):
            if key in added:
                before = frozenset(first[:number])
                place = max((at for at, entry in enumerate(entries, 1) if entry.key in before), default=0)
                entries.insert(place, self._entry(key, added.pop(key)))
        entries += [self._entry(key, value) for key, value in added.items()]
        return Document(self.bom, self.newline, _numbered(entries), tail, self.block, self.body, self.ended)

    def without(self, keys: Iterable[str]) -> Document:
        """The document without the lines of these keys."""
        return self.with_fields(dict.fromkeys(keys))

    def with_block(self, text: str | None) -> Document:
        """Set the hub's block (lines; the newline is the document's) or take it away.

        A marker or a control character in the text is written so that it shows, and does no harm.
        """
        return replace(self, block=None if text is None else block_text(text, self.newline))

    def author_bytes(self, hub_keys: Iterable[str]) -> bytes:
        """What the author wrote: the bytes without the hub's lines and without its block."""
        return self.with_block(None).without(hub_keys).render()

    def same_author(self, other: Document, hub_keys: Iterable[str]) -> bool:
        """Whether both say the same, the hub's lines and block apart."""
        keys = frozenset(hub_keys)
        return self.author_bytes(keys) == other.author_bytes(keys)

    def _entry(self, key: str, value: Value, lead: str = "") -> Entry:
        return Entry(key, value, lead + dump_line(key, value) + self.newline, 0)


class StrictFrontMatter(BaseHandler):
    """Splits, loads and exports front matter for python-frontmatter, losing nothing.

    `frontmatter.parse` strips the text before it asks and the body afterwards, and takes a header that it
    cannot split for none. `parse` below is exact, so it calls this object itself.
    """

    FM_BOUNDARY = re.compile(r"\A---(?=\r?\n)")
    START_DELIMITER = END_DELIMITER = "---"

    def split(self, text: str, room: int = 0) -> tuple[str, str]:
        """The header's lines, and everything behind the three dashes of the closing fence."""
        if not self.detect(text):
            first = text.split("\n", 1)[0].rstrip("\r")
            if first == "---":
                refuse("unclosed-header", 1, "the header has no closing `---` line", first)
            correct = "---" if first.startswith("---") and not first.strip("- \t") else ""
            refuse("no-header", 1, "the first line of a document is three dashes, `---`", first, correct)
        closing = _CLOSING_FENCE.search(text, 3)
        if closing is None:
            self._explain_unclosed(text)
        opening = text.index("\n") + 1
        header = text[opening : closing.start() + 1]
        if len(header) > HEADER_LIMIT // 4 and len(header.encode()) > HEADER_LIMIT + room:
            refuse("header-too-large", 1, f"a header has at most {HEADER_LIMIT} bytes")
        return header, text[closing.end() :]

    def load(self, fm: str) -> dict[str, Any]:
        """The header as a mapping. Raises FlawError."""
        return {field.key: field.value for field in read(fm, 2)}

    def export(self, metadata: dict[str, object], **_: object) -> str:
        """One line a key, in the order given."""
        return "\n".join(dump_line(key, value) for key, value in metadata.items())  # type: ignore[arg-type]

    def format(self, post: Post, **_: object) -> str:
        """The whole text, the content as it is."""
        return f"---\n{self.export(post.metadata)}\n---\n{post.content}"

    @staticmethod
    def _explain_unclosed(text: str) -> NoReturn:
        for number, line in enumerate(text.split("\n")[1:], 2):
            if line.startswith("---") and not line.strip("- \t\r"):
                message = "the closing fence is three dashes and nothing else"
                refuse("unclosed-header", number, message, line, "---")
        refuse("unclosed-header", 1, "the header has no closing `---` line", "---")


FRONT_MATTER = StrictFrontMatter()


def parse(data: bytes, room: int = 0) -> Document | Flaw:
    """Read bytes as a document. Never raises.

    `room`: bytes allowed beyond the limits. A document that the hub has put its lines into is given some, or
    one that was saved just under a limit could not be read back.
    """
    try:
        return _parse(data, room)
    except FlawError as refused:
        return refused.flaw


def parse_settings(data: bytes) -> dict[str, Value] | Flaw:
    """Read bytes as settings: the grammar of a header, without fences and body. May be empty."""
    try:
        if len(data) > HEADER_LIMIT:
            refuse("header-too-large", 1, f"settings have at most {HEADER_LIMIT} bytes")
        text = decoded(data).removeprefix(BOM)
        check_newlines(text, "\r\n" if "\r\n" in text else "\n", 1)
        return {field.key: field.value for field in read(text if text.endswith("\n") else text + "\n", 1)}
    except FlawError as refused:
        return refused.flaw


def document(fields: Mapping[str, Value], body: str = "", block: str | None = None) -> Document:
    """Build a new document: LF, no BOM, one line a key."""
    entries = [Entry(key, value, dump_line(key, value) + "\n", 0) for key, value in fields.items()]
    shown = None if block is None else block_text(block, "\n")
    return Document(False, "\n", _numbered(entries), "", shown, presentable(body))


def _parse(data: bytes, room: int) -> Document:
    if len(data) > DOCUMENT_LIMIT + BLOCK_LIMIT + room:
        refuse("too-large", 1, f"a document has at most {DOCUMENT_LIMIT} bytes")
    text = decoded(data)
    bom = text.startswith(BOM)
    if bom:
        text = text[1:]
    header, rest = FRONT_MATTER.split(text, room)
    newline = "\r\n" if text.startswith("---\r") else "\n"
    check_newlines(f"---{newline}{header}", newline, 1)
    fields = read(header, 2)
    lines = header.split("\n")
    if not fields:
        refuse("no-header", 2, "the header has no `key: value` line", lines[0])
    after = header.count("\n") + 2  # the line of the closing fence
    ended = rest != ""
    if ended and not rest.startswith(newline):
        refuse("mixed-newlines", after, "the lines of a header all end the same way", "---")
    rest = rest[len(newline) :]
    block = None
    if "<!--" in rest:
        block, rest, ended = split_block(rest, newline, after + 1, ended)
    if len(data) > DOCUMENT_LIMIT + room:
        size = len(data) - (len(block.encode()) if block else 0)
        if size > DOCUMENT_LIMIT + room:
            refuse("too-large", 1, f"a document has at most {DOCUMENT_LIMIT} bytes")
    entries = []
    at = 0
    for field in fields:
        end = field.last + 1
        entries.append(Entry(field.key, field.value, "\n".join(lines[at:end]) + "\n", field.first + 2))
        at = end
    return Document(bom, newline, tuple(entries), "\n".join(lines[at:]), block, rest, ended)


def _lead(text: str) -> str:
    """The comments and blank lines before an entry's key."""
    match = _LEAD.match(text)
    return match.group() if match else ""


def _joined(before: Sequence[Entry], text: str) -> str:
    """The text as it can follow these entries, now that a key between them is gone.

    A blank or indented line would become part of a block of lines before it: the one goes, the other moves
    to the margin.
    """
    if before and isinstance(before[-1].value, str):
        own = before[-1].text[len(_lead(before[-1].text)) :]
        if own.count("\n") > 1:
            text = text.lstrip(" \r\n")
    return text


def _after(entries: Sequence[Entry], first: Sequence[str], key: str) -> int:
    """Where a key of `first` belongs: behind the last entry that comes before it there."""
    earlier = first[: first.index(key)]
    return max((n + 1 for n, entry in enumerate(entries) if entry.key in earlier), default=0)


def _numbered(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries with the line each key now stands on."""
    numbered = []
    line = 2
    for entry in entries:
        text = entry.text
        own = line + (_lead(text).count("\n") if text[0] in "# \r\n" else 0)
        numbered.append(entry if entry.line == own else Entry(entry.key, entry.value, text, own))
        line += text.count("\n")
    return tuple(numbered)
