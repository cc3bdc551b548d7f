"""What an agent is to act on, in which order, and who led to it."""

from __future__ import annotations

from hubd.core.model import Kind
from hubd.core.policy import Start, lineage, work_for
from tests.core.play import accepted, assignments
from tests.core.staff import Staff, held

# what asks an agent to act


def test_every_kind_that_asks_for_an_act_starts_its_agent() -> None:
    staff = Staff()
    staff.hire("lead")
    task = staff.task()
    question = accepted(staff.ask("backend", "to: lead"))
    assert work_for(staff.state, "lead") == (task, question)
    round_ = staff.plan(task, "backend: Do it")
    assert work_for(staff.state, "lead") == (question,)
    assert work_for(staff.state, "operator") == (), "a plan waits for people, and nobody starts them"
    accepted(staff.approve(round_))
    staff.do(f"{round_}.a1")
    assert {d.kind for d in staff.state.inbox("lead")} == {Kind.QUESTION, Kind.ROUND, Kind.HANDOFF}
    assert work_for(staff.state, "lead") == (question, round_)


def test_a_bounce_and_what_the_hub_tells_start_nobody() -> None:
    staff = Staff()
    staff.hire("lead")
    staff.drop("backend", "---\nkind: nonsense\n---\n")
    task = staff.task(actor="backend")
    accepted(staff.request("operator", "close", task))
    told = [d for d in staff.state.inbox("backend") if d.kind is Kind.MESSAGE]
    assert [d.text("from") for d in told] == ["hub"]
    assert len(staff.state.inbox("backend")) == 2
    assert staff.ask_policy().starts == ()


def test_what_waits_for_another_or_is_held_by_somebody_else_starts_nobody() -> None:
    staff = Staff()
    _, round_ = staff.dispatched("backend: First", "tester: Second < 1")
    assert staff.ask_policy().starts == (Start("backend", (f"{round_}.a1",)),)
    staff.claim(f"{round_}.a1", "a-person-at-a-terminal")
    assert staff.ask_policy().starts == ()


def test_an_answer_brings_back_the_agent_whose_run_has_ended() -> None:
    staff = Staff()
    part = staff.part()
    run = staff.begin("backend", part)
    question = staff.question(part)
    staff.end(run)
    assert staff.state_of(part) == "input_required"
    assert staff.ask_policy().starts == ()
    accepted(staff.request("operator", "answer", question, "answer: So"))
    assert staff.ask_policy().starts == (Start("backend", (part,)),)
    staff.carry_out(staff.ask_policy())
    assert staff.ask_policy().starts == ()


def test_one_run_is_for_one_assignment_or_for_everything_else_together() -> None:
    staff = Staff()
    first, second = staff.mail(), staff.mail()
    part, other = staff.parts("backend", 2)
    last = staff.mail()
    assert work_for(staff.state, "backend") == (first, second, last)
    staff.begin("backend", first, second, last)
    assert work_for(staff.state, "backend") == (part,)
    staff.begin("backend", part)
    assert work_for(staff.state, "backend") == (other,)


def test_a_run_is_for_no_more_than_twenty_documents() -> None:
    staff = Staff()
    mails = [staff.mail() for _ in range(22)]
    assert work_for(staff.state, "backend") == tuple(mails[:20])


def test_a_person_may_ask_again_for_what_was_shown() -> None:
    staff = Staff()
    part, mail = staff.part(), staff.mail()
    staff.end(staff.begin("backend", part), "stopped")
    assert work_for(staff.state, "backend") == (mail,)
    staff.end(staff.begin("backend", mail))
    assert work_for(staff.state, "backend") == ()
    assert set(work_for(staff.state, "backend", again=True)) < {part, mail}
    staff.begin("backend", part)
    assert work_for(staff.state, "backend", again=True) == (mail,), "not for what a run has in hand"
    staff.begin("backend", mail)
    assert work_for(staff.state, "backend", again=True) == ()


# where a run comes from


def approved_by_nobody(staff: Staff, run: str, depth: int) -> str:
    """Return an assignment of a round that a run has planned and the hub approved."""
    plan = "\n".join(assignments("tester: Do it"))
    task = staff.task(owner="", actor="backend", lines=f"{plan}\n")
    round_ = f"{task}.r1"
    staff.written_in(task, run, depth)
    accepted(staff.hub("approve", round_, "auto_approve"))
    return f"{round_}.a1"


def test_depth_counts_the_runs_since_a_person_acted() -> None:
    staff = Staff()
    assert lineage(staff.state, ()) == (1, "")
    assert lineage(staff.state, (staff.mail(),)) == (1, "")
    assert lineage(staff.state, (staff.written_in(staff.mail(), "run-9", 2),)) == (3, "run-9")
    task = staff.written_in(staff.task(actor="backend", owner="tester"), "run-9", 1)
    assert lineage(staff.state, (task, "no-such-id")) == (2, "run-9")
    question = staff.written_in(accepted(staff.ask("backend", "to: tester")), "run-8", 3)
    assert lineage(staff.state, (task, question)) == (4, "run-8"), "the deepest decides"


def test_a_persons_approval_begins_anew_and_keeps_the_parent() -> None:
    staff = Staff()
    _, round_ = staff.dispatched("backend: Do it")
    assert lineage(staff.state, (f"{round_}.a1",)) == (1, "")
    staff.written_in(round_, "run-9", 3)
    assert lineage(staff.state, (f"{round_}.a1",)) == (1, "run-9")


def test_a_plan_that_no_person_approved_is_one_run_deeper() -> None:
    staff = Staff()
    accepted(staff.settings("auto_approve: true"))
    task = staff.task(owner="backend")
    round_ = staff.plan(task, "tester: Do it", actor="backend")
    staff.written_in(round_, "run-9", 2)
    assert staff.state_of(round_) == "dispatched"
    assert lineage(staff.state, (f"{round_}.a1",)) == (3, "run-9")


def test_a_plan_that_a_task_carries_is_as_deep_as_the_task() -> None:
    staff = Staff()
    staff.policy = False
    plan = "\n".join(assignments("tester: Do it"))
    task = staff.written_in(staff.task(owner="", actor="backend", lines=f"{plan}\n"), "run-9", 2)
    accepted(staff.hub("plan", task))
    accepted(staff.settings("auto_approve: true"))
    accepted(staff.hub("approve", f"{task}.r1", "auto_approve"))
    assert lineage(staff.state, (f"{task}.r1.a1",)) == (3, "run-9")


def test_who_reviews_goes_no_deeper_than_the_plan() -> None:
    staff = Staff()
    task, round_ = staff.dispatched("backend: Do it")
    staff.do(f"{round_}.a1")
    assert lineage(staff.state, (round_,)) == (1, "")
    run = staff.begin("lead")
    staff.written_in(round_, run, 2)
    assert lineage(staff.state, (round_,)) == (2, run)
    staff.end(run)
    assert lineage(staff.state, (round_,)) == (2, ""), "what has ended leads nobody any more"
    assert staff.state_of(task) == "awaiting_review"


def test_too_deep_a_document_is_held_and_does_not_hold_up_the_others() -> None:
    staff = Staff(max_depth="2")
    deep = staff.written_in(staff.mail(actor="tester"), "run-9", 2)
    wanted = staff.ask_policy()
    assert wanted.starts == ()
    found = held(wanted, "run-too-deep")
    assert (found.on, found.lasting) == ((deep,), True)
    near = staff.written_in(staff.mail(actor="tester"), "run-9", 1)
    assert staff.ask_policy().starts == (Start("backend", (near,)),)
