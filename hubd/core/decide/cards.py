"""Cards and settings: people's ground. What is saved there takes effect when it is right, else it is put
back.

Rule: only a person changes cards and settings; an agent proposes a change to its own card, and an approver
ticks it.
"""

from __future__ import annotations

from hubd.core import place
from hubd.core.card import check_card
from hubd.core.check import check_fields
from hubd.core.decide.request import Request
from hubd.core.decide.rounds import plan_changed
from hubd.core.decide.tasks import already_sent
from hubd.core.document import Document, Flaw, parse
from hubd.core.document import document as new_document
from hubd.core.effect import Doc, Nothing, Put, Refusal
from hubd.core.model import KINDS, Kind
from hubd.core.naming import shown
from hubd.core.settings import Settings
from hubd.core.state import digest, load_settings
from hubd.core.work import Work, line_of

CARD_KEYS = KINDS[Kind.AGENT].hub_keys


def from_flaw(flaw: Flaw) -> Refusal:
    """Return the refusal of bytes that are no document."""
    return Refusal(flaw.code, flaw.message, "", flaw.line, flaw.written, flaw.correct)


def save_card(work: Work, path: str, data: bytes | None, actor: str) -> Refusal | Nothing | None:
    """Take over a card saved, or removed, in cards/."""
    spot = place.spot(path)
    name = place.stem(spot.name) if spot is not None else ""
    if spot is None or not place.FILE.match(spot.name) or not place.is_name(name):
        return Refusal(
            "bad-name", f"`{shown(path)}` is no card: a card is cards/NAME.md", "use a-z, 0-9 and - for NAME"
        )
    known = work.state.card(name)
    if not work.state.is_person(actor):
        return Refusal(
            "not-yours",
            f"cards are people's ground, and {actor} is no person",
            "propose a card: `kind: agent`",
        )
    if data is None:
        return _retire(work, name, known, actor)
    if known is not None and known.document.render() == data:
        return Nothing(f"the card of {name} is the same", known.id)
    document = parse(data)
    if isinstance(document, Flaw):
        return from_flaw(document)
    flaw = _check_card(work, document, name)
    if flaw:
        return flaw
    install(work, name, document, known, actor)
    return None


def _check_card(work: Work, document: Document, name: str) -> Refusal | None:
    kind = document.entry("kind")
    if kind is None or kind.value != "agent":
        line, written = (kind.line, kind.text.strip()) if kind is not None else (2, "")
        return Refusal(
            "unknown-kind", "a card has `kind: agent`", "write that line", line, written, "kind: agent"
        )
    if document.block is not None:
        return Refusal("hub-marker", "a card holds no block of the hub's", "", len(document.entries) + 3)
    flaw = check_fields(document, Kind.AGENT) or check_card(document)
    if flaw:
        return flaw
    if document.text("name") not in ("", name):
        said, line = f"the card's name is its file's: {name}", line_of(document, "name")
        return Refusal("bad-value", said, "leave out the line", line, "", f"name: {name}")
    needed = (work.settings.word("operator"), *work.settings.names("approvers"))
    if document.text("human") != "true" and name in needed:
        said = f"{name} is the operator, or approves, and must be a person"
        hint = "add `human: true`, or name somebody else in hub.yaml first"
        return Refusal("still-needed", said, hint, line_of(document, "human"))
    if name == work.settings.word("orchestrator") and not is_startable(document):
        said = f"hub.yaml names {name} as its orchestrator, which has a command and is no person"
        hint = "leave the command, or name somebody else in hub.yaml first"
        return Refusal("still-needed", said, hint, line_of(document, "human"))
    return None


def is_startable(card: Document) -> bool:
    """Return whether a card is one of an agent that can be started."""
    return card.text("human") != "true" and bool(card.get("command"))


def install(
    work: Work, name: str, document: Document, known: Doc | None, actor: str, follows: bool = False
) -> None:
    """Put a card in place, as the step itself or as what follows from it."""
    if known is not None:
        work.move(known, "active", "amend", actor, document)
    else:
        do = "install" if follows else "amend"
        work.create(Kind.AGENT, f"card.{name}", "active", do, {"from": actor}, document)


def _retire(work: Work, name: str, known: Doc | None, actor: str) -> Refusal | Nothing | None:
    if known is None:
        return Nothing(f"there is no card {name}")
    settings = work.settings
    if name in (settings.word("operator"), settings.word("orchestrator"), *settings.names("approvers")):
        said = f"hub.yaml names {name} as operator, approver or orchestrator"
        return Refusal("still-needed", said, "name somebody else there first")
    folders = (work.state.inbox(name), work.state.inbox(name, "waiting"))
    busy = [d.id for docs in folders for d in docs if d.kind not in (Kind.MESSAGE, Kind.BOUNCE)]
    if busy:
        said = f"{name} has live documents: {', '.join(busy[:3])}"
        hint = "stop, reassign, cancel or close them first; then remove the card"
        return Refusal("still-needed", said, hint)
    work.move(known, "retired", "retire", actor)
    return None


# proposed cards


def card_hash(id_: str, document: Document) -> str:
    """Return what the approval of a proposed card binds."""
    return digest(id_, document.author_bytes(CARD_KEYS))


def submit_card(work: Work, document: Document, actor: str, name: str, id_: str) -> Refusal | None:
    """An agent proposes its own card, or a change to it; an approver's tick puts it in place."""
    flaw = _may_propose(work, document, actor) or check_card(document)
    if flaw:
        return flaw
    lines = {"from": actor, "outbox": name, "plan": card_hash(id_, document)}
    work.create(Kind.AGENT, id_, "proposed", "submit", lines, document)
    return None


def _may_propose(work: Work, document: Document, actor: str) -> Refusal | None:
    if work.state.is_person(actor):
        return None
    if document.text("name") not in ("", actor):
        said = f"{actor} may propose its own card only"
        return Refusal("not-yours", said, "leave out `name:`", line_of(document, "name"))
    if document.text("human") == "true":
        return Refusal(
            "not-yours", "an agent is not a person", "leave out `human:`", line_of(document, "human")
        )
    return None


def amend_card(work: Work, doc: Doc, document: Document, actor: str) -> Refusal | None:
    """Change a card that is still proposed: by its author, or by who approves it."""
    if doc.state != "proposed":
        return already_sent(doc)
    flaw = work.check(doc, "amend", "proposed", actor) or _check_amended(work, doc, document)
    if flaw:
        return flaw
    work.move(doc, "proposed", "amend", actor, document, plan=card_hash(doc.id, document))
    return None


def _check_amended(work: Work, doc: Doc, document: Document) -> Refusal | None:
    flaw = check_fields(document, Kind.AGENT, CARD_KEYS) or check_card(document)
    flaw = flaw or _may_propose(work, document, work.proposal.actor)
    if flaw:
        return flaw
    if document.text("name") != doc.text("name"):
        said = f"{doc.id} stays about the agent it named"
        return Refusal("not-amendable", said, "send a new one", line_of(document, "name"), document=doc.id)
    return None


def approve_card(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Put a proposed card in place, as its approver read it, or amended it."""
    flaw = work.check(doc, "approve", "accepted", request.actor)
    if flaw:
        return flaw
    document = request.amended or doc.document
    bound = card_hash(doc.id, document)
    if request.amended is not None:
        flaw = _check_amended(work, doc, document)
        work.observed = f"plan {doc.text('plan')} -> {bound}"
    elif request.text("plan") and request.text("plan") != bound:
        flaw = plan_changed(doc, request)
    card = parse(document.author_bytes(CARD_KEYS))
    if isinstance(card, Flaw):
        return from_flaw(card)
    name = doc.text("name") or doc.text("from")
    flaw = flaw or _check_card(work, card, name)
    if flaw:
        return flaw
    note = request.text("note") or None
    work.move(doc, "accepted", "approve", request.actor, document, plan=bound, decision=None, note=note)
    install(work, name, card, work.state.card(name), request.actor, follows=True)
    return None


def reject_card(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Leave the card as it is."""
    flaw = work.check(doc, "reject", "rejected", request.actor)
    if flaw:
        return flaw
    work.move(doc, "rejected", "reject", request.actor, note=request.text("note") or None, decision="reject")
    return None


# settings


def save_settings(work: Work, data: bytes | None, actor: str) -> Refusal | Nothing | None:
    """Take over hub.yaml."""
    if not work.state.is_person(actor):
        return Refusal("not-yours", f"hub.yaml is people's ground, and {actor} is no person")
    if data is None:
        return Refusal("deleted", "hub.yaml cannot be removed", "edit it; the truth was put back")
    if work.state.fixed.get(place.SETTINGS) == data:
        return Nothing("hub.yaml is the same", place.SETTINGS)
    read = load_settings(data, work.state.environment)
    if isinstance(read, Refusal):
        return read
    flaw = _check_people(work, read, data.decode(errors="replace"))
    if flaw:
        return flaw
    config(work, "amend", actor, (Put(place.SETTINGS, data),), place.SETTINGS)
    work.settings = read
    work.readdress()
    return None


def _check_people(work: Work, read: Settings, text: str) -> Refusal | None:
    if read.word("host") != work.state.host:
        said = f"the host's name is permanent: {work.state.host}"
        return Refusal("bad-value", said, f"write `host: {work.state.host}`", _line(text, "host"))
    for key in ("operator", "approvers"):
        for name in read.names(key):
            if not work.state.is_person(name):
                said, hint = f"{name} has no card that says `human: true`", f"save cards/{name}.md first"
                return Refusal("unknown-recipient", said, hint, _line(text, key))
    leader = read.word("orchestrator")
    if leader:
        card = work.state.card(leader)
        if card is None:
            said, hint = f"there is no agent `{leader}`", f"save cards/{leader}.md first"
            return Refusal("unknown-recipient", said, hint, _line(text, "orchestrator"))
        if not is_startable(card.document):
            said = f"{leader} is a person, or its card names no command"
            hint = f"add `command:` to cards/{leader}.md first, or name somebody else"
            return Refusal("cannot-start", said, hint, _line(text, "orchestrator"))
    if read.number("approvals") > len(read.names("approvers")):
        said = "more `approvals:` are asked for than there are approvers"
        return Refusal("bad-value", said, "name more approvers", _line(text, "approvals"))
    return None


def _line(text: str, key: str) -> int:
    return next((n for n, line in enumerate(text.splitlines(), 1) if line.startswith(f"{key}:")), 0)


def config(work: Work, do: str, actor: str, puts: tuple[Put, ...], id_: str) -> None:
    """Write files that are no documents: hub.yaml, the contract, the mailbox's README."""
    doc = Doc(id_, Kind.CONFIG, "active", new_document({}), tuple(p.path for p in puts))
    if do == "init":
        work.create(Kind.CONFIG, id_, "active", do, {"from": actor})
    else:
        work.move(doc, "active", do, actor)
    work.raw.extend(puts)
