"""How assignments end, and what follows from it: for leases, questions, what comes after, and the round."""

from __future__ import annotations

from hubd.core.check import TEXT_MOST
from hubd.core.decide import leases
from hubd.core.document import Value
from hubd.core.effect import Doc
from hubd.core.model import KINDS, Kind
from hubd.core.state import digest, parent_of
from hubd.core.transition import is_final
from hubd.core.work import Work


def end(work: Work, doc: Doc, after: str, do: str, actor: str = "", /, **lines: Value | None) -> None:
    """End an assignment, and carry the consequences to what comes after it and to its round."""
    round_id = parent_of(doc)
    stop(work, doc, after, do, actor, **lines)
    if after == "completed":
        for other in work.children(round_id, Kind.ASSIGNMENT):
            if other.state == "waiting" and ready(work, other):
                work.move(other, "pending", "unblock")
    else:
        _cancel_after(work, round_id, doc.id)
    _finish(work, round_id)


def stop(work: Work, doc: Doc, after: str, do: str, actor: str = "", /, **lines: Value | None) -> None:
    """End one assignment alone: its lease is freed, its open questions are withdrawn."""
    work.move(doc, after, do, actor, **lines)
    leases.free(work, doc.id)
    withdraw_questions(work, doc)


def noted(doc: Doc, why: str) -> str:
    """Return what was noted so far, and why it ended; of what is too long for a header, the end."""
    return f"{doc.text('note')}\n\n{why}".strip()[-TEXT_MOST:]


def withdraw_questions(work: Work, doc: Doc) -> None:
    """Take back the questions that an assignment waited for."""
    for question in work.state.questions(doc.id):
        if work.need(question.id).state == "open":
            work.move(work.need(question.id), "expired", "withdraw")


def withdraw(work: Work, round_: Doc) -> None:
    """End everything that is live under a round: what is done is kept, nothing goes on."""
    for assignment in work.children(round_.id, Kind.ASSIGNMENT):
        if not is_final(Kind.ASSIGNMENT, assignment.state):
            stop(work, assignment, "cancelled", "withdraw")
        return_handoffs(work, assignment)


def return_handoffs(work: Work, assignment: Doc) -> None:
    """Give back what was handed off and is not judged yet."""
    for handoff in work.children(assignment.id, Kind.HANDOFF):
        if handoff.state == "submitted":
            work.move(handoff, "returned", "settle")


def before(work: Work, doc: Doc) -> list[Doc]:
    """Return the assignments that one comes after."""
    return [known for id_ in doc.texts("after") if (known := work.get(id_)) is not None]


def ready(work: Work, doc: Doc) -> bool:
    """Return whether everything that an assignment comes after is completed."""
    return all(known.state == "completed" for known in before(work, doc))


def hopeless(work: Work, doc: Doc) -> str:
    """Return an assignment that ended without being completed and that this one comes after, or nothing."""
    ended = (d.id for d in before(work, doc) if is_final(d.kind, d.state) and d.state != "completed")
    return next(ended, "")


def _cancel_after(work: Work, round_id: str, ended: str) -> None:
    gone = [ended]
    while gone:
        cause = gone.pop(0)
        for other in work.children(round_id, Kind.ASSIGNMENT):
            if other.state == "waiting" and cause in other.texts("after"):
                stop(work, other, "cancelled", "withdraw", because=ended, note=f"{cause} did not complete")
                gone.append(other.id)


def revive_after(work: Work, round_id: str, revived: str) -> None:
    """What was cancelled because something before it had ended waits again, if nothing else is in its way."""
    back = [revived]
    while back:
        cause = back.pop(0)
        for other in work.children(round_id, Kind.ASSIGNMENT):
            lost = other.state == "cancelled" and other.text("because") and cause in other.texts("after")
            if lost and not hopeless(work, other):
                work.move(other, "waiting", "revive", because=None, note=None)
                back.append(other.id)


def _finish(work: Work, round_id: str) -> None:
    round_ = work.need(round_id)
    if round_.state != "dispatched":
        return
    if all(is_final(Kind.ASSIGNMENT, a.state) for a in work.children(round_id, Kind.ASSIGNMENT)):
        work.move(round_, "awaiting_review", "finish", handoffs=handoffs_hash(work, round_))
        work.move(work.need_task(round_), "awaiting_review", "finish-round")


def handoffs_hash(work: Work, round_: Doc) -> str:
    """Return what a verdict binds: how each assignment ended, and every handoff, by its author's bytes."""
    keys = KINDS[Kind.HANDOFF].hub_keys
    parts: list[bytes | str] = []
    for assignment in work.children(round_.id, Kind.ASSIGNMENT):
        parts += [assignment.id, assignment.state]
        for handoff in work.children(assignment.id, Kind.HANDOFF):
            parts += [handoff.id, handoff.document.author_bytes(keys)]
    return digest(*parts)
