"""What a wrapper is told when it is started: one line of JSON on its standard input.

Rule 1: it goes over a pipe and nowhere else. The prompt and the environment (keys, tokens) would be readable
by others in an argument, and would stay behind in a file.
Rule 2: what is not said here the agent does not get: nothing of the hub's own environment reaches it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self, get_args

__all__ = ["TAG", "Runtime", "Spec"]

Runtime = Literal["process", "pty", "container"]

TAG = "HUB_RUN_TAG"
"""The variable that marks every process of a run, and of its descendants."""

_EMPTY: Mapping[str, Any] = MappingProxyType({})
_STRINGS = ("run", "tag", "cwd", "stdin", "typed", "engine")
_NUMBERS = ("timeout", "grace")
_WHOLE = ("signal", "cap", "columns", "rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One run, as its wrapper needs to know it."""

    run: str
    tag: str
    """`<hub id>:<run id>`; the agent has it as HUB_RUN_TAG, whatever `env` says."""
    argv: tuple[str, ...]
    """Never goes through a shell. A name without a slash is looked up in the PATH of `env`."""
    cwd: str
    env: Mapping[str, str]
    """The agent's whole environment. In a terminal TERM is added where it is missing."""
    folder: Path
    """Exists; holds the logs and the socket `attach`. Nothing else is written by a wrapper."""
    stdin: str = ""
    """The prompt: the agent reads it and then the end of the file. Nothing of it in a terminal."""
    typed: str = ""
    """Typed into the terminal once the agent has drawn itself. Nothing of it where there is no terminal."""
    runtime: Runtime = "process"
    timeout: float = 0
    """Seconds until the run is stopped; 0: never."""
    grace: float = 10
    """Seconds from the stop signal to the one that cannot be ignored."""
    signal: int = 15
    cap: int = 8 << 20
    """Bytes of output that are kept of this run, all its logs together."""
    columns: int = 120
    rows: int = 40
    container: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    engine: str = ""
    cgroup: bool = True
    """Put the run into a control group of its own, where the system lets us."""

    def to_json(self) -> str:
        """Return one line."""
        told: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        told["env"] = dict(self.env)
        told["container"] = dict(self.container)
        told["folder"] = str(self.folder)
        return json.dumps(told)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` made. Raises ValueError, which says what is wrong."""
        told = json.loads(text)
        if not isinstance(told, dict):
            raise ValueError("not an object")
        unknown = set(told) - {each.name for each in fields(cls)}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        wrong = [name for name, value in told.items() if not _fits(name, value)]
        if wrong:
            raise ValueError(f"not as it must be: {', '.join(sorted(wrong))}")
        try:
            return cls(**{**told, "argv": tuple(told["argv"]), "folder": Path(told["folder"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"something is missing: {error}") from error


def _fits(name: str, value: object) -> bool:
    if name in _STRINGS or name == "folder":
        return isinstance(value, str)
    if name in _WHOLE:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if name in _NUMBERS:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
    if name == "argv":
        return isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)
    if name == "env":
        return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
    if name == "runtime":
        return value in get_args(Runtime)
    if name == "cgroup":
        return isinstance(value, bool)
    return isinstance(value, dict)
