"""Questions for front ends that show little at a time, and that want to know what has changed.

Guarantee: a page of history begins at the step that it is asked for, whatever was recorded meanwhile.
Rule: a stamp is compared with another and never read. Equal stamps: nobody needs to look again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.query.history import is_wanted, transition
from hubd.query.lookup import get
from hubd.query.rows import SCHEMA, View

if TYPE_CHECKING:
    from hubd.ledger import Logged

__all__ = ["back_from", "count", "history", "stamps"]

LIMIT, SCAN, MOST_STAMPS = 20, 5000, 2000


def count(args: Mapping[str, Any], key: str, default: int) -> int:
    """A number that was given, else the default."""
    value = args.get(key)
    return value if isinstance(value, int) and value > 0 else default


def back_from(view: View, before: int, most: int) -> Iterator[Logged]:
    """The commits before a step, the newest first. The sequence has no gap, so they are found by counting."""
    return view.ledger.log(most, skip=max(0, view.state.seq - before + 1))


def history(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """The log in pages: as `log` (`id`, `agent`, `kind`, `upkeep`, `limit`), before the step `before`.

    `next` is the `before` of the next page; 0 where there is none.
    """
    limit, scan = count(args, "limit", LIMIT), count(args, "scan", SCAN)
    found: list[dict[str, Any]] = []
    seq = 0
    for commit in back_from(view, count(args, "before", view.state.seq + 1), scan):
        if len(found) >= limit:
            return {"schema": SCHEMA, "transitions": found, "next": seq}
        seq = commit.seq or 0
        if is_wanted(commit, args):
            found.append(transition(commit))
    return {"schema": SCHEMA, "transitions": found, "next": seq if seq > 1 else 0}


def stamps(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """What `inboxes` (names), `documents` and `tasks` (ids) look like now, in a word each; and
    `names`, of all agents and tasks.
    """
    state = view.state
    found: dict[str, dict[str, str]] = {"inboxes": {}, "documents": {}, "tasks": {}}
    for name in _names(args, "inboxes"):
        found["inboxes"][name] = _stamp(state.inbox(name)) if state.card(name) is not None else ""
    for id_ in _names(args, "documents"):
        doc = get(view, id_)
        found["documents"][id_] = _stamp([doc] if doc is not None else [])
    live = list(state.live()) if args.get("tasks") else []
    for id_ in _names(args, "tasks"):
        doc = get(view, id_)
        own = [d for d in live if d.id.startswith(f"{id_}.") or _is_for(d, id_)]
        found["tasks"][id_] = _stamp([*([doc] if doc is not None else []), *own])
    tasks = [d.id for d in state.live() if d.kind is Kind.TASK]
    return {"schema": SCHEMA, **found, "names": _digest([*sorted(state.cards), *sorted(tasks)])}


def _names(args: Mapping[str, Any], key: str) -> list[str]:
    value = args.get(key)
    return [str(name) for name in value][:MOST_STAMPS] if isinstance(value, list) else []


def _is_for(doc: Doc, id_: str) -> bool:
    return doc.kind is Kind.RUN and any(i == id_ or i.startswith(f"{id_}.") for i in doc.texts("on"))


def _stamp(docs: Iterable[Doc]) -> str:
    return _digest(sorted(f"{d.id} {d.text('rev')} {d.state} {d.paths}" for d in docs))


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:16]
