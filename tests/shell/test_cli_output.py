"""What a run printed, and its terminal: logs, attach, and the prompt, over real runs of a real wrapper."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hubd.launch.control import Wrapped
from hubd.launch.spec import Spec
from tests.shell.answering import DEADLINE, Answering, answering
from tests.shell.commands import Box, environment, make, program


@pytest.fixture
def box(tmp_path: Path) -> Box:
    box = make(tmp_path / "box")
    words = ("--force", "--directory", str(tmp_path), "--description", "x", "--", "true")
    box.ok("agent", "add", "backend", *words)
    return box


@pytest.fixture
def hub(box: Box) -> Iterator[Answering]:
    with answering(box.root) as hub:
        yield hub


def begun(box: Box, hub: Answering) -> str:
    """A run that the hub has begun; nothing of it runs yet."""
    box.ok("do", "backend", "Fix it")
    return str(box.json("start", "backend", "--wait", "0")["id"])


def folder(box: Box, run: str) -> Path:
    found = box.root / ".git/hub/runs" / run
    found.mkdir(parents=True, exist_ok=True)
    return found


def until(holds: Callable[[], bool], what: object = "it") -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, f"did not happen in time: {what}"
        time.sleep(0.02)


# logs


def test_the_output_of_the_newest_run_is_shown_without_what_acts_on_a_terminal(
    box: Box, hub: Answering
) -> None:
    run = begun(box, hub)
    data = b"one\x1b[31m red\x1b[0m\r\ntwo \x1b]0;title\x07\xff\xe8\xaa\x9e\nno end"
    (folder(box, run) / "stdout.log").write_bytes(data)
    assert box.ok("logs", "backend") == "one red\ntwo \\xff語\nno end\n"
    assert box.ok("logs", run[:-1]) == box.ok("logs", "backend") == box.ok("runs", run, "--output")
    told = box.json("logs", run)
    assert (told["id"], told["text"]) == (run, "one red\ntwo \\xff語\nno end")
    raw = subprocess.run(
        program("-C", str(box.root), "logs", run, "--raw"), env=environment(), capture_output=True, timeout=40
    )
    assert raw.stdout == data


def test_a_sequence_that_is_read_in_two_parts_is_not_shown(
    box: Box, hub: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubd.cli.attaching._CHUNK", 5)
    run = begun(box, hub)
    (folder(box, run) / "stdout.log").write_text("abc\x1b[38;5;12mdef\x1b[0m 語語語\n")
    assert box.ok("logs", run) == "abcdef 語語語\n"


def test_errors_are_apart_and_an_empty_output_says_where_to_look(box: Box, hub: Answering) -> None:
    run = begun(box, hub)
    (folder(box, run) / "stdout.log").write_bytes(b"")
    (folder(box, run) / "stderr.log").write_bytes(b"Not logged in\n")
    assert box.ok("logs", run, "--stderr") == "Not logged in\n"
    done = box("logs", run)
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"hubctl logs {run} --stderr" in done.stderr


def test_what_is_not_there_is_told_with_a_reason(box: Box, hub: Answering) -> None:
    run = begun(box, hub)
    assert box.json("logs", run, code=1)["code"] == "not-kept"
    assert box.json("runs", run, "--prompt", code=1)["code"] == "not-kept"
    folder(box, run)
    assert box.json("runs", run, "--prompt", code=1)["code"] == "not-kept"
    assert box.json("runs", run, "--replay", code=1)["code"] == "no-terminal"
    assert box.json("logs", "nobody", code=1)["code"] == "unknown-id"


def test_following_ends_with_the_run_and_misses_nothing(box: Box, hub: Answering) -> None:
    run = begun(box, hub)
    log = folder(box, run) / "stdout.log"
    following = box.start("logs", "-f", "backend")
    assert following.stdout is not None
    log.write_text("first\n")
    assert following.stdout.readline() == "first\n"
    with log.open("a") as file:
        file.write("second\nand the")
    assert following.stdout.readline() == "second\n"
    aside = log.with_name("stdout.log.new")
    aside.write_text("first\nsecond\nand then the last\n")  # as a cap replaces it
    aside.rename(log)
    assert hub.end(run).ok
    out, err = following.communicate(timeout=DEADLINE)
    assert (following.returncode, out) == (0, "and then the last\n"), err


# what it was told


def test_the_prompt_is_shown_as_it_was(box: Box, hub: Answering) -> None:
    run = begun(box, hub)
    (folder(box, run) / "prompt.md").write_text("# You are backend\n\nDo \x1b[2Jit.\n")
    assert box.ok("runs", run, "--prompt") == "# You are backend\n\nDo \\x1b[2Jit.\n"
    assert box.json("runs", run, "--prompt")["text"].startswith("# You are backend")


# terminals


@pytest.fixture
def terminal(box: Box, hub: Answering) -> Iterator[tuple[str, Wrapped]]:
    """A run in a terminal of its own, as hubd would begin it: it repeats what is typed."""
    run = begun(box, hub)
    script = "import sys\nprint('ready', flush=True)\nfor line in sys.stdin: print('heard', line, flush=True)"
    spec = Spec(
        run=run, tag=f"test:{run}", argv=(sys.executable, "-c", script),
        cwd=str(box.root), folder=folder(box, run),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ""}, runtime="pty", grace=1.0,
    )  # fmt: skip
    wrapped = Wrapped.start(spec)
    try:
        until(lambda: b"ready" in printed(box, run), "ready")
        yield run, wrapped
    finally:
        wrapped.stop("the test is over")
        if not wrapped.wait(DEADLINE):
            wrapped.kill()
        wrapped.close()


def printed(box: Box, run: str) -> bytes:
    log = folder(box, run) / "terminal.log"
    return log.read_bytes() if log.exists() else b""


def test_a_script_types_into_a_runs_terminal(box: Box, terminal: tuple[str, Wrapped]) -> None:
    run, _ = terminal
    assert box.ok("attach", "backend", "--send", "hello there") == f"{run}: sent\n"
    until(lambda: b"heard hello there" in printed(box, run), "what was typed")
    assert box.json("attach", run, "--send", "no ", "--no-enter")["sent"] == "no "
    assert box.json("attach", run, "--send", "end")["id"] == run
    until(lambda: b"heard no end" in printed(box, run), "what was typed in two parts")
    assert "heard hello there" in box.ok("logs", run)


def test_a_person_sits_at_a_runs_terminal_and_leaves_it(box: Box, terminal: tuple[str, Wrapped]) -> None:
    run, wrapped = terminal
    mine, theirs = pty.openpty()
    attached = subprocess.Popen(
        program("-C", str(box.root), "attach", "backend", "--detach-key", "ctrl-g"),
        env=environment(TERM="xterm"), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        seen = Seen(mine)
        seen.until("ready")
        os.write(mine, b"typed here\r")
        seen.until("heard typed here")
        os.write(mine, b"\x07")
        seen.until(f"{run}: it goes on")
        assert attached.wait(DEADLINE) == 0
    finally:
        if attached.poll() is None:
            attached.kill()
            attached.wait()
        os.close(mine)
    assert not wrapped.wait(0)


class Seen:
    """What a terminal shows."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.data = b""

    def until(self, text: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while text.encode() not in self.data:
            ready, _, _ = select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} is not in {self.data!r}"
            self.data += os.read(self.fd, 65536)


def test_a_recorded_terminal_is_played_again(box: Box, hub: Answering, terminal: tuple[str, Wrapped]) -> None:
    run, _ = terminal
    shown = box.process("runs", run, "--replay", "--speed", "0")
    assert shown.returncode == 0, shown.stderr
    assert "ready" in shown.stdout
    assert box.json("runs", run, "--replay")["columns"] > 0


def test_attaching_needs_a_terminal_a_key_and_a_run_that_goes_on(box: Box, hub: Answering) -> None:
    run = begun(box, hub)
    assert box.json("attach", run, code=1)["code"] == "no-terminal"
    told = box.json("attach", run, "--detach-key", "nonsense", code=2)
    assert "--detach-key" in told["message"]
    folder(box, run)
    told = box.json("attach", run, "--send", "x", code=1)
    assert (told["code"], told["message"]) == ("not-attached", f"{run}: this run does not go on")
    assert hub.end(run).ok
    assert box.json("attach", run, "--send", "x", code=1)["code"] == "wrong-state"


def test_an_interrupted_follower_ends_quietly(box: Box, hub: Answering) -> None:
    run = begun(box, hub)
    (folder(box, run) / "stdout.log").write_text("first\n")
    following = box.start("logs", "-f", run)
    assert following.stdout is not None
    assert following.stdout.readline() == "first\n"
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=DEADLINE)
    assert (following.returncode, err.strip()) == (130, "")


def test_a_run_is_shown_in_full(box: Box, hub: Answering) -> None:
    run = begun(box, hub)
    hub.runs[run] = {"up": True, "pid": 4711, "quiet": 700.0, "bytes": 1, "stuck": True}
    assert f"{run}  backend, started, quiet for 11m, stuck" in box.ok("runs", run)
    told = box.json("runs", run)
    assert (told["up"], told["pid"], told["stuck"]) == (True, 4711, True)
    result = {"exit": "1", "seconds": "61", "cost_usd": "0.25", "turns": "7", "input_tokens": "1000"}
    assert hub.end(run, "failed", note="Not logged in\nat all", **result).ok
    said = box.ok("runs", run[:-1])
    assert f"{run}  backend, failed" in said
    for line in ("took 1m", "$0.25, 7 turns, tokens: 1000 read", "process, true", "Not logged in\nat all"):
        assert line in said, said
    assert json.loads(box("--json", "runs", run).stdout)["header"]["outcome"] == "failed"
