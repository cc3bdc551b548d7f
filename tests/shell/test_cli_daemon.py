"""hubctl beside a real hubd: started, asked, tapped, and stopped by commands of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hubd.client import Client
from hubd.layout import Layout
from tests.shell.commands import Box, environment, make, program

DEADLINE = 20.0


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A mailbox with a running hubd, deeper than the 107 bytes that a socket's path may have."""
    box = make(tmp_path_factory.mktemp("daemon") / ("d" * 60) / ("e" * 60) / "box")
    up = box.process("up")
    assert up.returncode == 0, up.stderr
    yield box
    down = box.process("down")
    assert down.returncode == 0, down.stderr


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_status_tells_the_daemon_that_up_has_started(box: Box) -> None:
    status = told(box.process("status", "--json"))
    again = told(box.process("up", "--json"))
    assert (again["pid"], again["started"]) == (status["daemon"]["pid"], False)
    assert status["daemon"]["uptime"] > 0
    assert f"runs as process {again['pid']}" in box.process("status").stdout
    os.kill(again["pid"], 0)


def test_a_question_and_a_proposal_import_nothing_that_only_a_hub_needs(box: Box) -> None:
    sent = ["send", "--to", "lead", "--subject", "Hello"]
    for args in (["inbox"], sent, ["status"], ["log"], ["agent", "list"], ["runs"], ["pause"], ["resume"]):
        command = [sys.executable, "-X", "importtime", *program("-C", str(box.root), *args)[1:]]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=40)
        assert done.returncode == 0, done.stderr
        imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
        heavy = {
            "git",
            "yaml",
            "frontmatter",
            "filelock",
            "watchfiles",
            "mcp",
            "hubd.mcp_server",
            "hubd.ledger",
            "hubd.hub",
            "hubd.query",
            "hubd.launch",
            "hubd.project",
        }
        assert not imported & heavy, args


def test_what_is_sent_is_judged_and_delivered_at_once(box: Box) -> None:
    done = told(box.process("send", "--to", "lead", "--subject", "At once", "--json"))
    assert done["ok"]
    assert (box.root / done["path"]).exists()
    assert not list((box.root / "agents/operator/outbox").iterdir())


def test_a_refusal_is_told_by_the_daemon(box: Box) -> None:
    done = box.process("send", "--to", "nobody", "--subject", "x", "--json")
    assert done.returncode == 1
    assert told(done)["code"] == "unknown-recipient"


def test_an_archived_document_is_found_by_a_prefix_beside_a_daemon(box: Box) -> None:
    task = told(box.process("task", "new", "--title", "Zither tuning", "--json"))["id"]
    told(box.process("task", "close", task, "--json"))
    assert told(box.process("show", "zither", "--json"))["id"] == task
    rows = told(box.process("log", "zither", "--json"))["transitions"]
    assert [r["to"] for r in rows] == ["closed", "draft"]


def test_ask_waits_for_the_answer_and_prints_it(box: Box) -> None:
    asking = box.start("--as", "backend", "ask", "Which?", "--choices", "sqlite,postgres", "--timeout", "5m")
    questions: list[str] = []

    def asked() -> bool:
        rows = told(box.process("inbox", "--json"))["documents"]
        questions[:] = [r["id"] for r in rows if r["kind"] == "question"]
        return bool(questions)

    until(asked)
    assert box.process("answer", questions[0], "2").returncode == 0
    out, err = asking.communicate(timeout=DEADLINE)
    assert (asking.returncode, out) == (0, "postgres\n"), err


def test_ask_tells_the_default_when_nobody_answers_in_time(box: Box) -> None:
    done = box.process("--as", "backend", "ask", "Which?", "--timeout", "1s", "--default", "sqlite")
    assert (done.returncode, done.stdout) == (0, "sqlite\n")
    silent = box.process("--as", "backend", "ask", "Which?", "--timeout", "1s", "--json")
    assert silent.returncode == 1
    assert told(silent)["code"] == "no-answer"


def test_a_lease_is_waited_for(box: Box) -> None:
    assert box.process("--as", "backend", "lease", "acquire", "k").returncode == 0
    waiting = box.start("--as", "tester", "lease", "acquire", "k", "--wait", "15s", "--json")
    until(lambda: "lease-taken" in box.process("log", "--agent", "tester").stdout)
    assert box.process("--as", "backend", "lease", "release", "k").returncode == 0
    out, err = waiting.communicate(timeout=DEADLINE)
    assert waiting.returncode == 0, err
    assert json.loads(out)["lease"] > 0
    assert box.process("--as", "tester", "lease", "release", "k").returncode == 0


def claimed(box: Box, title: str) -> str:
    id_ = str(told(box.process("do", "backend", title, "--json"))["id"])
    return f"{id_}.r1.a1"


def test_a_held_assignment_comes_back_when_its_holder_is_killed(box: Box) -> None:
    id_ = claimed(box, "Killed in the middle")
    orphan = "import os, time\nparent = os.getppid()\nwhile os.getppid() == parent: time.sleep(0.05)"
    holding = box.start("--as", "backend", "claim", id_, "--hold", "--", sys.executable, "-c", orphan)
    until(lambda: told(box.process("show", id_, "--json"))["state"] == "in_progress")
    holding.send_signal(signal.SIGKILL)
    holding.communicate(timeout=DEADLINE)
    until(lambda: told(box.process("show", id_, "--json"))["state"] == "pending")
    assert told(box.process("show", id_, "--json"))["header"]["attempt"] == "2"


def test_a_command_whose_lease_was_lost_is_told_to_end(box: Box) -> None:
    id_ = claimed(box, "Taken away")
    script = "import time; print('works', flush=True); time.sleep(60)"
    holding = box.start("--as", "backend", "claim", id_, "--hold", "--", sys.executable, "-c", script)
    until(lambda: told(box.process("show", id_, "--json"))["state"] == "in_progress")
    assert box.process("reassign", id_, "--to", "tester").returncode == 0
    out, err = holding.communicate(timeout=DEADLINE)
    assert holding.returncode != 0
    assert "works" in out
    assert "the lease was lost" in err


def test_sigterm_to_a_holder_ends_its_command_and_gives_the_work_back(box: Box) -> None:
    id_ = claimed(box, "Ended politely")
    holding = box.start("--as", "backend", "claim", id_, "--hold", "--", "sleep", "60")
    until(lambda: told(box.process("show", id_, "--json"))["state"] == "in_progress")
    holding.terminate()
    holding.communicate(timeout=DEADLINE)
    assert holding.returncode == 128 + signal.SIGTERM
    assert told(box.process("show", id_, "--json"))["state"] == "pending"


def test_a_sandbox_without_the_socket_drops_and_watches(box: Box) -> None:
    """The daemon lives and its socket cannot be reached: what is saved is judged all the same, and told."""
    sock, away = box.root / ".git/hub/sock", box.root / ".git/hub/sock.away"
    sock.rename(away)
    try:
        sent = told(box.process("send", "--to", "lead", "--subject", "From a sandbox", "--json"))
        refused = box.process("send", "--to", "nobody", "--subject", "x", "--json")
        status = told(box.process("status", "--json"))
    finally:
        away.rename(sock)
    assert sent["ok"]
    assert sent["state"] == "unread"
    assert (box.root / sent["path"]).exists()
    assert refused.returncode == 1
    answer = told(refused)
    assert (answer["code"], answer["message"]) == ("unknown-recipient", "There is no agent `nobody`")
    assert answer["bounce"].startswith("b-")
    assert status["daemon"]["pid"] == told(box.process("up", "--json"))["pid"]


def test_many_commands_at_once_are_all_answered(box: Box) -> None:
    started = [box.start("send", "--to", "tester", "--subject", f"Number {n}", "--json") for n in range(8)]
    answers = [json.loads(process.communicate(timeout=DEADLINE)[0]) for process in started]
    assert all(answer["ok"] for answer in answers)
    assert len({answer["id"] for answer in answers}) == 8


def test_commands_take_turns_without_a_daemon(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    started = [box.start("send", "--to", "lead", "--subject", f"Number {n}", "--json") for n in range(4)]
    answers = [json.loads(process.communicate(timeout=40)[0]) for process in started]
    assert [a["ok"] for a in answers] == [True] * 4
    assert len(box.json("inbox", "lead")["documents"]) == 4


def test_up_says_ready_and_down_ends_it(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    assert re.fullmatch(r"hubd runs as process \d+\n", box.process("up").stdout)
    assert Client(Layout(box.root)).ping() is not None
    assert "ready" in (box.root / ".git/hub/log/hubd.log").read_text()
    down = box.process("down")
    assert down.returncode == 0
    assert "has ended" in down.stdout
    assert Client(Layout(box.root)).ping() is None
    assert box.process("down").stdout == "hubd does not run here\n"


def test_two_ups_at_once_start_one_hubd(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    started = [box.start("up", "--json") for _ in range(2)]
    answers = [json.loads(process.communicate(timeout=40)[0]) for process in started]
    assert answers[0]["pid"] == answers[1]["pid"] == told(box.process("status", "--json"))["daemon"]["pid"]
    assert box.process("down").returncode == 0


def test_up_tells_why_hubd_did_not_start(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    refs = box.root / ".git" / "refs" / "hub" / "main"
    refs.write_text("0" * 39 + "1\n")
    done = box.process("up", "--json", "--wait", "20")
    assert done.returncode == 3
    answer = told(done)
    assert answer["message"].startswith("hubd ended at once: ")
    assert "hubd.log" in answer["hint"]
