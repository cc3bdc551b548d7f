"""The whole story in two rounds, by plain files."""

from __future__ import annotations

from hubd.core import place
from hubd.core.model import Kind
from tests.core.play import Table, accepted


def test_a_task_is_planned_approved_worked_on_reviewed_planned_again_and_completed() -> None:
    table = Table()
    task = table.task()
    assert table.inbox("lead") == [task]
    first = table.plan(task, "backend: Fix it", "tester: Review it < 1")
    assert (table.inbox("lead"), table.inbox("lead", "waiting")) == ([], [task])
    assert table.inbox("operator") == [first]
    accepted(table.approve(first))
    a1, a2 = f"{first}.a1", f"{first}.a2"
    assert (table.inbox("backend"), table.inbox("tester", "waiting")) == ([a1], [a2])
    table.do(a1)
    assert (table.inbox("backend"), table.inbox("tester")) == ([], [a2])
    table.do(a2)
    assert table.inbox("lead") == [first, f"{a1}.h1", f"{a2}.h1"]
    accepted(table.review(first, "changes_requested", "More tests"))
    assert table.inbox("lead") == [task]
    assert "More tests" in table.read(task)

    second = table.plan(task, "backend: Add tests")
    assert "What changed since the last plan" in table.read(second)
    accepted(table.approve(second))
    assert "More tests" in table.read(f"{second}.a1")
    table.do(f"{second}.a1")
    accepted(table.review(second))
    assert table.state_of(task) == "completed"
    assert [d for d in table.state.live() if d.kind is not Kind.MESSAGE] == []
    family = [p for p in table.tree if p.startswith(place.archive_folder(task))]
    assert len(family) == 1 + 2 + 3 + 3


def test_approving_a_round_delivers_all_its_assignments_in_one_commit() -> None:
    table = Table()
    round_ = table.plan(table.task(), "backend: One", "tester: Two", "critic: Three")
    before = len(table.steps)
    accepted(table.approve(round_))
    assert len(table.steps) == before + 1
    assert [d.id for d in table.steps[-1].documents if d.kind is Kind.ASSIGNMENT] == [
        f"{round_}.a{n}" for n in (1, 2, 3)
    ]


def test_the_author_of_a_task_is_told_that_it_is_completed() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    table.do(f"{round_}.a1")
    accepted(table.review(round_, note="Well done"))
    (told,) = table.inbox("operator")
    assert "is completed" in table.doc(told).text("subject")
    assert "Well done" in table.read(told)


def test_an_assignment_stands_alone() -> None:
    table = Table()
    task = table.task(body="After login the user lands on /404.")
    round_ = table.plan(task, "backend: Fix it", "tester: Review it < 1")
    accepted(table.approve(round_))
    table.do(f"{round_}.a1")
    text = table.read(f"{round_}.a2")
    for needed in (
        task,
        "/404",
        "Mind the tests.",
        "Review it",
        f"{round_}.a1",
        "It works",
        "state: claimed",
    ):
        assert needed in text
    lease = table.claim(f"{round_}.a2")
    text = table.read(f"{round_}.a2")
    handoff = text.partition("```markdown\n")[2].partition("\n```")[0]
    assert f"lease: {lease}" in handoff
    accepted(table.drop("tester", handoff, "copied.md"))
    assert table.state_of(f"{round_}.a2") == "completed"


def test_every_sample_in_a_block_is_accepted_as_it_stands() -> None:
    table = Table()
    task = table.task()
    plan = _samples(table.read(task))[0]
    round_ = accepted(table.drop("lead", plan[1], plan[0]))
    accepted(table.approve(round_))
    a1 = f"{round_}.a1"
    table.claim(a1)
    for path, text in reversed(_samples(table.read(a1))):
        accepted(table.drop("backend", text, path))
        if "question" in path:
            asked = table.doc(a1).text("question")
            accepted(table.edit(asked, ("- [ ] one", "- [x] one")))
    assert table.state_of(a1) == "completed"


def _samples(text: str) -> list[tuple[str, str]]:
    parts = text.split("save as `")[1:]
    return [
        (p.partition("`")[0].rpartition("/")[2], p.partition("```markdown\n")[2].partition("\n```")[0])
        for p in parts
    ]
