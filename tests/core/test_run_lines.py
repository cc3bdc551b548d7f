"""A run that goes on: what is written in it, what led to it, what it is told of, how it is stopped."""

from __future__ import annotations

from hubd.core.effect import Step
from hubd.core.policy import work_for
from tests.core.launches import mail, part, staffed
from tests.core.play import accepted, assignments, changed, nothing, refused

# depth, parent, hops, and what is written in a run


def test_depth_counts_the_runs_that_led_to_one() -> None:
    table = staffed()
    first = accepted(table.start("lead", mail(table, "lead")))
    second = accepted(table.start("backend", mail(table, actor="lead")))
    third = accepted(table.start("tester", mail(table, "tester", "backend")))
    found = [(d.text("depth"), d.text("parent")) for d in (table.doc(i) for i in (first, second, third))]
    assert found == [("1", ""), ("2", first), ("3", second)]
    assert [table.doc(i).text("hops") for i in (first, second, third)] == ["", "1", "2"]


def test_an_assignment_that_a_person_approved_begins_anew_and_keeps_its_parent() -> None:
    for auto, depth in (("false", "1"), ("true", "2")):
        table = staffed(auto_approve=auto)
        task = table.task()
        lead = accepted(table.start("lead", task))
        round_ = table.plan(task, "backend: Do it")
        assert (table.doc(round_).text("run"), table.doc(round_).text("depth")) == (lead, "1")
        if auto == "false":
            accepted(table.approve(round_))
        run = table.doc(accepted(table.start("backend", f"{round_}.a1")))
        assert (run.text("depth"), run.text("parent")) == (depth, lead)


def test_a_plan_that_the_hub_makes_is_as_deep_as_the_task_that_carries_it() -> None:
    table = staffed(auto_approve="true", max_depth="2")
    accepted(table.start("lead", mail(table, "lead")))
    plan = "\n".join(assignments("backend: Do it"))
    task = accepted(table.drop("lead", f"---\nkind: task\ntitle: More\n{plan}\n---\n"))
    round_ = table.doc(f"{task}.r1")
    assert (round_.text("from"), round_.text("depth"), round_.text("run")) == (
        "hub", "1", table.doc(task).text("run"),
    )  # fmt: skip
    run = table.doc(accepted(table.start("backend", f"{task}.r1.a1")))
    assert run.text("depth") == "2"


def test_what_an_agent_writes_says_in_which_run() -> None:
    table = staffed()
    a1 = part(table)
    run = accepted(table.start("backend", a1))
    lease = table.doc(a1).text("lease")
    written = [
        mail(table, "lead", "backend"),
        table.task("More", actor="backend"),
        accepted(table.ask("backend", "to: lead")),
        accepted(table.drop("backend", "---\nkind: agent\ncapabilities: [rust]\n---\n")),
        accepted(table.hand_off(a1, lease)),
    ]
    assert {(d.text("run"), d.text("depth")) for d in map(table.doc, written)} == {(run, "1")}
    assert table.doc(mail(table, "lead")).text("run") == ""
    accepted(table.end(run))
    assert table.doc(mail(table, "lead", "backend")).text("run") == ""


def test_of_several_runs_the_one_with_the_lease_writes_else_the_deepest() -> None:
    table = staffed("replicas: 3")
    one, two = part(table), part(table)
    first, second = accepted(table.start("backend", one)), accepted(table.start("backend", two))
    assert table.doc(mail(table, "lead", "backend")).text("run") == first
    assert table.doc(accepted(table.hand_off(two, table.doc(two).text("lease")))).text("run") == second
    accepted(table.start("lead", mail(table, "lead")))
    deeper = accepted(table.start("backend", mail(table, actor="lead")))
    assert table.doc(mail(table, "lead", "backend")).text("run") == deeper
    lease = table.doc(one).text("lease")
    asked = accepted(table.ask("backend", f"assignment: {one}", f"lease: 0{lease}"))
    assert table.doc(asked).text("run") == first


def test_hops_count_what_a_run_was_shown() -> None:
    table = staffed(max_hop_count="2")
    accepted(table.start("lead", mail(table, "lead")))
    accepted(table.start("backend", mail(table, actor="lead")))
    there = mail(table, "tester", "backend")
    assert table.doc(there).text("hops") == "2"
    run = accepted(table.start("tester", there))
    assert refused(table.send("tester", "lead")) == "too-many-hops"
    accepted(table.end(run))
    accepted(table.send("tester", "lead"))


# shown


def test_every_change_of_state_makes_a_document_new_again() -> None:
    table = staffed("replicas: 5")
    task, message, a1 = table.task(), mail(table, "lead"), part(table)
    run = accepted(table.start("lead", task, message))
    accepted(table.remove(message))
    assert table.doc(message).text("shown") == ""
    table.plan(task)
    assert table.doc(task).text("shown") == ""
    mine = accepted(table.start("backend", a1))
    accepted(table.request("operator", "stop", mine))
    accepted(table.end(mine, "stopped"))
    assert table.doc(a1).text("shown") == mine
    accepted(table.request("lead", "reassign", a1, "to: backend"))
    assert (table.state_of(a1), table.doc(a1).text("shown")) == ("pending", "")
    assert table.doc(run).texts("on") == (task, message)


def test_a_decision_on_what_was_shown_meanwhile_is_not_stale() -> None:
    table = staffed()
    _, round_ = table.dispatched("backend: X")
    table.do(f"{round_}.a1")
    path, read = table.path(round_), table.read(round_)
    accepted(table.start("lead"))
    assert "shown: run-" in table.read(round_)
    accepted(table.save_at(path, changed(read, ("- [ ] approved", "- [x] approved"))))
    assert table.state_of(round_) == "completed"


# telling


def test_a_run_that_goes_on_is_told_of_more() -> None:
    table = staffed("runtime: pty")
    run = accepted(table.start("lead", mail(table, "lead")))
    more, a1 = mail(table, "lead", "tester"), part(table, "lead")
    answer = table.tell(run, more, a1, "no-such-id", mail(table))
    accepted(answer)
    assert isinstance(answer, Step)
    assert answer.transition.upkeep
    doc = table.doc(run)
    assert (doc.state, doc.texts("on")[1:], doc.text("hops")) == ("started", (more, a1), "1")
    assert table.doc(more).text("shown") == run
    assert (table.state_of(a1), table.doc(a1).text("worker")) == ("claimed", run)
    other = part(table, "lead")
    assert "nothing of this is new" in nothing(table.tell(run, more, a1, other)).why
    accepted(table.hand_off(a1, table.doc(a1).text("lease")))
    accepted(table.tell(run, other))


def test_what_a_run_gave_back_is_claimed_for_it_anew_when_it_is_told_of_it() -> None:
    table = staffed("runtime: pty")
    a1 = part(table)
    run = accepted(table.start("backend", a1))
    lease = table.doc(a1).text("lease")
    accepted(table.request("backend", "release", a1, f"lease: {lease}"))
    accepted(table.tell(run, a1))
    assert table.doc(run).text("lease") == table.doc(a1).text("lease") != lease
    accepted(table.end(run, "failed"))
    assert table.state_of(a1) == "pending"


def test_a_person_who_writes_to_a_run_begins_anew() -> None:
    table = staffed("runtime: pty")
    run = accepted(table.start("lead", mail(table, "lead", "tester")))
    assert table.doc(run).text("hops") == "1"
    accepted(table.tell(run, mail(table, "lead", "backend")))
    assert table.doc(run).text("hops") == "1"
    accepted(table.tell(run, mail(table, "lead", "anna")))
    assert table.doc(run).text("hops") == ""


def test_a_run_that_is_stopped_is_told_of_nothing() -> None:
    table = staffed("runtime: pty")
    run = accepted(table.start("lead", mail(table, "lead")))
    more = mail(table, "lead")
    accepted(table.request("anna", "stop", run))
    nothing(table.tell(run, more))
    accepted(table.end(run, "stopped"))
    assert work_for(table.state, "lead") == (more,)


def test_a_run_that_is_told_of_much_does_not_grow_without_end() -> None:
    table = staffed("runtime: pty")
    first = mail(table, "lead")
    run = accepted(table.start("lead", first))
    kept = mail(table, "lead")
    accepted(table.tell(run, kept))
    table.watched = False
    for _ in range(130):
        message = mail(table, "lead")
        accepted(table.tell(run, message))
        accepted(table.remove(message))
    on = table.doc(run).texts("on")
    assert (len(on), on[:2], on[-1]) == (100, (first, kept), message)


# stopping


def test_stopping_a_run_stops_all_that_it_led_to() -> None:
    table = staffed("replicas: 3")
    above = accepted(table.start("lead", mail(table, "lead")))
    between = accepted(table.start("backend", mail(table, actor="lead")))
    below = accepted(table.start("tester", mail(table, "tester", "backend")))
    other = accepted(table.start("tester", mail(table, "tester")))
    accepted(table.end(between))
    accepted(table.request("anna", "stop", above, "note: enough"))
    assert [table.state_of(i) for i in (above, below, other)] == ["stopping", "stopping", "started"]
    assert (table.doc(above).text("note"), above in table.doc(below).text("note")) == ("enough", True)
    assert refused(table.request("anna", "stop", above)) == "wrong-state"
    nothing(table.hub("stop", above))
    assert "It is being stopped: enough." in table.read(above)


def test_the_hub_stops_a_run_and_says_why() -> None:
    table = staffed()
    run = accepted(table.start("lead", mail(table, "lead")))
    accepted(table.hub("stop", run, note="it was idle for 30m"))
    assert (table.state_of(run), table.doc(run).text("note")) == ("stopping", "it was idle for 30m")


def test_who_names_an_agent_to_be_stopped_is_told_its_runs() -> None:
    table = staffed()
    run = accepted(table.start("lead", mail(table, "lead")))
    for on, hint in (("lead", run), ("backend", "no run"), ("nobody", "inbox")):
        answer = table.request("anna", "stop", on)
        assert refused(answer) == "unknown-id"
        assert isinstance(answer, Step)
        assert answer.refusal is not None
        assert hint in answer.refusal.hint
