"""hubd.agent, the one file that others may copy: what it writes is read as it was meant, and what a real hubd
answers reaches the program that asked.
"""

from __future__ import annotations

import ast
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd import agent as module
from hubd.agent import Agent, Assignment, Paper, Refused, Unheard
from hubd.core.document import Document, parse
from tests.e2e.launching import Yard
from tests.e2e.processes import DEADLINE, Hubd, hubd, until
from tests.house.sources import ROOT

pytestmark = pytest.mark.e2e


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "mail")


@pytest.fixture
def hub(yard: Yard) -> Iterator[Hubd]:
    with hubd(yard.root) as running:
        yield running


def taken(agent: Agent) -> Assignment:
    """Wait for an assignment and claim it."""
    held = agent.claim(until(lambda: next(iter(agent.inbox("assignment")), None), "an assignment"))
    assert held is not None
    return held


def test_it_stands_alone() -> None:
    tree = ast.parse((ROOT / "hubd/agent.py").read_text())
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module or "." for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names | {"__future__"}


KEYS = st.from_regex(r"\A[a-z]{1,5}\Z")
VALUES = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)


@given(VALUES)
def test_every_value_is_read_as_it_was_meant(value: object) -> None:
    parsed = parse(f"---\nkind: message\nx: {module._flow(value)}\n---\n".encode())
    assert isinstance(parsed, Document), parsed

    def plain(part: object) -> object:
        if isinstance(part, (list, tuple)):
            return [plain(inner) for inner in part]
        return {k: plain(v) for k, v in part.items()} if hasattr(part, "items") else part

    assert plain(parsed.get("x")) == value
    if isinstance(value, str):
        paper = Paper.__new__(Paper)
        object.__setattr__(paper, "text", f"---\nx: {module._flow(value)}\n---\n")
        assert paper.field("x") == value


def test_a_refusal_is_raised_with_what_its_bounce_says(yard: Yard, hub: Hubd) -> None:
    agent = Agent(yard.root, "backend")
    with pytest.raises(Refused) as refused:
        agent.send("message", {"to": "lead", "subject": "Hi", "prioritty": "high"})
    assert refused.value.code == "unknown-key"
    assert refused.value.line == 5
    assert "priority" in refused.value.message + refused.value.correct
    assert refused.value.hint
    assert (yard.root / refused.value.kept).is_file()
    until(lambda: not agent.inbox() and yard.count("unread -> read"), "the bounce to be read")


def test_work_is_claimed_reported_and_handed_off(yard: Yard, hub: Hubd) -> None:
    agent, late = Agent(yard.root, "backend"), Agent(yard.root, "backend")
    round_ = yard.task("backend")
    held = taken(agent)
    assert held.goal == "Do it"
    assert late.claim(held) is None
    held.progress("half: way #1")
    assert not held.ended
    held.hand_off("All of it: done", "Notes.", tests_run=["pytest: 3 passed"], risks="none")
    assert held.ended
    yard.wait(f"{round_}.a1.h1: new -> submitted")
    with pytest.raises(Refused, match=r"wrong-state|stale-lease"):
        held.progress("too late")


def test_a_question_stops_the_assignment_and_its_answer_comes_with_it(yard: Yard, hub: Hubd) -> None:
    agent = Agent(yard.root, "backend", worker="always-me")
    asked: list[str] = []

    @agent.on_assignment
    def work(assignment: Assignment) -> str | None:
        if not assignment.answers:
            assignment.ask("Which one?", choices=["sqlite", "postgres"])
            asked.append(assignment.id)
            return None
        agent.stop()
        return "Took " + ", ".join(assignment.answers)

    round_ = yard.task("backend")
    until(agent.turn, "the assignment")
    (id_,) = asked
    yard.ask_hub("answer", f"{id_}.q1", "answer: 'post: #gres'")
    again = Agent(yard.root, "backend", worker="always-me")  # it was started anew, and remembers nothing
    again.on_assignment(work)
    until(again.turn, "the answer")
    path = until(lambda: yard.find("operator", f"{round_}.a1.h1.md"), "the handoff")
    assert 'summary: "Took post: #gres"' in path.read_text()


def test_an_error_fails_the_assignment_and_says_which(yard: Yard, hub: Hubd) -> None:
    agent = Agent(yard.root, "backend")

    @agent.on_assignment
    def work(assignment: Assignment) -> None:
        raise KeyError("no such thing")

    round_ = yard.task("backend")
    until(agent.turn, "the assignment")
    yard.wait(f"{round_}.a1: claimed -> failed")
    hub.rested()
    assert "KeyError: 'no such thing'" in yard.document(f"{round_}.a1")


def test_mail_is_read_once_and_stays_where_it_could_not_be(yard: Yard, hub: Hubd) -> None:
    agent, heard = Agent(yard.root, "backend"), []

    @agent.on_message
    def hear(message: Paper) -> None:
        heard.append(message.field("subject"))
        if "bad" in heard[-1]:
            raise ValueError

    agent.tell(["backend", "operator"], "good: one #1")
    agent.tell("backend", "bad")
    until(lambda: agent.turn() and "bad" in heard, "both messages")
    until(lambda: not agent.turn() and len(agent.inbox()) == 1, "one that stays")
    assert sorted(heard) == ["bad", "good: one #1"]
    (left,) = agent.inbox("message")
    assert left.field("subject") == "bad"


def test_what_nobody_judges_is_said_and_judged_later(yard: Yard) -> None:
    agent = Agent(yard.root, "backend", patience=0.2)
    with pytest.raises(Unheard, match="does hubd run") as unheard:
        agent.tell("operator", "Is anybody there?")
    assert unheard.value.path.is_file()
    with hubd(yard.root):
        until(lambda: not unheard.value.path.exists(), "the message to be sent")


def test_the_loop_outlives_a_hub_that_is_away_and_does_nothing_twice(yard: Yard) -> None:
    with hubd(yard.root):
        round_ = yard.task("backend")
        yard.find("backend", f"{round_}.a1.md")
    agent, did = Agent(yard.root, "backend", patience=0.2), []

    @agent.on_assignment
    def work(assignment: Assignment) -> str:
        did.append(assignment.id)
        return "Done"

    loop = threading.Thread(target=agent.run, kwargs={"poll": 0.02, "most": 0.05})
    loop.start()
    try:
        (saved,) = until(lambda: list((agent.home / "outbox").iterdir()), "the claim")
        time.sleep(2 * agent.patience)  # nobody judges it in time
        assert loop.is_alive()
        assert saved.exists()
        with hubd(yard.root):
            yard.wait(f"{round_}.a1.h1: new -> submitted")
            assert did == [f"{round_}.a1"]
            assert yard.count(f"{round_}.a1: pending -> claimed") == 1
    finally:
        agent.stop()
        loop.join(DEADLINE)
    assert not loop.is_alive()


def test_an_agent_says_what_it_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, yard: Yard) -> None:
    monkeypatch.delenv("HUB_MAILBOX", raising=False)
    with pytest.raises(ValueError, match="HUB_MAILBOX"):
        Agent(name="backend")
    with pytest.raises(ValueError, match="is there a card"):
        Agent(yard.root, "nobody")
