"""What the name of a file in an inbox or outbox says, before a byte of it is read.

Guarantee: every name has exactly one meaning, and none raises, whatever bytes it was made of.
Rule: what a person or an agent may have meant as a document is never ignored; what an editor or a tool makes
for a moment is never refused.
"""

from __future__ import annotations

import re
from enum import StrEnum

from hubd.core import place

__all__ = ["Naming", "naming", "shown"]


class Naming(StrEnum):
    """What the name of a file in an inbox or outbox says about it."""

    DOCUMENT = "document"
    """May be a document: read it."""
    IGNORED = "ignored"
    """An editor's or a tool's own file, gone in a moment: say nothing."""
    BAD = "bad"
    """Somebody meant a document and named it so that it cannot be one: refuse it and say why."""


_TRANSIENT = re.compile(
    r"""
      \..*                                      # .x.md.swp, .#x.md, .goutputstream-ABC, .tmp123, .DS_Store
    | .*~                                       # x.md~, and emacs' numbered x.md.~1~
    | \#.*\#                                    # emacs saves itself: #x.md#
    | ~.*                                       # ~$x.md, ~syncthing~x.md.tmp
    | sed[A-Za-z0-9]{6}                         # sed -i
    | tmp[a-z0-9_]{6,10}                        # Python's tempfile
    | .*\.(tmp|temp|part|partial|crdownload|crswap|vsctmp|swp|swo|swx|bak|lock)
    | .*\.md\.(tmp|temp|sb-|~)[^/]*             # x.md.tmp.4711.1700000000, macOS' x.md.sb-1a2b-XyZ
    | .*\.md\.(\d+|[A-Za-z0-9]{6}|orig|new|old) # x.md.123456 of atomic writers, Qt's x.md.AbCdEf
    | .*\.md___jb_(tmp|old|bak)___              # JetBrains
    | Thumbs\.db | desktop\.ini | Icon\r
    """,
    re.VERBOSE | re.DOTALL,
)


def naming(name: str) -> Naming:
    """Judge one name as `os.scandir` gives it. Never raises, whatever bytes the name was made of."""
    if place.FILE.fullmatch(name):
        return Naming.DOCUMENT
    if _TRANSIENT.fullmatch(name) or _is_vims_probe(name):
        return Naming.IGNORED
    return Naming.BAD


def _is_vims_probe(name: str) -> bool:
    """vim finds out whether it may write here by making 4913, or 4913 + 123 where that exists, and so on."""
    if not (name.isascii() and name.isdigit() and 4 <= len(name) <= 6) or name.startswith("0"):
        return False
    return int(name) >= 4913 and (int(name) - 4913) % 123 == 0


def shown(name: str) -> str:
    """A name as it may stand in a message: one line, printable, and UTF-8 whatever the bytes were."""
    return "".join(c if c.isprintable() else _escaped(c) for c in name)


def _escaped(char: str) -> str:
    # A byte that is not UTF-8 arrives as a lone surrogate; show the byte.
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
