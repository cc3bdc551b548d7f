"""Rounds: a plan is approved by people, carried out, and reviewed.

Rule: an approval binds the plan's hash, a verdict binds the handoffs' hash; who read another one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from hubd.core.block import plan_items
from hubd.core.block.quoting import after as numbers_after
from hubd.core.check import check_fields
from hubd.core.decide import ending
from hubd.core.decide.people import resolve
from hubd.core.decide.request import Request
from hubd.core.decide.tasks import (
    already_sent,
    check_plan,
    no_approver,
    tell_author,
    too_many_rounds,
    unknown_id,
)
from hubd.core.decide.when import resolve_when
from hubd.core.document import Document, Value
from hubd.core.document import document as new_document
from hubd.core.effect import Doc, Refusal
from hubd.core.model import KINDS, VERDICTS, Kind, verdict
from hubd.core.state import digest
from hubd.core.work import Work, at_line, line_of, wrong_state

ROUND_KEYS = KINDS[Kind.ROUND].hub_keys


def plan_hash(id_: str, document: Document) -> str:
    """Return what an approval binds: the round's id and every byte of it that is its author's."""
    return digest(id_, document.author_bytes(ROUND_KEYS))


def submit_round(
    work: Work, document: Document, actor: str, name: str, source: Doc | None = None
) -> Refusal | None:
    """Accept a plan for a task; the task then waits for approval. `source`: what the hub made it from."""
    task = work.get(document.text("task"))
    if task is None or task.kind is not Kind.TASK:
        return at_line(unknown_id(document.text("task"), "task"), document, "task")
    if not work.roles(task, actor) & {"owner", "person", "hub"}:
        owner = work.owner(task)
        said = f"{task.id} is planned by its owner, {owner}"
        return Refusal(
            "not-yours", said, f"send {owner} a message", line_of(document, "task"), document=task.id
        )
    if task.state != "draft":
        return at_line(wrong_state(task, "planning a round"), document, "task")
    number = task.number("rounds") + 1
    flaw = (
        too_many_rounds(work, task, number)
        or check_plan(work, document, task)
        or no_approver(work, task, actor)
    )
    if flaw:
        return flaw
    id_ = f"{task.id}.r{number}"
    lines: dict[str, Value] = {"from": actor, "number": str(number), "plan": plan_hash(id_, document)}
    if name:
        lines["outbox"] = name
    if source is not None and source.text("run"):  # who wrote the plan wrote it in a run
        lines.update(run=source.text("run"), depth=source.text("depth"))
    work.create(Kind.ROUND, id_, "awaiting_approval", "submit", lines, document)
    work.move(task, "awaiting_approval", "plan", rounds=str(number), note=None)
    return None


def plan_from_task(work: Work, task: Doc) -> Refusal | None:
    """The hub's own proposal: the first round of a task that carries its plan, or the next one by policy."""
    rounds = work.children(task.id, Kind.ROUND)
    source = rounds[-1] if rounds else task
    plan = source.document.get("assignments")
    if plan is None or task.state != "draft":
        return wrong_state(task, "plan")
    said = ""
    if rounds:
        before = source.document.body.strip()
        note = source.text("note")
        said = "\n\n".join(
            part for part in (before, f"Changes were requested:\n\n{note}" if note else "") if part
        )
    document = new_document(
        {"kind": "round", "task": task.id, "assignments": plan}, f"{said}\n" if said else ""
    )
    return submit_round(work, document, "hub", "", source)


def amend_round(work: Work, doc: Doc, document: Document, actor: str) -> Refusal | None:
    """Change a plan that waits for approval; approvals given so far lapse."""
    if doc.state != "awaiting_approval":
        return already_sent(doc)
    flaw = work.check(doc, "amend", doc.state, actor) or _check_amended(work, doc, document)
    if flaw:
        return flaw
    work.move(doc, doc.state, "amend", actor, document, plan=plan_hash(doc.id, document), approved_by=None)
    return None


def _check_amended(work: Work, doc: Doc, document: Document) -> Refusal | None:
    flaw = check_fields(document, Kind.ROUND, ROUND_KEYS)
    if flaw:
        return flaw
    task = work.need_task(doc)
    if document.text("task") != task.id:
        said = f"{doc.id} cannot be moved to another task"
        return Refusal("not-amendable", said, "send a new round", line_of(document, "task"), document=doc.id)
    return check_plan(work, document, task)


def approve(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Approve a plan: with enough approvals its assignments are made, and delivered."""
    document = request.amended or doc.document
    bound = plan_hash(doc.id, document)
    earlier = doc.texts("approved_by") if bound == doc.text("plan") else ()
    given = tuple(dict.fromkeys((*earlier, request.actor)))
    enough = len(given) >= work.settings.number("approvals") or request.actor == "hub"
    after = "dispatched" if enough else "awaiting_approval"
    flaw = work.check(doc, "approve", after, request.actor)
    if flaw:
        return flaw
    if request.amended is not None:
        flaw = _check_amended(work, doc, document)
        if flaw:
            return flaw
        work.observed = f"plan {doc.text('plan')} -> {bound}"
    if request.text("plan") and request.text("plan") != bound:
        return plan_changed(doc, request)
    if request.actor in earlier:
        said = f"{request.actor} has approved {doc.id} already"
        return Refusal("already-approved", said, document=doc.id)
    if request.actor == "hub" and not work.settings.flag("auto_approve"):
        return Refusal("not-yours", "the hub approves only by auto_approve", document=doc.id)
    doc = work.move(
        doc, after, "approve", request.actor, document, plan=bound, approved_by=given, decision=None,
        note=request.text("note") or None,
    )  # fmt: skip
    return _dispatch(work, doc) if enough else None


def plan_changed(doc: Doc, request: Request) -> Refusal:
    """Refuse an approval of something else than what there is."""
    said = f"{doc.id} is not what you read: its plan is {doc.text('plan')}, not {request.text('plan')[:40]}"
    return Refusal("plan-changed", said, line=request.at("plan"), document=doc.id)


def _dispatch(work: Work, round_: Doc) -> Refusal | None:
    task = work.need_task(round_)
    given: list[str] = []
    for number, item in enumerate(plan_items(round_), 1):
        to = resolve(work, str(item["to"]), task, given)
        if isinstance(to, Refusal):  # a card may have been retired since the plan was accepted
            return Refusal(to.code, f"assignment {number}: {to.message}", to.hint, document=round_.id)
        given.append(to)
        after = tuple(f"{round_.id}.a{n}" for n in numbers_after(item))
        lines: dict[str, Value] = {
            "from": "hub", "task": task.id, "round": round_.id, "to": to, "goal": str(item["goal"]),
            "attempt": "1",
        }  # fmt: skip
        if after:
            lines["after"] = after
        if item.get("deadline"):
            lines["deadline"] = resolve_when(work, str(item["deadline"]))
        work.create(
            Kind.ASSIGNMENT, f"{round_.id}.a{number}", "waiting" if after else "pending", "create", lines
        )
    work.move(task, "dispatched", "dispatch")
    return None


def planned(round_: Doc, assignment: str) -> Mapping[str, Value]:
    """Return what the plan says about one of its assignments."""
    number = int(assignment.rpartition(".a")[2])
    return plan_items(round_)[number - 1]


def reject(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Refuse a plan; its task goes back to its owner."""
    flaw = work.check(doc, "reject", "rejected", request.actor)
    if flaw:
        return flaw
    work.move(doc, "rejected", "reject", request.actor, note=request.text("note") or None, decision="reject")
    work.move(work.need_task(doc), "draft", "plan-again")
    return None


def recall(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Take a plan or its approval back: work stops, what was done is kept."""
    flaw = work.check(doc, "recall", "recalled", request.actor)
    if flaw:
        return flaw
    work.move(doc, "recalled", "recall", request.actor, note=request.text("note") or None)
    ending.withdraw(work, doc)
    work.move(work.need_task(doc), "draft", "plan-again")
    return None


def review(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Say what the round's work is worth: completed, or changes are needed."""
    word = verdict(request.text("verdict"))
    after = "changes_requested" if word == "changes_requested" else "completed"
    flaw = work.check(doc, "review", after, request.actor)
    if flaw:
        return flaw
    if word not in VERDICTS:
        hint = "add `verdict: approved` or `verdict: changes_requested`"
        return Refusal("missing-key", "a review needs `verdict:`", hint, request.line, document=doc.id)
    task = work.need_task(doc)
    if after == "changes_requested":
        flaw = too_many_rounds(work, task, task.number("rounds") + 1)
        if flaw:
            return flaw
    if request.text("handoffs") not in ("", doc.text("handoffs")):
        said = f"the handoffs of {doc.id} are not those you read: they are {doc.text('handoffs')} now"
        hint = "read them again, and judge what there is now"
        return Refusal("plan-changed", said, hint, request.at("handoffs"), document=doc.id)
    note = request.text("note") or None
    work.move(doc, after, "review", request.actor, verdict=word, note=note)
    for assignment in work.children(doc.id, Kind.ASSIGNMENT):
        for handoff in work.children(assignment.id, Kind.HANDOFF):
            if handoff.state == "submitted":
                work.move(handoff, "accepted" if word == "approved" else "returned", "settle")
    if word == "approved":
        work.move(task, "completed", "complete", note=note)
        tell_author(work, task, f"{task.id} is completed", request.text("note"), request.actor)
    else:
        work.move(task, "draft", "plan-again")
    return None
