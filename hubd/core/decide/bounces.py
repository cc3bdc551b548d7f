"""Refusing: the truth stays, the bytes are kept, and their author is told which rule, where, and what to
write.

From the third refusal of one file in a row, no new bounce is made: the last one counts on, and somebody
who can help is told once. Rule: bounces never bounce; who spoils one finds it written again.
"""

from __future__ import annotations

from dataclasses import replace

from hubd.core import ids, place
from hubd.core.block import fence
from hubd.core.codes import CODES
from hubd.core.decide.tasks import tell
from hubd.core.document import Value
from hubd.core.document import document as new_document
from hubd.core.effect import Doc, Nothing, Proposal, Refusal, Step
from hubd.core.model import Kind
from hubd.core.naming import shown
from hubd.core.secret import has_secret, quarantined_as
from hubd.core.state import State
from hubd.core.time import Now
from hubd.core.transition import dos
from hubd.core.work import Facts, Work

PARK_AT = 3
_SHOWN = 300


def refuse(state: State, facts: Facts, now: Now, proposal: Proposal, refusal: Refusal) -> Step | Nothing:
    """Return the step that records a refusal and bounces it. The hub's own proposals end quietly."""
    if proposal.actor == "hub" or not place.is_name(proposal.actor):
        return Nothing(
            f"{refusal.code}: {refusal.message}", refusal.document, put_back=proposal.area != "hub"
        )
    work = Work(state, facts, now, proposal)
    refusal = completed(work, proposal, refusal)
    spoiled = state.live_path(proposal.path) if proposal.area == "live" else None
    if spoiled is not None and spoiled.kind is Kind.BOUNCE:
        work.move(spoiled, "unread", "refuse", proposal.actor)
        return work.step(refusal, spoiled.id)
    earlier = state.bounces(proposal.actor, shown(proposal.path))
    parked = len(earlier) >= PARK_AT
    count = (earlier[-1].number("count", PARK_AT) if parked else len(earlier)) + 1
    lines = _lines(proposal, refusal, count)
    body = text(proposal, refusal, str(lines.get("kept", "")), count)
    if parked:
        doc = _count_on(work, earlier[-1], lines, body)
    else:
        doc = work.create(
            Kind.BOUNCE, f"b-{ids.number(state.hub_id, work.seq)}", "unread", "refuse", lines, None, body
        )  # fmt: skip
        work.address(doc, proposal.actor)
        if count == PARK_AT:
            _park(work, proposal, refusal)
    return work.step(refusal, doc.id)


def completed(work: Work, proposal: Proposal, refusal: Refusal) -> Refusal:
    """Return a refusal with what can be known from its code, its document and the bytes that were refused."""
    known = CODES.get(refusal.code)
    hint = refusal.hint or (known.hint if known is not None else "correct it")
    if not refusal.hint and refusal.code == "unquoted-value" and refusal.correct:
        hint = CODES["bad-key"].hint
    written, legal = refusal.written, refusal.legal
    if refusal.line and not written and proposal.data is not None:
        lines = proposal.data.split(b"\n")
        line = lines[refusal.line - 1] if refusal.line <= len(lines) else b""
        written = line.decode(errors="replace").strip("\ufeff\r")[:_SHOWN]
    doc = work.get(refusal.document) if refusal.document else None
    if doc is not None and not legal and refusal.code != "wrong-state":
        legal = dos(doc.kind, doc.state)
    message, correct = shown(" ".join(refusal.message.split()))[:_SHOWN], refusal.correct
    if proposal.data is not None and has_secret(proposal.data):
        # A bounce goes into the ledger, and stays: it must not quote what looks like a secret.
        written = correct = ""
        message = known.about.rstrip(".") if known is not None and has_secret(message.encode()) else message
    return replace(refusal, message=message, hint=hint, written=written, correct=correct, legal=legal)


def _lines(proposal: Proposal, refusal: Refusal, count: int) -> dict[str, Value]:
    lines: dict[str, Value] = {
        "from": "hub", "code": refusal.code, "about": shown(proposal.path), "count": str(count),
    }  # fmt: skip
    if refusal.document:
        lines["document"] = refusal.document
    if refusal.line:
        lines["line"] = str(refusal.line)
    if proposal.area != "hub" and (proposal.data is not None or proposal.unreadable):
        lines["kept"] = proposal.kept or place.refused(proposal.actor, shown(proposal.name))
    return lines


def _count_on(work: Work, last: Doc, lines: dict[str, Value], body: str) -> Doc:
    changed: dict[str, Value | None] = {"document": None, "line": None, "kept": None, **lines}
    document = new_document(last.document.header, body)
    return work.move(last, "unread", "refuse", work.proposal.actor, document, **changed)


def _park(work: Work, proposal: Proposal, refusal: Refusal) -> None:
    """Tell the owner of the task it is about, or else the operator, that somebody is stuck."""
    doc = work.get(refusal.document) if refusal.document else None
    task = work.task_of(doc) if doc is not None else None
    names = (work.owner(task) if task is not None else "", work.settings.word("operator"))
    to = next((n for n in names if n not in ("", proposal.actor) and work.state.card(n) is not None), None)
    if to is not None:
        subject = f"{proposal.actor} was refused {PARK_AT} times in a row: {refusal.code}"
        said = f"`{shown(proposal.path)}` is parked: further refusals of it make no new bounce."
        said += f"\n\n{sentence(refusal.message)}"
        tell(work, to, subject, said)


def sentence(message: str) -> str:
    """Return a message as a sentence."""
    return f"{message[:1].upper()}{message[1:]}."


def text(proposal: Proposal, refusal: Refusal, kept: str, count: int) -> str:
    """Return what a bounce says."""
    again = f" This is refusal {count} of it in a row." if count > 1 else ""
    parts = [
        f"`{shown(proposal.path)}` was not accepted: **{refusal.code}**.{again}",
        sentence(refusal.message),
    ]
    if refusal.line:
        written = f", as written:\n\n{fence(refusal.written)}" if refusal.written.strip() else "."
        parts.append(f"Line {refusal.line}{written}")
    elif refusal.written:
        parts.append("As written:\n\n" + fence(refusal.written))
    if refusal.correct:
        parts.append("As it should be:\n\n" + fence(refusal.correct, "yaml"))
    parts.append(f"What to do: {refusal.hint}.")
    if refusal.legal:
        verbs = ", ".join(f"`{d}`" for d in refusal.legal)
        parts.append(f"What can be done to `{refusal.document}` now: {verbs}.")
    if kept:
        name = quarantined_as(proposal.data or b"")
        parts.append(f"Your bytes are in `{kept}`.")
        if name:
            parts.append(f"The ledger has only their SHA-256, {name}: they are many, or look like a secret.")
    match proposal.area:
        case "outbox":
            parts.append("Correct them and save the file in your outbox again; nothing else is needed.")
        case "cards" | "settings":
            parts.append(
                "The file holds again what it held before. Correct it there and save; nothing else is needed."
            )
        case "live":
            parts.append(
                "The document holds again what is true. Read it, then make the change there once more if it "
                "still applies."
            )
        case _:
            pass
    return "\n\n".join(parts) + "\n"
