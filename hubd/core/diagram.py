"""The generated parts of mailbox/SPEC.md: diagrams, and tables of kinds, fields, roles, steps and settings.

Guarantee: what the page shows between `<!-- generated: NAME -->` and `<!-- /generated -->` is made from the
same data by which the hub decides. Rule: words that explain belong to the page; the data says the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hubd.core.check import GLOBS_MOST, TEXT_MOST
from hubd.core.codes import CODES
from hubd.core.model import (
    CONTAINER_FIELDS,
    KINDS,
    PLAN_FIELDS,
    RUN_ENDED,
    WORKTREE_FIELDS,
    Field,
    Kind,
    Type,
)
from hubd.core.proof import LIES, ROLES
from hubd.core.schema import lies, writes
from hubd.core.settings import SETTINGS
from hubd.core.transition import NEW, ROWS, Row

__all__ = ["blocks", "fill"]

_BLOCK = re.compile(r"(<!-- generated: ([a-z -]+) -->\n)(.*?)(<!-- /generated -->)", re.DOTALL)

_TYPES: dict[Type, str] = {
    Type.LINE: "one line of text, 1 to 500 characters",
    Type.TEXT: f"text, may be empty, at most {TEXT_MOST} characters",
    Type.NAME: "an agent's name",
    Type.ADDRESS: "a name, `owner`, `operator`, or `any:` and a capability; each may end in `@host`",
    Type.ADDRESSES: "one address or a list of them, or `all`",
    Type.ID: "the id of a document",
    Type.IDS: "one id or a list of them",
    Type.INT: "a whole number from 0 to 2^63 - 1",
    Type.NUMBER: "a decimal number from 0: at most 12 digits, then at most 6 after the point",
    Type.BOOL: "`true` or `false`",
    Type.DURATION: "`45s`, `90m`, `2h`, `3d`, `1h30m`: largest unit first, each once; ten years at most",
    Type.WHEN: "a duration from now, or a time",
    Type.TIME: "`2026-11-21T10:00:00Z`; an offset such as `+01:00` is understood",
    Type.CHOICE: "one of the words listed",
    Type.TEXTS: "one line or a list of lines",
    Type.NAMES: "one name or capability, or a list of them",
    Type.PLAN: "a list of assignments, each a mapping",
    Type.KEY: "an id, or 1 to 200 characters of which the first is neither a blank nor `/`",
    Type.GLOBS: f"one path glob or at most {GLOBS_MOST}; inside a project, so neither absolute nor with `..`",
    Type.COMMIT: "a git commit id: 4 to 64 lower-case hex digits",
    Type.MAP: "a mapping of names to values",
    Type.COMMAND: "a word, or a list of words",
}


def fill(page: str) -> str:
    """Return the page with every generated block made anew. Raises KeyError for a name that is not known."""
    made = blocks()
    return _BLOCK.sub(lambda found: found[1] + made[found[2]] + found[4], page)


def blocks() -> dict[str, str]:
    """Return the text of every generated block by its name."""
    made = {
        "kinds": _kinds(),
        "types": _table(("type", "form"), ((f"`{kind.value}`", text) for kind, text in _TYPES.items())),
        "plan": _table(("key", "type", "", "meaning"), (_field(field) for field in PLAN_FIELDS)),
        "worktree": _table(("key", "type", "", "meaning"), (_field(field) for field in WORKTREE_FIELDS)),
        "container": _table(("key", "type", "", "meaning"), (_field(field) for field in CONTAINER_FIELDS)),
        "outcomes": _table(("outcome", "the run"), ((f"`{word}`", text) for word, text in RUN_ENDED.items())),
        "roles": _table(("role", "who that is"), ((f"`{role}`", text) for role, text in ROLES.items())),
        "settings": _settings(),
        "lies": _lies(),
        "codes": _table(
            ("code", "what it means", "what to do"), ((f"`{c}`", k.about, k.hint) for c, k in CODES.items())
        ),
    }
    for kind, spec in KINDS.items():
        if kind is Kind.CONFIG:
            continue
        made[f"fields {kind.value}"] = _fields(kind)
        if spec.states:
            made[f"states {kind.value}"] = _diagram(kind)
            made[f"steps {kind.value}"] = _steps(kind)
    made["steps config"] = _steps(Kind.CONFIG)
    return made


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _kinds() -> str:
    rows = []
    for kind, spec in KINDS.items():
        if kind is Kind.CONFIG:
            continue
        by = "the hub" if spec.written_by_hub else "its author"
        ends = [state for state in spec.states if state in spec.final]
        rows.append((f"`{kind.value}`", spec.about, by, _words(ends) or "none: it is carried out"))
    return _table(("kind", "what it is", "text by", "ends as"), rows)


def _field(field: Field) -> tuple[str, str, str, str]:
    form = _words(field.choices) if field.type is Type.CHOICE and field.choices else f"`{field.type.value}`"
    return f"`{field.name}`", form, "required" if field.required else "", field.about


def _fields(kind: Kind) -> str:
    spec = KINDS[kind]
    rows = []
    for owner, fields in (("hub", spec.hub), ("author", spec.author)):
        for field in fields:
            name, form, required, about = _field(field)
            if field.name == "kind":
                form = f"`{kind.value}`"
            elif field.name == "state":
                form = "a state"
            rows.append((name, f"{owner}, act" if field.act else owner, form, required, about))
    return _table(("key", "line of", "value", "", "meaning"), rows)


def _diagram(kind: Kind) -> str:
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in _rows(kind):
        labels = arrows.setdefault((row.before or "[*]", row.after), [])
        label = row.do if row.by else f"({row.do})"
        if label not in labels:
            labels.append(label)
    lines = [f"    {before} --> {after}: {', '.join(labels)}" for (before, after), labels in arrows.items()]
    left = {row.before for row in _rows(kind) if row.before != row.after}
    ends = [state for state in KINDS[kind].states if state in KINDS[kind].final and state not in left]
    lines += [f"    {state} --> [*]" for state in ends]
    return "\n".join(("```mermaid", "stateDiagram-v2", *lines, "```", ""))


def _rows(kind: Kind) -> list[Row]:
    return [row for row in ROWS.values() if row.kind is kind]


def _steps(kind: Kind) -> str:
    rows = [
        (
            "new" if row.before == NEW else row.before,
            row.after,
            f"{row.do} (upkeep)" if row.upkeep else row.do,
            ", ".join(row.by),
            ", ".join(row.follows),
            row.needs,
            _written(row),
        )
        for row in _rows(kind)
    ]
    return _table(("from", "to", "do", "by", "follows", "needs", "writes"), rows)


def _written(row: Row) -> str:
    """The lines that a step writes, but `state` and `rev`, which each of them writes."""
    made = {line: how for line, how in writes(row).items() if line not in ("state", "rev")}
    return ", ".join(line if how == "any" else f"{line}={how}" for line, how in made.items())


def _lies() -> str:
    rows: dict[tuple[str, str], list[str]] = {}
    for kind in LIES:
        for state in KINDS[kind].states:
            rows.setdefault((kind.value, lies(KINDS[kind], state)), []).append(state)
    shown = ((f"`{kind}`", _words(states), f"`{where}`") for (kind, where), states in rows.items())
    return _table(("kind", "in state", "folder, and whose"), shown)


def _settings() -> str:
    rows = []
    for name, setting in SETTINGS.items():
        value = setting.default if isinstance(setting.default, str) else f"[{', '.join(setting.default)}]"
        bounds = f"{setting.least:.0f} to {setting.most:.0f}" if setting.type in ("int", "duration") else ""
        bounds += " s" if setting.type == "duration" else ""
        form = _words(setting.choices) or setting.type
        rows.append((f"`{name}`", form, bounds, f"`{value}`", setting.about))
    return _table(("setting", "value", "bounds", "default", "meaning"), rows)
