"""Runs: one launch of an agent's process, from its start to its end. Only the hub writes them."""

from __future__ import annotations

from hubd.core import ids
from hubd.core.decide.people import unknown_agent
from hubd.core.decide.request import Request
from hubd.core.decide.tasks import unknown_id
from hubd.core.document import Value
from hubd.core.effect import Doc, Refusal
from hubd.core.model import Kind
from hubd.core.time import format_wall
from hubd.core.work import Work


def start(work: Work, request: Request) -> Refusal | None:
    """Record that an agent's process was started: `on` the agent, `for` a document."""
    agent, about = request.on, request.text("for")
    if work.state.card(agent) is None:
        return unknown_agent(work, agent)
    if about and work.get(about) is None:
        return unknown_id(about)
    lines: dict[str, Value] = {"from": "hub", "agent": agent}
    if about:
        lines["on"] = about
    id_ = f"run-{ids.number(work.state.hub_id, work.seq)}"
    work.create(Kind.RUN, id_, "started", "start", lines)
    return None


def end(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Record that it ended, and how."""
    flaw = work.check(doc, "end", "ended", request.actor)
    if flaw:
        return flaw
    work.move(
        doc, "ended", "end", "hub", None, ended=format_wall(work.now.wall),
        outcome=work.proposal.observed or None, note=request.text("note") or None,
    )  # fmt: skip
    return None
