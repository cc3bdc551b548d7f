"""A brief for who has lost its memory: who it is, what it has in hand, who waits for it, and what is next.

Guarantee: at most `budget` tokens, as in `digest`; what matters most comes first and is left out last.
Rule: it names what is to be read, and does not replace it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.place import root_id
from hubd.core.state import HELD
from hubd.query.agents import no_agent
from hubd.query.digest import CHARACTERS, NAMED_MOST, Room, asked_for, budget, is_fresh, line, mail, quoted
from hubd.query.rows import PAUSE, SCHEMA, View, path_for, reader, title

__all__ = ["brief"]

_HANDOFFS = 5
_ROLE = 600  # characters of an agent's standing instructions
_NEXT: Mapping[Kind, str] = {
    Kind.ASSIGNMENT: "`hubctl claim {id}`, and work on it",
    Kind.ROUND: "review it: `hubctl review {id} --verdict approved` or `changes_requested`",
    Kind.TASK: 'plan it: `hubctl round submit {id} --assign AGENT "goal"`',
    Kind.QUESTION: '`hubctl answer {id} "text"`',
    Kind.MESSAGE: "`hubctl ack {id}`, or `hubctl reply {id}`",
    Kind.BOUNCE: "see what was refused and why, save it again correctly, then `hubctl ack {id}`",
}


def brief(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """The brief of `agent`. `documents`: what of its mail the text names, to be recorded as presented."""
    agent = str(args.get("agent") or reader(view, args))
    flaw = no_agent(view, agent)
    if flaw is not None:
        return flaw
    worker = str(args.get("worker") or "")
    inbox, waiting = mail(view, agent), view.state.inbox(agent, "waiting")
    mine = [d for d in (*inbox, *waiting) if d.kind is Kind.ASSIGNMENT and d.text("lease")]
    unread = [doc for doc in inbox if doc.kind is not Kind.ASSIGNMENT or not doc.text("lease")]
    room = Room(budget(args))
    room.add(*_who(view, agent)) or room.add(f"You are {agent}.")
    _part(room, "What you work on:", [text for doc in mine for text in _work(view, doc, agent)])
    _part(room, "What to do next:", [_next(view, mine, unread, agent, worker)])
    _part(room, "Leases you hold:", list(_leases(view, agent)))
    told = _inbox(view, room, unread, agent)
    _part(room, "Who waits for you:", list(dict.fromkeys(_waits(view, mine, unread))))
    _part(room, "What you wait for:", [_waited(view, doc) for doc in waiting if doc.kind is not Kind.RUN])
    _part(room, "The last handoffs:", list(_handoffs(view, agent, (*inbox, *waiting))))
    return {
        "schema": SCHEMA, "agent": agent, "text": "\n".join(room.lines),
        "documents": [doc.id for doc in told if is_fresh(doc)], "more": len(unread) - len(told),
    }  # fmt: skip


def _part(room: Room, head: str, lines: Iterable[str]) -> None:
    """Add what fits of a part, below its heading."""
    begun = False
    for text in lines:
        begun = room.add(text) if begun else room.add(head, text)
        if not begun:
            return


def _inbox(view: View, room: Room, unread: Sequence[Doc], agent: str) -> list[Doc]:
    """Add what lies in the inbox to half of the room that is left; return what was named."""
    more = "- and {} more: `hubctl inbox`"
    own = Room(room.left // CHARACTERS // 2, "In your inbox:\n" + more.format(len(unread)))
    told = [doc for doc in unread[:NAMED_MOST] if own.add(line(view, doc, agent))]
    rest = [more.format(len(unread) - len(told))] if len(told) < len(unread) else []
    if unread:
        room.add("In your inbox:", *own.lines, *rest)
    return told


def _who(view: View, agent: str) -> Iterator[str]:
    state, card = view.state, view.state.cards[agent]
    able = ", ".join(card.texts("capabilities"))
    paused = ", and you are paused" if state.lease(PAUSE + agent) or state.lease(PAUSE + "hub") else ""
    yield f"You are {agent}{f' ({able})' if able else ''} in the mailbox {view.layout.root}{paused}."
    role = " ".join(part for part in (card.text("description"), card.document.body.strip()) if part)
    if role:
        yield f"Your role, from {card.paths[0]}: {quoted(role, _ROLE)}"
    yield "What stands in “ ” was written by others; paths lie below the mailbox."


def _work(view: View, doc: Doc, agent: str) -> Iterator[str]:
    lease = view.state.lease(doc.id)
    until = lease.text("expires") if lease is not None else ""
    term = f"lease {doc.text('lease')}" + (f" until {until}" if until else "")
    who = f", worker {quoted(doc.text('worker'), 60)}" if doc.text("worker") else ""
    goal = quoted(title(view.state, doc), 200)
    yield f"- {doc.id} ({doc.state}, {term}{who}): {goal} {path_for(doc, agent)}"
    if doc.text("note"):
        yield f"  last note: {quoted(doc.text('note'), 200)}"
    if doc.state == "input_required":
        yield f"  it waits for the answer to {doc.text('question')}"


def _next(view: View, mine: Sequence[Doc], unread: Sequence[Doc], agent: str, worker: str) -> str:
    held = next((doc for doc in mine if doc.state in HELD), None)
    if held is not None:
        return (
            f'- go on with {held.id}; when it is done: `hubctl complete {held.id} --summary "…"`, or save '
            f"the handoff that {path_for(held, agent)} shows"
        )
    asking = next((doc for doc in unread if asked_for(view.state, doc, worker)), None)
    if asking is None:
        return "- nothing needs you now"
    how = _NEXT.get(asking.kind, "").format(id=asking.id)
    return f"- read {path_for(asking, agent)}" + (f", then {how}" if how else "")


def _leases(view: View, agent: str) -> Iterator[str]:
    for lease in sorted(view.state.leases(), key=lambda d: d.number("lease")):
        key = lease.text("key")
        if lease.text("from") == agent and not key.startswith(PAUSE) and view.state.get(key) is None:
            until = f" until {lease.text('expires')}" if lease.text("expires") else ""
            yield f"- lease {lease.text('lease')} on {quoted(key)}{until}"


def _waits(view: View, mine: Sequence[Doc], unread: Sequence[Doc]) -> Iterator[str]:
    """Whose work cannot go on before this agent has acted."""
    for doc in (*mine, *(d for d in unread if d.kind is Kind.ASSIGNMENT)):
        for other in view.state.children(doc.text("round"), Kind.ASSIGNMENT):
            if other.state == "waiting" and doc.id in other.texts("after"):
                yield f"- {other.text('to')} waits for {doc.id}, to begin {other.id}"
    for doc in unread:
        if doc.kind is Kind.QUESTION:
            work = f", with {doc.text('assignment')}" if doc.text("assignment") else ""
            yield f"- {doc.text('from')} waits for your answer to {doc.id}{work}"
        elif doc.kind in (Kind.ROUND, Kind.TASK):
            done = "planned" if doc.kind is Kind.TASK else "decided"
            yield f"- {doc.text('from')} waits for {doc.id} to be {done}"


def _waited(view: View, doc: Doc) -> str:
    after = f", after {', '.join(doc.texts('after'))}" if doc.state == "waiting" else ""
    return f"- {doc.kind} {doc.id} ({doc.state}{after}): {quoted(title(view.state, doc), 80)}"


def _handoffs(view: View, agent: str, mine: Sequence[Doc]) -> Iterator[str]:
    roots = {root_id(doc.id) for doc in mine}
    found = [
        doc
        for doc in view.state.docs.values()
        if doc.kind is Kind.HANDOFF and (doc.text("from") == agent or root_id(doc.id) in roots)
    ]
    for doc in sorted(found, key=lambda d: d.number("rev"), reverse=True)[:_HANDOFFS]:
        words = ", ".join(w for w in (doc.state, doc.text("outcome"), doc.text("branch")[:60]) if w)
        yield f"- {doc.id} by {doc.text('from')} ({quoted(words, 100)}): {quoted(doc.text('summary'), 160)}"
