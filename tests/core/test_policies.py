"""What follows by policy: plans that tasks carry, self-approval, auto_approve, the next round."""

from __future__ import annotations

from hubd.core.due import ask
from tests.core.play import Table, accepted, assignments, nothing, refused

PLAN = "\n".join(assignments("backend: Fix it")) + "\n"


def test_a_task_that_carries_its_plan_is_approved_by_its_author() -> None:
    table = Table()
    task = table.task(lines=PLAN)
    assert table.state_of(f"{task}.r1") == "dispatched"
    assert table.doc(f"{task}.r1").texts("approved_by") == ("operator",)
    assert table.steps[-1].transition.actor == "operator"
    assert table.steps[-1].observed == "self_approval"


def test_self_approval_can_be_refused() -> None:
    table = Table(self_approval="refuse")
    task = table.task(lines=PLAN)
    assert table.state_of(f"{task}.r1") == "awaiting_approval"
    accepted(table.approve(f"{task}.r1"))


def test_a_plan_by_somebody_who_does_not_approve_waits() -> None:
    table = Table()
    task = table.task(actor="lead", lines=PLAN)
    assert table.state_of(f"{task}.r1") == "awaiting_approval"


def test_one_of_two_approvals_is_the_authors_own() -> None:
    table = Table(approvers=("operator", "anna"), approvals="2")
    task = table.task(lines=PLAN)
    assert table.state_of(f"{task}.r1") == "awaiting_approval"
    assert table.doc(f"{task}.r1").paths == (f"agents/anna/inbox/{task}.r1.md",)
    accepted(table.approve(f"{task}.r1", "anna"))
    assert table.state_of(f"{task}.r1") == "dispatched"


def test_auto_approve_needs_nobody() -> None:
    table = Table(auto_approve="true")
    round_ = table.plan(table.task())
    assert table.state_of(round_) == "dispatched"
    assert table.doc(round_).texts("approved_by") == ("hub",)


def test_the_hub_approves_by_auto_approve_only() -> None:
    table = Table()
    round_ = table.plan(table.task())
    assert "not-yours" in nothing(table.hub("approve", round_)).why


def test_auto_approve_takes_what_waits_when_it_is_switched_on() -> None:
    table = Table()
    round_ = table.plan(table.task())
    accepted(table.settings("auto_approve: true"))
    assert table.state_of(round_) == "dispatched"


def test_the_next_round_is_made_with_the_reviewers_note() -> None:
    table = Table(auto_create_next_round="true", max_rounds="2")
    task, round_ = table.dispatched("backend: Fix it")
    table.do(f"{round_}.a1")
    accepted(table.review(round_, "changes_requested", "Also on Safari"))
    second = f"{task}.r2"
    assert table.state_of(second) == "awaiting_approval"
    assert "goal: Fix it" in table.read(second)
    assert "Mind the tests." in table.doc(second).document.body
    assert "Also on Safari" in table.doc(second).document.body
    accepted(table.approve(second))
    table.do(f"{second}.a1")
    assert refused(table.review(second, "changes_requested")) == "too-many-rounds"
    accepted(table.review(second))


def test_a_rejected_plan_is_not_made_again_by_itself() -> None:
    table = Table(auto_create_next_round="true")
    task = table.task(lines=PLAN, actor="lead")
    accepted(table.request("operator", "reject", f"{task}.r1"))
    assert table.state_of(task) == "draft"
    assert nothing(table.put(ask("approve", f"{task}.r1"))).why.startswith("wrong-state")
