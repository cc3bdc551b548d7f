"""How a run ends: what it held goes back or has failed, and somebody is told unless it went well."""

from __future__ import annotations

import pytest

from hubd.core.document import Value
from hubd.core.model import RUN_OUTCOMES
from hubd.core.policy import work_for
from tests.core.launches import mail, part, staffed
from tests.core.play import Table, accepted, nothing


def told(table: Table, agent: str = "lead") -> str:
    """Return the text of the one message from the hub."""
    (found,) = (d for d in table.state.inbox(agent) if d.kind == "message" and d.text("from") == "hub")
    return f"{found.text('subject')}\n{found.document.body}"


def hears_nothing(table: Table) -> bool:
    return not any(d.text("from") == "hub" for a in ("lead", "operator") for d in table.state.inbox(a)
                   if d.kind == "message")  # fmt: skip


def begun(table: Table, working: bool = False) -> tuple[str, str]:
    """Return a run and the assignment that it holds."""
    a1 = part(table)
    run = accepted(table.start("backend", a1))
    if working:
        lease = table.doc(a1).text("lease")
        accepted(table.request("backend", "progress", a1, f"lease: {lease}", "note: Half"))
    return run, a1


@pytest.mark.parametrize("outcome", [o for o in RUN_OUTCOMES if o not in ("done", "stopped")])
@pytest.mark.parametrize("working", [True, False])
def test_what_was_not_handed_off_is_given_back_for_another_attempt(outcome: str, working: bool) -> None:
    table = staffed()
    run, a1 = begun(table, working)
    accepted(table.end(run, outcome, seconds="61.5", exit="1", note="Last words"))
    doc, ended = table.doc(a1), table.doc(run)
    assert (doc.state, doc.text("attempt"), doc.text("lease"), doc.text("worker"), doc.text("shown")) == (
        "pending", "2", "", "", "",
    )  # fmt: skip
    assert (ended.state, ended.text("outcome")) == ("ended", outcome)
    assert ended.text("ended") == "2026-11-21T10:00:00Z"
    assert doc.text("note").endswith("Last words")
    assert f"{run} " in doc.text("note")
    assert table.state.leases() == []
    text = told(table)
    for said in ("backend", run, "1m1s", "(1)", f"`{a1}` is pending again, for attempt 2 of 3", "Last words"):
        assert said in text
    assert work_for(table.state, "backend") == (a1,)


def test_a_run_that_did_well_and_handed_nothing_off_is_no_success() -> None:
    table = staffed()
    run, a1 = begun(table)
    accepted(table.end(run, "done", status="done"))
    assert (table.doc(run).text("outcome"), table.state_of(a1)) == ("no_handoff", "pending")
    assert "ended without a handoff" in told(table)


def test_a_run_that_handed_off_is_done_and_nobody_hears_of_it() -> None:
    table = staffed()
    run, a1 = begun(table)
    accepted(table.hand_off(a1, table.doc(a1).text("lease")))
    accepted(table.end(run, "done", cost_usd="0.25", turns="7"))
    assert (table.doc(run).text("outcome"), table.state_of(a1)) == ("done", "completed")
    assert (table.doc(run).text("cost_usd"), table.doc(run).text("turns")) == ("0.25", "7")
    assert hears_nothing(table)


def test_the_last_attempt_fails_with_what_comes_after_it() -> None:
    table = staffed(max_attempts="1")
    task, round_ = table.dispatched("backend: Do it", "tester: Look < 1")
    run = accepted(table.start("backend", f"{round_}.a1"))
    accepted(table.end(run, "timed_out"))
    states = [table.state_of(i) for i in (f"{round_}.a1", f"{round_}.a2", round_, task)]
    assert states == ["failed", "cancelled", "awaiting_review", "awaiting_review"]
    assert "attempt 1 was the last" in table.doc(f"{round_}.a1").text("note")
    assert "has failed" in told(table)


@pytest.mark.parametrize("outcome", ["done", "failed", "timed_out"])
def test_an_agent_that_says_it_is_blocked_has_failed_at_once(outcome: str) -> None:
    table = staffed()
    run, a1 = begun(table)
    accepted(table.end(run, outcome, status="BLOCKED: no access to the database"))
    doc = table.doc(a1)
    assert (doc.state, doc.text("outcome"), doc.text("attempt")) == ("failed", "blocked", "1")
    assert "STATUS: BLOCKED: no access to the database" in doc.text("note")
    assert table.doc(run).text("outcome") == ("no_handoff" if outcome == "done" else outcome)
    assert "no access" in told(table)


@pytest.mark.parametrize("outcome", RUN_OUTCOMES)
def test_what_a_person_stopped_stays_until_a_person_starts_it(outcome: str) -> None:
    table = staffed()
    run, a1 = begun(table)
    accepted(table.request("anna", "stop", run, "note: wrong branch"))
    accepted(table.end(run, outcome))
    doc = table.doc(a1)
    assert (doc.state, doc.text("attempt"), doc.text("shown"), doc.text("lease")) == ("pending", "1", run, "")
    cut = outcome not in ("timed_out", "over_budget", "not_started")
    assert table.doc(run).text("outcome") == ("stopped" if cut else outcome)
    assert "wrong branch" in doc.text("note")
    assert "was stopped: nobody is started for it again" in table.read(a1)
    assert hears_nothing(table) == cut
    assert work_for(table.state, "backend") == ()
    nothing(table.start("backend", a1))
    accepted(table.start("backend", actor="anna"))
    assert (table.state_of(a1), table.doc(a1).text("shown")) == ("claimed", "")


def test_why_a_run_was_stopped_is_said_once() -> None:
    for left in ("", "Last words", "wrong branch\n\nLast words"):
        table = staffed()
        run, _ = begun(table)
        accepted(table.request("anna", "stop", run, "note: wrong branch"))
        accepted(table.end(run, "stopped", note=left))
        words = ["wrong branch", "Last words"] if left else ["wrong branch"]
        assert table.doc(run).text("note").split("\n\n") == words


def test_what_stopped_with_its_hub_is_started_again_by_the_next() -> None:
    table = staffed()
    run, a1 = begun(table)
    message = mail(table, "lead")
    other = accepted(table.start("lead", message))
    accepted(table.end(run, "stopped", note="hubd was stopped"))
    accepted(table.end(other, "stopped"))
    doc = table.doc(a1)
    assert (doc.state, doc.text("attempt"), doc.text("shown")) == ("pending", "1", "")
    assert (work_for(table.state, "backend"), work_for(table.state, "lead")) == ((a1,), (message,))
    assert hears_nothing(table)


def test_what_waits_for_an_answer_is_left_alone() -> None:
    table = staffed()
    run, a1 = begun(table)
    accepted(table.ask("backend", f"assignment: {a1}", f"lease: {table.doc(a1).text('lease')}"))
    accepted(table.end(run, "done"))
    assert (table.state_of(a1), table.doc(run).text("outcome")) == ("input_required", "done")
    (lease,) = table.state.leases()
    assert (lease.text("left"), lease.text("key")) == ("5400.000", a1)
    assert hears_nothing(table)


def test_an_assignment_that_another_holds_by_now_is_left_alone() -> None:
    table = staffed()
    run, a1 = begun(table)
    table.later(90 * 60)
    lease = table.claim(a1, "w2")
    accepted(table.end(run, "failed"))
    assert (table.state_of(a1), table.doc(a1).text("lease")) == ("claimed", lease)


@pytest.mark.parametrize("outcome", RUN_OUTCOMES)
def test_what_a_run_had_no_chance_to_read_is_new_again(outcome: str) -> None:
    table = staffed()
    message = mail(table)
    run = accepted(table.start("backend", message))
    table.request("anna", "stop", run) if outcome == "stopped" else None
    accepted(table.end(run, outcome))
    never = outcome in ("lost", "not_started")
    assert table.doc(message).text("shown") == ("" if never else run)
    assert work_for(table.state, "backend") == ((message,) if never else ())


def test_who_is_told_is_the_owner_or_else_the_operator() -> None:
    table = staffed()
    accepted(table.end(begun(table)[0], "failed"))
    assert "ended with an error" in told(table, "lead")
    table = staffed()
    accepted(table.end(accepted(table.start("lead", table.task())), "failed"))
    assert "ended with an error" in told(table, "operator")
    assert not [d for d in table.state.inbox("lead") if d.text("from") == "hub"]
    table = staffed()
    accepted(table.end(accepted(table.start("backend", mail(table))), "not_started"))
    assert "could not be started" in told(table, "operator")


def test_what_the_hub_tells_starts_nobody() -> None:
    table = staffed("launch: auto")
    accepted(table.end(begun(table)[0], "failed"))
    told(table, "lead")
    assert work_for(table.state, "lead") == ()
    nothing(table.start("lead"))


def test_an_end_is_recorded_once_and_needs_an_outcome() -> None:
    table = staffed()
    run, _ = begun(table)
    for outcome in ("", "splendid"):
        assert "has no outcome" in nothing(table.end(run, outcome)).why
    nothing(table.hub("end", run))
    nothing(table.hub("end", run, result=("done",)))
    accepted(table.end(run, "failed"))
    assert "wrong-state" in nothing(table.end(run, "failed")).why


def test_whatever_a_process_printed_can_be_recorded() -> None:
    table = staffed()
    run, a1 = begun(table)
    noise = "\x1b[31mred\x1b[0m \x07 <!-- hub --> \udcff \r\n--- `x`\n" + "é\"'\\" * 9000 + "the end"
    result: dict[str, Value] = dict.fromkeys(("status", "exit", "session", "branch", "note"), noise)
    result |= {"denied": ("a\nb", *((noise,) * 300)), "seconds": "1.23456789", "turns": "x"}
    accepted(table.end(run, "failed", **result))
    ended = table.doc(run)
    assert ended.text("status").startswith("red &lt;!-- hub --&gt;")
    assert (ended.text("seconds"), ended.text("turns"), ended.texts("denied")[0]) == ("1.234567", "", "a b")
    assert ended.text("note").endswith("the end")
    assert len(table.tree[ended.paths[0]]) < 64 * 1024
    assert table.doc(a1).text("note").endswith("the end")
