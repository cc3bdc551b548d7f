"""Tasks: somebody wants something done; its owner plans it, anybody concerned may close it."""

from __future__ import annotations

from hubd.core import ids
from hubd.core.block import plan_items
from hubd.core.check import check_fields
from hubd.core.decide import ending
from hubd.core.decide.people import resolve
from hubd.core.decide.request import Request
from hubd.core.document import Document
from hubd.core.document import document as new_document
from hubd.core.effect import Doc, Refusal
from hubd.core.model import KINDS, Kind
from hubd.core.transition import is_final
from hubd.core.work import Work, at_line, line_of

TASK_KEYS = KINDS[Kind.TASK].hub_keys


def submit_task(work: Work, document: Document, actor: str, name: str, id_: str) -> Refusal | None:
    """Accept a new task."""
    owner = document.text("owner")
    if owner and owner not in ("owner", "operator"):
        found = resolve(work, owner)
        if isinstance(found, Refusal):
            return at_line(found, document, "owner")
        if found != owner.partition("@")[0]:
            said = "a task's owner is one agent, named"
            return Refusal("bad-value", said, "name the agent itself", line_of(document, "owner"))
    flaw = _check_own_plan(work, document, Doc(id_, Kind.TASK, "", document.with_fields({"from": actor}), ()))
    if flaw:
        return flaw
    work.create(Kind.TASK, id_, "draft", "submit", {"from": actor, "outbox": name, "rounds": "0"}, document)
    return None


def _check_own_plan(work: Work, document: Document, task: Doc) -> Refusal | None:
    """Check a plan that a task carries now: the hub plans it in silence, and could tell nobody later."""
    if document.get("assignments") is None:
        return None
    return check_plan(work, document, task) or no_approver(work, task, "hub")


def check_plan(work: Work, document: Document, task: Doc) -> Refusal | None:
    """Refuse a plan that is too large, or that names somebody who is not there."""
    items = plan_items(Doc("", Kind.ROUND, "", document, ()))
    most = work.settings.number("max_assignments_per_round")
    if len(items) > most:
        return Refusal(
            "too-many-assignments", f"a round has at most {most} assignments, and this one has {len(items)}",
            "plan the rest in a later round, or raise max_assignments_per_round",
            line_of(document, "assignments"),
        )  # fmt: skip
    for number, item in enumerate(items, 1):
        found = resolve(work, str(item["to"]), task)
        if isinstance(found, Refusal):
            said = f"assignment {number}: {found.message}"
            return Refusal(found.code, said, found.hint, line_of(document, "assignments"))
    return None


def no_approver(work: Work, task: Doc, writer: str) -> Refusal | None:
    """Refuse a plan that can never get the approvals it needs."""
    if work.settings.flag("auto_approve"):
        return None
    who = task.text("from") if writer == "hub" else writer
    names = [n for n in work.approvers() if n != who or not work.settings.flag("not_author")]
    needed = work.settings.number("approvals")
    if len(names) >= needed:
        return None
    said = f"{needed} must approve a round that {who} wrote, and {len(names)} may"
    return Refusal("no-approver", said, "name more persons as `approvers:` in hub.yaml")


def too_many_rounds(work: Work, task: Doc, number: int) -> Refusal | None:
    """Refuse a round past max_rounds."""
    most = work.settings.number("max_rounds")
    if number <= most:
        return None
    return Refusal(
        "too-many-rounds", f"{task.id} has had {number - 1} rounds, and max_rounds is {most}",
        "approve what is there, close the task, or raise max_rounds in hub.yaml", document=task.id,
    )  # fmt: skip


def amend_task(work: Work, doc: Doc, document: Document, actor: str) -> Refusal | None:
    """Change a task that no round is planned for."""
    if doc.state != "draft":
        return already_sent(doc)
    flaw = work.check(doc, "amend", "draft", actor) or check_fields(document, Kind.TASK, TASK_KEYS)
    if flaw:
        return flaw
    if document.text("owner") != doc.text("owner"):
        said, hint = "a task's owner cannot be changed", f"close {doc.id} and send a new task"
        return Refusal("not-amendable", said, hint, line_of(document, "owner"), document=doc.id)
    flaw = _check_own_plan(work, document, doc)
    if flaw:
        return flaw
    work.move(doc, "draft", "amend", actor, document)
    return None


def already_sent(doc: Doc) -> Refusal:
    """Return the refusal of changed bytes that come too late."""
    said = f"{doc.id} was sent already and is {doc.state}: its text cannot be changed any more"
    return Refusal("already-sent", said, "send a new document under another name", document=doc.id)


def close_task(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Close a task from any state; everything under it ends with it."""
    flaw = work.check(doc, "close", "closed", request.actor)
    if flaw:
        return flaw
    work.move(doc, "closed", "close", request.actor, note=request.text("note") or None)
    for round_ in work.children(doc.id, Kind.ROUND):
        if not is_final(Kind.ROUND, round_.state):
            ending.withdraw(work, round_)
            work.move(work.need(round_.id), "closed", "close")
    tell_author(work, doc, f"{doc.id} was closed by {request.actor}", request.text("note"), request.actor)
    return None


def tell_author(work: Work, task: Doc, subject: str, text: str, actor: str) -> None:
    """Send a task's author a message, unless it is who acted, or owns the task and sees it happen."""
    author = task.text("from")
    if author in (actor, work.owner(task), "hub") or work.state.card(author) is None:
        return
    tell(work, author, subject, text, task=task.id)


def tell(work: Work, to: str, subject: str, text: str, **lines: str) -> None:
    """Send a message of the hub's own, as a consequence. At most one in a step."""
    header = {"kind": "message", "to": to, "subject": subject, **{k: v for k, v in lines.items() if v}}
    id_ = f"m-{ids.number(work.state.hub_id, work.seq)}"
    body = f"{text.rstrip()}\n" if text.strip() else ""
    hub = {"from": "hub", "hops": "0"}
    if "reply_to" in header:
        hub["thread"] = header["reply_to"]
    doc = work.create(Kind.MESSAGE, id_, "unread", "submit", hub, new_document(header, body))
    work.address(doc, to)


def unknown_id(id_: str, what: str = "document") -> Refusal:
    """Refuse an id that no document has."""
    return Refusal(
        "unknown-id", f"there is no {what} `{id_[:80]}`", "copy the id from your inbox, or from NOW.md"
    )
