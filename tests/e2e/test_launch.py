"""Agents are started and stopped by policy: real hubd, real processes, real git."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.launching import Running, Yard, field, processes
from tests.e2e.processes import until

pytestmark = pytest.mark.e2e


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "mail")


@pytest.fixture
def hubd(yard: Yard) -> Iterator[Running]:
    with Running(yard.root) as hub:
        yield hub


def test_work_that_lands_in_an_inbox_starts_its_agent_which_hands_off_and_is_gone(
    yard: Yard, hubd: Running
) -> None:
    yard.card("backend")
    round_ = yard.task("backend")
    (run,) = yard.ended()
    assert field(run, "outcome") == "done"
    assert field(run, "on") == f"[{round_}.a1]"
    assert field(run, "status") == "done"
    assert field(run, "exit") == "0"
    handoff = yard.document(f"{round_}.a1")
    assert field(handoff, "worker") == field(run, "id")
    assert field(handoff, "state") == "completed"
    assert not yard.live_runs("backend")
    assert not processes(field(run, "id"))
    assert yard.verified()


def test_a_manual_agent_is_started_by_a_person_alone(yard: Yard, hubd: Running) -> None:
    yard.card("backend", launch="manual")
    round_ = yard.task("backend")
    hubd.rested()
    assert not yard.count("-> started")
    yard.ask_hub("start", "backend")
    (run,) = yard.ended()
    assert field(run, "from") == "operator"
    assert field(run, "on") == f"[{round_}.a1]"
    assert field(run, "outcome") == "done"


def test_mail_wakes_an_agent_once_and_not_again_until_its_state_changes(yard: Yard, hubd: Running) -> None:
    yard.card("backend", behave="end 'STATUS: done'")
    yard.send("backend")
    (run,) = yard.ended()
    message = yard.find("backend", "m-*.md")
    assert field(message.read_text(), "shown") == field(run, "id")
    yard.send("backend", "Another")
    second = yard.ended(2)[1]
    assert message.stem not in field(second, "on"), "it was shown before, and nothing has changed since"
    hubd.rested()
    assert yard.count("-> started") == 2


def test_a_saved_card_takes_effect_at_once(yard: Yard, hubd: Running) -> None:
    yard.card("backend", launch="manual")
    yard.send("backend")
    hubd.rested()
    assert not yard.count("-> started")
    yard.card("backend", behave="read", launch="auto")
    (run,) = yard.ended()
    assert field(run, "outcome") == "done"


def test_what_is_paused_is_not_started_until_it_is_resumed(yard: Yard, hubd: Running) -> None:
    yard.card("backend", behave="read")
    yard.ask_hub("pause", "backend")
    yard.wait(": new -> held")
    yard.send("backend")
    hubd.rested()
    assert not yard.count("-> started")
    assert [held["code"] for held in hubd.facts()["held"]] == ["paused"]
    yard.ask_hub("resume", "backend")
    yard.ended()


def test_an_agent_that_always_runs_is_started_again_and_stays_stopped_when_a_person_stops_it(
    yard: Yard, hubd: Running
) -> None:
    yard.card("backend", behave="stay", launch="always", shutdown="manual")
    first = until(lambda: yard.live_runs("backend"), "a run")[0]
    pid = until(lambda: hubd.facts()["runs"].get(first, {}).get("pid"), "a process")
    os.kill(pid, signal.SIGKILL)
    again = until(lambda: [r for r in yard.live_runs("backend") if r != first], "another run")[0]
    yard.ask_hub("stop", again)
    yard.ended(2)
    hubd.rested()
    assert not yard.live_runs("backend")
    yard.ask_hub("start", "backend")
    until(lambda: yard.live_runs("backend"), "a third run")


def test_a_run_that_has_nothing_left_to_do_is_stopped_after_a_while(yard: Yard, hubd: Running) -> None:
    yard.card("backend", behave="read stay", shutdown="empty")
    yard.send("backend")
    (run,) = yard.ended()
    assert field(run, "outcome") == "stopped"
    assert not processes(field(run, "id"))


def test_a_run_is_stopped_when_its_assignment_is_cancelled_and_its_work_is_kept(
    yard: Yard, hubd: Running
) -> None:
    yard.card("backend", behave="stay")
    round_ = yard.task("backend")
    yard.wait(f"{round_}.a1: pending -> claimed", 0)
    until(lambda: yard.live_runs("backend"), "a run")
    yard.ask_hub("cancel", f"{round_}.a1")
    (run,) = yard.ended()
    assert field(run, "outcome") == "stopped"
    assert field(yard.document(f"{round_}.a1"), "state") == "cancelled"


def test_a_handoff_written_in_the_last_instant_is_judged_before_the_end(tmp_path: Path) -> None:
    yard = Yard(tmp_path / "mail")
    with Running(yard.root, HUB_SETTLE="900ms"):
        yard.card("backend", behave="late")
        round_ = yard.task("backend")
        (run,) = yard.ended()
        assert field(run, "outcome") == "done"
        assert field(yard.document(f"{round_}.a1"), "state") == "completed"


def test_a_run_that_ends_without_a_handoff_gives_its_assignment_back_and_the_last_attempt_fails(
    yard: Yard, hubd: Running
) -> None:
    yard.card("backend", behave="end 'I am tired'")
    round_ = yard.task("backend")
    runs = yard.ended(3)
    assert [field(run, "outcome") for run in runs] == ["no_handoff"] * 3
    assert "state: awaiting_review" in yard.find("operator", f"{round_}.md").read_text()
    failed = yard.document(f"{round_}.a1")
    assert field(failed, "state") == "failed"
    assert "I am tired" in failed
    assert yard.verified()


def test_an_agent_that_says_it_is_blocked_is_not_tried_again(yard: Yard, hubd: Running) -> None:
    yard.card("backend", behave="end 'STATUS: blocked no credentials'")
    round_ = yard.task("backend")
    yard.ended()
    assert "state: awaiting_review" in yard.find("operator", f"{round_}.md").read_text()
    hubd.rested()
    assert yard.count("-> started") == 1
    assert "no credentials" in yard.document(f"{round_}.a1")


def test_a_question_ends_the_run_and_its_answer_starts_another_under_a_new_lease(
    yard: Yard, hubd: Running
) -> None:
    yard.card("backend", behave="ask")
    round_ = yard.task("backend")
    (first,) = yard.ended()
    assert field(first, "outcome") == "done"
    question = yard.find("operator", "*.q1.md")
    yard.edit(question, "Answer:\n", "Answer: left\n")
    second = yard.ended(2)[1]
    assert field(second, "outcome") == "done"
    assignment = yard.document(f"{round_}.a1")
    assert field(assignment, "state") == "completed"
    assert field(assignment, "attempt") == "1", "a question is no failure"
    assert int(field(second, "lease")) > int(field(first, "lease"))
    assert yard.verified()


def test_agents_plan_work_and_review_by_themselves_and_the_tree_of_runs_is_the_hubs_own_record(
    tmp_path: Path,
) -> None:
    yard = Yard(tmp_path / "mail", "lead", "backend")
    with Running(yard.root, HUB_AUTO_APPROVE="true"):
        yard.card("lead", behave="plan backend")
        yard.card("backend")
        yard.drop("operator", "t.md", "---\nkind: task\ntitle: Fix it\nowner: lead\n---\n")
        yard.wait("awaiting_review -> completed")
        plan, work, review = yard.ended(3)
        assert [field(r, "agent") for r in (plan, work, review)] == ["lead", "backend", "lead"]
        assert [field(r, "depth") for r in (plan, work)] == ["1", "2"]
        assert field(work, "parent") == field(plan, "id")
        assert yard.verified()


def test_agents_that_write_to_each_other_for_ever_are_held_when_they_are_too_deep(tmp_path: Path) -> None:
    yard = Yard(tmp_path / "mail", "one", "two")
    with Running(yard.root) as hubd:
        yard.card("one", behave="read tell two")
        yard.card("two", behave="read tell one")
        yard.send("one")
        runs = yard.ended(3)
        assert [field(r, "depth") for r in runs] == ["1", "2", "3"]
        hubd.rested()
        assert yard.count("-> started") == 3
        assert [held["code"] for held in hubd.facts()["held"]] == ["run-too-deep"]
        told = yard.find("operator", "m-*.md").read_text()
        assert "max_depth" in told


def test_an_orchestrator_is_started_first_and_stopped_last(tmp_path: Path) -> None:
    yard = Yard(tmp_path / "mail", "chief", "backend")
    yard.send("backend")
    with Running(yard.root) as hubd:
        yard.card("chief", behave="stay", launch="manual", shutdown="manual")
        yard.card("backend", behave="stay", launch="manual")
        settings = yard.root / "hub.yaml"
        settings.write_text(settings.read_text().replace('orchestrator: ""', "orchestrator: chief"))
        until(lambda: yard.live_runs("chief"), "the orchestrator")
        yard.card("backend", behave="stay")
        until(lambda: yard.live_runs("backend"), "the other one")
        hubd.stop()
    ended = [s for s in yard.subjects() if s.endswith("-> ended")]
    agents = [field(yard.document(s.split(":")[0]), "agent") for s in ended]
    assert agents == ["backend", "chief"]
