"""Messages: told once, counted in hops, read or expired."""

from __future__ import annotations

from hubd.core import ids
from hubd.core.decide.people import resolve
from hubd.core.decide.request import Request
from hubd.core.decide.tasks import unknown_id
from hubd.core.decide.when import past, resolve_when
from hubd.core.document import Document, Value
from hubd.core.effect import Doc, Nothing, Refusal
from hubd.core.model import KINDS, Kind
from hubd.core.transition import is_final
from hubd.core.work import Work, at_line, line_of

MESSAGE_KEYS = KINDS[Kind.MESSAGE].hub_keys


def dedupe_id(hub_id: str, sender: str, key: str) -> str:
    """Return the id of every message with this key from this sender: the archive is then the memory."""
    return f"m-{ids.token(hub_id, sender, key)[:16]}"


def submit_message(
    work: Work, document: Document, actor: str, name: str, id_: str
) -> Refusal | Nothing | None:
    """Accept a message: one copy in each recipient's inbox."""
    known = _known(work, document, id_)
    if known is not None:
        return known
    task = work.get(document.text("task")) if document.text("task") else None
    if document.text("task") and (task is None or task.kind is not Kind.TASK):
        return at_line(unknown_id(document.text("task"), "task"), document, "task")
    parent = work.get(document.text("reply_to")) if document.text("reply_to") else None
    if document.text("reply_to") and parent is None:
        return at_line(unknown_id(document.text("reply_to")), document, "reply_to")
    about = task or (work.task_of(parent) if parent is not None else None)
    recipients = _recipients(work, document, actor, about)
    if isinstance(recipients, Refusal):
        return at_line(recipients, document, "to")
    hops = _hops(work, actor, parent)
    flaw = _too_many_hops(work, document, hops) or _too_many(work, task)
    if flaw:
        return flaw
    lines: dict[str, Value] = {"from": actor, "hops": str(hops)}
    if name:
        lines["outbox"] = name
    if parent is not None:
        lines["thread"] = parent.text("thread") or parent.id
    if document.text("expires"):
        lines["until"] = resolve_when(work, document.text("expires"))
    for number, recipient in enumerate(recipients, 1):
        copy = id_ if len(recipients) == 1 else f"{id_}.{number}"
        work.address(work.create(Kind.MESSAGE, copy, "unread", "submit", lines, document), recipient)
    if task is not None and not is_final(Kind.TASK, task.state):
        work.move(task, task.state, "count", messages=str(task.number("messages") + 1))
    return None


def _known(work: Work, document: Document, id_: str) -> Refusal | Nothing | None:
    """Same sender, key and bytes: delivered once. Same key, other bytes: refused."""
    if not document.text("dedupe_key"):
        return None
    known = work.get(id_) or work.get(f"{id_}.1")
    if known is None:
        return None
    if known.document.author_bytes(MESSAGE_KEYS) == document.author_bytes(MESSAGE_KEYS):
        return Nothing(f"{known.id} has this dedupe_key and these bytes already", known.id)
    said = f"you sent {known.id} with the same dedupe_key and other bytes"
    return Refusal("duplicate-message", said, line=line_of(document, "dedupe_key"), document=known.id)


def _recipients(work: Work, document: Document, actor: str, task: Doc | None) -> tuple[str, ...] | Refusal:
    value = document.get("to")
    addresses = tuple(str(v) for v in value) if isinstance(value, tuple) else (str(value),)
    found: list[str] = []
    for address in addresses:
        if address == "all":
            found += [n for n in sorted(work.state.cards) if n != actor]
            continue
        name = resolve(work, address, task)
        if isinstance(name, Refusal):
            return name
        found.append(name)
    names = tuple(dict.fromkeys(found))
    most = work.settings.number("max_recipients")
    if len(names) > most:
        return Refusal("too-many-recipients", f"it goes to {len(names)} agents, and max_recipients is {most}")
    if not names:
        return Refusal("unknown-recipient", "nobody else is there", "add a card first")
    return names


def _hops(work: Work, actor: str, parent: Doc | None) -> int:
    """Return one more than what it replies to, or what its author's run was shown; a person begins anew."""
    if actor == "hub" or work.state.is_person(actor):
        return 0
    run = work.run_of(actor)
    return 1 + max(parent.number("hops") if parent else 0, run.number("hops") if run else 0)


def _too_many_hops(work: Work, document: Document, hops: int) -> Refusal | None:
    most = work.settings.number("max_hop_count")
    if hops <= most:
        return None
    said = f"{hops} messages in a row followed from each other, and max_hop_count is {most}"
    hint = "act on it, or write to a person: what a person writes begins anew"
    return Refusal("too-many-hops", said, hint, line_of(document, "reply_to"))


def _too_many(work: Work, task: Doc | None) -> Refusal | None:
    most = work.settings.number("max_messages_per_task")
    if task is None or task.number("messages") < most:
        return None
    said = f"{task.id} has {most} messages already, and max_messages_per_task is {most}"
    return Refusal("too-many-messages", said, "decide, close the task, or raise the limit", document=task.id)


def acknowledge(work: Work, doc: Doc, request: Request) -> Refusal | Nothing | None:
    """Take a message or bounce as read."""
    if doc.state == "read":
        return Nothing(f"{doc.id} is read already", doc.id)
    flaw = work.check(doc, "ack", "read", request.actor)
    if flaw:
        return flaw
    work.move(doc, "read", "ack", request.actor)
    return None


def expire_message(work: Work, doc: Doc) -> Refusal | Nothing | None:
    """The hub's own proposal: a message's time has passed."""
    if doc.state != "unread" or not past(work, doc, "until"):
        return Nothing(f"{doc.id} has not expired", doc.id)
    work.move(doc, "expired", "expire", "hub")
    return None
