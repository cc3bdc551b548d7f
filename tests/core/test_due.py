"""What is due: timers, policies, another boot."""

from __future__ import annotations

from hubd.core.due import after_boot, by_policy, timers
from hubd.core.effect import Nothing
from tests.core.play import Table, accepted, assignments, nothing


def test_leases_count_on_the_boots_clock_and_dates_on_the_wall() -> None:
    table = Table()
    task = table.task()
    plan = "\n".join(
        ("---", "kind: round", f"task: {task}", *assignments("backend: X"), "    deadline: 2h", "---", "")
    )
    round_ = accepted(table.drop("lead", plan))
    accepted(table.approve(round_))
    lease = table.claim(f"{round_}.a1")
    (on_lease,) = timers(table.doc(f"l-{lease}"))
    assert (on_lease.clock, on_lease.at) == ("mono", 1000.0 + 90 * 60)
    (on_deadline,) = timers(table.doc(f"{round_}.a1"))
    assert (on_deadline.clock, on_deadline.at) == ("wall", table.now.wall.timestamp() + 7200)
    for doc in table.state.live():
        if doc.id not in (on_lease.document, on_deadline.document):
            assert timers(doc) == ()


def test_what_has_ended_is_not_asked_about() -> None:
    table = Table()
    accepted(table.send("backend", "lead", "expires: 1h"))
    (message,) = table.inbox("lead")
    assert len(timers(table.doc(message))) == 1
    accepted(table.remove(message))
    assert timers(table.doc(message)) == ()


def test_asking_early_or_twice_does_nothing() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: X")
    lease = table.claim(f"{round_}.a1")
    message = accepted(table.send("backend", "lead", "expires: 1h"))
    question = accepted(table.ask("backend", "expires: 1h"))
    for id_ in (f"{round_}.a1", f"l-{lease}", message, question, round_, "nothing"):
        nothing(table.hub("expire", id_))
    table.later(90 * 60)
    for id_ in (f"{round_}.a1", f"l-{lease}", message, question):
        nothing(table.hub("expire", id_))


def test_a_policy_that_is_asked_again_does_nothing_twice() -> None:
    table = Table(auto_approve="true")
    task = table.task(lines="\n".join(assignments("backend: X")) + "\n")
    before = len(table.steps)
    assert by_policy(table.state, [task, f"{task}.r1", "nothing", f"{task}.r1.a1"]) == []
    assert isinstance(table.hub("plan", task), Nothing)
    assert isinstance(table.hub("approve", f"{task}.r1", "auto_approve"), Nothing)
    assert len(table.steps) == before


def test_a_policy_is_a_function_of_the_state_alone() -> None:
    """A hub that was killed between a step and what follows from it asks again at its next start."""
    table = Table()
    table.policy = False
    task = table.task(lines="\n".join(assignments("backend: X")) + "\n")
    assert table.state.children(task, table.doc(task).kind) == []
    for _ in range(3):
        for proposal in by_policy(table.state, list(table.state.docs)):
            table.put(proposal)
    assert table.state_of(f"{task}.r1") == "dispatched"


def test_another_boot_renews_what_has_a_clock() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: 1", "backend: 2")
    lease = table.claim(f"{round_}.a1")
    table.claim(f"{round_}.a2")
    accepted(table.ask("backend", f"assignment: {round_}.a1", f"lease: {lease}"))
    accepted(table.request("operator", "pause", "tester"))
    accepted(table.request("tester", "lease", "db"))
    assert after_boot(table.state, table.now) == []
    table.reboot()
    renewed = [s.transition.document for s in table.steps if s.transition.do == "renew"]
    assert len(renewed) == 2
    assert after_boot(table.state, table.now) == []
