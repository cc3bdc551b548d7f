"""The read model of agents: what a daemon tells of them, and what the ledger tells without one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hubd import query
from tests.core.play import Table
from tests.shell.views import view

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def ask(table: Table) -> Ask:
    """Ask about the table; every answer must survive JSON."""
    shown = view(table)

    def ask(what: str, **args: Any) -> dict[str, Any]:
        told = query.answer(shown, what, args)
        assert json.loads(json.dumps(told)) == told
        return told

    return ask


def one_run(table: Table) -> str:
    """An agent that was started for what it has to do; returns its run's id."""
    table.approve(table.plan(table.task(), "backend: Fix it"))
    table.card("backend", "capabilities: [python]", "command: claude", "directory: /src", "launch: auto")
    table.request("operator", "start", "backend")
    return table.state.runs("backend")[0].id


def agent_of(table: Table, facts: dict[str, Any], name: str = "backend") -> dict[str, Any]:
    told = query.answer(view(table), "agents", {"agent": name}, facts)
    assert json.loads(json.dumps(told)) == told
    return dict(told["agents"][0])


def test_a_daemon_tells_what_its_agents_do(table: Table) -> None:
    run = one_run(table)
    seen = {"up": True, "pid": 4711, "quiet": 12.34, "bytes": 9, "stuck": False}
    held = {"agent": "backend", "on": ["x"], "code": "no-slot", "message": "5 run", "hint": "wait"}
    facts = {
        "pid": 1, "uptime": 1, "runs": {run: seen}, "held": [held, {**held, "agent": "tester"}],
        "states": {"backend": "active"}, "cost": {"backend": 0.125},
    }  # fmt: skip
    row = agent_of(table, facts)
    assert (row["state"], row["launch"], row["cost_today"]) == ("active", "auto", 0.125)
    (told,) = row["runs"]
    assert told["on"] == [d.id for d in table.state.inbox("backend")]
    assert (told["id"], told["state"], told["up"], told["pid"], told["quiet"], told["stuck"]) == (
        run, "started", True, 4711, 12.3, False,
    )  # fmt: skip
    assert row["held"] == [held]
    assert agent_of(table, facts, "tester")["state"] == "inactive"
    status = query.answer(view(table), "status", {}, facts)
    assert [h["agent"] for h in status["held"]] == ["backend", "tester"]
    assert next(a for a in status["agents"] if a["name"] == "backend") == row


def test_without_a_daemon_no_run_is_said_to_go_on(table: Table) -> None:
    run = one_run(table)
    row = agent_of(table, {})
    assert (row["state"], row["cost_today"], row["held"]) == ("inactive", None, [])
    (told,) = row["runs"]
    assert (told["id"], told["up"], told["quiet"], told["stuck"]) == (run, None, None, False)


def test_beside_a_daemon_that_was_not_asked_the_ledger_tells_the_state(table: Table) -> None:
    facts = {"pid": 1, "uptime": 1}
    assert agent_of(table, facts)["state"] == "inactive"
    run = one_run(table)
    assert agent_of(table, facts)["state"] == "active"
    table.request("operator", "stop", run)
    assert agent_of(table, facts)["state"] == "stopping"


def test_people_are_in_no_state(table: Table) -> None:
    row = agent_of(table, {"pid": 1, "uptime": 1, "states": {"operator": "inactive"}}, "operator")
    assert (row["state"], row["launch"]) == ("", "")


def test_agents_are_found_by_what_they_can_do(table: Table, ask: Ask) -> None:
    assert [a["name"] for a in ask("agents", capability="review")["agents"]] == ["critic", "tester"]
    assert ask("agents", capability="go")["agents"] == []


def test_a_run_can_be_stopped_by_a_person_and_is_called_by_what_it_is_for(table: Table, ask: Ask) -> None:
    run = one_run(table)
    told = ask("show", id=run)
    (on,) = told["header"]["on"]
    assert (told["title"], told["next"]) == (f"backend, {on}", ["stop"])
    assert ask("show", **{"id": run, "as": "backend"})["next"] == []
