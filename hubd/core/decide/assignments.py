"""Assignments and handoffs: claimed under a lease, worked on, handed off, or given back, lost, failed, tried
again.

Rule: every step by a holder names the lease's number; a number that is not the current one is refused as
stale.
"""

from __future__ import annotations

from hubd.core.decide import ending, leases
from hubd.core.decide.people import resolve
from hubd.core.decide.request import Request
from hubd.core.decide.rounds import planned
from hubd.core.decide.tasks import unknown_id
from hubd.core.decide.when import past, resolve_when
from hubd.core.document import Document, Value
from hubd.core.effect import Doc, Nothing, Refusal
from hubd.core.model import Kind
from hubd.core.state import HELD
from hubd.core.time import parse_duration, parse_wall
from hubd.core.transition import dos, is_final
from hubd.core.work import Work, line_of, wrong_state


def claim(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Give an assignment to one worker, under a new lease."""
    if doc.state in HELD and doc.text("to") == request.actor:
        lease = work.state.lease(doc.id)
        until = f" until {lease.text('expires')}" if lease is not None and lease.text("expires") else ""
        who = f"worker {doc.text('worker')}" if doc.text("worker") else request.actor
        return Refusal(
            "already-claimed", f"{doc.id} is held by {who} under lease {doc.text('lease')}{until}",
            "take another, or wait: it comes back when the lease ends", request.line, document=doc.id,
        )  # fmt: skip
    flaw = work.check(doc, "claim", "claimed", request.actor)
    if flaw:
        return flaw
    most = work.settings.number("max_simultaneous_assignments")
    if work.state.held_by(request.actor) >= most:
        said = f"{request.actor} holds {most} assignments already, and max_simultaneous_assignments is {most}"
        return Refusal("too-many-held", said, document=doc.id)
    worker = request.text("worker") or None
    work.move(doc, "claimed", "claim", request.actor, lease=str(work.seq), worker=worker, question=None)
    term = work.settings.number("lease_minutes") * 60
    leases.grant(work, doc.id, request.actor, worker or "", term, "grant")
    return None


def fenced(doc: Doc, request: Request, what: str = "") -> Refusal | None:
    """Refuse a step by somebody who is not the assignee, or whose lease is not the one that is held."""
    if doc.text("to") != request.actor:
        said = f"{doc.id} is {doc.text('to')}'s, and {request.actor} cannot {what or request.do} it"
        hint = f"send {doc.text('to')} a message"
        return Refusal("not-yours", said, hint, request.line, document=doc.id, legal=dos(doc.kind, doc.state))
    given, held = request.lease(), doc.text("lease")
    if doc.state in (*HELD, "input_required"):
        if given == held:
            return None
        named = f"lease {given}" if given else "no lease"
        said = f"the step names {named}, and {doc.id} is held under lease {held}"
        hint = f"if you hold it, write `lease: {held}`; if not, it was given to another worker"
        return Refusal("stale-lease", said, hint, request.at("lease"), document=doc.id)
    if given and doc.state in ("pending", "waiting"):
        said = f"lease {given} has ended, and {doc.id} is {doc.state} again"
        return Refusal("stale-lease", said, "claim it anew", request.at("lease"), document=doc.id)
    return None


def progress(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Take note of how far it is. Any progress renews the lease; without a note nothing else is written."""
    flaw = fenced(doc, request)
    flaw = flaw or work.check(doc, "progress", "in_progress", request.actor, request.lease())
    if flaw:
        return flaw
    note = request.text("note")
    if doc.state == "claimed" or note:
        work.move(doc, "in_progress", "progress", request.actor, note=note or doc.text("note") or None)
    leases.prolong(work, leases.of(work, doc.id), request.actor)
    return None


def release(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Give an assignment back, undone."""
    flaw = fenced(doc, request)
    flaw = flaw or work.check(doc, "release", "pending", request.actor, request.lease())
    if flaw:
        return flaw
    note = request.text("note") or doc.text("note") or None
    work.move(doc, "pending", "release", request.actor, lease=None, worker=None, note=note)
    leases.free(work, doc.id)
    return None


def fail(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Give an assignment up; what comes after it is cancelled."""
    flaw = fenced(doc, request) or work.check(doc, "fail", "failed", request.actor, request.lease())
    if flaw:
        return flaw
    ending.end(
        work, doc, "failed", "fail", request.actor, note=request.text("note") or doc.text("note") or None
    )
    return None


def hand_off(work: Work, document: Document, actor: str, name: str) -> Refusal | None:
    """Accept a handoff: its assignment ends, what comes after begins, the round may be ready for review."""
    doc = work.get(document.text("assignment"))
    line = line_of(document, "assignment")
    if doc is None or doc.kind is not Kind.ASSIGNMENT:
        flaw = unknown_id(document.text("assignment"), "assignment")
        return Refusal(flaw.code, flaw.message, flaw.hint, line)
    lines = {"lease": line_of(document, "lease")}
    request = Request("handoff", doc.id, actor, {"lease": document.text("lease")}, line, None, lines)
    stale = fenced(doc, request, "hand off")
    if stale:
        return stale
    if doc.state not in HELD:
        asked = (
            f"take `{doc.text('question')}` back first, with `do: cancel`"
            if doc.state == "input_required"
            else ""
        )
        late = wrong_state(doc, "a handoff", asked)
        return Refusal(late.code, late.message, late.hint, line, document=doc.id, legal=late.legal)
    number = len(work.children(doc.id, Kind.HANDOFF)) + 1
    hub: dict[str, Value] = {"from": actor, "outbox": name}
    work.create(Kind.HANDOFF, f"{doc.id}.h{number}", "submitted", "submit", hub, document)
    outcome = document.text("outcome")
    if outcome == "blocked":
        ending.end(work, doc, "failed", "fail", outcome=outcome, note=document.text("summary"))
    else:
        ending.end(work, doc, "completed", "complete", outcome=outcome)
    return None


def expire(work: Work, doc: Doc) -> Refusal | Nothing | None:
    """The hub's own proposal: a deadline has passed, or a lease has run out or lost its holder."""
    if is_final(doc.kind, doc.state):
        return Nothing(f"{doc.id} has ended", doc.id)
    if past(work, doc, "deadline"):
        ending.end(work, doc, "timed_out", "expire", "hub", note=ending.noted(doc, "its deadline passed"))
        return None
    lease = work.state.lease(doc.id)
    if doc.state not in HELD or lease is None:
        return Nothing(f"{doc.id} is {doc.state}", doc.id)
    if not leases.run_out(lease, work.now) and not work.proposal.observed:
        return Nothing(f"the lease of {doc.id} has not run out", doc.id)
    why = work.proposal.observed or f"lease {doc.text('lease')} ran out"
    attempt = doc.number("attempt", 1)
    if attempt >= work.settings.number("max_attempts"):
        note = ending.noted(doc, f"{why}; attempt {attempt} was the last")
        ending.end(work, doc, "failed", "expire", "hub", note=note)
        return None
    after, note = str(attempt + 1), ending.noted(doc, why)
    work.move(doc, "pending", "expire", "hub", lease=None, worker=None, attempt=after, note=note)
    leases.free(work, doc.id, "expired", "expire")
    return None


def cancel(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """End an assignment that is not wanted any more."""
    flaw = work.check(doc, "cancel", "cancelled", request.actor)
    if flaw:
        return flaw
    ending.end(work, doc, "cancelled", "cancel", request.actor, note=request.text("note") or None)
    return None


def retry(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Try an ended assignment again, in the same round."""
    return _again(work, doc, request, doc.text("to"))


def reassign(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Give an assignment to somebody else, whatever it is doing."""
    flaw = work.check(doc, "reassign", _state_again(work, doc), request.actor)
    if flaw:
        return flaw
    if not request.text("to"):
        return Refusal(
            "missing-key", "reassign needs `to:`", "add a line `to:` with an agent's name", request.line
        )
    to = resolve(work, request.text("to"), work.task_of(doc))
    if isinstance(to, Refusal):
        return Refusal(to.code, to.message, to.hint, request.at("to"))
    return _again(work, doc, request, to)


def _state_again(work: Work, doc: Doc) -> str:
    return "pending" if ending.ready(work, doc) else "waiting"


def _again(work: Work, doc: Doc, request: Request, to: str) -> Refusal | None:
    state = _state_again(work, doc)
    flaw = work.check(doc, request.do, state, request.actor)
    if flaw:
        return flaw
    round_ = work.get(doc.text("round"))
    if round_ is None or is_final(Kind.ROUND, round_.state):
        said = f"the round of {doc.id} is settled"
        return Refusal("wrong-state", said, "plan another round", request.line, document=doc.id)
    lost = ending.hopeless(work, doc) if doc.state != "waiting" else ""
    if lost:
        said = f"{doc.id} comes after {lost}, which is {work.need(lost).state}"
        return Refusal("wrong-state", said, f"retry {lost} first", request.line, document=doc.id)
    ended = is_final(doc.kind, doc.state)
    note = request.text("note") or doc.text("note") or None
    deadline = _deadline(work, round_, doc) if ended else doc.text("deadline") or None
    work.move(
        doc, state, request.do, request.actor, None, to=to, attempt="1", lease=None, worker=None,
        outcome=None, question=None, because=None, note=note, deadline=deadline, shown=None,
        presented=None,
    )  # fmt: skip
    leases.free(work, doc.id)
    ending.withdraw_questions(work, doc)
    ending.return_handoffs(work, doc)
    if ended:
        ending.revive_after(work, round_.id, doc.id)
    if round_.state == "awaiting_review":
        work.move(round_, "dispatched", "reopen", handoffs=None)
        work.move(work.need_task(round_), "dispatched", "dispatch")
    return None


def _deadline(work: Work, round_: Doc, doc: Doc) -> str | None:
    """A deadline that was given as a length begins anew; a date that has passed is no deadline any more."""
    text = str(planned(round_, doc.id).get("deadline", ""))
    if parse_duration(text) is not None:
        return resolve_when(work, text)
    when = parse_wall(text) if text else None
    return resolve_when(work, text) if when is not None and when > work.now.wall else None
