"""Outboxes: what a new document may hold, and what is remembered until it has ended."""

from __future__ import annotations

import pytest

from hubd.core.effect import Step
from tests.core.play import Table, accepted, nothing, refused

TICK = ("- [ ] approve", "- [x] approve")


def test_outboxes_remember() -> None:
    table = Table()
    text = "---\nkind: task\ntitle: One\nowner: lead\n---\nBody.\n"
    task = accepted(table.drop("operator", text, "t.md"))
    assert nothing(table.drop("operator", text, "t.md")).document == task
    accepted(table.drop("operator", text.replace("Body.", "Better body."), "t.md"))
    assert "Better body." in table.read(task)
    assert refused(table.drop("operator", text.replace("lead", "backend"), "t.md")) == "not-amendable"
    assert refused(table.send("operator", "lead", name="t.md")) == "already-sent"
    round_ = table.plan(task)
    assert refused(table.drop("operator", text.replace("Body.", "Late."), "t.md")) == "already-sent"
    accepted(table.request("operator", "close", task))
    assert table.state_of(round_) == "closed"
    again = accepted(table.drop("operator", text, "t.md"))
    assert again != task


def test_an_owner_amends_the_task_it_plans() -> None:
    table = Table()
    task = table.task()
    accepted(table.edit(task, ("It breaks.", "It breaks often.")))
    assert refused(table.edit(task, ("owner: lead", "owner: backend"))) == "not-amendable"
    assert refused(table.edit(task, ("title: Fix the login\n", ""))) == "missing-key"
    assert refused(table.edit(task, ("title:", "titel:"))) == "unknown-key"
    table.plan(task)
    assert refused(table.edit(task, ("It breaks", "It broke"))) == "already-sent"


def test_a_plan_added_to_a_task_is_checked_and_carried_out() -> None:
    table = Table()
    task = table.task(owner="lead")
    wrong = ("owner: lead", "owner: lead\nassignments: [{to: nobody, goal: X}]")
    assert refused(table.edit(task, wrong)) == "unknown-recipient"
    accepted(table.edit(task, ("owner: lead", "owner: lead\nassignments: [{to: backend, goal: X}]")))
    assert table.state_of(f"{task}.r1") == "dispatched"


def test_a_round_is_amended_by_its_author_until_it_is_approved() -> None:
    table = Table()
    task = table.task()
    text = f"---\nkind: round\ntask: {task}\nassignments: [{{to: backend, goal: X}}]\n---\n"
    round_ = accepted(table.drop("lead", text, "p.md"))
    old = table.doc(round_).text("plan")
    accepted(table.drop("lead", text.replace("goal: X", "goal: Y"), "p.md"))
    assert table.doc(round_).text("plan") != old
    assert refused(table.drop("lead", text.replace("backend", "nobody"), "p.md")) == "unknown-recipient"
    other = table.task("Another")
    assert refused(table.drop("lead", text.replace(task, other), "p.md")) == "not-amendable"
    accepted(table.approve(round_))
    assert refused(table.drop("lead", text.replace("goal: X", "goal: Z"), "p.md")) == "already-sent"


def test_handoffs_questions_and_messages_are_not_amended() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it", "tester: Other")
    lease = table.claim(f"{round_}.a1")
    accepted(table.hand_off(f"{round_}.a1", lease, name="h.md"))
    nothing(table.hand_off(f"{round_}.a1", lease, name="h.md"))
    assert refused(table.hand_off(f"{round_}.a1", lease, "partial", name="h.md")) == "already-sent"
    accepted(table.ask("backend", name="q.md"))
    assert refused(table.ask("backend", "to: lead", name="q.md")) == "already-sent"
    accepted(table.send("backend", "lead", name="m.md"))
    assert refused(table.send("backend", "lead", body="Other.", name="m.md")) == "already-sent"
    assert refused(table.edit(f"{round_}.a1.h1", ("It works", "It fails"))) == "read-only"


def test_requests_are_not_remembered() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    lease = table.claim(f"{round_}.a1")
    for _ in range(2):
        accepted(table.request("backend", "progress", f"{round_}.a1", f"lease: {lease}", name="p.md"))


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("---\nkind: task\nid: x\ntitle: X\n---\n", "has-id", 3),
        ("---\nkind: task\ntitle: X\nstate: draft\n---\n", "hub-line", 4),
        ("---\nkind: task\ntitle: X\ntitel: Y\n---\n", "unknown-key", 4),
        ("---\nkind: task\nfoo: Y\ntitle: X\n---\n", "unknown-key", 3),
        ("---\nkind: task\n---\n", "missing-key", 1),
        ("---\ntitle: X\n---\n", "missing-key", 2),
        ("---\ntitle: X\nkind: tusk\n---\n", "unknown-kind", 3),
        ("---\nkind: assignment\n---\n", "not-sendable", 2),
        ("---\nkind: [task]\n---\n", "missing-key", 2),
        ('---\nkind: task\ntitle: "a\\nb"\n---\n', "bad-value", 3),
        ('---\nkind: task\ntitle: "a\\x1bb"\n---\n', "bad-value", 3),
        (f"---\nkind: task\ntitle: {'x' * 501}\n---\n", "bad-value", 3),
        ("---\nkind: task\ntitle: X\npriority: hi\n---\n", "bad-value", 4),
        ("---\nkind: task\ntitle: X\n---\n<!-- hub -->\nx\n<!-- /hub -->\n", "hub-marker", 5),
        ("---\nkind: task\ntitle: Fix issue #12\n---\n", "inline-comment", 3),
        ("kind: task\n", "no-header", 1),
    ],
)
def test_what_is_wrong_with_a_new_document_is_said_with_its_line(text: str, code: str, line: int) -> None:
    answer = Table().drop("lead", text)
    assert refused(answer) == code
    assert isinstance(answer, Step)
    assert answer.refusal is not None
    assert answer.refusal.line == line
    assert answer.refusal.written in text


@pytest.mark.parametrize(
    ("line", "correct"),
    [("kind: tusk", "kind: task"), ("titel: X", "title: X"), ("priority: hihg", "priority: high")],
)
def test_the_line_is_shown_as_it_should_be(line: str, correct: str) -> None:
    lines = {"kind": "kind: task", "title": "title: Y", line.partition(":")[0]: line}
    answer = Table().drop("lead", "\n".join(("---", *lines.values(), "---", "")))
    assert isinstance(answer, Step)
    assert answer.refusal is not None
    assert answer.refusal.correct == correct
    assert f"```yaml\n{correct}\n```" in answer.documents[0].document.body


@pytest.mark.parametrize(
    "name", ["Plan.md", "plan.txt", "plan", ".md", "a b.md", "\udcff.md", "x\n.md", "`.md"]
)
def test_a_bad_name_is_refused(name: str) -> None:
    assert refused(Table().drop("lead", "---\nkind: task\ntitle: X\n---\n", name)) == "bad-name"
