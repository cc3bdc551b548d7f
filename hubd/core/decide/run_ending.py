"""How a run ends, and what becomes of what it was for.

Guarantee: nothing is silently done: what was claimed for a run and not handed off is given back, or has
failed, in the commit that records its end; somebody is told, unless it went well or was meant to stop.
Rule: the hub alone says that a run has ended, when nothing of its process is left and all that its agent had
saved is judged.
"""

from __future__ import annotations

from hubd.core.block import fence
from hubd.core.decide import ending, leases
from hubd.core.decide.request import Request
from hubd.core.decide.runs import held_by
from hubd.core.decide.tasks import tell
from hubd.core.document import Value
from hubd.core.effect import Doc, Refusal
from hubd.core.model import RUN_ENDED, Kind
from hubd.core.observed import told
from hubd.core.state import HELD
from hubd.core.time import format_duration, format_wall
from hubd.core.work import Work

_CUT_SHORT = frozenset({"done", "no_handoff", "failed", "lost"})
"""How a run may end that was stopped: whatever its client made of it, or its hub, killed meanwhile."""
QUIET = frozenset({"done", "stopped"})
"""Outcomes of which nobody is told."""


def end(work: Work, doc: Doc, request: Request) -> Refusal | None:
    """Record that a run has ended, and how; give back what it held."""
    flaw = work.check(doc, "end", "ended", request.actor)
    if flaw is not None:
        return flaw
    result = request.fields.get("result")
    found = told("end", result) if not isinstance(result, str | tuple) and result is not None else {}
    outcome = str(found.get("outcome", ""))
    if not outcome:
        return Refusal("bad-value", f"the end of {doc.id} has no outcome", document=doc.id)
    held = [known for known in held_by(work, doc) if known.state in HELD]
    asked = doc.state == "stopping"
    if asked and (held or outcome != "done") and outcome in _CUT_SHORT:
        outcome = "stopped"
    elif held and outcome == "done":
        outcome = "no_handoff"
    found["outcome"] = outcome
    why, left = doc.text("note") if asked else "", str(found.get("note", ""))
    note = left if why in left else f"{why}\n\n{left}".strip()
    lines: dict[str, Value | None] = {**found, "note": note or None, "ended": format_wall(work.now.wall)}
    run = work.move(doc, "ended", "end", "hub", None, **lines)
    fates = [_give_back(work, run, known, asked) for known in held]
    if outcome in ("lost", "not_started", "stopped") and not asked:
        _unshow(work, run)
    undone = _undone(work, run) if outcome == "done" else []
    if outcome not in QUIET or undone:
        _tell(work, run, fates + undone)
    return None


def _give_back(work: Work, run: Doc, doc: Doc, asked: bool) -> str:
    """Give back what a run held and did not hand off; return what became of it."""
    why = _why(run)
    if asked or run.text("outcome") == "stopped":
        # What somebody stopped is started again by somebody; what stopped with its hub, by the next one.
        _pending(work, doc, doc.number("attempt", 1), why, run.id if asked else None)
        return f"`{doc.id}` is pending again."
    if run.text("status").lower().startswith("blocked"):
        return _failed(work, doc, why, "blocked")
    attempt, most = doc.number("attempt", 1), work.settings.number("max_attempts")
    if attempt >= most:
        return _failed(work, doc, f"{why}\n\nattempt {attempt} was the last", None)
    _pending(work, doc, attempt + 1, why, None)
    return f"`{doc.id}` is pending again, for attempt {attempt + 1} of {most}."


def _pending(work: Work, doc: Doc, attempt: int, why: str, shown: str | None) -> None:
    work.move(
        doc, "pending", "give-back", "", None, lease=None, worker=None, attempt=str(attempt),
        note=ending.noted(doc, why), shown=shown,
    )  # fmt: skip
    leases.free(work, doc.id)


def _failed(work: Work, doc: Doc, why: str, outcome: str | None) -> str:
    ending.end(work, doc, "failed", "give-up", outcome=outcome, note=ending.noted(doc, why))
    return f"`{doc.id}` has failed."


def _why(run: Doc) -> str:
    """Return what happened to a run, and the end of what it said."""
    parts = [f"{run.id} {RUN_ENDED[run.text('outcome')]}"]
    if run.text("status"):
        parts.append(f"STATUS: {run.text('status')}")
    if run.text("note"):
        parts.append(run.text("note"))
    return "\n\n".join(parts)


def _unshow(work: Work, run: Doc) -> None:
    """What a run was for and had no chance to look at is new again."""
    for id_ in run.texts("on"):
        doc = work.get(id_)
        if doc is not None and doc.kind is not Kind.ASSIGNMENT and doc.text("shown") == run.id:
            work.move(doc, doc.state, "unshow", shown=None)


def _undone(work: Work, run: Doc) -> list[str]:
    """Return what a run left as it was though all seemed well: nobody is started for that again."""
    kinds = (Kind.TASK, Kind.ROUND, Kind.QUESTION)
    docs = [doc for id_ in run.texts("on") if (doc := work.get(id_)) is not None and doc.kind in kinds]
    return [
        f"It left `{doc.id}` as it was, {doc.state}; `hubctl start {run.text('agent')}` tries again."
        for doc in docs
        if doc.text("shown") == run.id
    ]


def _tell(work: Work, run: Doc, fates: list[str]) -> None:
    """Tell the owner of the task that a run was for, or the operator."""
    agent, outcome = run.text("agent"), run.text("outcome")
    to, task = _concerned(work, run, agent)
    seconds = run.text("seconds")
    after = f" after {format_duration(float(seconds))}" if seconds and float(seconds) >= 1 else ""
    leaving = f" ({run.text('exit')})" if run.text("exit") else ""
    parts = [" ".join((f"`{run.id}` of {agent} {RUN_ENDED[outcome]}{after}{leaving}.", *fates))]
    if run.text("status"):
        parts.append("Its last word:\n\n" + fence(f"STATUS: {run.text('status')}"))
    if run.text("note"):
        parts.append("What it left:\n\n" + fence(run.text("note")))
    parts.append(f"`hubctl runs {run.id}` tells all of it, `hubctl logs {run.id}` shows its output.")
    tell(work, to, f"{agent}: {run.id} {RUN_ENDED[outcome]}", "\n\n".join(parts), task=task)


def _concerned(work: Work, run: Doc, agent: str) -> tuple[str, str]:
    for id_ in run.texts("on"):
        doc = work.get(id_)
        task = work.task_of(doc) if doc is not None else None
        if task is not None:
            owner = work.owner(task)
            known = owner != agent and work.state.card(owner) is not None
            return owner if known else work.settings.word("operator"), task.id
    return work.settings.word("operator"), ""
