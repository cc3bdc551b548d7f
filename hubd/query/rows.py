"""One document as a row, and what its reader may do with it.

Rule: `next` comes from the transition table and from roles found in the documents, never from a list of its
own; the one addition names the steps that somebody takes by saving another document (a plan, a handoff, a
question).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from hubd.core.document import Value
from hubd.core.effect import Doc, Proposal
from hubd.core.model import DOS, Kind
from hubd.core.state import State
from hubd.core.time import Now
from hubd.core.transition import UNOFFERED, direct, is_final
from hubd.core.work import Facts, Work

if TYPE_CHECKING:
    from hubd.layout import Layout
    from hubd.ledger import Ledger

SCHEMA = 1
PAUSE = "pause:"
"""How the key of a lease begins that says that somebody is not to be started."""
_NO_TIME = Now(datetime(1970, 1, 1, tzinfo=UTC), "00000000", 0.0)
_BY_DOCUMENT: Mapping[tuple[Kind, str], tuple[tuple[str, frozenset[str]], ...]] = {
    (Kind.TASK, "draft"): (("plan", frozenset({"owner", "person"})),),
    (Kind.ASSIGNMENT, "claimed"): (("complete", frozenset({"holder"})), ("ask", frozenset({"holder"}))),
    (Kind.ASSIGNMENT, "in_progress"): (("complete", frozenset({"holder"})), ("ask", frozenset({"holder"}))),
}
_UNTOUCHED: Mapping[Kind, tuple[str, ...]] = {
    Kind.TASK: ("draft",), Kind.ROUND: ("awaiting_approval", "awaiting_review"), Kind.QUESTION: ("open",),
    Kind.ASSIGNMENT: ("waiting", "pending"), Kind.HANDOFF: ("submitted",), Kind.MESSAGE: ("unread",),
    Kind.BOUNCE: ("unread",), Kind.AGENT: ("proposed",),
}  # fmt: skip
"""The states in which nobody has done anything yet about what was delivered."""
_VERBS = frozenset({*DOS, "amend"}) - UNOFFERED


class View(Protocol):
    """What a question may look at."""

    @property
    def state(self) -> State: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def layout(self) -> Layout: ...


def failed(code: str, message: str, hint: str = "", **more: Any) -> dict[str, Any]:
    """The answer that there is none, in the form of a refusal."""
    return {
        "schema": SCHEMA,
        "ok": False,
        "code": code,
        "message": message,
        "hint": hint,
        "bounce": "",
        **more,
    }


def reader(view: View, args: Mapping[str, Any]) -> str:
    """Who asks: `as`, or the operator."""
    return str(args.get("as") or view.state.settings.word("operator"))


def verbs(state: State, doc: Doc, who: str) -> list[str]:
    """What this reader may do with a document now, in the order of the table."""
    work = Work(state, Facts(), _NO_TIME, Proposal(who, "hub", "", None))
    if doc.kind is Kind.ASSIGNMENT and is_final(doc.kind, doc.state):
        round_ = work.get(doc.text("round"))
        if round_ is None or is_final(round_.kind, round_.state):
            return []  # its round is settled: nothing brings it back
    roles = work.roles(doc, who, doc.text("lease"))
    barred = _barred(state, doc)
    found = [
        row.do
        for row in direct(doc.kind, doc.state)
        if row.do in _VERBS and row.do not in barred and roles & set(row.by)
    ]
    found += [do for do, by in _BY_DOCUMENT.get((doc.kind, doc.state), ()) if roles & by]
    return list(dict.fromkeys(found))


def _barred(state: State, doc: Doc) -> frozenset[str]:
    """What the table allows on leases, and what such a lease is not for."""
    if doc.kind is not Kind.LEASE:
        return frozenset()
    if doc.text("key").startswith(PAUSE):
        return frozenset({"renew", "unlease"})
    found = {"resume"}
    if doc.text("left"):
        found.add("renew")  # its clock stands still while a question is open
    if state.get(doc.text("key")) is not None:
        found.add("unlease")  # it goes with its assignment
    return frozenset(found)


def title(state: State, doc: Doc) -> str:
    """One line that says what a document is about."""
    match doc.kind:
        case Kind.ROUND:
            task = state.get(doc.text("task"))
            return f"plan {doc.text('number')}" + (f" for: {task.text('title')}" if task is not None else "")
        case Kind.ASSIGNMENT:
            return doc.text("goal")
        case Kind.HANDOFF:
            return doc.text("summary")
        case Kind.MESSAGE:
            return doc.text("subject")
        case Kind.LEASE:
            return doc.text("key")
        case Kind.AGENT:
            return doc.text("description") or doc.text("name") or doc.text("from")
        case Kind.BOUNCE:
            return f"{doc.text('code')}: {doc.text('about')}"
        case Kind.RUN:
            return ", ".join((doc.text("agent"), *doc.texts("on")))
        case _:
            return doc.text("title")


def reached(doc: Doc) -> str:
    """How far a document came with its reader; the history has all of it."""
    if doc.state in _UNTOUCHED.get(doc.kind, ()):
        return "presented" if doc.text("presented") else "delivered"
    return doc.state if doc.state in ("read", "expired") else "acted-on"


def path_for(doc: Doc, who: str) -> str:
    """Where a document lies, in the reader's own folder if it lies there too."""
    mine = (p for p in doc.paths if p.startswith(f"agents/{who}/"))
    return next(mine, doc.paths[0] if doc.paths else "")


def row(state: State, doc: Doc, who: str) -> dict[str, Any]:
    """A document as inboxes and lists show it."""
    return {
        "id": doc.id,
        "kind": doc.kind.value,
        "state": doc.state,
        "title": title(state, doc),
        "from": doc.text("from"),
        "path": path_for(doc, who),
        "created": doc.text("created"),
        "presented": doc.text("presented"),
        "reached": reached(doc),
        "next": verbs(state, doc, who),
    }


def plain(value: Value) -> Any:
    """A front-matter value as JSON knows it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value]


def oldest_first(docs: list[Doc]) -> list[Doc]:
    """By the time of their making; ids decide between equals."""
    return sorted(docs, key=lambda d: (d.text("created"), d.id))
