"""What kinds, fields and words are: the types that `model` is written in, and its closed lists of words.

Guarantee: a word that a document may hold stands in one list, here.
Rule: no code here decides anything, and no kind is described here; `model` does that, and hands these on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """What a document is. `config` stands for hub.yaml, the contract and the mailbox's README."""

    TASK = "task"
    ROUND = "round"
    ASSIGNMENT = "assignment"
    HANDOFF = "handoff"
    QUESTION = "question"
    MESSAGE = "message"
    REQUEST = "request"
    RUN = "run"
    LEASE = "lease"
    AGENT = "agent"
    BOUNCE = "bounce"
    CONFIG = "config"


class Type(StrEnum):
    """The form of a value. Every scalar is text; the type says which text."""

    LINE = "line"  # one line of text, at most 500 characters, not empty
    TEXT = "text"  # text, may be empty
    NAME = "name"  # an agent's name
    ADDRESS = "address"  # a name, `owner`, `operator`, `any:CAPABILITY`
    ADDRESSES = "addresses"  # one address or a list of them, or `all`
    ID = "id"  # the id of a document
    IDS = "ids"
    INT = "int"  # a whole number from 0 to 2^63 - 1
    NUMBER = "number"  # a decimal number from 0
    BOOL = "bool"  # true or false
    DURATION = "duration"  # 45s, 90m, 2h, 3d, 1h30m
    WHEN = "when"  # a duration from now, or a time as 2026-11-21T10:00:00Z
    TIME = "time"  # a time as 2026-11-21T10:00:00Z
    CHOICE = "choice"  # one of a closed list of words
    TEXTS = "texts"  # one line or a list of lines
    NAMES = "names"  # a list of names or capabilities
    PLAN = "plan"  # a list of assignments: to, goal, after, deadline
    KEY = "key"  # what a lease is about
    GLOBS = "globs"  # path globs inside a project
    COMMIT = "commit"  # a git commit id, 4 to 64 hex digits
    MAP = "map"  # names to text
    COMMAND = "command"  # a word, or a list of words


@dataclass(frozen=True, slots=True)
class Field:
    """One front-matter key of one kind."""

    name: str
    type: Type
    about: str
    required: bool = False
    choices: tuple[str, ...] = ()
    act: bool = False  # the hub's line, but editing it is a way to act
    parts: tuple[Field, ...] = ()  # of a mapping: the names it may hold, where these are known


@dataclass(frozen=True, slots=True)
class KindSpec:
    """A kind's fields. `hub` lines are written by hubd and stand first; `author` lines are their author's."""

    kind: Kind
    about: str
    hub: tuple[Field, ...]
    author: tuple[Field, ...]
    states: tuple[str, ...]
    final: frozenset[str]
    hub_keys: tuple[str, ...]

    @property
    def written_by_hub(self) -> bool:
        return not self.author

    def field(self, name: str) -> Field | None:
        return next((f for f in (*self.hub, *self.author) if f.name == name), None)


PRIORITIES = ("low", "normal", "high", "urgent")
OUTCOMES = ("done", "partial", "blocked")
LAUNCH = ("manual", "auto", "always")
SHUTDOWN = ("manual", "empty", "idle")
RUNTIMES = ("process", "pty", "container")
DECISIONS = ("approve", "reject")
VERDICTS = ("approved", "changes_requested")
DOS = (
    "claim", "progress", "release", "fail", "approve", "reject", "review", "answer", "ack", "cancel", "close",
    "recall", "retry", "reassign", "pause", "resume", "lease", "renew", "unlease", "start", "stop", "present",
)  # fmt: skip
HUB_DOS = ("expire", "plan", "end", "show", "check")  # what only the hub asks, and only of itself
RUN_ENDED: Mapping[str, str] = MappingProxyType(
    {
        "done": "ended",
        "no_handoff": "ended without a handoff",
        "failed": "ended with an error",
        "stopped": "was stopped",
        "timed_out": "ran longer than it may",
        "over_budget": "cost more than it may",
        "lost": "was killed, or its hub was",
        "not_started": "could not be started",
    }
)
"""How a run ends, and how that is said of it."""
RUN_OUTCOMES = tuple(RUN_ENDED)
EVIDENCE = ("reported", "verified", "merged")
"""What is known of a handoff: what its author says; the commit is there, with the files that were named; its
branch holds nothing any more that the base lacks."""
PRESETS = ("claude", "codex", "gemini", "opencode", "aider")
"""The clients whose command lines are known. A card's `command` is one of these words, or a list of words."""

WORD_FORMS: Mapping[str, str] = MappingProxyType(
    {
        "approved": "approve", "rejected": "reject", "claimed": "claim", "in_progress": "progress",
        "released": "release", "failed": "fail", "reviewed": "review", "answered": "answer",
        "read": "ack", "acked": "ack", "acknowledged": "ack", "cancelled": "cancel", "canceled": "cancel",
        "closed": "close", "recalled": "recall", "retried": "retry", "reassigned": "reassign",
        "paused": "pause", "resumed": "resume", "leased": "lease", "renewed": "renew", "unleased": "unlease",
        "started": "start", "stopped": "stop", "presented": "present",
    }
)  # fmt: skip
"""Both forms of a verb are understood; the key is the form that is turned into the value."""


def verb(word: str) -> str:
    """Return the verb behind either of its forms: `approved` and `approve` are `approve`."""
    return WORD_FORMS.get(word, word)


def verdict(word: str) -> str:
    """Return a verdict in its one written form."""
    return {"approve": "approved", "changes-requested": "changes_requested"}.get(word, word)
