"""Check a document's fields against its kind: right keys, right forms, nothing of the hub's.

Guarantee: what passes needs no further test of form; every finding names the line and the correct writing.
Rule: only form is judged here; whether the names and ids exist, and what may be done now, is `decide`'s.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping

from hubd.core.document import Document, Value
from hubd.core.effect import Refusal
from hubd.core.model import HUB_DOS, KINDS, PLAN_FIELDS, SENDABLE, Field, Kind, Type, verb, verdict
from hubd.core.place import ID, KEY, is_name
from hubd.core.scalar import HIDDEN
from hubd.core.time import parse_duration, parse_wall

_HIDDEN = re.compile(f"[\t\n\r{HIDDEN}]")
_COMMIT = re.compile(r"[0-9a-f]{4,64}\Z")
_CAPABILITY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_HOST = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}\Z")
Check = Callable[[str], str | None]
LINE_MOST = 500
TEXT_MOST = 20_000
"""Characters of a text that stands in a header: a note, an answer. Longer ones belong in a body."""
GLOBS_MOST = 50
PLAN_MOST = 1000
LONGEST = 3660 * 86_400
"""Seconds: ten years. What lies further away would leave the calendar."""


def sendable_kind(document: Document) -> Kind | Refusal:
    """Return the kind of a document from an outbox, or why it has none."""
    word = document.get("kind")
    entry = document.entry("kind")
    if not isinstance(word, str) or entry is None:
        kinds = ", ".join(sorted(SENDABLE))
        return Refusal(
            "missing-key", "the front matter has no `kind:`", f"add one line: `kind:` and one of {kinds}", 2
        )
    if word in SENDABLE:
        return Kind(word)
    near = difflib.get_close_matches(word, sorted(SENDABLE), 1)
    correct = f"kind: {near[0]}" if near else ""
    if word in KINDS:
        message = f"a {word} is made by the hub; nobody sends one"
        return Refusal("not-sendable", message, "drop a request to act on it", entry.line, f"kind: {word}")
    return Refusal("unknown-kind", f"there is no kind `{word}`", "", entry.line, f"kind: {word}", correct)


def check_fields(
    document: Document, kind: Kind, allowed_hub_keys: Iterable[str] = (), by_hub: bool = False
) -> Refusal | None:
    """Return the first thing that is wrong with the fields of a document, or None.

    `allowed_hub_keys`: the hub's lines, where the document is a live one. `by_hub`: the hub wrote it.
    """
    spec = KINDS[kind]
    known = {f.name: f for f in spec.author}
    allowed = frozenset(allowed_hub_keys)
    for entry in document.entries:
        name, written = entry.key, entry.text.strip().rpartition("\n")[2]
        if name in known:
            wrong = _wrong(known[name], entry.value, kind, by_hub)
            if wrong:
                said, correct = wrong
                return Refusal("bad-value", f"`{name}` must be {said}", "", entry.line, written, correct)
        elif name in allowed or name.startswith("x-"):
            continue
        elif name == "id":
            return Refusal("has-id", "a file in an outbox is new, and has no `id:`", "", entry.line, written)
        elif name in spec.hub_keys:
            message = f"`{name}` is written by the hub in a {kind}"
            return Refusal("hub-line", message, "remove the line", entry.line, written)
        else:
            return _unknown(name, known, entry.line, written)
    for field in spec.author:
        if field.required and document.get(field.name) is None:
            hint = f"add `{field.name}:` ({field.about[0].lower()}{field.about[1:].rstrip('.')})"
            return Refusal("missing-key", f"a {kind} needs `{field.name}:`", hint, 1)
    return None


def _wrong(field: Field, value: Value, kind: Kind, by_hub: bool) -> tuple[str, str] | None:
    """Return what a value should be, and the line as it should be where that can be known."""
    if field.name == "kind":
        return None if value == kind.value else (f"{kind}, which it is", f"kind: {kind}")
    if field.name == "do" and by_hub and value in HUB_DOS:
        return None
    said = check_value(field, value)
    if said is None:
        return None
    near = difflib.get_close_matches(value, field.choices, 1) if isinstance(value, str) else []
    return said, f"{field.name}: {near[0]}" if near else ""


def _unknown(name: str, known: Mapping[str, Field], line: int, written: str) -> Refusal:
    near = difflib.get_close_matches(name, list(known), 1)
    rest = written.partition(":")[2]
    hint = f"known keys: {', '.join(known)}; your own begin with x-"
    if near:
        said = f"unknown key `{name}`; did you mean `{near[0]}`?"
        return Refusal("unknown-key", said, hint, line, written, f"{near[0]}:{rest}")
    return Refusal("unknown-key", f"unknown key `{name}`", hint, line, written, f"x-{name}:{rest}")


def check_value(field: Field, value: Value) -> str | None:
    """Return what the value should be, or None where its form is right."""
    if field.type is Type.PLAN:
        return _plan(value)
    if field.type is Type.MAP:
        return _map(field, value)
    if field.type is Type.TEXTS:
        lines = value if isinstance(value, tuple) else (value,)
        ok = all(isinstance(v, str) and not _HIDDEN.search(v) for v in lines)
        return None if ok else "one line, or a list of lines, without hidden characters"
    if field.type is Type.COMMAND:
        ok = isinstance(value, str) or (
            isinstance(value, tuple) and all(isinstance(v, str) and v for v in value)
        )
        return None if ok and value else "a word, or a list of words"
    if isinstance(value, tuple) and field.type in _LISTS:
        if not value:
            return "a list that is not empty"
        if field.type is Type.GLOBS and len(value) > GLOBS_MOST:
            return f"a list of at most {GLOBS_MOST} globs"
        return next((w for w in (_LISTS[field.type](v) for v in value) if w), None)
    if not isinstance(value, str):
        return "one value, not a list or a mapping"
    if field.type is Type.CHOICE:
        word = (
            verb(value)
            if field.name in ("do", "decision")
            else verdict(value)
            if field.name == "verdict"
            else value
        )
        return None if not field.choices or word in field.choices else "one of " + ", ".join(field.choices)
    return _SCALARS[field.type](value)


def _map(field: Field, value: Value) -> str | None:
    if not isinstance(value, Mapping):
        return "names with values, as {a: b}"
    known = {part.name: part for part in field.parts}
    form = f"a mapping of {', '.join(known)}"
    for name, inner in value.items() if known else ():
        if name not in known and not name.startswith("x-"):
            near = difflib.get_close_matches(name, known, 1)
            return f"{form}; `{name}` is none of them" + (f"; did you mean `{near[0]}`?" if near else "")
        wrong = check_value(known[name], inner) if name in known else None
        if wrong:
            return f"{form}; `{name}` must be {wrong}"
    return None


def _plan(value: Value) -> str | None:
    form = "a list of assignments, each with `to:` and `goal:`"
    if not isinstance(value, tuple) or not 0 < len(value) <= PLAN_MOST:
        return form
    known = {f.name: f for f in PLAN_FIELDS}
    for number, item in enumerate(value, 1):
        if not isinstance(item, Mapping):
            return form
        for name, part in item.items():
            if name not in known and not name.startswith("x-"):
                near = difflib.get_close_matches(name, known, 1)
                guess = f"; did you mean `{near[0]}`?" if near else ""
                return f"{form}; the one numbered {number} has an unknown key `{name}`{guess}"
            wrong = check_value(known[name], part) if name in known else None
            if wrong:
                return f"{form}; `{name}` of the one numbered {number} must be {wrong}"
        for field in PLAN_FIELDS:
            if field.required and field.name not in item:
                return f"{form}; the one numbered {number} has no `{field.name}:`"
    return _order(value)


def _order(plan: tuple[Value, ...]) -> str | None:
    """`after` may name earlier or later assignments, but not in a circle."""
    after: dict[int, list[int]] = {}
    for number, item in enumerate(plan, 1):
        assert isinstance(item, Mapping)
        value = item.get("after", ())
        texts = (value,) if isinstance(value, str) else value
        after[number] = []
        for text in texts if isinstance(texts, tuple) else ():
            numbers = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 6
            if not isinstance(text, str) or not numbers or not 1 <= int(text) <= len(plan):
                said = f"number {number} says `{str(text)[:40]}`"
                return f"a plan whose `after:` holds numbers from 1 to {len(plan)}; {said}"
            after[number].append(int(text))
    done: set[int] = set()
    while len(done) < len(after):
        ready = [n for n in after if n not in done and all(a in done for a in after[n])]
        if not ready:
            return "a plan without a circle in its `after:` numbers"
        done.update(ready)
    return None


def _line(value: str) -> str | None:
    if not value.strip():
        return "one line that is not empty"
    if _HIDDEN.search(value):
        return "one line without hidden characters"
    return None if len(value) <= LINE_MOST else f"one line of at most {LINE_MOST} characters"


def _address(value: str) -> str | None:
    name, _, host = value.partition("@")
    if (host and not _HOST.match(host)) or value.endswith("@"):
        return "a name, or name@host"
    if name.startswith("any:"):
        return None if _CAPABILITY.match(name[4:]) else "any: and a capability, as any:review"
    return None if name in ("owner", "operator", "all") or is_name(name) else "a name of a-z, 0-9 and -"


def _duration(value: str) -> str | None:
    seconds = parse_duration(value)
    return (
        None
        if seconds is not None and seconds <= LONGEST
        else "a duration such as 45s, 90m, 2h, of ten years at most"
    )


def _when(value: str) -> str | None:
    seconds, when = parse_duration(value), parse_wall(value)
    if (seconds is not None and seconds <= LONGEST) or (when is not None and 1970 <= when.year < 9000):
        return None
    return "a duration (45s, 90m, 2h, 3d) or a time (2026-11-21T10:00:00Z)"


def _integer(value: str) -> str | None:
    ok = value.isascii() and value.isdigit() and len(value) <= 19 and int(value) < 2**63
    return None if ok else "a whole number below 2^63"


def _number(value: str) -> str | None:
    return None if re.match(r"\d{1,12}(\.\d{1,6})?\Z", value) else "a number such as 1 or 0.5"


def _glob(value: str) -> str | None:
    parts = value.split("/")
    if value.startswith("/") or ".." in parts or not value or len(value) > 300 or "\n" in value:
        return "a glob inside the project, such as src/**/*.py"
    return None


_SCALARS: Mapping[Type, Check] = {
    Type.LINE: _line,
    Type.TEXT: lambda v: None if len(v) <= TEXT_MOST else f"text of at most {TEXT_MOST} characters",
    Type.NAME: lambda v: None if is_name(v) else "a name of a-z, 0-9 and -",
    Type.NAMES: lambda v: None if _CAPABILITY.match(v) else "a name of a-z, 0-9 and -, or a list of them",
    Type.ADDRESS: _address,
    Type.ADDRESSES: _address,
    Type.ID: lambda v: None if ID.match(v) else "the id of a document",
    Type.IDS: lambda v: None if ID.match(v) else "the id of a document",
    Type.INT: _integer,
    Type.NUMBER: _number,
    Type.BOOL: lambda v: None if v in ("true", "false") else "true or false",
    Type.DURATION: _duration,
    Type.WHEN: _when,
    Type.TIME: lambda v: None if parse_wall(v) is not None else "a time such as 2026-11-21T10:00:00Z",
    Type.KEY: lambda v: (
        None if KEY.match(v) else "an id, or a key of at most 200 characters without spaces in front"
    ),
    Type.GLOBS: _glob,
    Type.COMMIT: lambda v: None if _COMMIT.match(v) else "a git commit id of 4 to 64 lower-case hex digits",
}
_LISTS: Mapping[Type, Callable[[Value], str | None]] = {
    Type.ADDRESSES: lambda v: _address(v) if isinstance(v, str) else "a list of names",
    Type.NAMES: lambda v: (
        None if isinstance(v, str) and _CAPABILITY.match(v) else "a list of names of a-z, 0-9 and -"
    ),
    Type.IDS: lambda v: None if isinstance(v, str) and ID.match(v) else "a list of ids",
    Type.GLOBS: lambda v: _glob(v) if isinstance(v, str) else "a list of globs",
}
