"""hubctl agent test: one real task, a handoff or a reason, and a task that is closed whatever happens."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hubd.core.model import Kind
from hubd.hub import Hub
from tests.shell.answering import DEADLINE, Answering, answering, ended
from tests.shell.commands import Box, environment, make, program


@pytest.fixture
def box(tmp_path: Path) -> Box:
    box = make(tmp_path / "box")
    for name, launch in (("backend", "manual"), ("tester", "auto")):
        words = (
            "--force",
            "--launch",
            launch,
            "--directory",
            str(tmp_path),
            "--description",
            "x",
            "--",
            "true",
        )
        box.ok("agent", "add", name, *words)
    return box


@pytest.fixture
def hub(box: Box) -> Iterator[Answering]:
    with answering(box.root) as hub:
        yield hub


def hands_off(outcome: str) -> Callable[[Hub], None]:
    """An agent that hands off what it was started for, and whose run then ends."""

    def see(hub: Hub) -> None:
        for run in hub.state.runs():
            (item,) = run.texts("on")
            lines = (f"assignment: {item}", f"lease: {run.text('lease')}", f"outcome: {outcome}")
            text = "\n".join(("---", "kind: handoff", *lines, "summary: I am here", "---", "In /src.", ""))
            (hub.layout.outbox(run.text("agent")) / "h.md").write_text(text)
            handed = hub.submit(run.text("agent"), "h.md")
            assert handed is not None
            assert handed.ok, handed
            ended(hub, run.id, "done", seconds="61", cost_usd="0.25")

    return see


def the_task(box: Box) -> str:
    """The state of the only task that was ever made."""
    (row,) = [r for r in box.json("log", "--kind", "task", "-n", "99")["transitions"] if r["from"] == "new"]
    return str(box.json("show", row["document"])["state"])


def test_a_handoff_with_outcome_done_is_success(box: Box, hub: Answering) -> None:
    hub.on_answer = hands_off("done")
    told = box.json("agent", "test", "backend", "Count the tests")
    assert (told["ok"], told["outcome"], told["agent"]) == (True, "done", "backend")
    assert told["handoff"]["header"]["summary"] == "I am here"
    assert (told["run"]["outcome"], told["run"]["cost_usd"]) == ("done", "0.25")
    assert told["run"]["id"] == told["handoff"]["header"]["run"]
    assert box.json("show", told["task"])["state"] == "closed"
    assert "Count the tests" in box.json("show", told["task"])["title"]
    assert hub.live() == []


def test_the_handoff_and_the_end_of_the_run_are_printed(box: Box, hub: Answering) -> None:
    hub.on_answer = hands_off("done")
    said = box.ok("agent", "test", "backend")
    assert "I am here" in said
    assert "In /src." in said
    assert said.splitlines()[-1].endswith(": done, 1m, $0.25")


@pytest.mark.parametrize("outcome", ["partial", "blocked"])
def test_another_outcome_is_a_failure(box: Box, hub: Answering, outcome: str) -> None:
    hub.on_answer = hands_off(outcome)
    told = box.json("agent", "test", "backend", code=1)
    assert told["code"] == "not-done"
    assert outcome in told["message"]
    assert the_task(box) == "closed"


def test_a_run_that_ends_without_a_handoff_is_told_with_its_reason(box: Box, hub: Answering) -> None:
    def fails(real: Hub) -> None:
        for run in real.state.runs():
            ended(real, run.id, "failed", note="Not logged in\nand more")

    hub.on_answer = fails
    told = box.json("agent", "test", "backend", code=1)
    assert told["code"] == "no-handoff"
    assert "ended: failed" in told["message"]
    assert "and more" not in told["message"]
    assert f"hubctl logs {told['run']['id']}" in told["hint"]
    assert the_task(box) == "closed"


def test_an_agent_that_does_not_answer_in_time_is_stopped(box: Box, hub: Answering) -> None:
    told = box.json("agent", "test", "backend", "--timeout", "1s", code=1)
    assert told["code"] == "timeout"
    assert the_task(box) == "closed"
    assert [run.state for run in hub.live()] == ["stopping"]


def test_what_the_hub_would_not_start_is_told_with_what_to_do(box: Box, hub: Answering) -> None:
    held = {"agent": "tester", "on": ["x"], "code": "budget-day", "message": "it cost $5", "hint": "wait"}
    hub.facts["held"] = [held]
    told = box.json("agent", "test", "tester", code=1)
    assert (told["code"], told["hint"]) == ("budget-day", "wait")
    assert told["message"] == "tester was not started: it cost $5"
    assert the_task(box) == "closed"


def test_who_is_started_by_policy_is_not_started_twice(box: Box, hub: Answering) -> None:
    hub.facts["held"] = [
        {"agent": "tester", "on": ["x"], "code": "no-slot", "message": "5 run", "hint": "wait"}
    ]
    told = box.json("agent", "test", "tester", "--timeout", "1s", code=1)
    assert told["code"] == "timeout"  # a slot comes by itself: it is waited for
    assert hub.live() == []


def test_a_plan_that_needs_a_tick_says_where(box: Box, hub: Answering) -> None:
    hub.do(lambda real: settle(real, "self_approval: refuse"))
    done = box("agent", "test", "backend", "--timeout", "1s")
    assert done.exit_code == 1
    assert "tick it in agents/operator/inbox/" in done.stderr
    assert "nobody approved" in done.stderr
    assert the_task(box) == "closed"


def test_a_plan_that_is_ticked_meanwhile_goes_on(box: Box, hub: Answering) -> None:
    hub.do(lambda real: settle(real, "self_approval: refuse", "approvers: [operator, anna]"))
    works = hands_off("done")

    def ticks(real: Hub) -> None:
        for doc in list(real.state.live()):
            if doc.kind is Kind.ROUND and doc.state == "awaiting_approval":
                text = f"---\nkind: request\ndo: approve\non: {doc.id}\n---\n"
                (real.layout.outbox("anna") / "a.md").write_text(text)
                real.submit("anna", "a.md")
        works(real)

    hub.on_answer = ticks
    assert box.json("agent", "test", "backend")["outcome"] == "done"


def settle(real: Hub, *lines: str) -> None:
    (real.layout.cards / "anna.md").write_text("---\nkind: agent\nhuman: true\n---\n")
    real.look(5.0)
    known = real.layout.settings.read_text().splitlines()
    keys = {line.partition(":")[0] for line in lines}
    kept = [line for line in known if line.partition(":")[0] not in keys]
    real.layout.settings.write_text("\n".join((*kept, *lines, "")))
    real.look(5.0)


def test_an_agent_without_a_command_or_a_person_is_not_tested(box: Box, hub: Answering) -> None:
    for name in ("lead", "operator"):
        told = box.json("agent", "test", name, code=1)
        assert told["code"] == "no-command"
    assert box.json("agent", "test", "nobody", code=1)["code"] == "unknown-agent"
    assert box.json("agent", "test", "backend", "--timeout", "soon", code=2)["code"] == "usage"
    assert box.json("task", "list")["tasks"] == []


def test_a_terminal_sees_how_it_goes(box: Box, hub: Answering) -> None:
    mine, theirs = pty.openpty()
    testing = subprocess.Popen(
        program("-C", str(box.root), "agent", "test", "backend"), env=environment(TERM="dumb"),
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while data := read(mine):
        seen += data
        if b"begins" in seen:
            hub.on_answer = hands_off("done")
    assert testing.wait(DEADLINE) == 0, seen
    os.close(mine)
    assert b".r1.a1: run-" in seen
    assert b"\r\x1b[K" in seen
    assert seen.replace(b"\r\n", b"\n").endswith(b": done, 1m, $0.25\n")


def read(fd: int) -> bytes:
    """What a terminal shows; nothing when nobody writes to it any more."""
    ready, _, _ = select.select([fd], [], [], DEADLINE)
    assert ready
    try:
        return os.read(fd, 65536)
    except OSError:
        return b""


def test_an_interrupted_test_closes_its_task_and_stops_its_run(box: Box, hub: Answering) -> None:
    testing = box.start("agent", "test", "backend")
    deadline = time.monotonic() + DEADLINE
    while not hub.live():
        assert time.monotonic() < deadline, testing.poll()
        time.sleep(0.02)
    testing.send_signal(signal.SIGINT)
    testing.communicate(timeout=DEADLINE)
    assert testing.returncode == 130
    assert the_task(box) == "closed"
    assert [run.state for run in hub.live()] == ["stopping"]
    assert json.loads(box.process("--json", "task", "list").stdout)["tasks"] == []


def test_an_agent_that_sits_in_a_terminal_already_is_not_started_again(box: Box, hub: Answering) -> None:
    words = ("--force", "--runtime", "pty", "--directory", str(box.root.parent), "--description", "x")
    box.ok("agent", "add", "backend", *words, "--", "true")
    run = str(box.json("start", "backend", "--wait", "0")["id"])
    told = box.json("agent", "test", "backend", "--timeout", "1s", code=1)
    assert told["code"] == "timeout"
    assert [(r.id, r.state) for r in hub.live()] == [(run, "started")]  # it is not the test's to stop
