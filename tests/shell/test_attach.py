"""People and scripts attached to a run that goes on, several at once."""

from __future__ import annotations

import json
import os
import re
import stat
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from hubd.launch.attach import NotAttached, attach, key, send
from hubd.launch.framing import FRAME_MOST, BadFrame, Frames, frame
from tests.shell.clients import Client, attached
from tests.shell.runs import python, running, status, until
from tests.shell.test_terminal import LINES, PTY


def test_several_people_see_what_was_and_what_comes_and_each_may_type(tmp_path: Path) -> None:
    with running(tmp_path / "r", python(LINES), **PTY) as run:
        run.prints("ready", "terminal")
        with attached(run) as one:
            one.sees("ready")
            one.type("from one\n")
            one.sees("got 'from one\\n'")
            with attached(run) as two:
                two.sees("got 'from one\\n'")  # before it came
                two.type("from two\n")
                one.sees("got 'from two\\n'")
                two.sees("got 'from two\\n'")
                assert json.loads(two.hears(b"H")) == {
                    "run": "run-1", "runtime": "pty", "input": True, "columns": 120, "rows": 40,
                }  # fmt: skip
            one.type("alone again\n")
            one.sees("got 'alone again\\n'")
            run.wrapped.stop()
            assert json.loads(one.hears(b"E"))["reason"] == "stop"
            one.is_let_go()


def test_the_socket_is_its_owners_alone_however_deep_its_folder_lies(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 20) / "r"
    assert len(str(folder)) > 200
    with running(folder, python(LINES), **PTY) as run:
        run.prints("ready", "terminal")
        assert stat.S_IMODE((folder / "attach").stat().st_mode) == 0o600
        with attached(run) as one:
            one.sees("ready")
        run.wrapped.stop()
        run.ends()
        assert not (folder / "attach").exists()


def test_a_socket_that_a_killed_wrapper_has_left_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    with running(folder, python(LINES), **PTY) as run:
        run.prints("ready", "terminal")
    assert (folder / "attach").exists()  # it was killed
    with pytest.raises(NotAttached, match="does not go on"):
        attach(folder)
    with running(folder, python(LINES), **PTY) as run, attached(run) as one:
        one.sees("ready")


SIZES = ["100x30", "80x24", "100x30", "81x25"]


def sees_sizes(client: Client, count: int) -> None:
    """Wait until the agent has said so many sizes, in this order."""

    def look() -> bool:
        client.listen()
        return re.findall(r"size (\S+)\r", client.seen) == SIZES[:count]

    until(look, lambda: f"{SIZES[:count]} in {client.seen!r}")


def test_the_window_is_as_large_as_that_of_who_did_something_last(tmp_path: Path) -> None:
    with running(tmp_path / "r", python(LINES), **PTY) as run:
        run.prints("ready", "terminal")
        with attached(run, (100, 30)) as one:
            sees_sizes(one, 1)
            with attached(run, (80, 24)) as two:
                sees_sizes(one, 2)
                one.type("x")
                sees_sizes(two, 3)
                two.say(b"S", b'{"columns": 81, "rows": 25}')
                sees_sizes(one, 4)
            with attached(run) as three:  # one that does not mind
                three.type("y\n")
                three.sees("got 'xy\\n'")
        run.wrapped.type("z\n")
        run.prints("got 'z\\n'", "terminal")
        assert re.findall(r"size (\S+)\r", run.log("terminal")) == SIZES
    sizes = [json.loads(line) for line in (run.folder / "terminal.cast").read_text().splitlines()[1:]]
    assert [text for _, kind, text in sizes if kind == "r"] == SIZES


def test_who_comes_back_with_the_same_window_sees_the_screen_drawn_anew(tmp_path: Path) -> None:
    with running(tmp_path / "r", python(LINES), **PTY, columns=90, rows=20) as run:
        run.prints("ready", "terminal")
        for count in (1, 2):
            with attached(run, (90, 20)) as one:
                one.sees("size 90x20\r\n" * count)


def test_questions_to_the_terminal_are_not_asked_again(tmp_path: Path) -> None:
    command = r"printf 'a\033[cb\033[6nc\033]11;?\007d\033[>0qe\033[1mf'; sleep 600"
    with running(tmp_path / "r", ("sh", "-c", command), **PTY) as run:
        run.prints("f", "terminal")
        with attached(run) as one:
            one.sees("abcde\x1b[1mf")


def test_who_comes_late_gets_the_latest_part_and_is_told_that_there_was_more(tmp_path: Path) -> None:
    command = "i=0; while [ $i -lt 30000 ]; do echo line $i of many; i=$((i+1)); done; echo all; sleep 600"
    with running(tmp_path / "r", ("sh", "-c", command), **PTY) as run:
        run.prints("all\r\n", "terminal")
        with attached(run) as one:
            one.sees("all\r\n")
            assert b"bytes came before this" in one.hears(b"N")
            assert one.seen.startswith("line ")
            assert 200_000 < len(one.seen) < 600_000


def test_who_is_slow_misses_something_and_holds_up_nobody(tmp_path: Path) -> None:
    # The one does not read at all for 12 MB; the other sees the end nevertheless, and so does the slow one.
    command = "yes 0123456789 | head -c 12M; echo; echo the end; sleep 600"
    agent = ("sh", "-c", command)
    with running(tmp_path / "r", agent, **PTY) as run, attached(run) as slow, attached(run) as quick:
        slow.hears(b"H")
        quick.sees("the end")
        run.prints("the end", "terminal")
        assert int(status(run.wrapped.pid)["VmHWM"].split()[0]) < 60_000
        slow.sees("the end")
        assert any(b"this terminal is too slow" in notice for notice in slow.told(b"N"))


@pytest.mark.parametrize(
    "rubbish",
    [
        b"GET / HTTP/1.0\r\n\r\n" * 10,
        struct.pack("!cI", b"I", FRAME_MOST + 1),
        struct.pack("!cI", b"\x00", 1) + b"x",
        frame(b"Z", b"?"),
        frame(b"A", b"{"),
        frame(b"A", b"[" * 60_000),
        frame(b"S", b'{"columns": 0, "rows": 5}'),
        frame(b"S", b'{"columns": 100000, "rows": 5}'),
        frame(b"S", b'{"columns": "80", "rows": 5}'),
    ],
)
def test_who_speaks_rubbish_is_let_go_and_the_others_stay(tmp_path: Path, rubbish: bytes) -> None:
    with running(tmp_path / "r", python(LINES), **PTY) as run:
        run.prints("ready", "terminal")
        with attached(run) as one, attached(run, attached=False) as bad:
            bad.sock.sendall(rubbish)
            bad.is_let_go()
            one.type("still here\n")
            one.sees("got 'still here\\n'")


def test_who_types_without_end_where_nobody_reads_is_held_and_not_kept(tmp_path: Path) -> None:
    code = "import time, tty\ntty.setraw(0)\nprint('ready', flush=True)\ntime.sleep(600)"
    with running(tmp_path / "r", python(code), **PTY) as run:
        run.prints("ready", "terminal")
        with attached(run) as one, attached(run) as other:
            one.sock.settimeout(0.5)
            sent = 0
            with suppress(TimeoutError):
                while sent < 50_000_000:
                    one.say(b"I", b"x" * 60_000)
                    sent += 60_000
            assert sent < 3_000_000
            other.sees("ready")
            assert int(status(run.wrapped.pid)["VmHWM"].split()[0]) < 60_000
            run.wrapped.stop()
            assert run.ends()["reason"] == "stop"


def test_who_asks_without_end_and_never_listens_is_not_answered_without_end(tmp_path: Path) -> None:
    with running(tmp_path / "r", python(LINES), **PTY) as run:
        run.prints("ready", "terminal")
        with attached(run) as one, attached(run) as other:
            one.sock.settimeout(0.5)
            sent = 0
            with suppress(TimeoutError):
                while sent < 50_000_000:
                    one.say(b"P", b"x" * 60_000)
                    sent += 60_000
            assert sent < 3_000_000
            other.type("x\n")
            other.sees("got 'x\\n'")
            assert int(status(run.wrapped.pid)["VmHWM"].split()[0]) < 60_000


def test_too_many_are_told_so(tmp_path: Path) -> None:
    with running(tmp_path / "r", python(LINES), **PTY) as run:
        run.prints("ready", "terminal")
        many = [Client(run) for _ in range(16)]
        for each in many:
            each.sees("ready")
        with attached(run, attached=False) as one:
            assert one.hears(b"N") == b"too many are attached"
            one.is_let_go()
        many.pop().sock.close()
        many[0].type("x\n")
        many[0].sees("got")
        for each in many:
            each.sock.close()


def test_a_run_without_a_terminal_can_be_watched_and_takes_nothing(tmp_path: Path) -> None:
    command = "echo before; echo error >&2; read x < go; echo after; sleep 600"
    folder = tmp_path / "r"
    folder.mkdir()
    os.mkfifo(folder / "go")
    with running(folder, ("sh", "-c", command)) as run:
        run.prints("before")
        run.prints("error", "stderr")
        with attached(run, (80, 24)) as one:
            one.sees("before\n")
            one.sees("error\n")
            assert json.loads(one.hears(b"H"))["input"] is False
            (folder / "go").write_text("now\n")
            one.sees("after\n")
        with pytest.raises(NotAttached, match="takes no input"):
            send(folder, "x")


def test_a_script_types_and_knows_that_it_arrived(tmp_path: Path) -> None:
    with running(tmp_path / "r", python(LINES), **PTY) as run:
        run.prints("ready", "terminal")
        send(run.folder, "from a script\n")
        run.prints("got 'from a script\\n'", "terminal")
        run.wrapped.stop()
        run.ends()
        with pytest.raises(NotAttached, match="does not go on"):
            send(run.folder, "x")


def test_a_script_is_told_when_nobody_reads(tmp_path: Path) -> None:
    code = "import time, tty\ntty.setraw(0)\nprint('ready', flush=True)\ntime.sleep(600)"
    with running(tmp_path / "r", python(code), **PTY) as run:
        run.prints("ready", "terminal")
        with pytest.raises(NotAttached, match="does not read"):
            send(run.folder, "x" * 4_000_000, timeout=1)


@pytest.mark.parametrize(
    ("name", "byte"), [("ctrl-]", 0x1D), ("ctrl-a", 1), ("CTRL-A", 1), ("^Q", 17), ("c-\\", 28), ("q", 0x71)]
)
def test_keys_have_names(name: str, byte: int) -> None:
    assert key(name) == bytes([byte])


@pytest.mark.parametrize("name", ["", "ctrl-", "ctrl-ä", "ä", "ctrl-aa", "enter"])
def test_what_is_no_key_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        key(name)


def test_a_frame_is_whole_or_not_there() -> None:
    frames = Frames()
    data = frame(b"O", b"abc") + frame(b"E") + frame(b"O", b"x" * FRAME_MOST)
    heard = [found for n in range(0, len(data), 7) for found in frames.take(data[n : n + 7])]
    assert heard == [(b"O", b"abc"), (b"E", b""), (b"O", b"x" * FRAME_MOST)]
    with pytest.raises(BadFrame):
        list(frames.take(frame(b"O", b"x" * (FRAME_MOST + 1))))
