"""A request: the one form in which anything is done to a document, however it was written.

A tick, `state: claimed`, a deleted message and a dropped request document all become this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hubd.core.document import Document, Value
from hubd.core.model import verb


@dataclass(frozen=True, slots=True)
class Request:
    """Do something to something. `amended`: the document with its reader's changes to the author's text."""

    do: str
    on: str
    actor: str
    fields: Mapping[str, Value] = field(default_factory=dict)
    line: int = 0
    amended: Document | None = None
    lines: Mapping[str, int] = field(default_factory=dict)

    def text(self, key: str) -> str:
        value = self.fields.get(key, "")
        return value if isinstance(value, str) else ""

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.fields.get(key, ())
        if isinstance(value, str):
            return (value,) if value else ()
        return tuple(v for v in value if isinstance(v, str)) if isinstance(value, tuple) else ()

    def lease(self) -> str:
        """Return the lease that is named, in the one way a number is written."""
        text = self.text("lease")
        return str(int(text)) if text.isascii() and text.isdigit() and len(text) < 20 else text

    def at(self, key: str) -> int:
        """Return the line on which a key stands, or that of what the request is about."""
        return self.lines.get(key, self.line)


def from_document(document: Document, actor: str) -> Request:
    """Return the request that a request document makes."""
    fields = {k: v for k, v in document.header.items() if k not in ("kind", "do", "on")}
    note = document.text("note") or document.body.strip()
    if note:
        fields["note"] = note
    lines = {entry.key: entry.line for entry in document.entries}
    return Request(verb(document.text("do")), document.text("on"), actor, fields, lines["on"], None, lines)
