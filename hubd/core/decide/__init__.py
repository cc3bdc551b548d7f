"""Decide what one proposal means: a step to record, a refusal to record, or nothing.

Guarantee: pure and total. The same state, proposal, facts and instant give the same decision; bad input is a
decision too, never an exception. `examine` says beforehand what must be looked up; `decide` looks up nothing.
Rule: this module routes; each kind's own module decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hubd.core import ids, place
from hubd.core.check import TEXT_MOST, check_fields, sendable_kind
from hubd.core.decide import (
    assignments,
    bounces,
    cards,
    edits,
    evidence,
    leases,
    messages,
    presenting,
    questions,
    rounds,
    run_ending,
    runs,
    tasks,
)
from hubd.core.decide.request import Request, from_document
from hubd.core.document import Document, Flaw, parse
from hubd.core.effect import Decision, Doc, Nothing, Proposal, Refusal
from hubd.core.model import HUB_DOS, KINDS, Kind, verb
from hubd.core.naming import shown
from hubd.core.state import State, read_back
from hubd.core.time import Now
from hubd.core.work import Facts, Work, wrong_state

_UNREADABLE = {
    "link": "a link, which is not followed", "fifo": "a pipe", "device": "a device", "socket": "a socket",
    "directory": "a folder", "hard-link": "a file with a second name (a hard link)",
    "too-large": "larger than 1 MiB",
}  # fmt: skip
_NAMED = ("task", "on", "assignment", "reply_to")


@dataclass(frozen=True, slots=True)
class Examined:
    """A proposal with its bytes parsed once, and what must be looked up before it can be decided.

    `ids`: finished documents to fetch. `id`: what a new document is called. `base`: (path, rev) of the
    version that the saved file was made from.
    """

    proposal: Proposal
    parsed: Document | Flaw | None = None
    ids: frozenset[str] = frozenset()
    id: str = ""
    base: tuple[str, int] | None = None


def examine(state: State, proposal: Proposal) -> Examined:
    """Parse a proposal and say what to look up. Never raises."""
    if proposal.data is None or proposal.area not in ("outbox", "live", "hub"):
        return Examined(proposal)
    if proposal.area == "live":
        return _examine_edit(state, proposal, read_back(proposal.data))
    parsed = parse(proposal.data)
    kind = sendable_kind(parsed) if isinstance(parsed, Document) else None
    if not isinstance(parsed, Document) or not isinstance(kind, Kind):
        return Examined(proposal, parsed)
    id_ = _id(state, proposal, parsed, kind)
    wanted = {parsed.text(key) for key in _NAMED}
    if kind is Kind.REQUEST:
        named = parsed.get("for")
        wanted.update(v for v in (named if isinstance(named, tuple) else (named,)) if isinstance(v, str))
        if verb(parsed.text("do")) == "stop":  # what led to the runs that go on may have ended since
            wanted.update(run.text("parent") for run in state.runs())
    if kind is Kind.MESSAGE and parsed.text("dedupe_key"):
        wanted.update((id_, f"{id_}.1"))
    wanted = {w for w in wanted if place.ID.match(w) and state.get(w) is None}
    wanted.update([place.root_id(w) for w in wanted])  # a step on a finished member looks at its task
    return Examined(proposal, parsed, frozenset(w for w in wanted if state.get(w) is None), id_)


def _examine_edit(state: State, proposal: Proposal, parsed: Document | Flaw) -> Examined:
    if isinstance(parsed, Flaw):
        return Examined(proposal, parsed)
    doc, id_ = state.live_path(proposal.path), place.stem(proposal.name)
    rev = parsed.text("rev")
    known = rev.isascii() and rev.isdigit() and len(rev) < 19 and (doc is None or rev != doc.text("rev"))
    lost = doc is None and place.ID.match(id_) and state.get(id_) is None
    return Examined(
        proposal, parsed, frozenset({id_} if lost else ()), "", (proposal.path, int(rev)) if known else None
    )


def _id(state: State, proposal: Proposal, parsed: Document, kind: Kind) -> str:
    """Return the id that a new document of this kind gets."""
    if kind is Kind.MESSAGE and parsed.text("dedupe_key"):
        return messages.dedupe_id(state.hub_id, proposal.actor, parsed.text("dedupe_key"))
    letters = ids.number(state.hub_id, state.seq + 1)
    if kind is Kind.TASK:
        word = ids.slug(parsed.text("title"))
        return f"{word if len(word) > 1 else f'task-{word}'.rstrip('-')}-{letters}"
    prefix = {
        Kind.QUESTION: "q",
        Kind.MESSAGE: "m",
        Kind.AGENT: f"card-{parsed.text('name') or proposal.actor}",
    }
    return f"{prefix[kind]}-{letters}" if kind in prefix else ""


def decide(state: State, examined: Examined, facts: Facts, now: Now) -> Decision:
    """Answer one proposal. Never raises for what it holds: a bad document is a decision too."""
    proposal = examined.proposal
    if proposal.actor == "hub" and proposal.area != "hub":
        return Nothing("nobody else acts as the hub", put_back=True)
    work = Work(state, facts, now, proposal)
    answer = _answer(work, examined)
    if isinstance(answer, Refusal):
        return bounces.refuse(state, facts, now, proposal, answer)
    return answer if isinstance(answer, Nothing) else work.step()


def _answer(work: Work, examined: Examined) -> Refusal | Nothing | None:
    proposal = examined.proposal
    if proposal.actor != "hub" and work.state.card(proposal.actor) is None:
        return Refusal("unknown-agent", f"{shown(proposal.actor)} has no card here")
    if proposal.unreadable:
        what = _UNREADABLE.get(proposal.unreadable, proposal.unreadable)
        code = "too-large" if proposal.unreadable == "too-large" else "not-a-file"
        return Refusal(code, f"it is {what}", "save a plain text file of at most 1 MiB")
    match proposal.area:
        case "outbox" | "hub":
            return _new(work, examined)
        case "live":
            return _edit(work, examined)
        case "cards":
            return cards.save_card(work, proposal.path, proposal.data, proposal.actor)
        case "settings":
            return cards.save_settings(work, proposal.data, proposal.actor)
        case "fixed":
            said = f"`{shown(proposal.path)}` is written by the hub only"
            return Refusal("hub-ground", said, "leave it: it was put back; save new documents in your outbox")


def _new(work: Work, examined: Examined) -> Refusal | Nothing | None:
    proposal, document = examined.proposal, examined.parsed
    if proposal.area == "outbox" and not place.FILE.match(proposal.name):
        said = "the file's name is not of a-z, 0-9, `.`, `_` and -, ending in .md"
        return Refusal("bad-name", said, "save it as plan.md, for example")
    if isinstance(document, Flaw):
        return cards.from_flaw(document)
    if document is None:
        return Nothing("it is gone")
    if document.block is not None:
        said = "the block between `<!-- hub -->` and `<!-- /hub -->` is the hub's"
        return Refusal("hub-marker", said, line=document.render().split(b"<!-- hub -->")[0].count(b"\n") + 1)
    kind = sendable_kind(document)
    if isinstance(kind, Refusal):
        return kind
    flaw = check_fields(document, kind, by_hub=proposal.actor == "hub")
    if flaw:
        return flaw
    if kind is Kind.REQUEST:
        return carry_out(work, from_document(document, proposal.actor))
    known = work.state.source(proposal.actor, proposal.name) if proposal.area == "outbox" else None
    if known is not None:
        return _again(work, known, document, kind)
    return _submit(work, kind, document, examined.id)


def _submit(work: Work, kind: Kind, document: Document, id_: str) -> Refusal | Nothing | None:
    actor, name = work.proposal.actor, work.proposal.name if work.proposal.area == "outbox" else ""
    match kind:
        case Kind.TASK:
            return tasks.submit_task(work, document, actor, name, id_)
        case Kind.ROUND:
            return rounds.submit_round(work, document, actor, name)
        case Kind.HANDOFF:
            return assignments.hand_off(work, document, actor, name)
        case Kind.QUESTION:
            return questions.submit_question(work, document, actor, name, id_)
        case Kind.MESSAGE:
            return messages.submit_message(work, document, actor, name, id_)
        case _:
            return cards.submit_card(work, document, actor, name, id_)


def _again(work: Work, known: Doc, document: Document, kind: Kind) -> Refusal | Nothing | None:
    """A name in an outbox that became a live document already: the same bytes, an amendment, or too late."""
    keys = KINDS[known.kind].hub_keys
    if kind is known.kind and document.author_bytes(keys) == known.document.author_bytes(keys):
        return Nothing(f"{known.id} was made from these bytes", known.id)
    merged = document.with_fields({key: known.document.get(key) for key in keys}, first=keys)
    if kind is not known.kind:
        return tasks.already_sent(known)
    return _as_saved(_amend(work, known, merged, work.proposal.actor), merged, document)


def _as_saved(
    answer: Refusal | Nothing | None, merged: Document, saved: Document
) -> Refusal | Nothing | None:
    """Let a refusal name the line of the file that was saved: lines that were restored have moved others."""
    if not isinstance(answer, Refusal) or not answer.line:
        return answer
    key = next((e.key for e in merged.entries if e.line == answer.line), "")
    entry = saved.entry(key)
    if entry is None:
        return answer
    return replace(answer, line=entry.line)


def _amend(work: Work, doc: Doc, document: Document, actor: str) -> Refusal | None:
    match doc.kind:
        case Kind.TASK:
            return tasks.amend_task(work, doc, document, actor)
        case Kind.ROUND:
            return rounds.amend_round(work, doc, document, actor)
        case Kind.AGENT:
            return cards.amend_card(work, doc, document, actor)
        case _:
            return tasks.already_sent(doc)


def _edit(work: Work, examined: Examined) -> Refusal | Nothing | None:
    proposal = examined.proposal
    doc = work.state.live_path(proposal.path)
    if doc is None:
        return _elsewhere(work, examined)
    request = edits.read_edit(doc, proposal.data, examined.parsed, proposal.actor, work.facts.base)
    if isinstance(request, Refusal | Nothing):
        return request
    if request.amended is None or not isinstance(examined.parsed, Document):
        return carry_out(work, request)
    if request.do == "amend":
        answer: Refusal | Nothing | None = _amend(work, doc, request.amended, request.actor)
    else:
        answer = carry_out(work, request)
    return _as_saved(answer, request.amended, examined.parsed)


def _elsewhere(work: Work, examined: Examined) -> Refusal | Nothing:
    """A file in an inbox or waiting folder, where the hub has put none, or has taken it away since."""
    proposal, base = examined.proposal, work.facts.base
    if proposal.data is None:
        return Nothing("it is gone, and nothing lies there")
    if base is not None and base.render() == proposal.data:
        return Nothing("it was taken away since, and is unchanged", put_back=True)
    doc = work.get(place.stem(proposal.name))
    if doc is None or base is None:
        return Refusal(
            "not-delivered", "nothing was delivered under this name, and only the hub puts documents here"
        )
    where = f"it lies at `{doc.paths[0]}`" if doc.paths else "it is finished"
    said = f"{doc.id} is {doc.state} now: {where}"
    return Refusal(
        "stale-buffer", said, "read it there, and make your change there; yours is kept", document=doc.id
    )


def carry_out(work: Work, request: Request) -> Refusal | Nothing | None:
    """Do what a request says to the document or key that it names."""
    for key in ("note", "answer"):
        if len(request.text(key)) > TEXT_MOST:
            said = f"a {key} has at most {TEXT_MOST} characters"
            return Refusal("too-large", said, line=request.lines.get(key, 0))
    match request.do:
        case "pause" | "resume":
            return leases.pause(work, request)
        case "lease" if request.actor != "hub":
            return leases.acquire(work, request)
        case "renew" | "unlease":
            return _lease(work, request)
        case "start":
            return runs.start(work, request)
        case "present":
            return presenting.present(work, request)
        case _:
            doc = work.get(request.on)
    if doc is None and request.do == "stop":
        return runs.no_run(work, request)
    if doc is None:
        flaw = tasks.unknown_id(request.on)
        return Refusal(flaw.code, flaw.message, flaw.hint, request.line)
    if request.do in HUB_DOS:
        return _by_hub(work, doc, request) if request.actor == "hub" else wrong_state(doc, request.do)
    return _on(work, doc, request)


def _lease(work: Work, request: Request) -> Refusal | Nothing | None:
    lease = leases.find(work, request.on)
    if lease is None:
        said = f"nobody holds a lease on `{request.on}`"
        return Refusal("unknown-id", said, "acquire it with `do: lease`", request.line)
    return (leases.renew if request.do == "renew" else leases.unlease)(work, lease, request)


def _by_hub(work: Work, doc: Doc, request: Request) -> Refusal | Nothing | None:
    """What only the hub asks of itself."""
    match (doc.kind, request.do):
        case (Kind.TASK, "plan"):
            return rounds.plan_from_task(work, doc)
        case (Kind.ASSIGNMENT, "expire"):
            return assignments.expire(work, doc)
        case (Kind.QUESTION, "expire"):
            return questions.expire_question(work, doc)
        case (Kind.MESSAGE, "expire"):
            return messages.expire_message(work, doc)
        case (Kind.LEASE, "expire"):
            about = work.state.get(doc.text("key"))
            if about is not None and about.kind is Kind.ASSIGNMENT:
                return assignments.expire(work, about)
            return leases.expire(work, doc)
        case (Kind.RUN, "end"):
            return run_ending.end(work, doc, request)
        case (Kind.RUN, "show"):
            return runs.show(work, doc, request)
        case (Kind.HANDOFF, "check"):
            return evidence.check(work, doc, request)
        case _:
            return wrong_state(doc, request.do)


def _on(work: Work, doc: Doc, request: Request) -> Refusal | Nothing | None:
    act = _ACTS.get((doc.kind, request.do))
    return act(work, doc, request) if act is not None else wrong_state(doc, request.do)


_ACTS = {
    (Kind.TASK, "close"): tasks.close_task,
    (Kind.ROUND, "approve"): rounds.approve,
    (Kind.ROUND, "reject"): rounds.reject,
    (Kind.ROUND, "recall"): rounds.recall,
    (Kind.ROUND, "review"): rounds.review,
    (Kind.ASSIGNMENT, "claim"): assignments.claim,
    (Kind.ASSIGNMENT, "progress"): assignments.progress,
    (Kind.ASSIGNMENT, "release"): assignments.release,
    (Kind.ASSIGNMENT, "fail"): assignments.fail,
    (Kind.ASSIGNMENT, "cancel"): assignments.cancel,
    (Kind.ASSIGNMENT, "retry"): assignments.retry,
    (Kind.ASSIGNMENT, "reassign"): assignments.reassign,
    (Kind.QUESTION, "answer"): questions.answer,
    (Kind.QUESTION, "cancel"): questions.cancel_question,
    (Kind.MESSAGE, "ack"): messages.acknowledge,
    (Kind.BOUNCE, "ack"): messages.acknowledge,
    (Kind.RUN, "stop"): runs.stop,
    (Kind.AGENT, "approve"): cards.approve_card,
    (Kind.AGENT, "reject"): cards.reject_card,
}
"""What can be asked of a document by its kind and the verb."""


__all__ = ["Examined", "Facts", "decide", "examine"]
