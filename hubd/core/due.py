"""What is due: the proposals that the hub makes to itself, because of time or by policy.

Guarantee: a repeatable function of the state; proposing twice does nothing twice, since `decide` looks again.
Rule: nothing here decides; it only asks, through the same door as everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hubd.core.document import Value
from hubd.core.document import document as new_document
from hubd.core.effect import Doc, Proposal
from hubd.core.model import Kind
from hubd.core.observed import told
from hubd.core.state import State
from hubd.core.time import Now, parse_wall
from hubd.core.transition import is_final


@dataclass(frozen=True, slots=True)
class Timer:
    """Ask about a document when a clock reaches `at`, in seconds: the wall's (since 1970) or the boot's."""

    document: str
    clock: str  # "wall" or "mono"
    at: float


def ask(do: str, on: str, observed: str = "", **fields: Value) -> Proposal:
    """Return the hub's own request, as a document like any other. A `result` is cut to fit a header."""
    result = fields.get("result")
    if isinstance(result, Mapping):
        fields["result"] = told(do, result)
    data = new_document({"kind": "request", "do": do, "on": on, **fields}).render()
    return Proposal("hub", "hub", f"hub/{do}", data, "hub", observed)


def ask_for(actor: str, do: str, on: str, why: str) -> Proposal:
    """Return a request that a person's own setting makes in their name."""
    data = new_document({"kind": "request", "do": do, "on": on}).render()
    return Proposal(actor, "hub", f"hub/{why}", data, "directory", why)


def by_policy(state: State, ids: Iterable[str]) -> list[Proposal]:
    """Return what follows at once from documents that have just changed."""
    found: list[Proposal] = []
    for id_ in sorted(ids):
        doc = state.get(id_)
        if doc is None or is_final(doc.kind, doc.state):
            continue
        if doc.kind is Kind.TASK and doc.state == "draft" and _plans_itself(state, doc):
            found.append(ask("plan", doc.id))
        elif doc.kind is Kind.ROUND and doc.state == "awaiting_approval":
            if state.settings.flag("auto_approve"):
                found.append(ask("approve", doc.id, "auto_approve"))
            elif (author := _approves_itself(state, doc)) is not None:
                found.append(ask_for(author, "approve", doc.id, "self_approval"))
    return found


def _plans_itself(state: State, task: Doc) -> bool:
    rounds = state.children(task.id, Kind.ROUND)
    if not rounds:
        return task.document.get("assignments") is not None
    again = rounds[-1].state == "changes_requested" and state.settings.flag("auto_create_next_round")
    return again and task.number("rounds") < state.settings.number("max_rounds")


def _approves_itself(state: State, round_: Doc) -> str | None:
    """A round made from a task's own plan is approved by that, where the task's author is an approver."""
    task = state.get(round_.id.rpartition(".")[0])
    if task is None or round_.text("from") != "hub" or round_.text("number") != "1":
        return None
    author = task.text("from")
    settings = state.settings
    may = (
        author in settings.names("approvers") and state.is_person(author) and not settings.flag("not_author")
    )
    if may and settings.word("self_approval") == "allow" and author not in round_.texts("approved_by"):
        return author
    return None


def timers(doc: Doc) -> tuple[Timer, ...]:
    """Return when a document must be asked about."""
    if is_final(doc.kind, doc.state):
        return ()
    if doc.kind is Kind.LEASE:
        at = doc.text("deadline")
        return (Timer(doc.id, "mono", float(at)),) if at else ()
    key = "deadline" if doc.kind is Kind.ASSIGNMENT else "until"
    when = parse_wall(doc.text(key)) if doc.text(key) else None
    return (Timer(doc.id, "wall", when.timestamp()),) if when is not None else ()


def after_boot(state: State, now: Now) -> list[Proposal]:
    """Return renewals for leases that count on another boot's clock: they get one full term."""
    return [
        ask("renew", lease.id, "another boot")
        for lease in state.leases()
        if lease.text("boot") not in ("", now.boot) and not lease.text("left")
    ]
