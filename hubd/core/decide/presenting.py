"""What a session was told of: the one thing that an agent says of many documents at once.

Guarantee: `presented` says when a session of its reader was first told of a document as it stands; it says
nothing of whether that was read, let alone acted on.
Rule: only who has a document in its inbox says so. What has moved on since it was shown is left out: a hook
that comes too late is no mistake, and its agent is not bothered with a bounce.
"""

from __future__ import annotations

from hubd.core.decide.request import Request
from hubd.core.decide.tasks import unknown_id
from hubd.core.effect import Doc, Nothing, Refusal
from hubd.core.time import format_wall
from hubd.core.transition import ROWS
from hubd.core.work import Work

__all__ = ["TOLD_MOST", "present"]

TOLD_MOST = 100
"""Documents that one request may name."""


def present(work: Work, request: Request) -> Refusal | Nothing | None:
    """Note that an agent was told of documents `for` which it is the reader."""
    actor, named = request.actor, tuple(dict.fromkeys(request.texts("for")))
    if request.on != actor:
        said = f"an agent says what it was told of itself, and {actor} is not {request.on}"
        return Refusal("not-yours", said, f"write `on: {actor}`", request.line)
    if not named:
        return Refusal("missing-key", "to present needs `for:`", "add `for:` and the ids in a list", 1)
    if len(named) > TOLD_MOST:
        said = f"it names {len(named)} documents, and one request names {TOLD_MOST} at most"
        return Refusal("wrong-documents", said, "name the others in another one", request.at("for"))
    found: list[Doc] = []
    for id_ in named:
        doc = work.get(id_)
        if doc is None:
            flaw = unknown_id(id_)
            return Refusal(flaw.code, flaw.message, flaw.hint, request.at("for"))
        if _is_new_to(doc, actor):
            found.append(doc)
    if not found:
        return Nothing(f"nothing of this is new to {actor}")
    for doc in found:
        work.move(doc, doc.state, "present", actor, presented=format_wall(work.now.wall))
    return None


def _is_new_to(doc: Doc, agent: str) -> bool:
    there = any(path.startswith(f"agents/{agent}/inbox/") for path in doc.paths)
    return there and not doc.text("presented") and (doc.kind, doc.state, doc.state, "present") in ROWS
