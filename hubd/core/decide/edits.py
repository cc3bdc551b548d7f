"""What somebody meant who saved a document that lies in their folder: the difference from what they had read.

Guarantee: an old editor buffer does no harm. What counts is the difference between the saved file and the
document at the `rev` that the file carries: nothing changed, nothing happens; changed where the truth stayed,
it is taken over; changed where the truth changed too, it is a conflict.
Rule: only ticks and notes inside the hub's block, and the header lines marked `act`, are ways to act.
"""

from __future__ import annotations

from hubd.core.block import inline
from hubd.core.check import check_fields
from hubd.core.decide.cards import card_hash, from_flaw
from hubd.core.decide.marks import Marks, new_text, new_ticks, read_marks
from hubd.core.decide.request import Request
from hubd.core.decide.rounds import plan_hash
from hubd.core.document import Document, Flaw, Value, parse
from hubd.core.effect import Doc, Nothing, Refusal
from hubd.core.model import KINDS, VERDICTS, Kind, verb, verdict
from hubd.core.state import HELD
from hubd.core.transition import dos
from hubd.core.work import line_of

_QUIET = frozenset({"rev", "note", "approved_by", "messages", "rounds", "created", "shown", "presented"})
"""Lines of the hub that may change under a reader's hands without a decision being about something else."""
_AMENDED = frozenset({Kind.TASK, Kind.ROUND, Kind.AGENT})
"""Kinds whose text somebody else than the hub may change while they are live."""


def read_edit(
    doc: Doc, data: bytes | None, saved: Document | Flaw | None, actor: str, base: Document | None
) -> Request | Refusal | Nothing:
    """Return what a saved or removed live document asks for. `base` is the document at the file's `rev`."""
    if saved is None:
        return _removed(doc, actor)
    if data == doc.document.render():
        return Nothing(f"{doc.id} is unchanged", doc.id)
    if isinstance(saved, Flaw):
        return from_flaw(saved)
    flaw = check_fields(saved, doc.kind, KINDS[doc.kind].hub_keys)
    if flaw:
        return flaw
    base = base or doc.document
    acts = _acts(doc, saved, base)
    if isinstance(acts, Refusal):
        return acts
    amended = _amended(doc, saved, base)
    if isinstance(amended, Refusal):
        return amended
    request = _request(doc, saved, base, acts, actor, amended)
    if isinstance(request, Refusal):
        return request
    if request is None:
        return _without_act(doc, saved, base, acts, amended, actor)
    stale = _stale(doc, base, saved)
    return stale if stale and request.do != "claim" else request  # a claim too late is told who holds it


def _removed(doc: Doc, actor: str) -> Request | Refusal:
    if doc.kind in (Kind.MESSAGE, Kind.BOUNCE):
        return Request("ack", doc.id, actor)
    return Refusal(
        "deleted", f"{doc.id} is live and was put back", document=doc.id, legal=dos(doc.kind, doc.state)
    )


def _acts(doc: Doc, saved: Document, base: Document) -> dict[str, str] | Refusal:
    """The hub's lines: a lost one is restored, an altered one is refused, unless it is a way to act."""
    acts: dict[str, str] = {}
    for field in KINDS[doc.kind].hub:
        theirs = saved.get(field.name)
        if theirs is None or theirs == base.get(field.name) or theirs == doc.document.get(field.name):
            continue
        if field.act and isinstance(theirs, str):
            acts[field.name] = theirs
            continue
        correct = f"{field.name}: {base.text(field.name)}" if base.get(field.name) is not None else ""
        said = f"`{field.name}` is written by the hub"
        return Refusal("hub-line", said, "", line_of(saved, field.name), "", correct, doc.id)
    other = doc.kind is Kind.ASSIGNMENT and doc.state in HELD and saved.text("worker") != doc.text("worker")
    if other and ("worker" in acts or saved.text("state") == "claimed" != base.text("state")):
        acts["state"] = "claimed"  # somebody else claimed it already: this is still a claim, and too late
    return acts


def _amended(doc: Doc, saved: Document, base: Document) -> Document | Refusal | None:
    """Return the truth with the reader's changes to the author's text, or None where there are none."""
    spec = KINDS[doc.kind]
    if doc.kind not in _AMENDED:
        return None if _words(saved, spec.hub_keys) == _words(base, spec.hub_keys) else _foreign_text(doc)
    theirs, before = saved.author_bytes(spec.hub_keys), base.author_bytes(spec.hub_keys)
    truth = doc.document.author_bytes(spec.hub_keys)
    if theirs in (before, truth):
        return None
    if truth != before:
        return _conflict(doc, saved, base, "its text")
    small = parse(theirs)  # what the hub's lines may add is not the author's to use
    if isinstance(small, Flaw):
        return from_flaw(small)
    lines: dict[str, Value | None] = {key: doc.document.get(key) for key in spec.hub_keys}
    return saved.with_fields(lines, first=spec.hub_keys).with_block(doc.document.block)


def _words(document: Document, hub_keys: tuple[str, ...]) -> object:
    """What a document says, whatever an editor did to its blanks and line ends."""
    return {k: v for k, v in document.header.items() if k not in hub_keys}, document.body.split()


def _foreign_text(doc: Doc) -> Refusal:
    whose = "the hub" if KINDS[doc.kind].written_by_hub else doc.text("from")
    hint = "write to its author instead"
    if doc.kind is Kind.QUESTION:
        hint = "write the answer above the line `<!-- /hub -->`, under Answer"
    elif doc.kind is Kind.ASSIGNMENT:
        hint = "report with a progress request, or hand off"
    said = f"the text of {doc.id} is {whose}'s"
    return Refusal("read-only", said, hint, document=doc.id, legal=dos(doc.kind, doc.state))


def _conflict(doc: Doc, saved: Document, base: Document, what: str) -> Refusal:
    rev, now = saved.text("rev") or "unknown", doc.text("rev")
    said = f"{what} changed since rev {rev}, which you edited: {doc.id} is {doc.state} at rev {now} now"
    return Refusal(
        "stale-buffer", said, "read it again and make your change there; yours is kept", 0,
        f"base: {base.text('state')} (rev {rev})", f"truth: {doc.state} (rev {now})", doc.id,
        dos(doc.kind, doc.state),
    )  # fmt: skip


def _stale(doc: Doc, base: Document, saved: Document) -> Refusal | None:
    """An act counts only on what its author had read: its text, state, plan, lease and handoffs."""
    keys = KINDS[doc.kind].hub_keys
    same = saved.author_bytes(keys) == doc.document.author_bytes(keys)
    if not same and base.author_bytes(keys) != doc.document.author_bytes(keys):
        return _conflict(doc, saved, base, "its text")
    for field in KINDS[doc.kind].hub:
        if field.name in _QUIET or base.get(field.name) == doc.document.get(field.name):
            continue
        if field.name == "plan" and same:
            continue  # the buffer holds the very text that is true, only the hub's line is old
        return _conflict(doc, saved, base, f"`{field.name}`")
    return None


def _without_act(
    doc: Doc, saved: Document, base: Document, acts: dict[str, str], amended: Document | None, actor: str
) -> Request | Refusal | Nothing:
    if amended is not None:
        return Request("amend", doc.id, actor, {}, 0, amended)
    if acts or new_text(saved, base):
        # A note or a worker's name without a decision: somebody is still writing. Leave the file alone,
        # unless what they write about is past.
        return _stale(doc, base, saved) or Nothing(f"{doc.id} has a note, and no decision yet", doc.id)
    return Nothing(f"{doc.id} has no change of its own", doc.id, put_back=True)


def _request(
    doc: Doc, saved: Document, base: Document, acts: dict[str, str], actor: str, amended: Document | None
) -> Request | Refusal | None:
    ticks = new_ticks(saved, base)
    note = new_text(saved, base) or acts.get("note", "")
    lines = {entry.key: entry.line for entry in saved.entries}
    if doc.kind is Kind.QUESTION:
        return _answer(doc, ticks, acts, note, actor, lines)
    reviewing = doc.kind is Kind.ROUND and doc.state == "awaiting_review"
    form = verdict if reviewing else verb
    words = [form(_first_word(t)) for t in ticks]
    words += [form(acts[key]) for key in ("decision", "verdict", "state") if key in acts]
    chosen = list(dict.fromkeys(words))
    if not chosen:
        return None
    at = next((lines[key] for key in ("decision", "verdict", "state") if key in acts), 0)
    if len(chosen) > 1:
        said = f"{doc.id} says {' and '.join(chosen)} at once"
        return Refusal("ambiguous-decision", said, line=at, document=doc.id)
    word, fields = chosen[0], dict[str, Value]({"note": note} if note else {})
    if reviewing and word in VERDICTS:
        return Request("review", doc.id, actor, {**fields, "verdict": word}, at, None, lines)
    if word == "approve" and doc.kind in (Kind.ROUND, Kind.AGENT):
        # What stands in the saved file is what was read: that is what the approval binds.
        bound = plan_hash if doc.kind is Kind.ROUND else card_hash
        fields["plan"] = bound(doc.id, amended or saved)
    if doc.kind is Kind.ASSIGNMENT:
        return _assignment(doc, saved, word, fields, actor, lines)
    return Request(word, doc.id, actor, fields, at, amended, lines)


def _first_word(tick: str) -> str:
    return tick.split("(")[0].strip().split(" ")[0].rstrip(":.,")


def _answer(
    doc: Doc, ticks: tuple[str, ...], acts: dict[str, str], note: str, actor: str, lines: dict[str, int]
) -> Request | Refusal | None:
    if len(ticks) > 1:
        return Refusal("ambiguous-decision", f"{doc.id} has two ticks", document=doc.id)
    choices = {inline(c): " ".join(c.split()) for c in doc.texts("choices")}
    said = [choices.get(t, t) for t in ticks]
    if note:
        said.append(note)
    if acts.get("answer"):
        said.append(acts["answer"])
    if said:
        return Request("answer", doc.id, actor, {"answer": "\n\n".join(said)}, 0, None, lines)
    return (
        Request(verb(acts["state"]), doc.id, actor, {}, lines["state"], None, lines)
        if "state" in acts
        else None
    )


def _assignment(
    doc: Doc, saved: Document, word: str, fields: dict[str, Value], actor: str, lines: dict[str, int]
) -> Request | Refusal:
    at = lines.get("state", 0)
    if word == "completed":
        said = "an assignment is completed by a handoff"
        hint = "save the handoff shown in it in your outbox"
        return Refusal("wrong-state", said, hint, at, document=doc.id, legal=dos(doc.kind, doc.state))
    for key in ("worker", "lease"):
        if saved.text(key):
            fields[key] = saved.text(key)
    return Request({"pending": "release"}.get(word, word), doc.id, actor, fields, at, None, lines)


__all__ = ["Marks", "read_edit", "read_marks"]
