"""A checker takes an honest history of what was presented, and names every forged one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from hubd.ledger import Commit
from hubd.verify import verify
from tests.core.play import accepted
from tests.core.presents import present
from tests.shell.forgeries import Forgery, asks, by, one, says, writes
from tests.shell.histories import Recorded
from tests.shell.test_verify import bad, write

NOW = "presented: 2026-11-21T10:00:00Z\n"


@cache
def told() -> tuple[list[Commit], Mapping[str, int], Mapping[str, str]]:
    """The lead is told of two messages and a task, then of a third; one is read, and the task is planned."""
    table, at, ids = Recorded(), dict[str, int](), dict[str, str]()
    ids["task"] = table.task()
    for word in ("first", "second", "third"):
        ids[word] = accepted(table.send("backend", "lead"))
    ids["theirs"] = accepted(table.send("backend", "tester"))
    for word, named in (("present", ("first", "second", "task")), ("again", ("first", "third"))):
        accepted(present(table, "lead", *(ids[name] for name in named)))
        at[word] = table.steps[-1].seq
    accepted(table.request("lead", "ack", ids["first"]))
    at["ack"] = table.steps[-1].seq
    table.plan(ids["task"])
    at["plan"] = table.steps[-1].seq
    return table.commits, at, ids


def forgeries() -> dict[str, Forgery]:
    """Return the forgeries by what they do."""
    _, at, ids = told()
    first, second, third = (f"{ids[word]}.md" for word in ("first", "second", "third"))
    return {
        "another time": one(at["present"], "`presented` is", writes(first, NOW, NOW.replace("26-", "25-"))),
        "another time of what follows": one(
            at["present"], "`presented` is", writes(second, NOW, NOW.replace("10:", "09:"))
        ),
        "a document that nobody named": one(
            at["present"], "was not presented to", asks(f"{ids['second']}, ", "")
        ),
        "somebody else's word": one(
            at["present"], "backend is none of", by("backend", "agents/backend/outbox/told.md")
        ),
        "a word about somebody else": one(at["present"], "not about", asks("on: lead", "on: tester")),
        "a first time that is lost": one(at["again"], "`presented` is", writes(third, NOW, "")),
        "a text that changes with it": one(at["present"], "@text", writes(first, "Text.", "Test.")),
        "a telling that is told as more": one(at["present"], "upkeep", says("Hub-Class", None)),
        "a time that outlives the state": one(
            at["plan"], "`presented` is", writes(f"{ids['task']}.md", "\n---\n", f"\n{NOW}---\n")
        ),
        "nobody asked": one(at["present"], "nobody asked", asks("do: present", "do: ack")),
    }


def test_an_honest_history_is_in_order(tmp_path: Path) -> None:
    commits, _, _ = told()
    result = verify(write(tmp_path / "ledger", list(commits)))
    assert result.ok, result.first_bad


@pytest.mark.parametrize("name", forgeries())
def test_a_forgery_is_named_at_its_commit(name: str, tmp_path: Path) -> None:
    forgery = forgeries()[name]
    number, reason = bad(verify(write(tmp_path / "ledger", forgery.made(list(told()[0])))))
    assert number == forgery.number, reason
    assert forgery.reason in reason
