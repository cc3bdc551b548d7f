"""Runs that go on and can be told of more: a long-lived client, instead of a second start."""

from __future__ import annotations

import pytest

from hubd.core.policy import Start, Tell
from tests.core.play import accepted
from tests.core.staff import Staff, codes, held


def test_a_long_lived_run_is_told_instead_of_a_second_start() -> None:
    staff = Staff()
    staff.hire("backend", "runtime: pty", "replicas: 3", "launch: manual")
    run = staff.begin("backend", staff.mail(), alone=False)
    mail, task = staff.mail(), staff.task(owner="backend")
    wanted = staff.ask_policy()
    assert (wanted.starts, wanted.tells) == ((), (Tell(run, (mail, task)),))
    staff.carry_out(wanted)
    assert staff.ask_policy().tells == ()


def test_a_long_lived_run_gets_one_assignment_after_the_other() -> None:
    staff = Staff()
    parts = staff.parts("backend", 2)
    run = staff.begin("backend", parts[0], alone=False)
    wanted = staff.ask_policy()
    assert (wanted.starts, wanted.tells) == ((), ())
    assert held(wanted, "no-slot").on == (parts[1],)
    mail = staff.mail()
    assert staff.ask_policy().tells == (Tell(run, (mail,)),)
    staff.show(run, mail)
    question = staff.question(parts[0])
    assert held(staff.ask_policy(), "no-slot").on == (parts[1],), "it waits for an answer"
    accepted(staff.request("operator", "answer", question, "answer: So"))
    staff.handed(parts[0])
    assert staff.ask_policy().tells == (Tell(run, (parts[1],)),)


def test_what_an_ended_run_has_left_is_taken_over_by_a_run_of_its_own() -> None:
    staff = Staff()
    part = staff.part()
    first = staff.begin("backend", part)
    question = staff.question(part)
    staff.end(first)
    run = staff.begin("backend", staff.mail(), alone=False)
    accepted(staff.request("operator", "answer", question, "answer: So"))
    wanted = staff.ask_policy()
    assert (wanted.starts, wanted.tells) == ((), ())
    assert held(wanted, "no-slot").on == (part,)
    staff.end(run)
    assert staff.ask_policy().starts == (Start("backend", (part,)),)


def test_nobody_is_told_before_it_is_up_and_nobody_else_is_started() -> None:
    staff = Staff()
    staff.hire("backend", "replicas: 3")
    run = staff.begin("backend", staff.mail(), up=False, runtime="pty")
    mail = staff.mail()
    wanted = staff.ask_policy()
    assert (wanted.starts, wanted.tells, wanted.held) == ((), (), ())
    del staff.seen[run]
    assert staff.ask_policy() == wanted
    staff.see(run, alone=False)
    assert staff.ask_policy().tells == (Tell(run, (mail,)),)


def test_a_run_that_is_stopped_is_told_nothing_more() -> None:
    staff = Staff(linger="20s")
    mail = staff.mail()
    run = staff.begin("backend", mail, alone=False)
    accepted(staff.remove(mail))
    staff.pass_time(20)
    later = staff.mail()
    wanted = staff.ask_policy()
    assert ([stop.run for stop in wanted.stops], wanted.tells) == ([run], ())
    staff.carry_out(wanted)
    assert staff.ask_policy().tells == ()
    staff.end(run, "stopped")
    assert staff.ask_policy().starts == (Start("backend", (later,)),)


@pytest.mark.parametrize("code", ["paused", "run-too-deep", "too-many-held"])
def test_what_holds_back_a_start_holds_back_telling(code: str) -> None:
    staff = Staff(max_depth="1", max_simultaneous_assignments="1")
    staff.begin("backend", staff.mail(), alone=False)
    if code == "too-many-held":
        first, _ = staff.parts("backend", 2)
        staff.claim(first, "a-person-at-a-terminal")
    else:
        mail = staff.mail()
        if code == "run-too-deep":
            staff.written_in(mail, "run-9", 1)
        else:
            accepted(staff.request("operator", "pause", "hub"))
    wanted = staff.ask_policy()
    assert wanted.tells == ()
    assert codes(wanted) == {"backend": code}
