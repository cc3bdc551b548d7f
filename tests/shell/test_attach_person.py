"""The client a person uses to attach, in a real terminal."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from pathlib import Path

import pytest

from hubd.launch.attach import NotAttached, attach
from tests.shell.clients import person
from tests.shell.runs import python, ran, running, until
from tests.shell.test_terminal import LINES, PTY, RAW


@pytest.mark.parametrize("leave", ["\x1d", "\x1b[93;5u", "\x1b[27;5;93~"])
def test_a_person_attaches_types_and_detaches_and_the_run_goes_on(tmp_path: Path, leave: str) -> None:
    with running(tmp_path / "r", python(RAW), **PTY) as run:
        run.prints("drawn", "terminal")
        with person(run) as ada:
            ada.sees("drawn")
            ada.type("a\x03\x1b[A")  # keys go to the agent, also ctrl-C
            ada.sees("<61031b5b41>")
            ada.type(f"b{leave}never typed")
            ada.sees("left: detached None")
            assert "\x1b[?1049l" in ada.screen  # the agent's other screen is left
        run.prints("<62>", "terminal")
        assert "never" not in run.log("terminal")
        with person(run) as ada:
            ada.sees("<62>")
            run.wrapped.stop()
            ada.sees("left: ended stop")


def test_a_persons_terminal_is_as_before_when_they_leave(tmp_path: Path) -> None:
    with running(tmp_path / "r", python(RAW), **PTY) as run:
        run.prints("drawn", "terminal")
        # The client leaves a terminal as it found it: with the line modes of a shell.
        with person(run) as ada:
            ada.sees("drawn")
            until(lambda: not ada.modes()[3] & termios.ICANON, "the terminal to pass on every key")
            ada.type("\x1d")
            ada.sees("left: detached")
            until(lambda: ada.modes()[3] & termios.ICANON and ada.modes()[3] & termios.ECHO, "the old modes")
            assert ada.modes()[1] & termios.OPOST


def test_a_persons_window_is_the_agents_window(tmp_path: Path) -> None:
    with running(tmp_path / "r", python(LINES), **PTY) as run:
        run.prints("ready", "terminal")
        with person(run, columns=111, rows=33) as ada:
            ada.sees("size 111x33")
            fcntl.ioctl(ada.master, termios.TIOCSWINSZ, struct.pack("HHHH", 22, 66, 0, 0))
            ada.sees("size 66x22")


def test_another_key_detaches_if_the_person_wants_it(tmp_path: Path) -> None:
    with running(tmp_path / "r", python(RAW), **PTY) as run:
        run.prints("drawn", "terminal")
        with person(run, detach="ctrl-a") as ada:
            ada.sees("drawn")
            ada.type("\x1d")
            ada.sees("<1d>")
            ada.type("\x01")
            ada.sees("left: detached")


def test_a_person_watches_a_run_without_a_terminal_and_leaves_by_ctrl_c(tmp_path: Path) -> None:
    with running(tmp_path / "r", ("sh", "-c", "echo one; echo two; sleep 600")) as run:
        run.prints("two")
        with person(run) as ada:
            ada.sees("one\r\ntwo\r\n")  # lines are lines in a terminal
            ada.type("x\x03")
            ada.sees("left: detached")
        assert run.events[-1]["event"] != "ended"


def test_a_wrapper_that_was_killed_is_lost(tmp_path: Path) -> None:
    with running(tmp_path / "r", python(RAW), **PTY) as run:
        run.prints("drawn", "terminal")
        with person(run) as ada:
            ada.sees("drawn")
            os.kill(run.wrapped.pid, 9)
            ada.sees("left: lost None")


def test_output_can_be_followed_without_a_terminal(tmp_path: Path) -> None:
    # As in `hubctl attach RUN < /dev/null | tee`: nobody types, and it ends with the run.
    with running(tmp_path / "r", ("sh", "-c", "echo one; sleep 0.3; echo two")) as run:
        run.prints("one")
        reads, writes = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        left = attach(run.folder, nothing, writes)
        os.close(writes)
        os.close(nothing)
        with open(reads, "rb") as shown:
            assert shown.read() == b"one\ntwo\n"
        assert (left.why, left.event["reason"], left.event["exit"]) == ("ended", "exit", 0)


def test_there_is_nothing_to_attach_to_when_a_run_is_over(tmp_path: Path) -> None:
    _, run = ran(tmp_path / "r", ("true",))
    with pytest.raises(NotAttached) as why:
        attach(run.folder)
    assert why.value.hint
