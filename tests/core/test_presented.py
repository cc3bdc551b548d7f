"""What a session was told of is said once, by the one who was told, of a document as it stands."""

from __future__ import annotations

import pytest

from hubd.core.effect import Step
from hubd.core.model import Kind
from hubd.core.transition import TABLE, dos
from tests.core.play import Table, accepted, nothing, refused
from tests.core.presents import full, present, presented
from tests.core.staff import Staff

NOW, LATER = "2026-11-21T10:00:00Z", "2026-11-21T11:00:00Z"


def test_everything_that_asks_to_be_acted_on_is_presented_in_one_commit_of_upkeep() -> None:
    lead = full()
    before = {id_: lead.table.doc(id_).document for id_ in lead.ids}
    answer = present(lead.table, "lead", *lead.ids)
    accepted(answer)
    assert isinstance(answer, Step)
    assert answer.transition.upkeep
    assert {doc.id for doc in answer.documents} == set(lead.ids)
    for id_ in lead.ids:
        after = lead.table.doc(id_).document
        assert after.text("presented") == NOW
        assert after.body == before[id_].body
        assert after.block == before[id_].block


def test_nothing_is_woken_moved_or_decided_by_it() -> None:
    lead = full()
    states = {id_: lead.table.state_of(id_) for id_ in lead.ids}
    there = lead.table.inbox("lead")
    accepted(present(lead.table, "lead", *lead.ids))
    assert {id_: lead.table.state_of(id_) for id_ in lead.ids} == states
    assert lead.table.inbox("lead") == there


def test_it_says_when_it_was_first_and_is_not_said_again() -> None:
    table = Table()
    first, second = (accepted(table.send("backend", "lead")) for _ in range(2))
    accepted(present(table, "lead", first))
    table.later(3600)
    assert nothing(present(table, "lead", first)).why
    accepted(present(table, "lead", first, second, second))
    assert (presented(table, first), presented(table, second)) == (NOW, LATER)


def test_a_change_of_state_makes_it_new_again() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    a1 = f"{round_}.a1"
    accepted(present(table, "backend", a1))
    lease = table.claim(a1)
    assert not presented(table, a1)
    accepted(present(table, "backend", a1))
    accepted(table.request("backend", "progress", a1, f"lease: {lease}"))
    assert not presented(table, a1)
    accepted(present(table, "backend", a1))
    accepted(table.request("backend", "progress", a1, f"lease: {lease}", "note: half"))
    assert presented(table, a1), "its state is the same"


def test_what_is_given_to_somebody_else_is_new_to_them() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    accepted(present(table, "backend", f"{round_}.a1"))
    accepted(table.request("lead", "reassign", f"{round_}.a1", "to: tester"))
    assert table.inbox("tester") == [f"{round_}.a1"]
    assert not presented(table, f"{round_}.a1")


def test_what_was_read_or_never_was_ones_own_is_left_out_without_a_bounce() -> None:
    table = Table()
    mine, read, theirs = (accepted(table.send("backend", to)) for to in ("lead", "lead", "tester"))
    accepted(table.request("lead", "ack", read))
    accepted(present(table, "lead", theirs, read, mine))
    assert [bool(presented(table, id_)) for id_ in (mine, read, theirs)] == [True, False, False]
    assert nothing(present(table, "lead", theirs, read)).why
    assert table.inbox("lead") == [mine]


def test_a_plan_that_lies_with_several_approvers_is_presented_to_none_of_them() -> None:
    table = Table(approvers=("operator", "anna"))
    round_ = table.plan(table.task())
    assert nothing(present(table, "anna", round_)).why


@pytest.mark.parametrize("actor", ["backend", "operator"])
def test_nobody_says_it_for_somebody_else(actor: str) -> None:
    table = Table()
    id_ = accepted(table.send("backend", "lead"))
    assert refused(table.request(actor, "present", "lead", f"for: [{id_}]")) == "not-yours"
    assert nothing(table.hub("present", "lead", **{"for": id_})).why
    assert not presented(table, id_)


def test_it_is_not_said_by_editing_a_document() -> None:
    table = Table()
    id_ = accepted(table.send("backend", "lead"))
    assert refused(table.edit(id_, ("state: unread", "state: presented"))) == "not-yours"
    assert refused(table.edit(id_, ("\n---\n", f"\npresented: {NOW}\n---\n"))) == "hub-line"
    accepted(present(table, "lead", id_))
    assert refused(table.edit(id_, (NOW, LATER))) == "hub-line"


def test_an_editor_that_had_the_file_open_loses_nothing_by_it() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    old = table.read(f"{round_}.a1")
    accepted(present(table, "backend", f"{round_}.a1"))
    accepted(table.save(f"{round_}.a1", old.replace("state: pending", "state: claimed\nworker: w1")))
    assert table.state_of(f"{round_}.a1") == "claimed"


def test_it_starts_nobody_and_holds_nobody_back() -> None:
    staff = Staff()
    id_ = accepted(staff.send("lead", "backend"))
    accepted(present(staff, "backend", id_))
    assert [(start.agent, start.on) for start in staff.ask_policy().starts] == [("backend", (id_,))]
    accepted(staff.start("backend", id_))
    assert staff.doc(id_).text("shown")
    assert presented(staff, id_)


def test_it_is_offered_to_nobody() -> None:
    kinds = {row.kind for row in TABLE if row.do == "present"}
    assert kinds == {Kind.TASK, Kind.ROUND, Kind.ASSIGNMENT, Kind.QUESTION, Kind.MESSAGE, Kind.BOUNCE}
    assert not [row for row in TABLE if "present" in dos(row.kind, row.before)]
