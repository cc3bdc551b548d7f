"""What a command line is made from: who is started, where, for what, and by which card.

Rule: values alone. `presets` says what is made of them, and `granting` what they allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubd.core.effect import Doc

__all__ = ["Context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One run, before its command line is known."""

    agent: str
    run: str
    root: Path
    """The mailbox."""
    folder: Path
    """The run's own folder."""
    cwd: Path
    prompt: str
    prompt_file: Path
    card: Doc
    session: str = ""
    """A session to be resumed, or the name of a new one; empty: the client names it."""
    resume: bool = False
    tmp: str = ""
    """TMPDIR of its environment, if it has one."""

    @property
    def runtime(self) -> str:
        return self.card.text("runtime") or "process"

    def own(self, folder: str) -> Path:
        """Return one of the agent's own folders."""
        return self.root / "agents" / self.agent / folder
