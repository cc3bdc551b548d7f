"""Why bytes are not a document.

Guarantee: `Flaw.code` is stable; it is a part of the contract.
Rule: a flaw is an answer. Inside the reading it travels as an exception; `parse` lets it out as a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

_WRITTEN = 200  # characters of a line that are shown
_CORRECT = 4096  # a line cut here would not be correct: a longer one is not offered


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why bytes are not a document: a stable code, the line in the file, and the line as it should be."""

    code: str
    line: int
    message: str
    written: str = ""
    correct: str = ""


class FlawError(Exception):
    """Carries a flaw out of the depth of the reading."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.message)
        self.flaw = flaw


def refuse(code: str, line: int, message: str, written: str = "", correct: str = "") -> NoReturn:
    """Leave the reading with a flaw."""
    written = written.rstrip("\r\n")
    if correct == written or len(correct) > _CORRECT:
        correct = ""
    raise FlawError(Flaw(code, line, message, written[:_WRITTEN], correct))
