"""Agents: what each has to do, what it does now, and why it was not started.

Guarantee: what only a running daemon can see (which process is up, how quiet it is, what was not started and
why) is told only as the daemon's `facts`; without them it is None or nothing, never a guess.
Rule: a run that is live in the ledger while no hubd runs has no process; its agent is then inactive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.policy import launch_of
from hubd.core.time import parse_duration
from hubd.query.rows import PAUSE, SCHEMA, View, failed

Facts = Mapping[str, Any]


def no_agent(view: View, name: str) -> dict[str, Any] | None:
    """The answer that nobody has this name; None where somebody has."""
    if view.state.card(name) is not None:
        return None
    return failed(
        "unknown-agent", f"there is no agent `{name}`", "agents: " + ", ".join(sorted(view.state.cards))
    )


def agents(view: View, args: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Every agent, or the one that is named, or those with a capability."""
    name, capability = str(args.get("agent") or ""), str(args.get("capability") or "")
    flaw = no_agent(view, name) if name else None
    if flaw is not None:
        return flaw
    names = [name] if name else sorted(view.state.cards)
    if capability:
        names = [n for n in names if capability in view.state.cards[n].texts("capabilities")]
    return {
        "schema": SCHEMA,
        "agents": [agent(view, n, facts) for n in names],
        "orchestrator": view.state.settings.word("orchestrator"),
        "daemon": "pid" in facts,
    }


def agent(view: View, name: str, facts: Facts) -> dict[str, Any]:
    """One agent as a row. `runs` are those that go on, the oldest first."""
    state = view.state
    card = state.cards[name]
    # a handoff asks for nothing by itself
    waiting = [d for d in state.inbox(name) if d.kind is not Kind.HANDOFF]
    live = state.runs(name)
    person = state.is_person(name)
    return {
        "name": name,
        "human": person,
        "capabilities": list(card.texts("capabilities")),
        "description": card.text("description"),
        "state": "" if person else _state(name, live, facts),
        "launch": launch_of(state, name),
        "timeout": None if person else _timeout(view, card),
        "inbox": len(waiting),
        "waiting": sum(d.kind is not Kind.RUN for d in state.inbox(name, "waiting")),
        "assignments": state.load(name),
        "holds": state.held_by(name),
        "paused": state.lease(PAUSE + name) is not None,
        "oldest": min((d.text("created") for d in waiting), default=""),
        "runs": [_run(d, facts) for d in live],
        "held": not_started(facts, name),
        "cost_today": round(float(facts["cost"].get(name, 0.0)), 6) if "cost" in facts else None,
        "path": card.paths[0] if card.paths else "",
    }


def _timeout(view: View, card: Doc) -> float:
    """The seconds after which a run of it is ended."""
    return float(parse_duration(card.text("timeout")) or view.state.settings.seconds("run_timeout"))


def _state(name: str, live: Sequence[Doc], facts: Facts) -> str:
    """What the daemon says; beside a daemon that was not asked, what the ledger says."""
    known = facts.get("states")
    if known is not None:
        return str(known.get(name, "inactive"))
    if not live or "pid" not in facts:
        return "inactive"
    return "active" if any(d.state == "started" for d in live) else "stopping"


def _run(doc: Doc, facts: Facts) -> dict[str, Any]:
    seen = facts.get("runs", {}).get(doc.id, {})
    quiet = seen.get("quiet")
    return {
        "id": doc.id,
        "state": doc.state,
        "on": list(doc.texts("on")),
        "parent": doc.text("parent"),
        "depth": doc.number("depth"),
        "runtime": doc.text("runtime"),
        "created": doc.text("created"),
        "up": seen.get("up"),
        "pid": seen.get("pid"),
        "quiet": None if quiet is None else round(float(quiet), 1),
        "stuck": bool(seen.get("stuck", False)),
    }


def not_started(facts: Facts, name: str = "") -> list[dict[str, Any]]:
    """What was not started, and why: of one agent, or of all."""
    return [dict(h) for h in facts.get("held", ()) if not name or h.get("agent") == name]
