"""hubctl beside a real hubd with a scripted agent: tested, started, watched, stopped."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.shell.commands import ROOT, Box, make

DEADLINE = 40.0
SCRIPT = ROOT / "tests" / "e2e" / "scripted.py"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    box = make(tmp_path_factory.mktemp("launch") / "box")
    project = box.root.parent / "project"
    project.mkdir()
    up = box.process("up", HUB_GRACE="1s", HUB_LINGER="1s", HUB_BACKOFF="0s")
    assert up.returncode == 0, up.stderr
    yield box
    down = box.process("down")
    assert down.returncode == 0, down.stderr


def told(done: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    assert done.returncode == code, (done.stdout, done.stderr)
    return dict(json.loads(done.stdout))


def until(holds: Callable[[], bool], what: object = "it") -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, f"did not happen in time: {what}"
        time.sleep(0.05)


def agent(box: Box, name: str, behave: str = "work", *words: str) -> None:
    """A scripted agent, by the command that a person would use."""
    project = box.root.parent / "project"
    command = ("env", f"BEHAVE={behave}", sys.executable, "-I", "-S", str(SCRIPT))
    given = ("--directory", str(project), "--description", "Scripted", *words, "--", *command)
    told(box.process("--json", "agent", "add", name, "--force", *given))


def row(box: Box, name: str) -> dict[str, Any]:
    return dict(told(box.process("--json", "agent", "show", name)))


@pytest.mark.parametrize("launch", ["manual", "auto"])
def test_an_agent_is_tested_from_its_card_to_its_handoff(box: Box, launch: str) -> None:
    agent(box, "ada", "work", "--launch", launch)
    answer = told(box.process("--json", "agent", "test", "ada", "Look around"))
    assert answer["handoff"]["header"]["summary"].startswith("Done by ada")
    assert (answer["outcome"], answer["run"]["outcome"]) == ("done", "done")
    assert told(box.process("--json", "show", answer["task"]))["state"] == "closed"
    prompt = box.process("runs", answer["run"]["id"], "--prompt").stdout
    assert "Look around" in prompt
    assert "STATUS" in prompt
    assert "ada was given" in box.process("logs", "ada").stdout


def test_an_agent_that_fails_its_test_says_why(box: Box) -> None:
    agent(box, "bad", "fail")
    answer = told(box.process("--json", "agent", "test", "bad"), 1)
    assert answer["code"] == "no-handoff"
    assert "ended: failed: the model is not available" in answer["message"]
    assert box.process("logs", "bad", "--stderr").stdout == "the model is not available\n"
    assert row(box, "bad")["state"] == "error"


def test_a_run_is_followed_shown_and_stopped(box: Box) -> None:
    agent(box, "slow", "say 100 stay")
    told(box.process("--json", "send", "--to", "slow", "--subject", "Hello"))
    started = told(box.process("--json", "start", "slow"))
    assert started["up"]
    following = box.start("logs", "-f", "slow")
    shown = row(box, "slow")
    assert (shown["state"], [r["id"] for r in shown["runs"]]) == ("active", [started["id"]])
    assert shown["runs"][0]["pid"] > 0
    assert started["id"] in box.process("status").stdout
    stopped = told(box.process("--json", "stop", started["id"], "--note", "enough"))
    assert [(r["state"], r["outcome"]) for r in stopped["runs"]] == [("ended", "stopped")]
    out, err = following.communicate(timeout=DEADLINE)
    assert following.returncode == 0, err
    assert out.startswith("slow was given ")
    assert out.count("x") >= 100
    until(lambda: row(box, "slow")["state"] == "inactive", "the state")
    (run,) = told(box.process("--json", "runs", "--agent", "slow"))["runs"]
    assert (run["id"], run["outcome"], run["from"]) == (started["id"], "stopped", "operator")


def test_a_program_that_is_not_there_is_told_by_start_and_by_its_health(box: Box) -> None:
    words = ("--directory", str(box.root), "--description", "x", "--", "/no/such/program")
    told(box.process("--json", "agent", "add", "gone", *words))
    told(box.process("--json", "send", "--to", "gone", "--subject", "Hello"))
    answer = told(box.process("--json", "start", "gone"), 1)
    assert answer["code"] == "not-started"
    assert "/no/such/program" in answer["message"]
    assert [c["name"] for c in row(box, "gone")["health"] if not c["ok"]] == ["client"]


def test_an_agent_in_a_terminal_is_typed_to(box: Box) -> None:
    words = ("--directory", str(box.root), "--description", "x", "--runtime", "pty")
    told(box.process("--json", "agent", "add", "typist", *words, "--", "sh", "-c", "echo ready; cat"))
    started = told(box.process("--json", "start", "typist"))
    until(lambda: "ready" in box.process("logs", "typist").stdout, "its output")
    assert box.process("attach", "typist", "--send", "hello").stdout == f"{started['id']}: sent\n"
    until(lambda: box.process("logs", "typist").stdout.count("hello") == 2, "the echo, and what cat says")
    told(box.process("--json", "stop", "--all"))
    assert "hello" in box.process("runs", started["id"], "--replay", "--speed", "0").stdout


def test_a_policy_that_cannot_start_says_why_in_status(box: Box) -> None:
    words = ("--directory", str(box.root), "--description", "x", "--launch", "auto", "--", "no-such-thing")
    told(box.process("--json", "agent", "add", "unfit", *words))
    told(box.process("--json", "send", "--to", "unfit", "--subject", "Hello"))
    until(lambda: bool(told(box.process("--json", "status"))["held"]), "why not")
    said = box.process("status").stdout
    assert "unfit was not started for " in said
    assert "no-such-thing" in said
    assert row(box, "unfit")["held"][0]["hint"]
