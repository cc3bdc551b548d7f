"""Quote other people's text, so that it shows what they wrote and can do nothing.

Guarantee: a quoted text can close no fence, begin no block of the hub's, tick no box and leave no cell of
a table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hubd.core.document import Value
from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.scalar import HIDDEN, HUB_CLOSE, HUB_OPEN
from hubd.core.settings import Settings
from hubd.core.state import State
from hubd.core.transition import dos

_BOX = re.compile(r"^(\s*(?:[-*+]|\d+[.)])\s+)(\[[ xX]\])", re.MULTILINE)
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_HIDDEN = re.compile(f"[{HIDDEN}]")
_ACTIVE = re.compile(r"([|`<>\[\]*_\\])")
CUT = "… (cut here)"


class View(Protocol):
    """What rendering may look at."""

    state: State
    settings: Settings

    def get(self, id_: str) -> Doc | None: ...
    def children(self, id_: str, kind: Kind) -> list[Doc]: ...
    def task_of(self, doc: Doc) -> Doc | None: ...
    def need_task(self, doc: Doc) -> Doc: ...
    def owner(self, task: Doc) -> str: ...
    def approvers(self, doc: Doc | None = None) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Page:
    """What a block is written from. `most`: characters of one quoted text; a longer one is cut."""

    view: View
    most: int

    def quote(self, text: str) -> str:
        """Return a text in a fence, cut to what there is room for."""
        return fence(text if len(text) <= self.most else f"{text[: self.most]}\n{CUT}")

    def line(self, text: str) -> str:
        """Return a text as one line."""
        return inline(text, min(300, self.most))


def fence(text: str, info: str = "text") -> str:
    """Return text in a fence that it cannot close; a box in it is no box, a marker no marker."""
    safe = _LINE_ENDS.sub("\n", text).replace(HUB_OPEN, "<!- hub ->").replace(HUB_CLOSE, "<!- /hub ->")
    safe = _HIDDEN.sub("\ufffd", _BOX.sub(r"\1\\\2", safe)).rstrip()
    longest = max((len(run) for run in re.findall(r"`{3,}", safe)), default=2)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{info}\n{safe}\n{ticks}"


def inline(text: str, most: int = 300) -> str:
    """Return text as one line of a table or a list, with nothing left that Markdown would act on."""
    line = _HIDDEN.sub("\ufffd", " ".join(text.split()))
    line = line if len(line) <= most else line[: most - 1] + "…"
    return _ACTIVE.sub(r"\\\1", line)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table. Its cells are one line each, already quoted."""
    lines = [" | ".join(head), " | ".join("---" for _ in head), *(" | ".join(r) for r in rows)]
    return "\n".join(f"| {line} |" for line in lines)


def sample(path: str, *lines: str, body: str = "") -> str:
    """Return a document to be saved, with its path."""
    text = "\n".join(("---", *lines, "---", body)).rstrip("\n")
    return f"save as `{path}`:\n\n{fence(text, 'markdown')}"


def request(agent: str, do: str, on: str, *lines: str) -> str:
    """Return a request to be saved in an agent's outbox."""
    return sample(f"agents/{agent}/outbox/{do}-{on}.md", "kind: request", f"do: {do}", f"on: {on}", *lines)


def can(doc: Doc) -> str:
    """Return what can be done to a document, from the table."""
    verbs = ", ".join(f"`{d}`" for d in dos(doc.kind, doc.state))
    return f"What can be done to it now: {verbs or 'nothing'} (a request with `on: {doc.id}`)."


def plan_items(doc: Doc) -> list[Mapping[str, Value]]:
    """Return the assignments of a plan."""
    plan = doc.document.get("assignments")
    return [item for item in plan if isinstance(item, Mapping)] if isinstance(plan, tuple) else []


def after(item: Mapping[str, Value]) -> tuple[str, ...]:
    """Return the numbers that an assignment of a plan comes after, each once."""
    value = item.get("after", ())
    texts = (value,) if isinstance(value, str) else value
    return tuple(dict.fromkeys(str(int(v)) for v in texts if isinstance(v, str) and v))


def plan_lines(doc: Doc) -> list[str]:
    """Return a plan as one line for each assignment, for showing what changed."""
    lines = []
    for number, item in enumerate(plan_items(doc), 1):
        comes = f" (after {', '.join(after(item))})" if after(item) else ""
        lines.append(f"{number}. {item.get('to', '')}: {' '.join(str(item.get('goal', '')).split())}{comes}")
    return lines
