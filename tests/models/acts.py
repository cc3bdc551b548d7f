"""What a scripted agent does, in words that every client's protocol can carry.

A script is asked once for each turn of the model, and answers with one act. It is told what the model would
see: the prompt, and the results of what it did since that prompt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shell:
    """Run a command in the client's own shell tool."""

    command: str


@dataclass(frozen=True, slots=True)
class Read:
    """Read a file, with the client's own tool where it has one."""

    path: str


@dataclass(frozen=True, slots=True)
class Write:
    """Write a whole file, with the client's own tool where it has one."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Tool:
    """Call a tool by the client's own name for it."""

    name: str
    arguments: dict[str, object]


@dataclass(frozen=True, slots=True)
class Say:
    """Say something, and end."""

    text: str


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with an HTTP error: 401 where the key is wrong, 529 where the service is overloaded."""

    status: int


@dataclass(frozen=True, slots=True)
class Hang:
    """Begin to answer, and never end. The server's end ends it."""


Act = Shell | Read | Write | Tool | Say | Fail | Hang


@dataclass(frozen=True, slots=True)
class Seen:
    """What the model sees: the last prompt, what came of each act since, and which tools are offered."""

    client: str
    model: str
    system: str
    prompt: str
    results: tuple[str, ...]
    tools: frozenset[str]
    earlier: int = 0
    """How many messages stand before the prompt: more than a few where a session is resumed."""
    whole: str = ""
    """All of the conversation as it came, with what the client itself has put in; of Claude Code alone."""


Script = Callable[[Seen], Act]


def in_turn(*acts: Act) -> Script:
    """Return a script that does these things in this order, whatever comes of them; then it says no more."""

    def script(seen: Seen) -> Act:
        done = len(seen.results)
        return acts[done] if done < len(acts) else Say("That is all.")

    return script
