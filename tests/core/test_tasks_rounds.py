"""Tasks and rounds: planning, approving, rejecting, recalling, reviewing, closing."""

from __future__ import annotations

import pytest

from hubd.core.effect import Step
from tests.core.play import Table, accepted, assignments, changed, refused

PLAN = "\n".join(assignments("backend: Fix it")) + "\n"


def test_a_task_without_an_owner_is_its_authors() -> None:
    table = Table()
    task = table.task(owner="", actor="backend")
    assert table.inbox("backend") == [task]


@pytest.mark.parametrize(
    ("owner", "code"),
    [
        ("nobody", "unknown-recipient"),
        ("lead@far", "unknown-host"),
        ("any:python", "bad-value"),
        ("all", "unknown-recipient"),
        ("Lead", "bad-value"),
    ],
)
def test_an_owner_is_one_agent_that_exists(owner: str, code: str) -> None:
    table = Table()
    text = f"---\nkind: task\ntitle: X\nowner: {owner}\n---\n"
    answer = table.drop("operator", text)
    assert refused(answer) == code
    assert isinstance(answer, Step)
    assert answer.refusal is not None
    assert answer.refusal.line == 4


def test_an_owner_may_be_named_with_this_host() -> None:
    table = Table()
    task = table.task(owner="lead@local")
    assert table.inbox("lead") == [task]


def test_only_the_owner_or_a_person_plans() -> None:
    table = Table()
    task = table.task()
    assert refused(table.try_plan(task, actor="backend")) == "not-yours"
    accepted(table.try_plan(task, actor="anna"))


def test_a_round_is_for_a_task_that_exists_and_waits_for_a_plan() -> None:
    table = Table()
    assert refused(table.try_plan("no-such-task")) == "unknown-id"
    task, round_ = table.dispatched("backend: Fix it")
    assert refused(table.try_plan(task)) == "wrong-state"
    assert refused(table.try_plan(round_)) == "unknown-id"


@pytest.mark.parametrize(
    ("goals", "code"),
    [
        (("nobody: X",), "unknown-recipient"),
        (("any:cooking: X",), "no-such-capability"),
        (("backend@far: X",), "unknown-host"),
        (("backend: X < 1",), "bad-value"),
        (("backend: X < 2", "backend: Y < 1"), "bad-value"),
        (("backend: X < 9",), "bad-value"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(goals: tuple[str, ...], code: str) -> None:
    table = Table()
    assert refused(table.try_plan(table.task(), *goals)) == code


def test_after_may_name_later_assignments() -> None:
    table = Table()
    _, round_ = table.dispatched("tester: Review < 2", "backend: Fix")
    assert (table.state_of(f"{round_}.a1"), table.state_of(f"{round_}.a2")) == ("waiting", "pending")


# approving


def test_an_agent_never_approves_even_where_it_is_listed() -> None:
    table = Table(approvers=("operator", "critic"))
    round_ = table.plan(table.task())
    assert "critic" not in [p.split("/")[1] for p in table.doc(round_).paths]
    assert refused(table.request("critic", "approve", round_)) == "not-yours"
    assert refused(table.request("backend", "approve", round_)) == "not-yours"
    assert table.state_of(round_) == "awaiting_approval"


def test_hub_yaml_cannot_make_an_agent_an_approver() -> None:
    table = Table()
    assert refused(table.settings("approvers: [operator, critic]")) == "unknown-recipient"


def test_two_of_three_approve() -> None:
    table = Table(approvers=("operator", "anna", "ben"), approvals="2")
    round_ = table.plan(table.task(), "backend: Fix it")
    paths = [table.path(round_, n) for n in ("operator", "anna", "ben")]
    assert len(set(paths)) == 3
    buffer = table.read(round_, "ben")
    accepted(table.approve(round_, "anna"))
    assert table.state_of(round_) == "awaiting_approval"
    assert paths[1] not in table.tree
    assert "given by: anna" in table.read(round_, "ben")
    assert refused(table.request("anna", "approve", round_)) == "already-approved"
    # Ben's editor has had it open since before Anna approved: what he read is still the plan.
    accepted(table.save_at(paths[2], changed(buffer, ("- [ ] approve", "- [x] approve"))))
    assert table.state_of(round_) == "dispatched"
    assert table.doc(round_).texts("approved_by") == ("anna", "ben")


def test_a_changed_plan_needs_all_approvals_anew() -> None:
    table = Table(approvers=("operator", "anna"), approvals="2")
    round_ = table.plan(table.task(), "backend: Fix it")
    accepted(table.approve(round_, "anna"))
    accepted(table.edit(round_, ("goal: Fix it", "goal: Fix it well"), actor="operator"))
    assert table.doc(round_).texts("approved_by") == ()
    accepted(table.approve(round_, "operator"))
    assert table.state_of(round_) == "awaiting_approval"
    accepted(table.approve(round_, "anna"))
    assert table.state_of(round_) == "dispatched"


def test_nobody_approves_their_own_round_under_not_author() -> None:
    table = Table(approvers=("operator", "anna"), not_author="true")
    round_ = table.plan(table.task(), "backend: Fix it", actor="anna")
    assert table.doc(round_).paths == (f"agents/operator/inbox/{round_}.md",)
    assert refused(table.request("anna", "approve", round_)) == "not-yours"
    accepted(table.approve(round_))


def test_not_author_holds_for_who_wrote_the_task_that_carries_the_plan() -> None:
    table = Table(approvers=("operator", "anna"), not_author="true")
    task = table.task(actor="anna", lines=PLAN)
    round_ = f"{task}.r1"
    assert table.state_of(round_) == "awaiting_approval"
    assert table.doc(round_).paths == (f"agents/operator/inbox/{round_}.md",)


def test_a_plan_that_nobody_may_approve_is_refused() -> None:
    table = Table(not_author="true")
    assert refused(table.try_plan(table.task(), actor="operator")) == "no-approver"
    answer = table.drop("operator", f"---\nkind: task\ntitle: X\n{PLAN}---\n")
    assert refused(answer) == "no-approver"


def test_rejecting_gives_the_task_back_with_the_note() -> None:
    table = Table()
    task = table.task()
    round_ = table.plan(task)
    accepted(table.edit(round_, ("- [ ] reject", "- [x] reject"), ("Note:", "Note: too much at once")))
    assert (table.state_of(round_), table.state_of(task)) == ("rejected", "draft")
    assert table.doc(round_).text("note") == "too much at once"
    assert "too much at once" in table.read(task)
    assert table.plan(task) == f"{task}.r2"


@pytest.mark.parametrize("decision", ["approve", "approved"])
def test_the_header_decides_as_a_tick_does(decision: str) -> None:
    table = Table()
    round_ = table.plan(table.task())
    accepted(table.edit(round_, ("kind: round", f"decision: {decision}\nkind: round")))
    assert table.state_of(round_) == "dispatched"


def test_a_request_decides_as_a_tick_does() -> None:
    table = Table()
    round_ = table.plan(table.task())
    accepted(table.request("operator", "approve", round_, f"plan: {table.doc(round_).text('plan')}"))
    assert table.state_of(round_) == "dispatched"


def test_a_request_for_another_plan_is_refused() -> None:
    table = Table()
    round_ = table.plan(table.task(), "backend: Fix it")
    read = table.doc(round_).text("plan")
    accepted(table.edit(round_, ("Fix it", "Fix all of it")))
    assert refused(table.request("operator", "approve", round_, f"plan: {read}")) == "plan-changed"
    assert table.state_of(round_) == "awaiting_approval"


# recalling


@pytest.mark.parametrize("actor", ["lead", "operator"])
def test_a_plan_is_taken_back_before_it_is_approved(actor: str) -> None:
    table = Table()
    task = table.task()
    round_ = table.plan(task)
    accepted(table.request(actor, "recall", round_))
    assert (table.state_of(round_), table.state_of(task)) == ("recalled", "draft")


def test_recalling_an_approved_round_stops_the_work_and_keeps_what_was_done() -> None:
    table = Table()
    task, round_ = table.dispatched("backend: One", "tester: Two", "critic: Three < 1", "tester: Four")
    table.do(f"{round_}.a1")
    lease = table.claim(f"{round_}.a2")
    lease4 = table.claim(f"{round_}.a4")
    asked = accepted(table.ask("tester", f"assignment: {round_}.a4", f"lease: {lease4}"))
    accepted(table.request("operator", "recall", round_, "note: Stop"))
    states = [table.state_of(f"{round_}.a{n}") for n in (1, 2, 3, 4)]
    assert states == ["completed", "cancelled", "cancelled", "cancelled"]
    assert table.state_of(f"{round_}.a1.h1") == "returned"
    assert table.state_of(asked) == "expired"
    assert table.state_of(f"l-{lease}") == table.state_of(f"l-{lease4}") == "released"
    assert (table.state_of(task), table.inbox("tester")) == ("draft", [])
    assert refused(table.hand_off(f"{round_}.a2", lease)) == "wrong-state"


def test_an_assignee_does_not_recall() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: One")
    assert refused(table.request("backend", "recall", round_)) == "not-yours"


@pytest.mark.parametrize("end", ["rejected", "recalled", "completed", "changes_requested", "closed"])
@pytest.mark.parametrize("do", ["approve", "reject", "recall", "review", "close", "claim"])
def test_nothing_is_done_to_a_round_that_ended(end: str, do: str) -> None:
    table = Table()
    task = table.task()
    round_ = table.plan(task, "backend: Fix it")
    match end:
        case "rejected":
            accepted(table.request("operator", "reject", round_))
        case "recalled":
            accepted(table.request("operator", "recall", round_))
        case "closed":
            accepted(table.request("operator", "close", task))
        case _:
            accepted(table.approve(round_))
            table.do(f"{round_}.a1")
            accepted(table.review(round_, "approved" if end == "completed" else end))
    assert table.state_of(round_) == end
    assert refused(table.request("operator", do, round_, "verdict: approved")) == "wrong-state"


# reviewing


def test_who_reviews_is_the_owner_an_approver_or_a_person() -> None:
    for actor, fine in (("lead", True), ("ben", True), ("backend", False)):
        table = Table()
        _, round_ = table.dispatched("backend: Fix it")
        table.do(f"{round_}.a1")
        answer = table.request(actor, "review", round_, "verdict: approved")
        assert (refused(answer) == "not-yours") if not fine else accepted(answer)


def test_a_review_without_a_verdict_is_refused() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    table.do(f"{round_}.a1")
    assert refused(table.request("lead", "review", round_)) == "missing-key"


def test_a_verdict_settles_the_handoffs() -> None:
    for verdict, state in (("approved", "accepted"), ("changes_requested", "returned")):
        table = Table()
        _, round_ = table.dispatched("backend: Fix it")
        table.do(f"{round_}.a1")
        accepted(table.review(round_, verdict))
        assert table.state_of(f"{round_}.a1.h1") == state


def test_a_verdict_binds_the_handoffs_that_were_read() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: One", "tester: Two")
    table.do(f"{round_}.a1")
    table.do(f"{round_}.a2", "blocked")
    buffer, path = table.read(round_), table.path(round_)
    read = table.doc(round_).text("handoffs")
    accepted(table.request("lead", "retry", f"{round_}.a2"))
    table.do(f"{round_}.a2")
    assert table.state_of(round_) == "awaiting_review"
    late = changed(buffer, ("- [ ] approved", "- [x] approved"))
    assert refused(table.save_at(path, late)) == "stale-buffer"
    request = ("verdict: approved", f"handoffs: {read}")
    assert refused(table.request("lead", "review", round_, *request)) == "plan-changed"
    accepted(table.review(round_))


# closing


@pytest.mark.parametrize("reached", ["draft", "awaiting_approval", "dispatched", "awaiting_review"])
def test_a_task_is_closed_from_any_state_with_all_that_is_under_it(reached: str) -> None:
    table = Table()
    task = table.task()
    if reached != "draft":
        round_ = table.plan(task, "backend: One")
        if reached != "awaiting_approval":
            accepted(table.approve(round_))
            lease = table.claim(f"{round_}.a1")
            if reached == "awaiting_review":
                accepted(table.hand_off(f"{round_}.a1", lease))
    assert table.state_of(task) == reached
    accepted(table.request("lead", "close", task, "note: Not needed"))
    assert table.state_of(task) == "closed"
    assert [d.id for d in table.state.live() if d.id.startswith(task)] == []
    assert refused(table.request("lead", "close", task)) == "wrong-state"
    assert "was closed by lead" in table.read(table.inbox("operator")[0])


def test_somebody_elses_task_is_not_closed() -> None:
    table = Table()
    assert refused(table.request("backend", "close", table.task())) == "not-yours"


def test_a_saved_state_closes_too() -> None:
    table = Table()
    task = table.task()
    accepted(table.edit(task, ("state: draft", "state: closed")))
    assert table.state_of(task) == "closed"


# hub.yaml


def test_what_waits_moves_when_others_approve() -> None:
    table = Table()
    task = table.task(owner="operator")
    round_ = table.plan(task, actor="operator")
    card = accepted(table.drop("backend", "---\nkind: agent\ncapabilities: [rust]\n---\n"))
    accepted(table.settings("operator: ben", "approvers: [anna, ben]"))
    assert table.inbox("operator") == table.inbox("operator", "waiting") == []
    assert (table.inbox("anna"), table.inbox("ben", "waiting")) == ([card, round_], [task])
    assert refused(table.request("operator", "approve", round_)) == "not-yours"
    accepted(table.approve(round_, "anna"))
