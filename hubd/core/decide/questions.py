"""Questions: asked once, answered or expired; an assignment that waits for one has its clock stopped."""

from __future__ import annotations

from hubd.core.decide import leases
from hubd.core.decide.people import resolve
from hubd.core.decide.request import Request
from hubd.core.decide.tasks import tell, unknown_id
from hubd.core.decide.when import past, resolve_when
from hubd.core.document import Document, Value
from hubd.core.effect import Doc, Nothing, Refusal
from hubd.core.model import Kind
from hubd.core.state import HELD
from hubd.core.work import Work, at_line, line_of


def submit_question(work: Work, document: Document, actor: str, name: str, id_: str) -> Refusal | None:
    """Accept a question; an assignment that it names waits, and its lease's clock stands still."""
    waits: Doc | None = None
    if document.text("assignment"):
        waits = work.get(document.text("assignment"))
        if waits is None or waits.kind is not Kind.ASSIGNMENT:
            return at_line(unknown_id(document.text("assignment"), "assignment"), document, "assignment")
        flaw = _may_stop(document, waits, actor)
        if flaw:
            return flaw
        id_ = f"{waits.id}.q{len(work.children(waits.id, Kind.QUESTION)) + 1}"
    named = work.get(document.text("task")) if document.text("task") else None
    if document.text("task") and (named is None or named.kind is not Kind.TASK):
        return at_line(unknown_id(document.text("task"), "task"), document, "task")
    about = named if waits is None else work.task_of(waits)
    to = resolve(work, document.text("to") or "operator", about)
    if isinstance(to, Refusal):
        return at_line(to, document, "to")
    lines: dict[str, Value] = {"from": actor}
    if name:
        lines["outbox"] = name
    if document.text("expires"):
        lines["until"] = resolve_when(work, document.text("expires"))
    question = work.create(Kind.QUESTION, id_, "open", "submit", lines, document)
    work.address(question, to)
    if waits is not None:
        work.move(waits, "input_required", "ask", question=id_)
        leases.stop_clock(work, waits.id)
    return None


def _may_stop(document: Document, doc: Doc, actor: str) -> Refusal | None:
    line = line_of(document, "assignment")
    if doc.text("to") != actor:
        said = f"{doc.id} is {doc.text('to')}'s"
        return Refusal("not-yours", said, "leave out `assignment:`", line, document=doc.id)
    if doc.state not in HELD:
        said = f"{doc.id} is {doc.state}: nobody is working on it"
        return Refusal("wrong-state", said, "leave out `assignment:`", line, document=doc.id)
    asked = Request("ask", doc.id, actor, {"lease": document.text("lease")}).lease()
    if asked == doc.text("lease"):
        return None
    said = f"{doc.id} is held under lease {doc.text('lease')}, not {asked or 'none'}"
    hint = f"write `lease: {doc.text('lease')}` if it is yours"
    return Refusal("stale-lease", said, hint, line_of(document, "lease") or line, document=doc.id)


def answer(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Answer a question; what waited for it goes on."""
    text = (request.text("answer") or request.text("note")).strip()
    flaw = work.check(doc, "answer", "answered", request.actor)
    if flaw:
        return flaw
    if not text:
        hint = "tick one, or write below Answer"
        return Refusal("missing-key", "the answer is empty", hint, request.line, document=doc.id)
    _settle(work, doc, "answered", "answer", request.actor, text)
    return None


def expire_question(work: Work, doc: Doc) -> Refusal | Nothing | None:
    """The hub's own proposal: nobody answered in time; the default is the answer."""
    if doc.state != "open" or not past(work, doc, "until"):
        return Nothing(f"{doc.id} has not expired", doc.id)
    _settle(work, doc, "expired", "expire", "hub", doc.text("default"))
    return None


def cancel_question(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Take a question back."""
    flaw = work.check(doc, "cancel", "expired", request.actor)
    if flaw:
        return flaw
    _settle(work, doc, "expired", "cancel", request.actor, "")
    return None


def _settle(work: Work, doc: Doc, after: str, do: str, actor: str, text: str) -> None:
    by = actor if after == "answered" else None
    question = work.move(doc, after, do, actor, answer=text or None, answered_by=by)
    waits = work.get(doc.text("assignment")) if doc.text("assignment") else None
    if waits is not None and waits.state == "input_required" and waits.text("question") == doc.id:
        work.move(waits, "in_progress", "answer")
        leases.start_clock(work, waits.id)
    elif doc.text("from") not in ("hub", actor) and work.state.card(doc.text("from")) is not None:
        # Nobody's clock was stopped by it: who asked is told by a message.
        subject = f"{question.state}: {question.text('title')}"[:500]
        tell(work, question.text("from"), subject, text or "There is no answer.", reply_to=question.id)


__all__ = ["answer", "cancel_question", "expire_question", "submit_question"]
