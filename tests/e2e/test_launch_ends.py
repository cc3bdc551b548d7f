"""Nothing of a run survives it: real processes that do not want to go, and a hub that is killed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.launching import Running, Yard, field, processes
from tests.e2e.processes import until

pytestmark = pytest.mark.e2e


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "mail", "backend", "lead", "tester", "writer")


@pytest.fixture
def hubd(yard: Yard) -> Iterator[Running]:
    with Running(yard.root) as hub:
        yield hub


def up(yard: Yard, hubd: Running, agent: str) -> str:
    """Wait until an agent's process runs; returns the id of its run."""
    run = until(lambda: yard.live_runs(agent), f"a run of {agent}")[0]
    until(lambda: hubd.facts()["runs"].get(run, {}).get("up"), f"{run} to be up")
    return run


def gone(run: str) -> None:
    until(lambda: not processes(run), f"the end of all processes of {run}: {processes(run)}")


def test_children_in_sessions_of_their_own_that_ignore_signals_end_with_a_stop(
    yard: Yard, hubd: Running
) -> None:
    yard.card("backend", behave="deaf fork stay")
    yard.send("backend")
    run = up(yard, hubd, "backend")
    until(lambda: len(processes(run)) >= 4, "its children")
    yard.ask_hub("stop", run)
    assert field(yard.ended()[0], "outcome") == "stopped"
    assert not processes(run), "they are gone before the end is recorded"


def test_children_that_are_left_behind_end_with_the_run(yard: Yard, hubd: Running) -> None:
    yard.card("backend", behave="read fork")
    yard.send("backend")
    (run,) = yard.ended()
    assert field(run, "outcome") == "done"
    assert not processes(field(run, "id"))


def test_a_run_ends_when_its_time_is_over(yard: Yard, hubd: Running) -> None:
    yard.card("backend", behave="deaf stay", timeout="1s")
    round_ = yard.task("backend")
    run = yard.ended()[0]
    assert field(run, "outcome") == "timed_out"
    yard.card("backend", launch="manual")
    gone(field(run, "id"))
    assert "it ran for" in run
    assert "is its `timeout` long enough?" in run
    assert field(yard.find("backend", f"{round_}.a1.md").read_text(), "attempt") == "2"


def test_after_a_kill_of_the_hub_nothing_of_a_run_is_left_and_its_work_is_given_back(yard: Yard) -> None:
    with Running(yard.root) as hubd:
        yard.card("backend", behave="fork deaf stay")
        round_ = yard.task("backend")
        run = up(yard, hubd, "backend")
        hubd.kill()
    yard.card_while_down("backend", behave="work")
    with Running(yard.root):
        lost, done = yard.ended(2)
        assert [field(lost, "outcome"), field(done, "outcome")] == ["lost", "done"]
        gone(run)
        assert field(yard.document(f"{round_}.a1"), "attempt") == "2"
        assert yard.verified()


def test_after_a_kill_of_the_hub_and_of_the_wrapper_nothing_is_left_either(yard: Yard) -> None:
    with Running(yard.root) as hubd:
        yard.card("backend", behave="fork deaf stay")
        yard.send("backend")
        run = up(yard, hubd, "backend")
        until(lambda: len(processes(run)) >= 4, "its children")
        hubd.kill()
        yard.kill_wrappers()
    yard.card_while_down("backend", launch="manual")
    with Running(yard.root):
        assert field(yard.ended()[0], "outcome") == "lost"
        gone(run)


def test_a_wrapper_that_is_killed_is_noticed_and_its_run_is_lost(yard: Yard, hubd: Running) -> None:
    yard.card("backend", behave="fork deaf stay", launch="manual")
    yard.send("backend")
    yard.ask_hub("start", "backend")
    run = up(yard, hubd, "backend")
    yard.kill_wrappers()
    assert field(yard.ended()[0], "outcome") == "lost"
    gone(run)


def test_a_hub_that_is_stopped_stops_its_runs_and_goes_on_with_the_work_when_it_is_back(yard: Yard) -> None:
    with Running(yard.root) as hubd:
        yard.card("backend", behave="stay")
        round_ = yard.task("backend")
        run = up(yard, hubd, "backend")
        assert hubd.stop() == 0
        assert not processes(run)
    assert [field(r, "outcome") for r in yard.ended()] == ["stopped"]
    yard.card_while_down("backend", behave="work")
    with Running(yard.root):
        assert field(yard.ended(2)[1], "outcome") == "done"
        assert field(yard.document(f"{round_}.a1"), "attempt") == "1"


def test_a_flood_of_output_costs_its_cap(tmp_path: Path) -> None:
    yard = Yard(tmp_path / "mail")
    with Running(yard.root, HUB_OUTPUT_MIB="1"):
        yard.card("backend", behave="read say 1000000000")
        yard.send("backend")
        run = yard.ended()[0]
        assert field(run, "outcome") == "done"
        folder = yard.root / ".git/hub/runs" / field(run, "id")
        assert sum(p.stat().st_size for p in folder.iterdir() if p.is_file()) < 1_200_000
        assert "STATUS: done" in (folder / "stdout.log").read_text()


def test_a_program_that_cannot_be_started_is_told_and_after_some_failures_not_tried_again(
    yard: Yard, hubd: Running
) -> None:
    broken = yard.root.parent / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    yard.card("backend", command=f"[{broken}]")
    yard.send("backend")
    runs = yard.ended(3)
    assert {field(r, "outcome") for r in runs} == {"not_started"}
    hubd.rested()
    assert yard.count("-> started") == 3
    facts = hubd.facts()
    assert [held["code"] for held in facts["held"]] == ["crash-loop"]
    state = next(a for a in facts["agents"] if a["name"] == "backend")
    assert state["state"] == "error"
    subjects = [p.read_text() for p in (yard.root / "agents/operator/inbox").glob("m-*.md")]
    assert any("crash" in text or "failed" in text for text in subjects)
    yard.card("backend", behave="read")
    assert field(yard.ended(4)[3], "outcome") == "done"


def test_a_program_that_is_not_there_is_not_even_tried(yard: Yard, hubd: Running) -> None:
    yard.card("backend", command="[no-such-program]")
    yard.send("backend")
    held = until(lambda: hubd.facts()["held"], "why it is not started")
    assert [held[0]["code"], held[0]["agent"]] == ["unfit", "backend"]
    assert not yard.count("-> started")
    assert "no-such-program" in yard.find("operator", "m-*.md").read_text()


def test_no_more_runs_go_on_than_may_and_who_came_first_is_started_first(tmp_path: Path) -> None:
    names = ("one", "two", "three", "four")
    yard = Yard(tmp_path / "mail", *names)
    gate = tmp_path / "gate"
    with Running(yard.root, HUB_MAX_CONCURRENCY="2") as hubd:
        for name in names:
            yard.card(name, behave=f"read hold {gate}")
        for name in names:
            accepted = yard.count("new -> unread")
            yard.send(name)  # who comes first is who is accepted first
            until(lambda accepted=accepted: yard.count("new -> unread") > accepted, f"the message to {name}")
        until(lambda: yard.count("-> started") == 2, "two runs")
        until(lambda: len(hubd.facts()["held"]) == 2, "two that wait")
        assert yard.count("-> started") == 2
        gate.touch()
        runs = yard.ended(4)
        assert {field(r, "agent") for r in runs[:2]} == {"one", "two"}
        assert {field(r, "agent") for r in runs[2:]} == {"three", "four"}


def test_an_agent_with_replicas_works_on_several_assignments_at_once(tmp_path: Path) -> None:
    yard = Yard(tmp_path / "mail")
    gate = tmp_path / "gate"
    with Running(yard.root):
        yard.card("backend", behave=f"hold {gate} work", replicas="2")
        yard.task("backend", "backend", "backend")
        until(lambda: len(yard.live_runs("backend")) == 2, "two at once")
        gate.touch()
        runs = yard.ended(3)
        assert {field(r, "outcome") for r in runs} == {"done"}
        assert len({field(r, "on") for r in runs}) == 3


def test_launches_in_an_hour_are_counted_across_restarts(yard: Yard) -> None:
    yard.send("backend")
    with Running(yard.root, HUB_MAX_LAUNCHES_PER_HOUR="2") as hubd:
        yard.card("backend", behave="read")
        yard.ended(1)
        yard.send("backend", "Second")
        yard.ended(2)
    yard.send("backend", "Third")
    with Running(yard.root, HUB_MAX_LAUNCHES_PER_HOUR="2") as hubd:
        held = until(lambda: hubd.facts()["held"], "why it is not started")
        assert held[0]["code"] == "too-many-launches"
        assert yard.count("-> started") == 2


def test_stopping_a_parent_stops_its_children(yard: Yard, hubd: Running) -> None:
    yard.card("lead", behave="read tell backend stay")
    yard.card("backend", behave="read tell tester stay")
    yard.card("tester", behave="read stay")
    yard.send("lead")
    parent = up(yard, hubd, "lead")
    for name in ("backend", "tester"):
        up(yard, hubd, name)
    yard.ask_hub("stop", parent)
    runs = yard.ended(3)
    assert {field(r, "outcome") for r in runs} == {"stopped"}
    assert {field(r, "agent") for r in runs} == {"lead", "backend", "tester"}


def test_a_secret_that_is_passed_on_reaches_the_agent_and_nothing_else(yard: Yard) -> None:
    secret = "canary-7c1e5a9d3b"
    with Running(yard.root, CANARY=secret, UNASKED="stray-value-9d2") as hubd:
        yard.card("backend", behave=f"hold {yard.root.parent / 'gate'} work blab", pass_env="[CANARY]")
        round_ = yard.task("backend")
        run = up(yard, hubd, "backend")
        for pid in processes(run):
            assert secret.encode() not in Path("/proc", str(pid), "cmdline").read_bytes()
            assert b"stray-value-9d2" not in Path("/proc", str(pid), "environ").read_bytes()
        (yard.root.parent / "gate").touch()
        (run_,) = yard.ended()
        assert "my key is (CANARY)" in run_
        handoff = yard.find("operator", f"{round_}.a1.h1.md").read_text()
        assert hashlib.sha256(secret.encode()).hexdigest()[:12] in handoff, "the agent had it"
        log = hubd.log()
    assert secret not in log
    everything = yard.git("log", "--all", "-p")
    assert secret not in everything
    kept = [p for p in yard.root.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]
    assert [p.name for p in kept] == ["stdout.log"], "only where the agent itself has printed it"
    assert kept[0].stat().st_mode & 0o077 == 0


def test_a_run_that_is_idle_is_stopped_after_its_time(yard: Yard, hubd: Running) -> None:
    yard.card("backend", behave="read stay", shutdown="idle", idle_timeout="1s")
    yard.send("backend")
    (run,) = yard.ended()
    assert field(run, "outcome") == "stopped"
    assert "idle" in run


def test_what_a_day_may_cost_is_counted_from_what_clients_say(tmp_path: Path) -> None:
    # A program of this name that speaks as the client does: what is tested is the counting.
    programs = tmp_path / "bin"
    programs.mkdir()
    said = '{"type":"result","subtype":"success","is_error":false,"result":"STATUS: done","session_id":"s",'
    said += (
        '"num_turns":1,"total_cost_usd":0.6,"usage":{"input_tokens":10,"output_tokens":5},"modelUsage":{}}'
    )
    (programs / "claude").write_text(f"#!/bin/sh\ncat >/dev/null\necho '{said}'\n")
    (programs / "claude").chmod(0o755)
    yard = Yard(tmp_path / "mail")
    path = f"{programs}:{os.environ['PATH']}"
    with Running(yard.root, PATH=path, HUB_BUDGET_USD_DAY="1") as hubd:
        yard.card("backend", command="claude", env="")
        for number in (1, 2):
            yard.send("backend", f"Number {number}")
            assert float(field(yard.ended(number)[-1], "cost_usd")) == 0.6
        yard.send("backend", "Number 3")
        held = until(lambda: hubd.facts()["held"], "why it is not started")
        assert held[0]["code"] == "budget-day"
        hubd.rested()
        assert yard.count("-> started") == 2
