"""Who is started, and why somebody is not: launch policies, limits, the orchestrator."""

from __future__ import annotations

import pytest

from hubd.core.policy import Start, work_for
from tests.core.play import accepted
from tests.core.staff import Staff, codes, held

# when an agent is started


def test_work_that_lands_in_an_inbox_starts_its_agent_once() -> None:
    staff = Staff()
    part = staff.part()
    wanted = staff.ask_policy()
    assert wanted.starts == (Start("backend", (part,)),)
    assert not wanted.held
    staff.carry_out(wanted)
    assert staff.ask_policy().starts == ()


def test_nobody_is_started_who_is_to_be_started_by_hand() -> None:
    staff = Staff()
    staff.hire("backend", "launch: manual")
    accepted(staff.card("tester", "command: claude"))
    staff.mail("backend")
    staff.mail("tester")
    wanted = staff.ask_policy()
    assert (wanted.starts, wanted.held, wanted.again_in) == ((), (), None)


def test_a_person_and_a_card_without_a_command_are_never_started() -> None:
    staff = Staff(orchestrator="anna")
    staff.mail("anna")
    staff.mail("critic")
    assert staff.ask_policy().starts == ()


def test_who_is_always_there_is_started_for_nothing_and_for_what_waits() -> None:
    staff = Staff()
    staff.hire("critic", "launch: always")
    assert staff.ask_policy().starts == (Start("critic", ()),)
    mail = staff.mail("critic")
    assert staff.ask_policy().starts == (Start("critic", (mail,)),)
    staff.carry_out(staff.ask_policy())
    assert staff.ask_policy().starts == ()


def test_who_is_always_there_rests_between_two_runs() -> None:
    staff = Staff(backoff="30s")
    staff.hire("critic", "launch: always")
    staff.end(staff.begin("critic"))
    wanted = staff.ask_policy()
    assert (wanted.starts, wanted.again_in) == ((), 30.0)
    staff.pass_time(30)
    assert staff.ask_policy().starts == (Start("critic", ()),)
    staff.end(staff.begin("critic"))
    mail = staff.mail("critic")
    assert staff.ask_policy().starts == (Start("critic", (mail,)),), "work does not wait for its rest"


# limits


def test_no_more_runs_go_on_than_the_hub_allows_and_the_oldest_work_goes_first() -> None:
    staff = Staff(max_concurrency="2")
    staff.hire("critic")
    newer = staff.mail("critic")
    part = staff.part("tester")
    last = staff.mail("backend")
    wanted = staff.ask_policy()
    assert wanted.starts == (Start("critic", (newer,)), Start("tester", (part,)))
    assert codes(wanted) == {"backend": "no-slot"}
    assert held(wanted, "no-slot").on == (last,)
    first, _ = staff.carry_out(wanted)
    assert codes(staff.ask_policy()) == {"backend": "no-slot"}
    staff.stopping(first)
    assert staff.ask_policy().starts == (), "what is being stopped still goes on"
    staff.end(first)
    assert staff.ask_policy().starts == (Start("backend", (last,)),)


def test_an_agent_has_no_more_runs_than_replicas() -> None:
    staff = Staff()
    parts = staff.parts("backend", 3)
    assert staff.ask_policy().starts == (Start("backend", (parts[0],)),)
    staff.hire("backend", "replicas: 2")
    wanted = staff.ask_policy()
    assert wanted.starts == tuple(Start("backend", (p,)) for p in parts[:2])
    found = held(wanted, "no-slot")
    assert (found.agent, found.on, found.lasting) == ("backend", (parts[2],), False)


def test_who_waits_for_its_own_slot_keeps_nobody_else_waiting() -> None:
    staff = Staff()
    staff.begin("backend", staff.part())
    staff.mail("backend")
    later = staff.mail("tester")
    assert staff.ask_policy().starts == (Start("tester", (later,)),)


@pytest.mark.parametrize(("who", "barred"), [("hub", {"backend", "tester"}), ("backend", {"backend"})])
def test_pausing_stops_launching_until_somebody_resumes(who: str, barred: set[str]) -> None:
    staff = Staff()
    staff.mail("backend")
    staff.mail("tester")
    accepted(staff.request("operator", "pause", who))
    wanted = staff.ask_policy()
    assert codes(wanted) == dict.fromkeys(barred, "paused")
    assert {s.agent for s in wanted.starts} == {"backend", "tester"} - barred
    accepted(staff.request("operator", "resume", who))
    assert not staff.ask_policy().held


def test_nobody_is_started_for_an_assignment_that_it_could_not_claim() -> None:
    staff = Staff(max_simultaneous_assignments="2")
    staff.hire("backend", "replicas: 5")
    parts = staff.parts("backend", 3)
    wanted = staff.ask_policy()
    assert wanted.starts == tuple(Start("backend", (p,)) for p in parts[:2])
    assert held(wanted, "too-many-held").on == (parts[2],)
    staff.carry_out(wanted)
    mail = staff.mail()
    assert staff.ask_policy().starts == (Start("backend", (mail,)),), "a message needs no claim"
    assert work_for(staff.state, "backend") == (mail,)


def test_an_answered_assignment_takes_no_new_claim() -> None:
    staff = Staff(max_simultaneous_assignments="1")
    part = staff.part()
    run = staff.begin("backend", part)
    question = staff.question(part)
    staff.end(run)
    accepted(staff.request("operator", "answer", question, "answer: So"))
    assert staff.state.held_by("backend") == 1
    assert staff.ask_policy().starts == (Start("backend", (part,)),)


def test_launches_are_counted_by_the_hour() -> None:
    staff = Staff(max_launches_per_hour="2")
    for _ in range(2):
        staff.end(staff.begin("backend", staff.mail()))
        staff.pass_time(600)
    staff.mail()
    wanted = staff.ask_policy()
    found = held(wanted, "too-many-launches")
    assert (wanted.starts, found.lasting) == ((), True)
    assert wanted.again_in == pytest.approx(2400, abs=1)
    staff.pass_time(wanted.again_in or 0)
    assert len(staff.ask_policy().starts) == 1


def test_launches_of_one_plan_count_too() -> None:
    staff = Staff(max_launches_per_hour="2", max_concurrency="50")
    staff.hire("backend", "replicas: 9")
    parts = staff.parts("backend", 3)
    wanted = staff.ask_policy()
    assert [s.on for s in wanted.starts] == [(parts[0],), (parts[1],)]
    assert codes(wanted) == {"backend": "too-many-launches"}
    staff.carry_out(wanted)
    assert staff.ask_policy().again_in == pytest.approx(3600, abs=1)


def test_a_days_budget_holds_an_agent_until_the_day_is_over() -> None:
    staff = Staff(budget_usd_day="1.5")
    staff.end(staff.begin("backend", staff.mail()), cost_usd="1.0")
    staff.pass_time(3600)
    staff.mail()
    assert len(staff.ask_policy().starts) == 1
    staff.end(staff.carry_out(staff.ask_policy())[0], cost_usd="0.75")
    staff.mail()
    wanted = staff.ask_policy()
    found = held(wanted, "budget-day")
    assert (wanted.starts, found.lasting) == ((), True)
    assert wanted.again_in == pytest.approx(23 * 3600, abs=1)
    staff.pass_time(wanted.again_in or 0)
    assert len(staff.ask_policy().starts) == 1


def test_what_goes_on_may_yet_cost_what_its_card_allows() -> None:
    staff = Staff(budget_usd_day="5", max_concurrency="50")
    staff.hire("backend", "replicas: 9", "budget_usd: 2")
    parts = staff.parts("backend", 4)
    wanted = staff.ask_policy()
    assert len(wanted.starts) == 3
    assert held(wanted, "budget-day").lasting is False
    runs = staff.carry_out(wanted)
    staff.handed(parts[0])
    staff.end(runs[0], cost_usd="0.9")
    assert staff.ask_policy().starts == (Start("backend", (parts[3],)),)


def test_after_a_failure_an_agent_waits_twice_as_long_each_time_and_then_for_a_person() -> None:
    staff = Staff(max_failures="3", backoff="30s")
    for wait in (30, 60):
        staff.end(staff.begin("backend", staff.mail()), "failed")
        staff.mail()
        wanted = staff.ask_policy()
        assert wanted.starts == ()
        assert held(wanted, "crash-loop").lasting is False
        assert wanted.again_in == pytest.approx(wait, abs=1)
        staff.pass_time(wait)
        assert len(staff.ask_policy().starts) == 1
    staff.end(staff.begin("backend", staff.mail()), "failed")
    staff.pass_time(3600 * 24)
    wanted = staff.ask_policy()
    assert (wanted.starts, wanted.again_in) == ((), None)
    assert held(wanted, "crash-loop").lasting is True
    staff.account.forgive("backend")
    assert len(staff.ask_policy().starts) == 1


def test_nobody_waits_longer_than_a_day_for_its_next_try() -> None:
    staff = Staff(max_failures="100", backoff="1h")
    for _ in range(99):
        staff.end(staff.begin("backend"), "failed")
        staff.pass_time(60)
    staff.mail()
    assert staff.ask_policy().again_in == pytest.approx(24 * 3600 - 60, abs=1)


def test_an_agent_that_this_machine_cannot_start_takes_nobodys_place() -> None:
    staff = Staff(max_concurrency="1", orchestrator="critic")
    staff.hire("critic")
    staff.unfit = {"critic": "`claude` is not installed", "backend": "its directory is gone"}
    staff.mail("backend")
    later = staff.mail("tester")
    wanted = staff.ask_policy()
    assert wanted.starts == (Start("tester", (later,)),)
    assert {(h.agent, h.code, h.lasting) for h in wanted.held} == {
        ("critic", "unfit", True), ("backend", "unfit", True),
    }  # fmt: skip


# the orchestrator


def test_the_orchestrator_comes_first_and_the_others_wait_until_it_is_up() -> None:
    staff = Staff(orchestrator="lead")
    staff.hire("lead", "launch: manual")
    mail = staff.mail("backend")
    wanted = staff.ask_policy()
    assert wanted.starts == (Start("lead", ()),)
    assert codes(wanted) == {"backend": "orchestrator-first"}
    (run,) = staff.carry_out(wanted)
    assert codes(staff.ask_policy()) == {"backend": "orchestrator-first"}
    staff.see(run)
    assert staff.ask_policy().starts == (Start("backend", (mail,)),)


@pytest.mark.parametrize("why", ["paused", "crash-loop", "too-many-launches", "no-slot"])
def test_an_orchestrator_that_is_held_back_keeps_nobody_waiting(why: str) -> None:
    most = "1" if why == "too-many-launches" else "30"
    staff = Staff(orchestrator="lead", max_launches_per_hour=most, max_failures="1")
    staff.hire("lead")
    mail = staff.mail("backend")
    if why == "paused":
        accepted(staff.request("operator", "pause", "lead"))
    elif why == "no-slot":
        staff.stopping(staff.begin("lead"))
        staff.mail("lead")
    else:
        staff.end(staff.begin("lead"), "failed" if why == "crash-loop" else "done")
        staff.pass_time(60)
    wanted = staff.ask_policy()
    assert wanted.starts == (Start("backend", (mail,)),)
    assert codes(wanted) == {"lead": why}


def test_an_orchestrator_without_a_card_or_a_command_counts_for_nothing() -> None:
    staff = Staff(orchestrator="lead")
    mail = staff.mail("backend")
    assert staff.ask_policy().starts == (Start("backend", (mail,)),)
    staff = Staff(orchestrator="nobody")
    mail = staff.mail("backend")
    assert staff.ask_policy().starts == (Start("backend", (mail,)),)


def test_a_second_run_of_an_orchestrator_that_is_up_keeps_nobody_waiting() -> None:
    staff = Staff(orchestrator="lead")
    staff.hire("lead", "replicas: 2")
    staff.begin("lead")
    mail, other = staff.mail("lead"), staff.mail("backend")
    assert staff.ask_policy().starts == (Start("lead", (mail,)), Start("backend", (other,)))


def test_the_orchestrator_gets_the_only_slot() -> None:
    staff = Staff(orchestrator="lead", max_concurrency="1")
    staff.mail("backend")
    staff.hire("lead")
    assert staff.ask_policy().starts == (Start("lead", ()),)
    newer = staff.mail("lead")
    assert staff.ask_policy().starts == (Start("lead", (newer,)),)


def test_who_is_to_be_always_there_does_not_wait_behind_work() -> None:
    staff = Staff(max_concurrency="1")
    staff.mail("backend")
    staff.hire("critic", "launch: always")
    assert staff.ask_policy().starts == (Start("critic", ()),)
