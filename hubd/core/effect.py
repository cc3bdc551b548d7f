"""What deciding answers with: a step to record, nothing, or a refusal that is itself a step.

Rule: these are values without behaviour; the shell carries them out and the ledger stores them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hubd.core.document import Document
from hubd.core.model import Kind

Area = Literal["outbox", "live", "cards", "settings", "fixed", "hub"]
"""Where a proposal was made: an outbox; a document in an inbox or waiting folder; cards/; hub.yaml; a file
that only the hub writes (leases, contract, README, archive); or the hub itself."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Somebody saved, changed or deleted a file, or the hub proposes to itself.

    `path` is relative to the mailbox. `data` is None for a deletion. `unreadable` names what stood there
    instead of a plain file (`link`, `fifo`, ...). `kept` is where the shell will put the bytes if this is
    refused.
    """

    actor: str
    area: Area
    path: str
    data: bytes | None
    identity: str = "directory"
    observed: str = ""
    unreadable: str = ""
    kept: str = ""

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Put:
    """Write this document (or these raw bytes) at a path of the tree."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove a path from the tree."""

    path: str


@dataclass(frozen=True, slots=True)
class Doc:
    """A document where it stands: what the state holds for each live one."""

    id: str
    kind: Kind
    state: str
    document: Document
    paths: tuple[str, ...]

    def text(self, key: str, default: str = "") -> str:
        return self.document.text(key, default)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list field; one line stands for a list of one."""
        value = self.document.get(key)
        if value is None or value == "":
            return ()
        if isinstance(value, tuple):
            return tuple(v for v in value if isinstance(v, str))
        return (value,) if isinstance(value, str) else ()

    def number(self, key: str, default: int = 0) -> int:
        """Return a whole number that the hub wrote; the default where there is none."""
        text = self.document.text(key)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else default


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a proposal is not accepted: the rule, the place, and what to write instead."""

    code: str
    message: str
    hint: str = ""
    line: int = 0
    written: str = ""
    correct: str = ""
    document: str = ""
    legal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of one document: the one that a commit is about, or one that follows from it."""

    document: str
    kind: Kind
    before: str
    after: str
    do: str
    actor: str
    upkeep: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One commit: the transition, and all its consequences: other documents' steps, and all changed paths."""

    seq: int
    transition: Transition
    changes: tuple[Put | Drop, ...]
    documents: tuple[Doc, ...]
    proposal: Proposal
    refusal: Refusal | None = None
    bounce: str = ""
    wake: frozenset[str] = frozenset()
    observed: str = ""
    consequences: tuple[Transition, ...] = ()


@dataclass(frozen=True, slots=True)
class Nothing:
    """No step: the truth already says this, or what was saved is not yet an act.

    `put_back` tells the shell to restore the truth on disk; without it the file stays as it is.
    """

    why: str
    document: str = ""
    put_back: bool = False


Decision = Step | Nothing
