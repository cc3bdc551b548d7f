"""Runs that go on: when policy stops them, and renews their leases; how an agent is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubd.core.policy import Plan, Renew, agent_state, stop_order
from tests.core.play import accepted
from tests.core.staff import Staff, codes, held


def stopped(wanted: Plan) -> dict[str, str]:
    return {stop.run: stop.why for stop in wanted.stops}


# stopped at once


@pytest.mark.parametrize("how", ["cancel", "recall", "close", "reassign", "release"])
def test_a_run_whose_assignment_was_taken_away_is_stopped_at_once(how: str) -> None:
    staff = Staff()
    staff.hire("backend", "shutdown: manual")
    part = staff.part()
    run = staff.begin("backend", part)
    assert not staff.ask_policy().stops
    task, round_ = part.split(".")[0], part.rpartition(".")[0]
    if how == "reassign":
        accepted(staff.request("operator", "reassign", part, "to: tester"))
    elif how == "release":
        accepted(staff.request("backend", "release", part, f"lease: {staff.doc(part).text('lease')}"))
    else:
        on = {"cancel": part, "recall": round_, "close": task}[how]
        accepted(staff.request("operator", how, on))
    why = stopped(staff.ask_policy())[run]
    assert part in why
    staff.carry_out(staff.ask_policy())
    assert not staff.ask_policy().stops, "what is being stopped is not stopped again"


def test_a_run_whose_lease_ran_out_is_stopped_though_it_is_its_own_agents_turn_again() -> None:
    staff = Staff()
    part = staff.part()
    run = staff.begin("backend", part)
    staff.later(5401)
    assert staff.state_of(part) == "pending"
    wanted = staff.ask_policy()
    assert stopped(wanted) == {run: f"{part} is pending"}
    assert codes(wanted) == {"backend": "no-slot"}
    staff.end(run, "stopped")
    again = staff.begin("backend", part)
    assert not staff.ask_policy().stops
    assert staff.doc(part).text("worker") == again


def test_a_run_is_not_stopped_for_an_assignment_that_waits_for_an_answer() -> None:
    staff = Staff()
    staff.hire("backend", "shutdown: manual")
    part = staff.part()
    staff.begin("backend", part)
    staff.question(part)
    staff.pass_time(3600)
    assert not staff.ask_policy().stops


# stopped when it is done


def test_after_its_handoff_a_run_has_time_to_come_to_its_end() -> None:
    staff = Staff(linger="20s")
    part = staff.part()
    run = staff.begin("backend", part)
    staff.pass_time(3600)  # it says nothing until it ends, as many clients do
    staff.handed(part)
    wanted = staff.ask_policy()
    assert (wanted.stops, wanted.again_in) == ((), 20.0)
    staff.pass_time(20)
    assert stopped(staff.ask_policy()) == {run: "its work is handed off"}


def test_who_still_talks_after_its_handoff_has_longer_and_not_for_ever() -> None:
    staff = Staff(linger="20s")
    part = staff.part()
    run = staff.begin("backend", part)
    staff.handed(part)
    staff.later(30)
    staff.see(run, quiet=5)
    wanted = staff.ask_policy()
    assert (wanted.stops, wanted.again_in) == ((), 15.0)
    staff.later(90)
    assert run in stopped(staff.ask_policy())


def test_a_run_lingers_too_when_the_whole_task_is_over_at_once() -> None:
    staff = Staff(linger="20s")
    part = staff.part()
    run = staff.begin("backend", part)
    staff.handed(part)
    accepted(staff.review(part.rpartition(".")[0]))
    assert staff.state.get(part) is None
    assert not staff.ask_policy().stops
    staff.pass_time(20)
    assert run in stopped(staff.ask_policy())


def test_what_is_tried_again_after_a_handoff_does_not_bring_that_run_back() -> None:
    staff = Staff(linger="20s")
    part = staff.part()
    run = staff.begin("backend", part)
    staff.handed(part, "blocked")
    accepted(staff.request("operator", "retry", part))
    wanted = staff.ask_policy()
    assert (wanted.stops, codes(wanted)) == ((), {"backend": "no-slot"})
    staff.pass_time(20)
    assert stopped(staff.ask_policy()) == {run: "its work is handed off"}


def test_who_gives_up_its_assignment_may_say_its_last_words() -> None:
    staff = Staff(linger="20s")
    part = staff.part()
    run = staff.begin("backend", part)
    accepted(staff.request("backend", "fail", part, f"lease: {staff.doc(part).text('lease')}"))
    assert not staff.ask_policy().stops
    staff.pass_time(20)
    assert run in stopped(staff.ask_policy())


def test_a_run_is_done_when_nothing_it_was_started_for_asks_for_anything() -> None:
    staff = Staff(linger="20s")
    first, second = staff.mail(), staff.mail()
    run = staff.begin("backend", first, second)
    accepted(staff.remove(first))
    staff.pass_time(3600)
    assert not staff.ask_policy().stops
    accepted(staff.remove(second))
    later = staff.mail()
    staff.see(run, quiet=5)
    wanted = staff.ask_policy()
    assert (wanted.stops, wanted.again_in) == ((), 15.0)
    assert held(wanted, "no-slot").on == (later,), "new work is for another run"
    staff.pass_time(15)
    assert stopped(staff.ask_policy()) == {run: "nothing needs action any more"}


def test_silence_does_not_begin_before_the_run() -> None:
    staff = Staff(linger="20s")
    mail = staff.mail()
    run = staff.begin("backend", mail)
    accepted(staff.remove(mail))
    staff.see(run, quiet=1e9)
    assert staff.ask_policy().again_in == 20.0


@pytest.mark.parametrize("lines", [("shutdown: manual",), ("launch: always",)])
def test_who_stays_until_a_person_stops_it_is_never_stopped(lines: tuple[str, ...]) -> None:
    staff = Staff()
    staff.hire("backend", *lines)
    part = staff.part()
    staff.begin("backend", part)
    staff.handed(part)
    staff.pass_time(90_000)
    assert not staff.ask_policy().stops


def test_the_orchestrator_is_never_stopped_by_its_card() -> None:
    staff = Staff(orchestrator="backend")
    staff.begin("backend")
    staff.pass_time(90_000)
    assert not staff.ask_policy().stops


def test_who_is_idle_for_long_enough_is_stopped_but_not_at_its_work() -> None:
    staff = Staff(quiet_warn="1d")
    staff.hire("backend", "shutdown: idle", "idle_timeout: 10m")
    part, mail = staff.part(), staff.mail()
    run = staff.begin("backend", part, alone=False)
    staff.show(run, mail)
    staff.pass_time(700)
    assert not staff.ask_policy().stops
    staff.handed(part)
    staff.see(run, quiet=590, alone=False)
    wanted = staff.ask_policy()
    assert (wanted.stops, wanted.again_in) == ((), 10.0)
    staff.pass_time(10)
    assert stopped(staff.ask_policy()) == {run: "it was idle for 10m"}, "though the message is unread"


def test_who_was_started_for_nothing_in_particular_is_idle_after_half_an_hour() -> None:
    staff = Staff()
    run = staff.begin("backend", by="operator", alone=False)
    staff.pass_time(1799)
    wanted = staff.ask_policy()
    assert (wanted.stops, wanted.again_in) == ((), 1.0)
    staff.pass_time(1)
    assert stopped(staff.ask_policy()) == {run: "it was idle for 30m"}


def test_a_run_whose_process_has_not_begun_is_not_done() -> None:
    staff = Staff()
    mail = staff.mail()
    staff.begin("backend", mail, up=False)
    accepted(staff.remove(mail))
    staff.pass_time(3600)
    assert not staff.ask_policy().stops


def test_a_run_that_led_to_others_stays_until_they_have_ended() -> None:
    staff = Staff(linger="20s")
    mail = staff.mail()
    above = staff.begin("backend", mail)
    accepted(staff.remove(mail))
    below = staff.begin("tester", staff.part("tester"), parent=above)
    staff.pass_time(3600)
    assert not staff.ask_policy().stops, "stopping it would stop what it led to"
    staff.end(below, "failed")
    assert stopped(staff.ask_policy()) == {above: "nothing needs action any more"}


def test_when_agents_are_stopped_together_the_orchestrator_comes_last() -> None:
    staff = Staff(orchestrator="lead")
    first = staff.begin("lead")
    second = staff.begin("backend")
    third = staff.begin("tester", parent=second)
    deep = staff.begin("critic", depth="2")
    order = [run.id for run in stop_order(staff.state, staff.state.runs())]
    assert order == [deep, third, second, first]


def test_an_assignment_that_went_to_somebody_else_keeps_no_run() -> None:
    staff = Staff(linger="20s")
    part = staff.part()
    run = staff.begin("backend", staff.mail(), alone=False)
    staff.show(run, part)
    staff.claim(part, "me")
    accepted(staff.request("operator", "reassign", part, "to: tester"))
    staff.claim(part, "another")
    accepted(staff.remove(staff.doc(run).texts("on")[0]))
    staff.pass_time(3600)
    assert run in stopped(staff.ask_policy())
    staff.hire("backend", "shutdown: idle")
    assert run in stopped(staff.ask_policy())


# leases


def test_a_run_at_work_keeps_its_lease() -> None:
    staff = Staff()
    part = staff.part()
    run = staff.begin("backend", part)
    lease = staff.state.lease(part)
    assert lease is not None
    assert staff.ask_policy().again_in == pytest.approx(3600, abs=0.1)
    staff.later(3601)
    assert staff.ask_policy().renews == (Renew(lease.id),)
    accepted(staff.hub("renew", lease.id))
    assert staff.ask_policy().renews == ()
    staff.later(3601)
    staff.see(run, quiet=600)
    assert staff.ask_policy().renews == (), "who says nothing for so long may be stuck"
    staff.see(run, up=False)
    assert staff.ask_policy().renews == ()


def test_a_lease_whose_clock_stands_still_or_is_another_boots_is_left_alone() -> None:
    staff = Staff()
    part = staff.part()
    run = staff.begin("backend", part)
    staff.now = replace(staff.now, boot="boot9999", mono=5_000_000.0)
    assert staff.ask_policy().renews == ()
    staff.now = replace(staff.now, boot="boot0000", mono=1000.0)
    staff.question(part)
    staff.later(5000)
    staff.see(run)
    assert staff.ask_policy().renews == ()


def test_what_a_long_lived_run_took_itself_is_renewed_and_what_another_run_holds_is_not() -> None:
    staff = Staff()
    part, other = staff.parts("backend", 2)
    run = staff.begin("backend", staff.mail(), alone=False)
    staff.show(run, part, other)
    staff.claim(part, "me")
    staff.begin("backend", other)
    staff.later(3700)
    (mine,) = (r for r in staff.ask_policy().renews if staff.doc(r.lease).text("key") == part)
    assert len(staff.ask_policy().renews) == 2, "each by the run that holds it"
    staff.see(run, quiet=700, alone=False)
    assert mine not in staff.ask_policy().renews


# how an agent is


def test_an_agents_state_follows_from_its_runs() -> None:
    staff = Staff()

    def how() -> str:
        return agent_state(staff.state, staff.account, "backend", staff.seen)

    assert how() == "inactive"
    run = staff.begin("backend", up=False)
    assert how() == "starting"
    del staff.seen[run]
    assert how() == "starting"
    staff.see(run)
    assert how() == "active"
    staff.stopping(run)
    assert how() == "stopping"
    staff.end(run, "stopped")
    assert how() == "inactive"
    staff.end(staff.begin("backend"), "failed")
    assert how() == "error"
    staff.account.forgive("backend")
    assert how() == "inactive"
