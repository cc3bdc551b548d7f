"""One step in the making: the changes that a proposal leads to, laid over the state.

Guarantee: a document changes state only along a row of the transition table; the first change is the commit's
own transition and needs a role, every later one must be a consequence that the table allows.
Rule: nothing here knows what a particular kind means, but where it lies; the modules in `decide` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hubd.core import block, place
from hubd.core.document import Document, Value
from hubd.core.document import document as new_document
from hubd.core.effect import Doc, Drop, Proposal, Put, Refusal, Step, Transition
from hubd.core.model import KINDS, Kind
from hubd.core.settings import Settings
from hubd.core.state import State, parent_of
from hubd.core.time import Now, format_wall
from hubd.core.transition import NEW, ROWS, Row, dos, is_final


@dataclass(frozen=True, slots=True)
class Facts:
    """What the shell looked up before deciding.

    `found`: finished documents by id. `base`: the live document as it stood at the `rev` that the saved file
    carries; None when the file carries the current one or the old one is not known.
    """

    found: Mapping[str, Doc] = field(default_factory=dict)
    base: Document | None = None


class Work:
    """The overlay that one decision writes into."""

    def __init__(self, state: State, facts: Facts, now: Now, proposal: Proposal) -> None:
        self.state = state
        self.facts = facts
        self.now = now
        self.proposal = proposal
        self.settings: Settings = state.settings
        self.seq = state.seq + 1
        self.primary: Transition | None = None
        self.raw: list[Put | Drop] = []
        self.observed = proposal.observed
        self._docs: dict[str, Doc] = {}
        self._wake: set[str] = set()
        self._consequences: list[Transition] = []
        self._recipients: dict[str, str] = {}

    # reading through the overlay

    def get(self, id_: str) -> Doc | None:
        return self._docs.get(id_) or self.state.get(id_) or self.facts.found.get(id_)

    def need(self, id_: str) -> Doc:
        doc = self.get(id_)
        assert doc is not None, id_
        return doc

    def children(self, id_: str, kind: Kind) -> list[Doc]:
        """Return the children as this step leaves them."""
        known = {d.id: d for d in self.state.children(id_, kind)}
        for doc in self._docs.values():
            if doc.kind is kind and parent_of(doc) == id_:
                known[doc.id] = doc
        return list(known.values())

    def task_of(self, doc: Doc) -> Doc | None:
        """Return the task that a document belongs to or names."""
        match doc.kind:
            case Kind.TASK:
                return doc
            case Kind.ROUND | Kind.ASSIGNMENT | Kind.HANDOFF:
                named = place.root_id(doc.id)
            case Kind.LEASE:
                named = place.root_id(doc.text("key"))
            case _:
                named = doc.text("task") or place.root_id(doc.text("assignment"))
        found = self.get(named) if named else None
        return found if found is not None and found.kind is Kind.TASK else None

    def need_task(self, doc: Doc) -> Doc:
        """Return the task of a member of its family: as long as that lives, so does the task."""
        task = self.task_of(doc)
        assert task is not None, doc.id
        return task

    def owner(self, task: Doc) -> str:
        """Return who plans a task: its `owner:`, or its author."""
        owner = task.text("owner").partition("@")[0]
        if owner == "operator":
            return self.settings.word("operator")
        return owner if owner and owner != "owner" else task.text("from")

    def approvers(self, doc: Doc | None = None) -> tuple[str, ...]:
        """Return who may approve: persons alone. Under `not_author` nobody approves a round they wrote."""
        names = tuple(n for n in self.settings.names("approvers") if self.state.is_person(n))
        if doc is not None and doc.kind is Kind.ROUND and self.settings.flag("not_author"):
            names = tuple(n for n in names if n != self._writer(doc))
        return names

    def _writer(self, round_: Doc) -> str:
        # A round that the hub made from a task's own plan was written by the task's author.
        task = self.task_of(round_)
        return task.text("from") if task is not None and round_.text("from") == "hub" else round_.text("from")

    def roles(self, doc: Doc, actor: str, lease: str = "") -> set[str]:
        """Return the roles that an actor has towards a document."""
        if actor == "hub":
            return {"hub"}
        found = {"anyone"} if self.state.card(actor) is not None else set()
        if self.state.is_person(actor):
            found.add("person")
        if doc.text("from") == actor:
            found.add("author")
        task = self.task_of(doc)
        if task is not None and self.owner(task) == actor:
            found.add("owner")
        same = bool(lease) and lease == doc.text("lease")
        if doc.kind is Kind.ASSIGNMENT and doc.text("to") == actor:
            found.update(("assignee", "holder") if same else ("assignee",))
        if doc.kind is Kind.LEASE and doc.text("from") == actor and (same or not lease):
            found.add("holder")
        if any(p.startswith(f"agents/{actor}/inbox/") for p in doc.paths):
            found.add("recipient")
        if actor in self.approvers(doc):
            found.add("approver")
        return found

    # writing

    def check(self, doc: Doc, do: str, after: str, actor: str, lease: str = "") -> Refusal | None:
        """Return why this direct step is not allowed, or None."""
        row = ROWS.get((doc.kind, doc.state, after, do))
        if row is None or not row.by:
            return wrong_state(doc, do)
        if self.roles(doc, actor, lease) & set(row.by):
            return None
        said = f"only {self._said(doc, row)} may {do} {doc.id}, and {actor} is not"
        hint = f"send {self._ask(doc, row)} a message"
        return Refusal("not-yours", said, hint, document=doc.id, legal=dos(doc.kind, doc.state))

    def _said(self, doc: Doc, row: Row) -> str:
        names = {
            "owner": "its owner", "author": "its author", "approver": "an approver", "person": "a person",
            "assignee": doc.text("to"), "holder": "its holder", "recipient": "the one in whose inbox it lies",
            "hub": "the hub", "anyone": "an agent with a card",
        }  # fmt: skip
        return " or ".join(names[role] for role in row.by if role != "hub" or row.by == ("hub",))

    def _ask(self, doc: Doc, row: Row) -> str:
        """Return the name of somebody who may do it."""
        task = self.task_of(doc)
        spots = [place.spot(p) for p in doc.paths]
        for role in row.by:
            if role == "approver" and self.approvers(doc):
                return self.approvers(doc)[0]
            if role == "owner" and task is not None:
                return self.owner(task)
            if role == "recipient" and spots and spots[0] is not None and spots[0].agent:
                return spots[0].agent
            if role in ("assignee", "holder") and doc.kind is Kind.ASSIGNMENT:
                return doc.text("to")
            if role in ("author", "holder") and doc.text("from"):
                return doc.text("from")
        return self.settings.word("operator")

    def create(
        self, kind: Kind, id_: str, state: str, do: str, hub: Mapping[str, Value],
        document: Document | None = None, body: str = "",
    ) -> Doc:  # fmt: skip
        """Add a document. `hub`: the hub's lines. `document`: what its author wrote, if anybody did."""
        lines: dict[str, Value] = {"id": id_, "state": state}
        if KINDS[kind].written_by_hub:
            lines["kind"] = kind.value
        lines["created"] = format_wall(self.now.wall)
        lines.update(self._written_in(kind, str(hub.get("from", "")), document))
        lines.update(hub)
        base = document if document is not None else new_document({}, body)
        doc = Doc(id_, kind, state, self._lined(id_, kind, base, lines), ())
        self._enter(doc, NEW, do, "")
        return doc

    def _written_in(self, kind: Kind, author: str, document: Document | None) -> dict[str, Value]:
        """Return the lines that say in which run somebody writes a document, if in one."""
        if "run" not in KINDS[kind].hub_keys or author != self.proposal.actor:
            return {}
        run = self.run_of(author, document.text("lease") if document is not None else "")
        return {"run": run.id, "depth": run.text("depth")} if run is not None else {}

    def run_of(self, agent: str, lease: str = "") -> Doc | None:
        """Return the run in which an agent writes: the one with the lease, else the deepest, the oldest."""
        runs = self.state.runs(agent)
        holding = (run for run in runs if lease and run.text("lease") == lease.lstrip("0"))
        return next(holding, None) or max(runs, key=lambda run: run.number("depth"), default=None)

    def move(
        self, doc: Doc, after: str, do: str, actor: str = "", document: Document | None = None, /,
        **lines: Value | None,
    ) -> Doc:  # fmt: skip
        """Change a document's state along the table, and some of its hub lines with it."""
        before = doc.state
        changed: dict[str, Value | None] = {"state": after, **lines}
        for line in ("shown", "presented") if after != before else ():
            if doc.text(line):  # what a run was started for, or a session told of, was the document as it was
                changed.setdefault(line, None)
        lined = self._lined(doc.id, doc.kind, document or doc.document, changed)
        doc = replace(doc, state=after, document=lined)
        self._enter(doc, before, do, actor)
        return doc

    def wake(self, *agents: str) -> None:
        """Name agents that have something new to act on."""
        self._wake.update(agents)

    def address(self, doc: Doc, recipient: str) -> None:
        """Say in whose inbox a question, message or bounce is delivered."""
        self._recipients[doc.id] = recipient

    def readdress(self) -> None:
        """Move what lies elsewhere under the settings that this step brings: others approve, or operate."""
        for doc in sorted(self.state.live(), key=lambda d: d.id):
            if (
                doc.kind in (Kind.TASK, Kind.ROUND, Kind.HANDOFF, Kind.AGENT)
                and self.places(doc) != doc.paths
            ):
                self.move(doc, doc.state, "readdress")

    def _lined(
        self, doc_id: str, kind: Kind, document: Document, lines: Mapping[str, Value | None]
    ) -> Document:
        if doc_id.startswith("card.") or kind is Kind.CONFIG:
            return document  # people's ground: the hub writes no line there
        return document.with_fields({**lines, "rev": str(self.seq)}, first=KINDS[kind].hub_keys)

    def _enter(self, doc: Doc, before: str, do: str, actor: str) -> None:
        row = ROWS.get((doc.kind, before, doc.state, do))
        if row is None:
            raise IllegalStep(
                f"{doc.kind} {doc.id}: {do}: {before or 'new'} -> {doc.state} is not in the table"
            )
        who = actor or self.proposal.actor
        taken = Transition(doc.id, doc.kind, before, doc.state, do, who, row.upkeep)
        if self.primary is None:
            if not row.by:
                raise IllegalStep(f"{doc.kind}.{do} of {doc.id} only ever follows from something else")
            self.primary = taken
        elif f"{self.primary.kind}.{self.primary.do}" not in row.follows:
            raise IllegalStep(
                f"{doc.kind}.{do} of {doc.id} does not follow {self.primary.kind}.{self.primary.do}"
            )
        else:
            self._consequences.append(taken)
        self._docs[doc.id] = doc

    # the end

    def step(self, refusal: Refusal | None = None, bounce: str = "") -> Step:
        """Return the finished step: every changed document with its new place, version and hub block."""
        assert self.primary is not None
        changes: list[Put | Drop] = list(self.raw)
        documents: list[Doc] = []
        for doc in list(self._docs.values()):
            if doc.kind is Kind.CONFIG:
                documents.append(doc)
                continue
            before = self.state.get(doc.id) or self.facts.found.get(doc.id)
            if doc.id.startswith("card."):
                before = self.state.card(doc.id[5:])
            doc = self._finished(doc)
            data = doc.document.render()
            changes.extend(
                Drop(p) for p in (before.paths if before is not None else ()) if p not in doc.paths
            )
            changes.extend(Put(path, data) for path in doc.paths)
            documents.append(doc)
            self._wake.update(p.split("/")[1] for p in doc.paths if "/inbox/" in p)
        taken = {change.path for change in changes if isinstance(change, Put)}
        # A lease that is freed makes way for the next one on the same key, at the same place.
        changes = [change for change in changes if isinstance(change, Put) or change.path not in taken]
        return Step(
            self.seq, self.primary, tuple(changes), tuple(documents), self.proposal, refusal, bounce,
            frozenset(self._wake), self.observed, tuple(self._consequences),
        )  # fmt: skip

    def _finished(self, doc: Doc) -> Doc:
        paths = self.places(doc)
        if doc.id.startswith("card."):
            return replace(doc, paths=paths)
        shown = None if is_final(doc.kind, doc.state) else block.render(self, doc)
        return replace(doc, document=doc.document.with_block(shown), paths=paths)

    def places(self, doc: Doc) -> tuple[str, ...]:
        """Return where a document lies in its state: what must be acted on in an inbox, the rest waiting."""
        if doc.kind is Kind.AGENT and doc.id.startswith("card."):
            return (
                (place.card(doc.id[5:]),)
                if doc.state == "active"
                else (place.archive(f"{doc.id}.{self.seq}"),)
            )
        if is_final(doc.kind, doc.state):
            return (place.archive(doc.id),)
        if doc.kind is Kind.LEASE:
            return (place.lease(doc.text("key")),)
        folder, names = self._holders(doc)
        where = place.inbox if folder == "inbox" else place.waiting
        return tuple(sorted(where(name, doc.id) for name in names))

    def _holders(self, doc: Doc) -> tuple[str, tuple[str, ...]]:
        match doc.kind:
            case Kind.TASK:
                return "inbox" if doc.state == "draft" else "waiting", (self.owner(doc),)
            case Kind.ROUND if doc.state == "awaiting_approval":
                given = doc.texts("approved_by")
                names = tuple(n for n in self.approvers(doc) if n not in given)
                return "inbox", names or (self.settings.word("operator"),)
            case Kind.ROUND:
                owner = self.owner(self.need_task(doc))
                return "inbox" if doc.state == "awaiting_review" else "waiting", (owner,)
            case Kind.ASSIGNMENT:
                return "waiting" if doc.state in ("waiting", "input_required") else "inbox", (doc.text("to"),)
            case Kind.HANDOFF:
                return "inbox", (self.owner(self.need_task(doc)),)
            case Kind.AGENT:
                return "inbox", self.approvers() or (self.settings.word("operator"),)
            case Kind.RUN:  # while it goes on: the archive is no place to look for what is under way
                return "waiting", (doc.text("agent"),)
            case Kind.QUESTION | Kind.MESSAGE | Kind.BOUNCE:
                return "inbox", (self._recipients.get(doc.id) or _placed(doc),)
            case _:
                raise IllegalStep(f"{doc.kind} {doc.id} has no place in {doc.state}")


class IllegalStep(AssertionError):
    """A defect of hubd: a decision tried to leave the table. Nothing was recorded."""


def _placed(doc: Doc) -> str:
    spot = place.spot(doc.paths[0])
    assert spot is not None, doc.id
    return spot.agent


def wrong_state(doc: Doc, do: str, hint: str = "") -> Refusal:
    """Return the refusal of a step that the table does not have from here."""
    legal = dos(doc.kind, doc.state)
    known = "what can be done now: " + ", ".join(legal) if legal else "nothing can be done to it any more"
    said = f"{doc.id} is {doc.state}: {do} is not possible"
    return Refusal("wrong-state", said, hint or known, document=doc.id, legal=legal)


def at_line(flaw: Refusal, document: Document, key: str) -> Refusal:
    """Return a refusal with the line on which a key stands, where it names none yet."""
    entry = document.entry(key)
    if entry is None or flaw.line:
        return flaw
    return replace(flaw, line=entry.line)


def line_of(document: Document, key: str) -> int:
    """Return the line on which a key stands, or 0."""
    entry = document.entry(key)
    return entry.line if entry else 0


__all__ = ["Facts", "IllegalStep", "Work", "at_line", "line_of", "wrong_state"]
