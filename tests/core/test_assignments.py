"""Assignments: claimed, worked on, handed off, given back, lost, failed, tried again."""

from __future__ import annotations

import pytest

from hubd.core.effect import Step
from tests.core.play import Table, accepted, changed, nothing, refused

TERM = 90 * 60


def test_a_claim_is_read_back_with_its_worker_and_lease() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    a1 = f"{round_}.a1"
    lease = table.claim(a1, "w7")
    assert lease == str(table.state.seq)
    assert f"worker: w7\nlease: {lease}\n" in table.read(a1)
    assert table.tree[f"leases/{a1}.md"]


def test_the_second_claimant_is_told_who_was_faster() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    a1 = f"{round_}.a1"
    path, buffer = table.path(a1), table.read(a1)
    lease = table.claim(a1, "w1")
    late = changed(buffer, ("state: pending", "state: claimed\nworker: w2"))
    assert refused(table.save_at(path, late)) == "already-claimed"
    assert (
        refused(table.save_at(path, changed(buffer, ("state: pending", "state: claimed"))))
        == "already-claimed"
    )
    assert refused(table.request("backend", "claim", a1, "worker: w3")) == "already-claimed"
    assert (table.doc(a1).text("worker"), table.doc(a1).text("lease")) == ("w1", lease)


def test_the_same_claim_saved_twice_does_no_harm() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    a1 = f"{round_}.a1"
    path, buffer = table.path(a1), table.read(a1)
    table.claim(a1, "w1")
    again = nothing(table.save_at(path, changed(buffer, ("state: pending", "state: claimed\nworker: w1"))))
    assert again.put_back


def test_somebody_else_cannot_claim() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it", "tester: Review < 1")
    assert refused(table.request("tester", "claim", f"{round_}.a1")) == "not-yours"
    assert refused(table.request("tester", "claim", f"{round_}.a2")) == "wrong-state"
    assert refused(table.request("operator", "claim", f"{round_}.a1")) == "not-yours"


def test_any_finds_who_has_least_to_do() -> None:
    table = Table()
    _, round_ = table.dispatched("any:review: One", "any:review: Two", "any:review: Three", "tester: Four")
    assert [table.doc(f"{round_}.a{n}").text("to") for n in (1, 2, 3)] == ["critic", "tester", "critic"]
    _, other = table.dispatched("any:review: Five")
    assert table.doc(f"{other}.a1").text("to") == "critic"
    table.do(f"{round_}.a1")
    table.do(f"{round_}.a3")
    _, third = table.dispatched("any:review: Six")
    assert table.doc(f"{third}.a1").text("to") == "critic"


def test_deep_in_work_progress_is_noted() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    a1 = f"{round_}.a1"
    lease = table.claim(a1)
    accepted(table.request("backend", "progress", a1, f"lease: {lease}", "note: half way"))
    assert (table.state_of(a1), table.doc(a1).text("note")) == ("in_progress", "half way")
    before = table.read(a1)
    step = table.request("backend", "progress", a1, f"lease: {lease}")
    assert isinstance(step, Step)
    assert step.transition.upkeep
    assert table.read(a1) == before


def test_a_wrong_lease_is_stale_everywhere() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    a1 = f"{round_}.a1"
    old = table.claim(a1)
    accepted(table.request("backend", "release", a1, f"lease: {old}"))
    for do in ("progress", "release", "fail"):
        assert refused(table.request("backend", do, a1, f"lease: {old}")) == "stale-lease"
    assert refused(table.hand_off(a1, old)) == "stale-lease"
    new = table.claim(a1, "w2")
    assert int(new) > int(old)
    for lines in ((f"lease: {old}",), ()):
        for do in ("progress", "release", "fail"):
            assert refused(table.request("backend", do, a1, *lines)) == "stale-lease"
    assert refused(table.hand_off(a1, old)) == "stale-lease"
    assert refused(table.ask("backend", f"assignment: {a1}", f"lease: {old}")) == "stale-lease"
    assert refused(table.ask("backend", f"assignment: {a1}")) == "stale-lease"
    for do in ("renew", "unlease"):
        answer = refused(table.request("backend", do, a1, f"lease: {old}"))
        assert answer == ("stale-lease" if do == "renew" else "wrong-state")
    accepted(table.request("backend", "progress", a1, f"lease: 0{new}"))


def test_a_stale_lease_is_shown_with_its_line() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    table.claim(f"{round_}.a1")
    answer = table.hand_off(f"{round_}.a1", "3")
    assert isinstance(answer, Step)
    assert answer.refusal is not None
    assert (answer.refusal.line, answer.refusal.written) == (4, "lease: 3")


def test_somebody_elses_work_cannot_be_handed_off() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    lease = table.claim(f"{round_}.a1")
    for actor in ("tester", "lead", "operator"):
        assert refused(table.hand_off(f"{round_}.a1", lease, actor=actor)) == "not-yours"
        assert refused(table.request(actor, "progress", f"{round_}.a1", f"lease: {lease}")) == "not-yours"
    assert refused(table.hand_off("nothing-here", "1", actor="backend")) == "unknown-id"
    assert refused(table.hand_off(round_, "1", actor="backend")) == "unknown-id"


def test_a_handoff_that_was_never_claimed_is_refused() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    assert refused(table.hand_off(f"{round_}.a1", "1")) == "stale-lease"


@pytest.mark.parametrize(
    ("outcome", "state"), [("done", "completed"), ("partial", "completed"), ("blocked", "failed")]
)
def test_outcomes(outcome: str, state: str) -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it", "tester: Review < 1")
    table.do(f"{round_}.a1", outcome)
    assert (table.state_of(f"{round_}.a1"), table.doc(f"{round_}.a1").text("outcome")) == (state, outcome)
    if outcome == "blocked":
        assert table.state_of(f"{round_}.a2") == "cancelled"
        assert "did not complete" in table.doc(f"{round_}.a2").text("note")
    else:
        table.do(f"{round_}.a2")
    assert table.state_of(round_) == "awaiting_review"
    assert ("**partial**" in table.read(round_)) == (outcome == "partial")
    assert "It works" in table.read(round_)


def test_failures_go_down_a_chain() -> None:
    table = Table()
    _, round_ = table.dispatched(
        "backend: 1", "tester: 2 < 1", "critic: 3 < 2", "lead: 4 < 3, 5", "backend: 5"
    )
    accepted(table.request("backend", "fail", f"{round_}.a1", "note: Cannot"))
    assert [table.state_of(f"{round_}.a{n}") for n in range(1, 6)] == [
        "failed",
        *["cancelled"] * 3,
        "pending",
    ]
    assert table.state_of(round_) == "dispatched"
    table.do(f"{round_}.a5")
    assert table.state_of(round_) == "awaiting_review"


def test_what_is_cancelled_takes_what_comes_after_with_it() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: 1", "tester: 2 < 1")
    table.claim(f"{round_}.a1")
    assert refused(table.request("backend", "cancel", f"{round_}.a1")) == "not-yours"
    accepted(table.request("lead", "cancel", f"{round_}.a1"))
    assert table.state_of(f"{round_}.a2") == "cancelled"
    assert table.state_of(round_) == "awaiting_review"


# giving back, declining


def test_released_work_can_be_claimed_again() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    a1 = f"{round_}.a1"
    lease = table.claim(a1)
    accepted(table.edit(a1, ("state: claimed", "state: pending")))
    assert table.state_of(a1) == "pending"
    assert table.doc(a1).text("lease") == table.doc(a1).text("worker") == ""
    assert table.state_of(f"l-{lease}") == "released"
    table.claim(a1, "w2")


def test_an_assignment_can_be_declined_before_it_is_claimed() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    accepted(table.request("backend", "fail", f"{round_}.a1", "note: Not my field"))
    assert table.state_of(f"{round_}.a1") == "failed"
    assert "Not my field" in table.read(round_)


def test_an_assignment_is_not_completed_by_its_header() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    table.claim(f"{round_}.a1")
    assert refused(table.edit(f"{round_}.a1", ("state: claimed", "state: completed"))) == "wrong-state"


# time


def test_a_lost_lease_gives_the_work_back_and_counts_an_attempt() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it", "tester: Review < 1")
    a1 = f"{round_}.a1"
    for attempt in ("1", "2"):
        assert table.doc(a1).text("attempt") == attempt
        lease = table.claim(a1)
        table.later(TERM + 1)
        assert table.state_of(a1) == "pending"
        assert table.state_of(f"l-{lease}") == "expired"
        assert f"lease {lease} ran out" in table.read(a1)
        assert refused(table.hand_off(a1, lease)) == "stale-lease"
    table.claim(a1)
    table.later(TERM + 1)
    assert table.state_of(a1) == "failed"
    assert "the last" in table.doc(a1).text("note")
    assert table.state_of(f"{round_}.a2") == "cancelled"


def test_progress_renews_the_lease() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    lease = table.claim(f"{round_}.a1")
    for _ in range(5):
        table.later(TERM - 60)
        accepted(table.request("backend", "progress", f"{round_}.a1", f"lease: {lease}"))
    assert table.state_of(f"{round_}.a1") == "in_progress"
    table.later(TERM + 1)
    assert table.state_of(f"{round_}.a1") == "pending"


def test_a_worker_that_died_loses_its_lease_at_once() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    a1 = f"{round_}.a1"
    for on in (a1, ""):
        lease = table.claim(a1)
        assert nothing(table.hub("expire", a1)).why.endswith("has not run out")
        accepted(table.hub("expire", on or f"l-{lease}", f"the worker that held lease {lease} ended"))
        assert table.state_of(a1) == "pending"
        assert "ended" in table.read(a1)


def test_a_new_boot_grants_a_full_term() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    a1 = f"{round_}.a1"
    lease = table.claim(a1)
    table.later(TERM - 10)
    table.reboot()
    table.later(TERM - 10)
    assert table.state_of(a1) == "claimed"
    table.later(20)
    assert table.state_of(a1) == "pending"
    assert table.state_of(f"l-{lease}") == "expired"


def test_a_deadline_ends_an_assignment_whatever_it_is_doing() -> None:
    for reached in ("waiting", "pending", "claimed", "in_progress", "input_required"):
        table = Table()
        task = table.task()
        lines = (
            "assignments:",
            "  - {to: backend, goal: One}",
            "  - {to: tester, goal: Two, deadline: 2h, after: []}",
        )
        if reached == "waiting":
            lines = (*lines[:2], lines[2].replace("after: []", "after: [1]"))
        plan = "\n".join(("---", "kind: round", f"task: {task}", *lines, "---", ""))
        round_ = accepted(table.drop("lead", plan))
        accepted(table.approve(round_))
        a2 = f"{round_}.a2"
        if reached not in ("waiting", "pending"):
            lease = table.claim(a2)
            if reached == "in_progress":
                accepted(table.request("tester", "progress", a2, f"lease: {lease}"))
            elif reached == "input_required":
                accepted(table.ask("tester", f"assignment: {a2}", f"lease: {lease}"))
        assert table.state_of(a2) == reached
        assert "It times out at 2026-11-21T12:00:00Z" in table.read(a2)
        table.later(TERM - 10)
        if reached in ("claimed", "in_progress"):
            accepted(table.request("tester", "progress", a2, f"lease: {lease}"))
        table.later(2 * 3600 - TERM + 10)
        assert table.state_of(a2) == "timed_out"
        table.do(f"{round_}.a1")
        accepted(table.request("lead", "retry", a2))
        assert table.doc(a2).text("deadline") == "2026-11-21T14:00:00Z", "a length of time begins anew"


def test_a_deadline_that_is_a_date_is_gone_once_it_has_passed() -> None:
    table = Table()
    task = table.task()
    line = '  - {to: tester, goal: Two, deadline: "2026-11-21T11:00:00Z"}'
    round_ = accepted(table.drop("lead", f"---\nkind: round\ntask: {task}\nassignments:\n{line}\n---\n"))
    accepted(table.approve(round_))
    table.later(3601)
    assert table.state_of(f"{round_}.a1") == "timed_out"
    accepted(table.request("lead", "retry", f"{round_}.a1"))
    assert table.doc(f"{round_}.a1").text("deadline") == ""
    assert table.later(3600) == []
