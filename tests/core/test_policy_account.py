"""What the ledger says of the last day's runs."""

from __future__ import annotations

import pytest

from hubd.core.model import RUN_OUTCOMES
from hubd.core.policy import FAILURES, Account
from tests.core.play import accepted
from tests.core.staff import Staff


def test_launches_of_the_last_hour_are_counted_those_that_go_on_too() -> None:
    staff = Staff()
    staff.end(staff.begin("backend"))
    staff.pass_time(1800)
    staff.begin("backend")
    staff.begin("tester")
    assert [staff.account.launches(n, staff.now) for n in ("backend", "tester", "critic")] == [2, 1, 0]
    staff.pass_time(1801)
    assert staff.account.launches("backend", staff.now) == 1


def test_what_the_last_day_cost_is_added_up() -> None:
    staff = Staff()
    for cost in ("0.5", "0.25", "", "nonsense", "nan", "-3"):
        staff.end(staff.begin("backend"), **({"cost_usd": cost} if cost else {}))
        staff.pass_time(3600)
    assert staff.account.cost("backend", staff.now) == 0.75
    staff.pass_time(18 * 3600 + 1)
    assert staff.account.cost("backend", staff.now) == 0.25
    assert staff.account.cost("tester", staff.now) == 0.0


@pytest.mark.parametrize("outcome", RUN_OUTCOMES)
def test_an_outcome_counts_or_makes_up_for_it_or_says_nothing(outcome: str) -> None:
    staff = Staff()
    staff.end(staff.begin("backend"), "failed")
    staff.end(staff.begin("backend"), outcome)
    expected = 0 if outcome == "done" else 2 if outcome in FAILURES else 1
    assert staff.account.failures("backend") == expected
    assert (outcome in FAILURES) == (outcome not in ("done", "lost", "stopped"))
    assert staff.account.last_end("backend") is not None


def test_a_person_who_starts_an_agent_or_saves_its_card_forgives_it() -> None:
    staff = Staff()
    staff.end(staff.begin("backend"), "failed")
    run = staff.begin("backend", by="operator")
    assert staff.account.failures("backend") == 0
    staff.end(run, "failed")
    assert staff.account.failures("backend") == 1, "its own failure counts"
    accepted(staff.card("backend", "command: codex"))
    card = staff.state.card("backend")
    assert card is not None
    staff.account.note(card)
    assert (staff.account.failures("backend"), staff.account.last_end("backend")) == (0, None)
    assert staff.account.launches("backend", staff.now) == 2, "what was started was started"


def test_noting_a_document_twice_changes_nothing() -> None:
    staff = Staff()
    run = staff.begin("backend")
    staff.account.note(staff.doc(run))
    staff.end(run, "failed", cost_usd="1")
    staff.account.note(staff.doc(run))
    account = staff.account
    assert account.launches("backend", staff.now) == account.failures("backend") == 1
    assert account.cost("backend", staff.now) == 1.0


def test_an_end_alone_tells_of_the_beginning() -> None:
    staff = Staff()
    run = staff.begin("backend")
    staff.end(run, "failed")
    fresh = Account()
    fresh.note(staff.doc(run))
    assert (fresh.launches("backend", staff.now), fresh.failures("backend")) == (1, 1)


def test_what_lies_more_than_a_day_back_takes_no_room() -> None:
    staff = Staff()
    for _ in range(100):
        staff.end(staff.begin("backend"), cost_usd="1")
        staff.pass_time(1800)
    (past,) = staff.account._agents.values()
    assert max(len(past.began), len(past.costs), len(past.known), len(past.ended), len(past.over)) <= 50
    assert staff.account.cost("backend", staff.now) == 48.0


def test_a_handoff_is_known_until_its_run_has_ended() -> None:
    staff = Staff()
    part = staff.part()
    run = staff.begin("backend", part)
    assert staff.account.handed_off(run) == {}
    staff.handed(part)
    assert list(staff.account.handed_off(run).values()) == [staff.now.wall]
    staff.end(run)
    assert staff.account.handed_off(run) == {}


def test_how_long_until_a_limit_lets_somebody_go_on() -> None:
    staff = Staff()
    for cost in ("1", "2"):
        staff.end(staff.begin("backend"), cost_usd=cost)
        staff.pass_time(600)
    account, now = staff.account, staff.now
    assert account.launch_in("backend", 3, now) == 0
    assert account.launch_in("backend", 2, now) == pytest.approx(2400, abs=0.1)
    assert account.launch_in("backend", 1, now) == pytest.approx(3000, abs=0.1)
    assert account.affordable_in("backend", 4, now) == 0
    assert account.affordable_in("backend", 2.5, now) == pytest.approx(24 * 3600 - 1200, abs=0.1)
    assert account.affordable_in("backend", 1, now) == pytest.approx(24 * 3600 - 600, abs=0.1)
    assert account.launch_in("tester", 1, now) == account.affordable_in("tester", 1, now) == 0


def test_what_is_typical_is_the_median_of_the_runs_that_ended_well() -> None:
    staff = Staff()
    assert staff.account.typical("backend") is None
    for outcome, seconds in (("done", "10"), ("done", "30"), ("failed", "1"), ("done", "20")):
        staff.end(staff.begin("backend"), outcome, seconds=seconds)
    assert staff.account.typical("backend") == 20
    assert staff.account.typical("tester") is None


def test_a_stop_by_hand_holds_until_somebody_starts_the_agent_again() -> None:
    staff = Staff()
    staff.end(staff.begin("backend"), "stopped", stopped_by="hub")
    assert staff.account.stopped_by("backend") == ""
    staff.end(staff.begin("backend"), "stopped", stopped_by="operator")
    assert staff.account.stopped_by("backend") == "operator"
    staff.begin("backend", by="operator")
    assert staff.account.stopped_by("backend") == ""
