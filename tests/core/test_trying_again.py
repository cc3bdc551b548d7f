"""Assignments that ended are tried again, by the same agent or by another."""

from __future__ import annotations

import pytest

from tests.core.play import Table, accepted, refused

TERM = 90 * 60


def test_retrying_revives_what_was_cancelled_and_opens_the_round_again() -> None:
    table = Table()
    task, round_ = table.dispatched("backend: 1", "tester: 2 < 3", "critic: 3 < 1")
    table.do(f"{round_}.a1", "blocked")
    assert table.state_of(round_) == table.state_of(task) == "awaiting_review"
    assert refused(table.request("lead", "retry", f"{round_}.a3")) == "wrong-state"
    accepted(table.request("lead", "retry", f"{round_}.a1", "note: Try harder"))
    assert [table.state_of(f"{round_}.a{n}") for n in (1, 2, 3)] == ["pending", "waiting", "waiting"]
    assert table.state_of(f"{round_}.a1.h1") == "returned"
    assert table.state_of(round_) == table.state_of(task) == "dispatched"
    assert "Try harder" in table.read(f"{round_}.a1")
    assert "An earlier attempt handed off" in table.read(f"{round_}.a1")
    for n in (1, 3, 2):
        table.do(f"{round_}.a{n}")
    assert table.state_of(f"{round_}.a1.h2") == "submitted"
    accepted(table.review(round_))
    assert table.state_of(task) == "completed"


def test_what_somebody_cancelled_is_not_revived() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: 1", "tester: 2 < 1", "critic: 3 < 1")
    accepted(table.request("lead", "cancel", f"{round_}.a2"))
    table.do(f"{round_}.a1", "blocked")
    accepted(table.request("lead", "retry", f"{round_}.a1"))
    assert [table.state_of(f"{round_}.a{n}") for n in (1, 2, 3)] == ["pending", "cancelled", "waiting"]
    accepted(table.request("lead", "retry", f"{round_}.a2"))
    assert table.state_of(f"{round_}.a2") == "waiting"


def test_what_comes_after_two_failures_waits_for_both() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: 1", "tester: 2", "critic: 3 < 1, 2")
    table.do(f"{round_}.a1", "blocked")
    table.do(f"{round_}.a2", "blocked")
    accepted(table.request("lead", "retry", f"{round_}.a1"))
    assert table.state_of(f"{round_}.a3") == "cancelled"
    accepted(table.request("lead", "retry", f"{round_}.a2"))
    assert table.state_of(f"{round_}.a3") == "waiting"


@pytest.mark.parametrize(
    "reached", ["waiting", "pending", "claimed", "in_progress", "input_required", "failed"]
)
def test_work_is_given_to_somebody_else(reached: str) -> None:
    table = Table()
    _, round_ = table.dispatched("backend: 1", "backend: 2 < 1")
    id_ = f"{round_}.a2" if reached == "waiting" else f"{round_}.a1"
    lease = ""
    if reached in ("claimed", "in_progress", "input_required"):
        lease = table.claim(id_)
        if reached == "in_progress":
            accepted(table.request("backend", "progress", id_, f"lease: {lease}"))
        elif reached == "input_required":
            accepted(table.ask("backend", f"assignment: {id_}", f"lease: {lease}"))
    elif reached == "failed":
        accepted(table.request("backend", "fail", id_))
    assert table.state_of(id_) == reached
    assert refused(table.request("lead", "reassign", id_)) == "missing-key"
    assert refused(table.request("lead", "reassign", id_, "to: nobody")) == "unknown-recipient"
    assert refused(table.request("tester", "reassign", id_, "to: tester")) == "not-yours"
    accepted(table.request("lead", "reassign", id_, "to: any:review"))
    assert (table.doc(id_).text("to"), table.doc(id_).text("attempt")) == ("critic", "1")
    assert table.state_of(id_) == ("waiting" if reached == "waiting" else "pending")
    assert id_ in table.inbox("critic", "waiting" if reached == "waiting" else "inbox")
    assert [d.id for d in table.state.leases()] == []
    assert table.inbox("operator") == []
    if lease:
        assert refused(table.hand_off(id_, lease, actor="backend")) == "not-yours"


def test_a_cancelled_one_is_given_to_somebody_else_while_it_must_wait() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: 1", "tester: 2 < 1")
    accepted(table.request("lead", "cancel", f"{round_}.a2"))
    accepted(table.request("lead", "reassign", f"{round_}.a2", "to: critic"))
    assert (table.state_of(f"{round_}.a2"), table.doc(f"{round_}.a2").text("to")) == ("waiting", "critic")


def test_a_settled_round_is_not_opened_again() -> None:
    table = Table()
    task, round_ = table.dispatched("backend: 1")
    table.do(f"{round_}.a1", "blocked")
    accepted(table.review(round_, "changes_requested"))
    for do in ("retry", "reassign"):
        assert refused(table.request("lead", do, f"{round_}.a1", "to: tester")) == "wrong-state"
    accepted(table.request("lead", "close", task))
    for do in ("retry", "reassign", "claim", "cancel"):
        assert refused(table.request("lead", do, f"{round_}.a1", "to: tester")) in (
            "wrong-state",
            "not-yours",
        )


def test_a_completed_one_is_not_tried_again() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: 1", "tester: 2")
    table.do(f"{round_}.a1")
    assert refused(table.request("lead", "retry", f"{round_}.a1")) == "wrong-state"
    assert refused(table.request("lead", "reassign", f"{round_}.a1", "to: tester")) == "wrong-state"
