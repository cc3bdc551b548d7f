"""Histories of what sessions were told of: everything that an inbox may hold, presented in every order."""

from __future__ import annotations

from dataclasses import dataclass

from tests.core.play import Answer, Table, accepted, refused


@dataclass(frozen=True, slots=True)
class Full:
    """A table on which the lead's inbox holds two of each kind that can be presented, in each state."""

    table: Table
    ids: tuple[str, ...]


def full() -> Full:
    """Make it."""
    table = Table()
    tasks = [table.task(title) for title in ("One", "Two")]
    rounds = []
    for _ in range(2):
        rounds.append(table.plan(table.task("Look"), "tester: Look"))
        accepted(table.approve(rounds[-1]))
        table.do(f"{rounds[-1]}.a1")
    own = table.plan(table.task("Build"), *(f"lead: Part {number}" for number in range(4)))
    accepted(table.approve(own))
    lease = table.claim(f"{own}.a3")
    table.claim(f"{own}.a4")
    accepted(table.request("lead", "progress", f"{own}.a3", f"lease: {lease}"))
    questions = [accepted(table.ask("tester", "to: lead")) for _ in range(2)]
    messages = [accepted(table.send("backend", "lead")) for _ in range(2)]
    for name in ("a.md", "b.md"):
        refused(table.drop("lead", "no header", name))
    bounces = [id_ for id_ in table.inbox("lead") if id_.startswith("b-")]
    parts = [f"{own}.a{number}" for number in range(1, 5)]
    return Full(table, (*tasks, *rounds, *parts, *questions, *messages, *bounces))


def present(table: Table, agent: str, *ids: str) -> Answer:
    """A session of an agent was told of documents."""
    return table.request(agent, "present", agent, f"for: [{', '.join(ids)}]")


def presented(table: Table, id_: str) -> str:
    return table.doc(id_).text("presented")


def presents() -> list[Table]:
    """Return tables on which every row has been taken by which something is presented."""
    found = []
    for first in ("task", "round", "assignment", "question", "message", "bounce"):
        lead = full()
        chosen = next(id_ for id_ in lead.ids if lead.table.doc(id_).kind == first)
        accepted(present(lead.table, "lead", chosen, *lead.ids))
        found.append(lead.table)
    return found
