"""The large views: what there is to do, how many of what there are, who holds what."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.time import format_wall
from hubd.query.agents import agent, no_agent, not_started
from hubd.query.rows import PAUSE, SCHEMA, View, failed, oldest_first, reader, row, title

WAITS_SHOWN = 20
INBOX_SHOWN = 500  # rows: a daemon that tells of ten thousand does nothing else meanwhile


def operator(view: View, _args: Mapping[str, Any]) -> dict[str, Any]:
    """Who is meant when nobody is named."""
    return {
        "schema": SCHEMA,
        "ok": True,
        "operator": view.state.settings.word("operator"),
        "host": view.state.host,
    }


def inbox(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """What an agent must act on next, oldest first; with `waiting`, what it waits for instead."""
    name = str(args.get("agent") or reader(view, args))
    flaw = no_agent(view, name)
    if flaw is not None:
        return flaw
    docs = oldest_first(view.state.inbox(name, "waiting" if args.get("waiting") else "inbox"))
    rows = [row(view.state, d, name) for d in docs[:INBOX_SHOWN]]
    return {"schema": SCHEMA, "agent": name, "documents": rows, "more": len(docs) - len(rows)}


def leases(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """Every lease that is held, or the one on a key (or with an id)."""
    held = [d for d in view.state.leases() if not d.text("key").startswith(PAUSE)]
    key = str(args.get("key") or "")
    if key:
        held = [d for d in held if key in (d.text("key"), d.id)]
        if not held:
            return failed(
                "unknown-id",
                f"nobody holds a lease on `{key}`",
                "`hubctl lease list` shows those that are held",
            )
    return {"schema": SCHEMA, "leases": [_lease(d) for d in oldest_first(held)]}


def _lease(doc: Doc) -> dict[str, Any]:
    return {
        "id": doc.id,
        "key": doc.text("key"),
        "lease": doc.number("lease"),
        "holder": doc.text("from"),
        "worker": doc.text("worker"),
        "globs": list(doc.texts("path")),
        "ttl": doc.number("ttl"),
        "expires": doc.text("expires"),
        "stopped": bool(doc.text("left")),
        "note": doc.text("note"),
        "created": doc.text("created"),
        "path": doc.paths[0] if doc.paths else "",
    }


def tasks(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """Every live task, oldest first, with its round and how far the round's assignments are."""
    who = reader(view, args)
    docs = oldest_first([d for d in view.state.live() if d.kind is Kind.TASK])
    return {"schema": SCHEMA, "tasks": [_task(view, d, who) for d in docs]}


def _task(view: View, doc: Doc, who: str) -> dict[str, Any]:
    rounds = view.state.children(doc.id, Kind.ROUND)
    last = rounds[-1] if rounds else None
    parts = view.state.children(last.id, Kind.ASSIGNMENT) if last is not None else []
    owner = doc.paths[0].split("/")[1] if doc.paths else doc.text("from")  # it lies with who plans it
    return {
        **row(view.state, doc, who),
        "owner": owner,
        "priority": doc.text("priority"),
        "round": last.id if last is not None else "",
        "assignments": dict(Counter(a.state for a in parts)),
    }


def status(view: View, _args: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The mailbox at a glance."""
    state = view.state
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for doc in state.live():
        counts[doc.kind.value][doc.state] += 1
    daemon = {"pid": facts["pid"], "uptime": round(float(facts["uptime"]), 1)} if "pid" in facts else None
    return {
        "schema": SCHEMA,
        "mailbox": str(view.layout.root),
        "host": state.host,
        "hub": state.hub_id,
        "operator": state.settings.word("operator"),
        "daemon": daemon,
        "trouble": str(facts.get("trouble", "")),
        "paused": state.lease(f"{PAUSE}hub") is not None,
        "last_commit": _last_commit(view),
        "counts": {kind: dict(sorted(c.items())) for kind, c in sorted(counts.items())},
        "waits": _waits(view),
        "agents": [agent(view, n, facts) for n in sorted(state.cards)],
        "held": not_started(facts),
        "orchestrator": state.settings.word("orchestrator"),
        "leases": leases(view, {})["leases"],
    }


def _last_commit(view: View) -> dict[str, Any] | None:
    tip = view.ledger.tip()
    commit = view.ledger.commit(tip) if tip else None
    if commit is None:
        return None
    time = format_wall(commit.when)
    return {"seq": commit.seq or 0, "commit": commit.oid, "time": time, "subject": commit.subject}


def asking(view: View) -> list[tuple[str, Doc]]:
    """Who must act on what, the oldest first. Handoffs are left out: their round asks for them."""
    found = [
        (name, doc)
        for name in view.state.cards
        for doc in view.state.inbox(name)
        if doc.kind is not Kind.HANDOFF
    ]
    return sorted(found, key=lambda pair: (pair[1].text("created"), pair[1].id, pair[0]))


def _waits(view: View) -> list[dict[str, Any]]:
    return [
        {
            "agent": name, "id": doc.id, "kind": doc.kind.value, "state": doc.state,
            "title": title(view.state, doc), "created": doc.text("created"),
        }
        for name, doc in asking(view)[:WAITS_SHOWN]
    ]  # fmt: skip
