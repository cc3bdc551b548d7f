"""Runs: an agent is started for what needs it, told of more, and stopped. Only the hub has processes.

Guarantee: what a run is for is written before its process begins, and what it works on is claimed for it in
the same commit; so a start that is asked for twice starts once.
Rule: here is written that it is to be so; whoever starts and stops processes reads it in the documents. How
a run ends is in `run_ending`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hubd.core import ids
from hubd.core.block import run_text
from hubd.core.card import check_card, command_of, is_kept_up
from hubd.core.decide import leases
from hubd.core.decide.people import unknown_agent
from hubd.core.decide.request import Request
from hubd.core.decide.tasks import unknown_id
from hubd.core.document import Value
from hubd.core.effect import Doc, Refusal
from hubd.core.model import Kind
from hubd.core.policy.wanted import TOGETHER, asks, is_full, lineage, needs_claim, work_for
from hubd.core.work import Work

ON_MOST = 100
"""Documents that stand in a run, at most; what it was started for first stays."""


def start(work: Work, request: Request) -> Refusal | None:
    """Start an agent: `for` these documents, or for what lies in its inbox and needs it."""
    agent = request.on
    flaw = _may_start(work, request, agent) or _no_room(work, request, agent)
    if flaw is not None:
        return flaw
    documents = _wanted(work, request, agent)
    if isinstance(documents, Refusal):
        return documents
    depth, parent = lineage(work.state, (doc.id for doc in documents))
    flaw = _too_deep(work, request, depth) or _too_many_held(work, request, agent, documents)
    if flaw is not None:
        return flaw
    id_ = f"run-{ids.number(work.state.hub_id, work.seq)}"
    work.create(
        Kind.RUN, id_, "started", "start", _lines(work, request, documents, depth, parent),
        body=run_text(agent, id_),
    )  # fmt: skip
    for doc in documents:
        if doc.kind is Kind.ASSIGNMENT:
            _claim(work, doc, id_)
        else:
            work.move(doc, doc.state, "show", shown=id_)
    return None


def _lines(
    work: Work, request: Request, documents: Sequence[Doc], depth: int, parent: str
) -> dict[str, Value]:
    card = _card(work, request.on)
    lines: dict[str, Value] = {"from": request.actor, "agent": request.on, "depth": str(depth)}
    if documents:
        lines["on"] = tuple(doc.id for doc in documents)
    if any(doc.kind is Kind.ASSIGNMENT for doc in documents):
        lines["lease"] = str(work.seq)
    if parent:
        lines["parent"] = parent
    if hops := _hops(documents):
        lines["hops"] = str(hops)
    lines["runtime"] = card.text("runtime") or "process"
    lines["command"] = command_of(card)
    if request.text("note"):
        lines["note"] = request.text("note")
    return lines


def _card(work: Work, agent: str) -> Doc:
    card = work.state.card(agent)
    assert card is not None, agent
    return card


def _hops(documents: Iterable[Doc]) -> int:
    return max((doc.number("hops") for doc in documents if doc.kind is Kind.MESSAGE), default=0)


# whether it may be


def _may_start(work: Work, request: Request, agent: str) -> Refusal | None:
    card, line = work.state.card(agent), request.line
    if card is None:
        flaw = unknown_agent(work, agent)
        return Refusal(flaw.code, flaw.message, flaw.hint, line)
    if request.actor != "hub" and not work.state.is_person(request.actor):
        said = f"{request.actor} is no person, and starts nobody"
        hint = f"send {agent} a message or a task: what its inbox needs starts it, if its card says so"
        return Refusal("not-yours", said, hint, line)
    if card.text("human") == "true":
        said, hint = f"{agent} is a person", "send a message, a task or a question"
        return Refusal("cannot-start", said, hint, line)
    if not card.document.get("command"):
        said = f"the card of {agent} names no command"
        return Refusal("cannot-start", said, f"add `command:` to cards/{agent}.md: a preset, or a list", line)
    wrong = check_card(card.document)
    if wrong is not None:
        said = f"the card of {agent} is not right: {wrong.message}"
        return Refusal("cannot-start", said, f"correct cards/{agent}.md: {wrong.hint}".rstrip(": "), line)
    for who in ("hub", agent):
        held = work.state.lease(leases.PAUSE + who)
        if held is not None:
            said, hint = f"{who} is paused", f"a request with `do: resume` and `on: {who}` goes on"
            return Refusal("paused", said, hint, line, document=held.id)
    return None


def _no_room(work: Work, request: Request, agent: str) -> Refusal | None:
    mine, most = work.state.runs(agent), max(1, _card(work, agent).number("replicas", 1))
    if len(mine) >= most:
        said = f"{agent} runs already, as {', '.join(run.id for run in mine)}, and its replicas are {most}"
        hint = "wait for its end, stop it, or raise `replicas` in its card"
        return Refusal("too-many-runs", said, hint, request.line, document=mine[0].id)
    total, most = len(work.state.runs()), work.settings.number("max_concurrency")
    if total >= most:
        said = f"{total} runs go on, and max_concurrency is {most}"
        hint = "wait for the end of one, stop one, or raise max_concurrency in hub.yaml"
        return Refusal("too-many-runs", said, hint, request.line)
    return None


def _too_deep(work: Work, request: Request, depth: int) -> Refusal | None:
    most = work.settings.number("max_depth")
    if depth <= most:
        return None
    said = f"{depth - 1} runs led to this one, and max_depth is {most}"
    hint = "act on it yourself, or raise max_depth in hub.yaml"
    return Refusal("run-too-deep", said, hint, request.line)


def _too_many_held(work: Work, request: Request, agent: str, documents: Iterable[Doc]) -> Refusal | None:
    if not any(needs_claim(doc) for doc in documents) or not is_full(work.state, agent):
        return None
    most = work.settings.number("max_simultaneous_assignments")
    said = f"{agent} holds {most} assignments already, and max_simultaneous_assignments is {most}"
    return Refusal("too-many-held", said, line=request.line)


# what it is for


def _wanted(work: Work, request: Request, agent: str) -> list[Doc] | Refusal:
    """Return what a run is for. Somebody who is to be there all the time is started for nothing too."""
    if request.texts("for"):
        return _named(work, request, agent)
    person, card = request.actor != "hub", _card(work, agent)
    found = work_for(work.state, agent, again=person)
    kept = is_kept_up(work.settings, agent, card) or (person and card.text("runtime") == "pty")
    if found or kept:
        return [work.need(id_) for id_ in found]
    hint = "send a task or a message first, or name documents as `for:`"
    return Refusal("nothing-to-do", f"nothing in the inbox of {agent} needs it", hint, request.line)


def _named(work: Work, request: Request, agent: str) -> list[Doc] | Refusal:
    documents: list[Doc] = []
    line = request.at("for")
    for id_ in dict.fromkeys(request.texts("for")):
        doc = work.get(id_)
        if doc is None:
            flaw = unknown_id(id_)
            return Refusal(flaw.code, flaw.message, flaw.hint, line)
        if not _is_for(work, agent, doc):
            said = f"{doc.id} is {doc.state}, and asks {agent} for nothing now"
            hint = f"name what waits in agents/{agent}/inbox to be acted on, or leave out `for:`"
            return Refusal("wrong-documents", said, hint, line, document=doc.id)
        if request.actor == "hub" and doc.text("shown"):
            return Refusal("wrong-documents", f"{doc.id} was shown to {doc.text('shown')}", document=doc.id)
        documents.append(doc)
    assignments = [doc for doc in documents if doc.kind is Kind.ASSIGNMENT]
    if (assignments and len(documents) > 1) or len(documents) > TOGETHER:
        said = f"a run is for one assignment alone, or for at most {TOGETHER} other documents"
        return Refusal("wrong-documents", said, "start it for one of them first", line)
    return documents


def _is_for(work: Work, agent: str, doc: Doc) -> bool:
    """Return whether a document asks an agent to act now; a message of the hub's may be named by a person."""
    if not any(path.startswith(f"agents/{agent}/inbox/") for path in doc.paths):
        return False
    return asks(work.state, doc) or (doc.kind is Kind.MESSAGE and doc.state == "unread")


def _claim(work: Work, doc: Doc, run: str) -> None:
    """Claim an assignment for a run; what an ended run held is taken over."""
    leases.free(work, doc.id)
    work.move(doc, "claimed", "claim", lease=str(work.seq), worker=run, question=None)
    term = work.settings.number("lease_minutes") * 60
    leases.grant(work, doc.id, doc.text("to"), run, term, "grant")


# while it goes on


def show(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """A run that goes on is told of more. What it cannot be told of now is left out, and stays as it is."""
    flaw = work.check(doc, "show", "started", request.actor)
    if flaw is not None:
        return flaw
    fitting = _to_tell(work, doc, request.texts("for"))
    if not fitting:
        return Refusal("wrong-documents", f"nothing of this is new to {doc.id}", document=doc.id)
    on = _on(work, (*doc.texts("on"), *(d.id for d in fitting)))
    heard, hops = [d for d in fitting if d.kind is Kind.MESSAGE], _hops(fitting)
    if not any(work.state.is_person(message.text("from")) for message in heard):
        hops = max(hops, doc.number("hops"))  # else a person has written: it begins anew
    depth = max(doc.number("depth"), lineage(work.state, (known.id for known in fitting))[0])
    lines: dict[str, Value | None] = {"on": on, "hops": str(hops) if hops else None, "depth": str(depth)}
    if any(known.kind is Kind.ASSIGNMENT and known.id == on[0] for known in fitting):
        lines["lease"] = str(work.seq)  # it gave back what it was started for, and has it again
    work.move(doc, "started", "show", "hub", None, **lines)
    for known in fitting:
        if known.kind is Kind.ASSIGNMENT:
            _claim(work, known, doc.id)
        else:
            work.move(known, known.state, "show", shown=doc.id)
    return None


def _on(work: Work, named: Iterable[str]) -> tuple[str, ...]:
    """Return the documents of a run. One that goes on for weeks keeps what still lives, and the latest."""
    found = tuple(dict.fromkeys(named))
    for id_ in found[1:-1] if len(found) > ON_MOST else ():
        if work.state.get(id_) is None and len(found) > ON_MOST:
            found = tuple(known for known in found if known != id_)
    return (*found[:1], *found[1:][-ON_MOST + 1 :])


def _to_tell(work: Work, run: Doc, named: Iterable[str]) -> list[Doc]:
    agent = run.text("agent")
    free = not held_by(work, run) and not is_full(work.state, agent)
    fitting: list[Doc] = []
    for id_ in dict.fromkeys(named):
        doc = work.get(id_)
        if doc is None or doc.text("shown") or not _is_for(work, agent, doc):
            continue
        if doc.kind is not Kind.ASSIGNMENT:
            fitting.append(doc)
        elif free and doc.state == "pending":
            fitting.append(doc)
            free = False  # one at a time: what it holds is given back together when it ends
    return fitting


def held_by(work: Work, run: Doc) -> list[Doc]:
    """Return what was claimed for a run and has not ended: worked on, or waiting for an answer."""
    agent = run.text("agent")
    mine = (*work.state.inbox(agent), *work.state.inbox(agent, "waiting"))
    return [doc for doc in mine if doc.kind is Kind.ASSIGNMENT and doc.text("worker") == run.id]


# stopping


def stop(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Say that a run is to be stopped, with all that it led to. Its process is stopped because of that."""
    if doc.state == "stopping":
        said = f"{doc.id} is being stopped already"
        return Refusal("wrong-state", said, "wait for its end", request.line, document=doc.id)
    flaw = work.check(doc, "stop", "stopping", request.actor)
    if flaw is not None:
        return flaw
    by, note = request.actor, request.text("note") or None
    work.move(doc, "stopping", "stop", by, stopped_by=by, note=note)
    for run in work.state.runs():
        if run.state == "started" and _is_below(work, run, doc.id):
            note = f"{doc.id}, which led to it, was stopped"
            work.move(run, "stopping", "stop", stopped_by=by, note=note)
    return None


def _is_below(work: Work, run: Doc, above: str) -> bool:
    seen = {run.id}
    parent = run.text("parent")
    while parent and parent != above and parent not in seen:
        seen.add(parent)
        known = work.get(parent)
        parent = known.text("parent") if known is not None else ""
    return parent == above and run.id != above


def no_run(work: Work, request: Request) -> Refusal:
    """Refuse to stop what is no run; who names an agent is told its runs."""
    runs = [run.id for run in work.state.runs(request.on)]
    if work.state.card(request.on) is None:
        flaw = unknown_id(request.on, "run")
        return Refusal(flaw.code, flaw.message, flaw.hint, request.line)
    said = f"{request.on} is an agent, and a run is stopped"
    hint = f"name a run of it: {', '.join(runs)}" if runs else f"no run of {request.on} goes on"
    return Refusal("unknown-id", said, hint, request.line)
