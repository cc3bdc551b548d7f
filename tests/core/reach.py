"""How every state of every kind is reached, by steps that anybody could make."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hubd.core.model import Kind
from tests.core.play import Table, accepted, refused

Reach = Callable[[Table], str]
CARD = "---\nkind: agent\ncapabilities: [rust]\n---\n"


def task(state: str) -> Reach:
    """A task by the operator, owned by the lead."""

    def reach(table: Table) -> str:
        if state == "draft":
            return table.task()
        if state == "closed":
            id_ = table.task()
            accepted(table.request("lead", "close", id_))
            return id_
        return round_("completed" if state == "completed" else state)(table).partition(".")[0]

    return reach


def round_(state: str) -> Reach:
    """A round of two assignments by the lead; the second comes after the first."""

    def reach(table: Table) -> str:
        id_ = table.plan(table.task())
        match state:
            case "rejected" | "recalled":
                accepted(table.request("operator", state.removesuffix("ed"), id_))
            case "closed":
                accepted(table.request("operator", "close", id_.partition(".")[0]))
            case "dispatched":
                accepted(table.approve(id_))
            case "awaiting_review" | "completed" | "changes_requested":
                accepted(table.approve(id_))
                table.do(f"{id_}.a1")
                table.do(f"{id_}.a2", "partial")
                if state != "awaiting_review":
                    accepted(table.review(id_, "approved" if state == "completed" else state))
            case _:
                pass
        return id_

    return reach


def assignment(state: str) -> Reach:
    """The first assignment of a round, or the second while it waits; it has a deadline."""

    def reach(table: Table) -> str:
        id_ = table.task()
        lines = ("- {to: backend, goal: One, deadline: 3h}", "- {to: tester, goal: Two, after: [1]}")
        plan = "\n".join(("---", "kind: round", f"task: {id_}", "assignments:", *lines, "---", ""))
        made = accepted(table.drop("lead", plan))
        accepted(table.approve(made))
        a1 = f"{made}.a1"
        if state == "waiting":
            return f"{made}.a2"
        if state in ("claimed", "in_progress", "input_required", "completed"):
            lease = table.claim(a1)
            if state == "in_progress":
                accepted(table.request("backend", "progress", a1, f"lease: {lease}"))
            elif state == "input_required":
                accepted(table.ask("backend", f"assignment: {a1}", f"lease: {lease}"))
            elif state == "completed":
                accepted(table.hand_off(a1, lease))
        elif state == "failed":
            accepted(table.hand_off(a1, table.claim(a1), "blocked"))
        elif state == "timed_out":
            table.later(3 * 3600)
        elif state == "cancelled":
            accepted(table.request("lead", "cancel", a1))
        return a1

    return reach


def handoff(state: str) -> Reach:
    def reach(table: Table) -> str:
        word = {"submitted": "awaiting_review", "accepted": "completed", "returned": "changes_requested"}[
            state
        ]
        return f"{round_(word)(table)}.a1.h1"

    return reach


def question(state: str) -> Reach:
    """A question by the backend to the operator, for which an assignment waits."""

    def reach(table: Table) -> str:
        id_ = table.doc(assignment("input_required")(table)).text("question")
        if state == "answered":
            accepted(table.request("operator", "answer", id_, "answer: yes"))
        elif state == "expired":
            accepted(table.request("backend", "cancel", id_))
        return id_

    return reach


def message(state: str) -> Reach:
    def reach(table: Table) -> str:
        id_ = accepted(table.send("tester", "backend", "expires: 1h"))
        if state == "read":
            accepted(table.remove(id_))
        elif state == "expired":
            table.later(3600)
        return id_

    return reach


def lease(state: str) -> Reach:
    def reach(table: Table) -> str:
        id_ = accepted(table.request("backend", "lease", "db", "ttl: 10m"))
        if state == "released":
            accepted(table.request("operator", "unlease", "db"))
        elif state == "expired":
            table.later(600)
        return id_

    return reach


def agent(state: str) -> Reach:
    def reach(table: Table) -> str:
        if state in ("active", "retired"):
            accepted(table.card("fresh"))
            if state == "retired":
                accepted(table.propose("operator", "cards", "cards/fresh.md", None))
            return "card.fresh"
        id_ = accepted(table.drop("backend", CARD))
        if state != "proposed":
            accepted(table.request("operator", {"accepted": "approve", "rejected": "reject"}[state], id_))
        return id_

    return reach


def bounce(state: str) -> Reach:
    def reach(table: Table) -> str:
        refused(table.drop("backend", "no header", "x.md"))
        (id_,) = table.inbox("backend")
        if state == "read":
            accepted(table.request("backend", "ack", id_))
        return id_

    return reach


def run(state: str) -> Reach:
    def reach(table: Table) -> str:
        """A run of the backend's for an assignment."""
        table.hire("backend")
        _, made = table.dispatched("backend: Fix it")
        id_ = accepted(table.start("backend", f"{made}.a1"))
        if state == "stopping":
            accepted(table.request("operator", "stop", id_))
        if state == "ended":
            accepted(table.end(id_, "failed", exit="1", note="No such file"))
        return id_

    return reach


REACH: Mapping[Kind, Callable[[str], Reach]] = {
    Kind.TASK: task, Kind.ROUND: round_, Kind.ASSIGNMENT: assignment, Kind.HANDOFF: handoff,
    Kind.QUESTION: question, Kind.MESSAGE: message, Kind.LEASE: lease, Kind.AGENT: agent,
    Kind.BOUNCE: bounce, Kind.RUN: run,
}  # fmt: skip
