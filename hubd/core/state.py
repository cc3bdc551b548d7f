"""What the hub knows: every live document, and the finished ones of live families, with a few indexes.

Guarantee: the state is a function of the ledger's tree and of the last commit's number; nothing else is in
it.
Rule 1: `decide` only reads it; `apply` is the one way to change it. Rule 2: no operation grows with the
number of documents, except building it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from hubd.core import place
from hubd.core.document import Document, Flaw, parse, parse_settings
from hubd.core.effect import Doc, Drop, Put, Refusal
from hubd.core.model import Kind
from hubd.core.settings import Settings, read_settings, with_environment
from hubd.core.transition import is_final

K = TypeVar("K")
HELD = ("claimed", "in_progress")
"""The states of an assignment that somebody is working on."""
ROOM = 256 * 1024
"""Bytes that the hub's own lines (a note, an answer, quoting) may add to what an author saved."""


def read_back(data: bytes) -> Document | Flaw:
    """Read a document that the hub has written its lines into: whatever comes from the ledger."""
    return parse(data, ROOM)


class _Index(dict[K, set[str]]):
    """Ids by something. An entry that becomes empty is gone, so that the past takes no room."""

    def add(self, key: K, id_: str) -> None:
        self.setdefault(key, set()).add(id_)

    def discard(self, key: K, id_: str) -> None:
        found = self.get(key)
        if found is not None:
            found.discard(id_)
            if not found:
                del self[key]


class State:
    """All that `decide` may look at. Read it through its methods."""

    def __init__(
        self,
        hub_id: str,
        host: str,
        settings: Settings,
        seq: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.hub_id = hub_id
        self.environment = environment or {}
        self.host = host
        self.settings = settings
        self.seq = seq
        self.docs: dict[str, Doc] = {}
        self.cards: dict[str, Doc] = {}
        self.fixed: dict[str, bytes] = {}
        self._children: _Index[str] = _Index()
        self._sources: _Index[tuple[str, str]] = _Index()
        self._leases: dict[str, str] = {}
        self._lease_paths: dict[str, str] = {}
        self._globbed: set[str] = set()
        self._bounces: _Index[tuple[str, str]] = _Index()
        self._open_questions: _Index[str] = _Index()
        self._load: dict[str, int] = defaultdict(int)
        self._held: dict[str, int] = defaultdict(int)
        self._places: _Index[str] = _Index()
        self._runs: _Index[str] = _Index()
        self.changed: set[str] = set()

    # reading

    def get(self, id_: str) -> Doc | None:
        return self.docs.get(id_)

    def card(self, name: str) -> Doc | None:
        return self.cards.get(name)

    def is_person(self, name: str) -> bool:
        """Return whether the card of this name says `human: true`."""
        card = self.cards.get(name)
        return card is not None and card.text("human") == "true"

    def children(self, id_: str, kind: Kind) -> list[Doc]:
        """Return the documents of a kind that belong to another: rounds of a task, and so on, by id."""
        found = [self.docs[c] for c in self._children.get(id_, ()) if c in self.docs]
        return sorted((d for d in found if d.kind is kind), key=lambda d: _natural(d.id))

    def source(self, agent: str, name: str) -> Doc | None:
        """Return the live document that a name in an outbox became."""
        ids = self._sources.get((agent, name))
        return self.docs[min(ids)] if ids else None

    def lease(self, key: str) -> Doc | None:
        id_ = self._leases.get(key)
        return self.docs.get(id_) if id_ else None

    def leases(self) -> list[Doc]:
        return [self.docs[i] for i in self._leases.values()]

    def globbed(self) -> list[Doc]:
        """Return the held leases that cover path globs."""
        return [self.docs[i] for i in sorted(self._globbed)]

    def bounces(self, agent: str, about: str) -> list[Doc]:
        """Return the unread bounces of an agent about one file, oldest first."""
        found = [self.docs[i] for i in self._bounces.get((agent, about), ())]
        return sorted(found, key=lambda d: (d.number("rev"), d.id))

    def globbed_ids(self) -> set[str]:
        """Return the ids of the held leases that cover path globs."""
        return self._globbed

    def questions(self, assignment: str) -> list[Doc]:
        """Return the open questions that name an assignment."""
        return [self.docs[i] for i in sorted(self._open_questions.get(assignment, ()))]

    def load(self, agent: str) -> int:
        """Return how many live assignments an agent has."""
        return self._load.get(agent, 0)

    def held_by(self, agent: str) -> int:
        """Return how many assignments an agent holds now."""
        return self._held.get(agent, 0)

    def runs(self, agent: str = "") -> list[Doc]:
        """Return the runs that go on, of one agent or of all, the oldest first."""
        ids = self._runs.get(agent, set()) if agent else {i for found in self._runs.values() for i in found}
        return sorted((self.docs[i] for i in ids), key=lambda d: (d.text("created"), d.number("rev"), d.id))

    def inbox(self, agent: str, folder: str = "inbox") -> list[Doc]:
        """Return what lies in a folder of an agent, by id."""
        ids = self._places.get(f"agents/{agent}/{folder}", ())
        return [self.docs[i] for i in sorted(ids, key=_natural)]

    def paths_in(self, folder: str) -> set[str]:
        """Return the paths of all documents that must lie in a folder."""
        if folder == "cards":
            return {place.card(name) for name in self.cards}
        if folder == "leases":
            return set(self._lease_paths)
        return {f"{folder}/{id_}.md" for id_ in self._places.get(folder, ())}

    def live(self) -> Iterator[Doc]:
        """Yield every live document, in no order."""
        return (d for d in self.docs.values() if not is_final(d.kind, d.state))

    def live_path(self, path: str) -> Doc | None:
        """Return the document that lies at a path of the mailbox now."""
        spot = place.spot(path)
        if spot is None:
            return None
        if spot.folder == "leases":
            id_ = self._lease_paths.get(path)
            return self.docs[id_] if id_ else None
        doc = self.docs.get(place.stem(spot.name))
        return doc if doc is not None and path in doc.paths else None

    def with_capability(self, capability: str) -> list[str]:
        """Return who has a capability: the fewest live assignments first, then by name."""
        names = [n for n, card in self.cards.items() if capability in card.texts("capabilities")]
        return sorted(names, key=lambda n: (self._load.get(n, 0), n))

    # changing

    def apply(self, seq: int, documents: Iterable[Doc], changes: Iterable[Put | Drop] = ()) -> None:
        """Take over what one commit wrote. Documents carry their new places."""
        self.seq = max(self.seq, seq)
        for doc in documents:
            self._forget(doc.id)
            self._remember(doc)
        for change in changes:
            if isinstance(change, Put) and is_fixed(change.path):
                self.fixed[change.path] = change.data
                if change.path == place.SETTINGS:
                    read = load_settings(change.data, self.environment)
                    self.settings = read if isinstance(read, Settings) else self.settings
                    # Another policy may have something to say about what waits already.
                    self.changed.update(d.id for d in self.live() if d.kind in (Kind.TASK, Kind.ROUND))

    def _forget(self, id_: str) -> None:
        doc = self.docs.pop(id_, None)
        if doc is None:
            return
        if is_final(doc.kind, doc.state):
            return
        for path in doc.paths:
            self._places.discard(path.rpartition("/")[0], id_)
        self._sources.discard((doc.text("from"), doc.text("outbox")), id_)
        match doc.kind:
            case Kind.ASSIGNMENT:
                self._load[doc.text("to")] -= 1
                self._held[doc.text("to")] -= doc.state in HELD
            case Kind.LEASE:
                self._globbed.discard(id_)
                if self._leases.get(doc.text("key")) == id_:  # else the next one has its key already
                    del self._leases[doc.text("key")]
                    for path in doc.paths:
                        self._lease_paths.pop(path, None)
            case Kind.BOUNCE:
                self._bounces.discard((_owner_of(doc), doc.text("about")), id_)
            case Kind.QUESTION:
                self._open_questions.discard(doc.text("assignment"), id_)
            case Kind.RUN:
                self._runs.discard(doc.text("agent"), id_)

    def _remember(self, doc: Doc) -> None:
        if doc.kind is Kind.AGENT and doc.paths and doc.paths[0].startswith("cards/"):
            name = place.stem(doc.paths[0].rpartition("/")[2])
            self.cards[name] = doc
            return
        if doc.kind is Kind.AGENT and doc.state == "retired" and doc.id.startswith("card."):
            self.cards.pop(doc.id[5:], None)
            return
        if doc.kind is Kind.CONFIG:
            return
        final = is_final(doc.kind, doc.state)
        self.changed.add(doc.id)
        parent = parent_of(doc)
        if final and not self._kept(doc, parent):
            self._drop_family(doc)
            return
        self.docs[doc.id] = doc
        if parent:
            self._children.add(parent, doc.id)
        if final:
            return
        for path in doc.paths:
            self._places.add(path.rpartition("/")[0], doc.id)
        if doc.text("outbox"):
            self._sources.add((doc.text("from"), doc.text("outbox")), doc.id)
        match doc.kind:
            case Kind.ASSIGNMENT:
                self._load[doc.text("to")] += 1
                self._held[doc.text("to")] += doc.state in HELD
            case Kind.LEASE:
                self._leases[doc.text("key")] = doc.id
                if doc.texts("path"):
                    self._globbed.add(doc.id)
                for path in doc.paths:
                    self._lease_paths[path] = doc.id
            case Kind.BOUNCE:
                self._bounces.add((_owner_of(doc), doc.text("about")), doc.id)
            case Kind.QUESTION if doc.text("assignment"):
                self._open_questions.add(doc.text("assignment"), doc.id)
            case Kind.RUN:
                self._runs.add(doc.text("agent"), doc.id)

    def _kept(self, doc: Doc, parent: str) -> bool:
        """Finished documents are kept as long as the task they belong to is live."""
        if doc.kind is Kind.TASK or not parent:
            return False
        task = self.docs.get(place.root_id(parent))
        return task is not None and not is_final(Kind.TASK, task.state)

    def _drop_family(self, doc: Doc) -> None:
        if doc.kind is not Kind.TASK:
            return
        pending = [doc.id]
        while pending:
            for child in self._children.pop(pending.pop(), ()):
                pending.append(child)
                known = self.docs.get(child)
                if known is not None and is_final(known.kind, known.state):
                    self.docs.pop(child, None)


_FAMILY = frozenset({Kind.ROUND, Kind.ASSIGNMENT, Kind.HANDOFF, Kind.QUESTION})


def _owner_of(doc: Doc) -> str:
    spot = place.spot(doc.paths[0]) if doc.paths else None
    return spot.agent if spot else ""


def _natural(id_: str) -> tuple[tuple[str, int, str], ...]:
    """Sort ids as people count: r2 before r10."""
    parts = []
    for part in id_.split("."):
        head = part.rstrip("0123456789")
        tail = part[len(head) :]
        parts.append((head, int(tail) if tail else 0, part))
    return tuple(parts)


def is_fixed(path: str) -> bool:
    """Return whether a path is on the hub's or a person's ground, outside all inboxes and cards."""
    return path in (place.SETTINGS, "README.md") or path.startswith("contract/")


def load_settings(data: bytes, environment: Mapping[str, str]) -> Settings | Refusal:
    """Read hub.yaml's bytes and lay the environment's HUB_... variables over them."""
    read = read_settings(parse_settings(data), data.decode(errors="replace"))
    return with_environment(read, environment) if isinstance(read, Settings) else read


def parent_of(doc: Doc) -> str:
    """Return the id of the document that this one belongs to, or an empty string."""
    return place.parent_id(doc.id) if doc.kind in _FAMILY else ""


def digest(*parts: bytes | str) -> str:
    """Return the hash that approvals and verdicts bind: 16 hex digits of SHA-256 over the parts."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(str(len(data)).encode() + b":" + data)
    return total.hexdigest()[:16]


def build(
    hub_id: str,
    host: str,
    settings: Settings,
    seq: int,
    documents: Iterable[Doc],
    fixed: Mapping[str, bytes],
    environment: Mapping[str, str] | None = None,
) -> State:
    """Return the state of a tree: parents must come before children, so documents are sorted by id."""
    state = State(hub_id, host, settings, seq, environment)
    ordered = sorted(documents, key=lambda d: (d.kind is not Kind.TASK, len(d.id.split(".")), d.id))
    state.apply(seq, ordered)
    state.fixed.update(fixed)
    return state
