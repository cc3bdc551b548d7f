"""A run in a terminal: what the agent finds, what is typed, what is recorded."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

from hubd.launch.replaying import events, replay, size
from tests.shell.runs import PATH, python, ran, running, until

PTY = {"runtime": "pty"}

LINES = """
import os, select, signal
woken, wake = os.pipe()
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake)
signal.signal(signal.SIGWINCH, lambda *_: None)
def say(text):
    os.write(1, text.encode() + b"\\n")
say("ready")
while True:
    ready, _, _ = select.select([0, woken], [], [])
    if woken in ready:
        os.read(woken, 100)
        say("size %dx%d" % os.get_terminal_size(0))
    if 0 in ready:
        line = os.read(0, 5000)
        if not line:
            break
        say("got " + repr(line.decode()))
say("eof")
"""
"""An agent that repeats every line, and says its size whenever that changes."""

RAW = """
import sys, tty, os
os.write(1, b"\\x1b[?1049hdrawn\\r\\n")
tty.setraw(0)  # throws away what was typed before
while data := os.read(0, 100):
    os.write(1, b"<" + data.hex().encode() + b">\\r\\n")
"""
"""An agent that draws, takes every key by itself, and repeats it."""


def test_the_agent_has_a_terminal_of_its_own_with_a_size_and_a_name(tmp_path: Path) -> None:
    code = """
import json, os, sys, termios
print(json.dumps([
    [os.isatty(n) and os.ttyname(n) for n in range(3)], os.ttyname(os.open("/dev/tty", os.O_RDWR)),
    list(os.get_terminal_size(0)), os.environ["TERM"], os.tcgetpgrp(0) == os.getpid() == os.getsid(0),
    bool(termios.tcgetattr(0)[0] & 0o40000), sorted(os.listdir("/proc/self/fd"))]))
"""
    ended, run = ran(tmp_path / "r", python(code), **PTY, columns=300, rows=50)
    assert ended["exit"] == 0, run.log("terminal")
    names, own, columns, term, leads, utf8, fds = json.loads(run.log("terminal"))
    assert len(set(names)) == 1
    assert own == "/dev/tty"
    assert (columns, term, leads, utf8) == ([300, 50], "xterm-256color", True, True)
    assert fds == ["0", "1", "2", "3", "4"]  # and /dev/tty, and the folder that is listed


def test_a_terminals_name_can_be_given(tmp_path: Path) -> None:
    _, run = ran(tmp_path / "r", ("sh", "-c", "echo $TERM"), **PTY, env={**PATH, "TERM": "vt100"})
    assert run.log("terminal") == "vt100\r\n"


def test_a_prompt_is_not_typed_into_a_terminal(tmp_path: Path) -> None:
    with running(tmp_path / "r", python(LINES), **PTY, stdin="prompt\n") as run:
        run.prints("ready", "terminal")
        run.wrapped.type("one\n")
        run.prints("got 'one\\n'", "terminal")
        assert "prompt" not in run.log("terminal")


def test_what_is_to_be_typed_waits_until_the_agent_has_drawn_itself(tmp_path: Path) -> None:
    code = "import time; time.sleep(0.5)\n" + RAW  # what comes too early would be thrown away
    with running(tmp_path / "r", python(code), **PTY, typed="hä\r") as run:
        run.prints(f"<{'hä'.encode().hex()}0d>", "terminal")


def test_an_agent_that_greets_before_it_sets_up_its_terminal_misses_nothing(tmp_path: Path) -> None:
    code = "import time; print('welcome', flush=True); time.sleep(0.7)\n" + RAW
    with running(tmp_path / "r", python(code), **PTY, typed="hi\r") as run:
        run.prints("<68690d>", "terminal")


def test_an_agent_that_never_prints_is_typed_at_too(tmp_path: Path) -> None:
    with running(tmp_path / "r", ("sh", "-c", "read x; echo $x$x"), **PTY, typed="ab\n") as run:
        assert run.ends()["exit"] == 0
        assert "abab" in run.log("terminal")


def test_the_hub_types_and_the_keys_of_a_terminal_work(tmp_path: Path) -> None:
    with running(tmp_path / "r", python(LINES), **PTY) as run:
        run.prints("ready", "terminal")
        run.wrapped.type("half ")
        run.wrapped.type("and half\n")
        run.prints("got 'half and half\\n'", "terminal")
        run.wrapped.type("wrong\x15right\n")  # ctrl-u
        run.prints("got 'right\\n'", "terminal")
        run.wrapped.type("\x04")  # the end of the file
        assert run.ends()["exit"] == 0
        assert "eof" in run.log("terminal")


def test_ctrl_c_is_an_interrupt(tmp_path: Path) -> None:
    code = "import time\nprint('ready', flush=True)\ntime.sleep(600)"
    with running(tmp_path / "r", python(code), **PTY) as run:
        run.prints("ready", "terminal")
        run.wrapped.type("\x03")
        assert run.ends()["signal"] == 2


def test_a_megabyte_of_typing_arrives_whole(tmp_path: Path) -> None:
    code = """
import hashlib, os, sys, time, tty
tty.setraw(0)
print("ready", flush=True)
time.sleep(0.3)
data = b""
while not data.endswith(b"end"):
    data += os.read(0, 65536)
print(len(data), hashlib.sha256(data).hexdigest())
"""
    text = "0123456789abcdef" * 60_000 + "end"
    with running(tmp_path / "r", python(code), **PTY) as run:
        run.prints("ready", "terminal")
        run.wrapped.type(text)
        run.ends()
        assert f"{len(text)} {hashlib.sha256(text.encode()).hexdigest()}" in run.log("terminal")


def test_who_does_not_read_what_is_typed_costs_nothing_and_the_hub_is_told(tmp_path: Path) -> None:
    code = "import time, tty\ntty.setraw(0)\nprint('ready', flush=True)\ntime.sleep(600)"
    with running(tmp_path / "r", python(code), **PTY) as run:
        run.prints("ready", "terminal")
        for _ in range(5):
            run.wrapped.type("x" * 500_000)
        assert run.hears("dropped")["bytes"] == 500_000
        run.wrapped.stop()
        assert run.ends()["reason"] == "stop"


def test_where_there_is_no_terminal_nothing_is_typed(tmp_path: Path) -> None:
    with running(tmp_path / "r", ("cat",), stdin="x") as run:
        run.wrapped.type("abc")
        assert run.ends()["exit"] == 0
        assert run.log() == "x"
    with running(tmp_path / "s", ("sleep", "600")) as run:
        assert run.pid
        run.wrapped.type("abc")
        assert run.hears("dropped")["bytes"] == 3


def test_a_run_in_a_terminal_stops_like_any_other(tmp_path: Path) -> None:
    command = "trap 'echo bye; exit 6' TERM; echo ready; while :; do sleep 0.05; done"
    with running(tmp_path / "r", ("sh", "-c", command), **PTY) as run:
        run.prints("ready", "terminal")
        run.wrapped.stop()
        ended = run.ends()
    assert (ended["reason"], ended["exit"]) == ("stop", 6)
    assert run.log("terminal").endswith("bye\r\n")
    assert not (run.folder / "attach").exists()


def test_what_was_printed_is_recorded_and_plays_again(tmp_path: Path) -> None:
    command = "printf 'hä\\033[1mllo'; sleep 0.3; printf '\\342'; sleep 0.1; printf '\\202\\254\\n'"
    ended, run = ran(tmp_path / "r", ("sh", "-c", command), **PTY, columns=77, rows=11)
    cast = run.folder / "terminal.cast"
    head, *lines = [json.loads(line) for line in cast.read_text().splitlines()]
    assert (head["version"], head["width"], head["height"]) == (2, 77, 11)
    assert abs(head["timestamp"] - time.time()) < 60
    assert size(cast) == (77, 11)
    assert "".join(text for _, kind, text in lines if kind == "o") == "hä\x1b[1mllo€\r\n"
    moments = [at for at, _, _ in lines]
    assert moments == sorted(moments)
    assert 0.3 <= moments[-1] < 10

    slept: list[float] = []
    reads, writes = os.pipe()
    replay(cast, writes, speed=2, idle_most=0.1, sleep=slept.append)
    os.close(writes)
    with open(reads, "rb") as played:
        assert played.read() == (run.folder / "terminal.log").read_bytes() == "hä\x1b[1mllo€\r\n".encode()
    assert max(slept) == 0.1
    assert ended["bytes"] == len("hä\x1b[1mllo€\r\n".encode())


def test_a_recording_keeps_within_its_cap_and_plays_in_spite_of_the_gap(tmp_path: Path) -> None:
    command = (
        "i=0; while [ $i -lt 4000 ]; do echo line $i of a long story that nobody reads; i=$((i+1)); done"
    )
    _, run = ran(tmp_path / "r", ("sh", "-c", command), **PTY, cap=100_000)
    kept = {path.name: path.stat().st_size for path in run.folder.iterdir()}
    assert kept["terminal.cast"] <= 75_200
    assert kept["terminal.log"] <= 25_200
    found = list(events(run.folder / "terminal.cast"))
    assert sum(event.kind == "m" for event in found) == 1
    text = "".join(event.text for event in found if event.kind == "o")
    assert text.startswith("line 0 of")
    assert "line 3999 of" in text


def test_a_recording_that_was_torn_plays_as_far_as_it_goes(tmp_path: Path) -> None:
    cast = tmp_path / "terminal.cast"
    cast.write_bytes(
        b'{"version": 2, "width": 80, "height": 24}\n[0.1, "o", "a"]\n[0.2, "o"]\n5\n\xff\n[0.3, "o", "b'
    )
    assert [event.text for event in events(cast)] == ["a"]
    assert size(cast) == (80, 24)
    cast.write_bytes(b"")
    assert size(cast) is None
    assert list(events(cast)) == []


def test_the_end_of_one_program_is_not_the_end_of_the_terminal(tmp_path: Path) -> None:
    # All descriptors on the terminal are closed for a while; it is opened again by name.
    code = """
import os, time
name = os.ttyname(0)
os.closerange(0, 3)
time.sleep(0.3)
os.open(name, os.O_RDWR)
os.write(0, b"here again\\n")
"""
    _, run = ran(tmp_path / "r", python(code), **PTY)
    assert run.log("terminal") == "here again\r\n"
    assert until(lambda: run.wrapped.wait(1), "the wrapper to end")
