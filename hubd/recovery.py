"""Finish what an earlier hub began: deliver again everything since refs/hub/delivered.

Guarantee: repeatable: killed while recovering, the next start does the same, and ends in the same files.
Rule: nothing is decided here. Whatever the hub itself had put somewhere since, and whatever was consumed or
refused since, is known by its bytes; only what is none of that is judged, like any saved file.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from hubd.acting import LIVE
from hubd.core import place
from hubd.core.effect import Proposal
from hubd.hub import Hub
from hubd.ledger import blob_id
from hubd.spool import Absent, Bytes, Displaced, FolderBlocked, NotAFile, Read

_UNREAD = ("not-a-file", "too-large")
_QUARANTINED = b"quarantined: sha256 "


@dataclass(frozen=True, slots=True)
class _Refused:
    """A file that was refused since, as the ledger names it."""

    proposal: Proposal
    code: str

    def is_(self, read: Read) -> bool:
        """Return whether this is what was refused."""
        cause = self.proposal.data or b""
        if isinstance(read, Bytes):
            if cause.startswith(_QUARANTINED):
                return cause[len(_QUARANTINED) :].strip().decode() == hashlib.sha256(read.data).hexdigest()
            return read.data == cause
        return isinstance(read, NotAFile) and cause == b"" and self.code in _UNREAD

    def as_it_lay(self, read: Read) -> Proposal:
        """Return the proposal as it was judged: with its own bytes, or with what stood there instead."""
        p = self.proposal
        unreadable = read.code if isinstance(read, NotAFile) else ""
        return Proposal(
            p.actor, p.area, p.path, read.data if isinstance(read, Bytes) else None, unreadable=unreadable
        )


@dataclass(slots=True)
class _Past:
    """What has lain where since: blob ids by path, and what was refused."""

    versions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    refused: list[_Refused] = field(default_factory=list)

    def knows(self, path: str, data: bytes) -> bool:
        return blob_id(data) in self.versions.get(path, ())


def recover(hub: Hub) -> None:
    """Bring the mailbox on disk to the tip of the ledger."""
    hub.spool.clear()
    tip, delivered = hub.ledger.tip(), hub.ledger.delivered()
    hub.crash("recover.before")
    if tip != delivered:
        past = _read_past(hub, delivered, tip)
        for refused in past.refused:
            _refuse_again(hub, refused)
            hub.crash("recover.cause")
        for path in sorted(past.versions):
            _deliver_again(hub, path, past)
        _clear_swap(hub, past)
        hub.crash("recover.delivered")
        hub.ledger.mark_delivered(tip)
    hub.settle(hub.acting.aside())
    hub.settle(hub.acting.leftovers())
    hub.crash("recover.after")


def _read_past(hub: Hub, delivered: str, tip: str) -> _Past:
    past = _Past()
    for path, blobs in hub.ledger.versions(delivered, tip).items():
        if path.startswith(LIVE):
            past.versions[path] |= blobs
    for commit in hub.ledger.messages(delivered):
        source = unquote(commit.trailers.get("Hub-Source", ""), errors="surrogateescape")
        actor, cause = commit.trailers.get("Hub-Actor", ""), commit.trailers.get("Hub-Cause", "")
        if source.startswith("hub/") or not place.is_name(actor) or hub.proposal(source, None) is None:
            continue
        past.versions[source].add(cause)
        if "Hub-Refused" in commit.trailers:
            where = hub.proposal(source, None)
            assert where is not None
            proposal = Proposal(actor, where.area, source, hub.ledger.blob(cause))
            past.refused.append(_Refused(proposal, commit.trailers["Hub-Refused"]))
    return past


def _refuse_again(hub: Hub, refused: _Refused) -> None:
    """Put refused bytes where their author sees them, and the truth back, as the step itself would have."""
    p = refused.proposal
    try:
        read: Read | None = hub.spool.read(p.path)
    except FolderBlocked:
        read = None
    if read is not None and refused.is_(read):
        hub.acting.refuse(refused.as_it_lay(read))
    elif p.data and not p.data.startswith(_QUARANTINED):
        hub.acting.keep(p)


def _deliver_again(hub: Hub, path: str, past: _Past) -> None:
    try:
        read = hub.spool.read(path)
    except FolderBlocked:
        hub.acting.owed[path] = ()
        return
    known = isinstance(read, Bytes) and past.knows(path, read.data)
    if "/outbox/" in path:
        if isinstance(read, Bytes) and known:
            hub.acting.consume(path, read.data)
    elif isinstance(read, Absent) or known or path.startswith("archive/"):
        before = [read.data] if isinstance(read, Bytes) and known else []
        hub.acting.put(path, hub.ledger.read(path), *before)
    # Else somebody has saved something there since: the look judges it where it lies, in its own time.
    hub.crash("recover.deliver")


def _clear_swap(hub: Hub, past: _Past) -> None:
    """Take from swap what is known, so that only what somebody saved stays to be judged."""
    for displaced in hub.spool.leftovers():
        refused = _refusal_of(displaced, past.refused)
        if refused is not None:
            hub.acting.refuse(refused.as_it_lay(displaced.read), displaced)
        elif displaced.data is not None and past.knows(displaced.path or "", displaced.data):
            hub.spool.drop(displaced)


def _refusal_of(displaced: Displaced, refused: Iterable[_Refused]) -> _Refused | None:
    same = (r for r in refused if r.proposal.path == displaced.path and r.is_(displaced.read))
    return next(same, None)
