"""What is said to the ledger, and what it says back. Values only: no git, no file.

Rule: nothing here is checked against a repository; `stream` turns these into git's words and refuses what
cannot be one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

__all__ = [
    "Commit", "Crash", "Drop", "Foreign", "LedgerError", "Logged", "Put", "RolledUp", "blob_id", "no_crash",
]  # fmt: skip

Crash = Callable[[str], None]
"""Called at the named points of a write, so that a test can end the process exactly there."""


def no_crash(_point: str) -> None:
    """Go on: the crash that does not happen."""


class LedgerError(Exception):
    """The ledger cannot do what it was asked, and acknowledged nothing. `hint` is the reader's next step."""

    def __init__(self, what: str, hint: str, *, full: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.full = full
        """The disk is full: the same group may be recorded once there is room."""


@dataclass(frozen=True, slots=True)
class Put:
    """This path holds these bytes from now on."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """This path is gone from now on."""

    path: str


@dataclass(frozen=True, slots=True)
class Commit:
    """One transition: who, when, what it says, and every file it changes."""

    subject: str
    trailers: tuple[tuple[str, str], ...]
    author: str
    email: str
    when: datetime
    changes: tuple[Put | Drop, ...]
    second_parent: str | None = None
    """A person's commit that this one takes note of; its tree is not taken over."""


@dataclass(frozen=True, slots=True)
class Logged:
    """One commit as the ledger holds it."""

    oid: str
    parents: tuple[str, ...]
    tree: str
    subject: str
    author: str
    email: str
    when: datetime
    trailers: Mapping[str, str] = field(default_factory=dict)

    @property
    def seq(self) -> int | None:
        """The commit's place in this hub's history."""
        text = self.trailers.get("Hub-Seq", "")
        return int(text) if text.isascii() and text.isdigit() else None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A person moved refs/heads/main."""

    tip: str
    """Where they moved it; for `behind` a commit of the ledger's own."""
    kind: Literal["ahead", "behind", "diverged"]
    """ahead: commits on top of the truth. behind: back to an older truth. diverged: both."""
    base: str
    """The last commit of the truth that is in their history; empty if there is none."""


@dataclass(frozen=True, slots=True)
class RolledUp:
    """What a roll-up found and left."""

    packs_before: int
    packs_after: int
    removed: tuple[str, ...] = ()
    """Left-overs of a writer that was killed."""


def blob_id(data: bytes) -> str:
    """The name git gives to these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
