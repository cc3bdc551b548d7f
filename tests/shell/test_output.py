"""What a run prints: kept within its cap, never in anybody's way."""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import time
from pathlib import Path

import pytest

from hubd.launch.capping import Capped, Tail, gap_line
from tests.shell.runs import python, ran, running, status, until

MIB = 1 << 20

# Capped logs


class Written:
    """A capped log, and all that was ever written to it."""

    def __init__(self, folder: Path, cap: int) -> None:
        self.path = folder / "x.log"
        self._folder = os.open(folder, os.O_RDONLY)
        self.log = Capped(self._folder, "x.log", cap)
        self.all = b""

    def write(self, data: bytes) -> None:
        self.log.write(data)
        self.all += data

    def kept(self) -> bytes:
        return self.path.read_bytes()

    def close(self) -> None:
        self.log.close()
        os.close(self._folder)


def gap_in(kept: bytes, everything: bytes) -> tuple[int, int]:
    """Return which bytes are missing, having checked that all others are there and that it is said."""
    head = next(n for n in range(len(kept) + 1) if kept[: n + 1] != everything[: n + 1] or n == len(kept))
    for start in range(head, -1, -1):
        for between in (b"", b"\n"):
            rest = kept[start + len(between) :]
            line, ends, tail = rest.partition(b"\n")
            end = len(everything) - len(tail)
            if ends and everything.endswith(tail) and line + b"\n" == gap_line(start, end):
                return start, end
    raise AssertionError(f"{len(kept)} bytes are no head, gap and tail of {len(everything)}")


def test_what_fits_is_kept_as_it_is(tmp_path: Path) -> None:
    written = Written(tmp_path, 10_000)
    for _ in range(100):
        written.write(b"x" * 100)
    assert written.kept() == written.all
    written.close()


@pytest.mark.parametrize("seed", range(6))
def test_what_does_not_fit_is_a_head_a_tail_and_a_line_about_the_rest(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    cap = chance.choice([4096, 10_000, 100_000])
    written = Written(tmp_path, cap)
    for number in range(chance.choice([300, 3000])):
        written.write(b"%d:%s" % (number, b"y" * chance.choice([3, 80, 900])) + chance.choice([b"\n", b""]))
        assert len(written.kept()) <= cap + 200
    assert written.log.total == len(written.all) > cap
    start, end = gap_in(written.kept(), written.all)
    assert start >= cap // 8
    assert len(written.all) - end >= cap // 8
    assert [path.name for path in tmp_path.iterdir()] == ["x.log"]
    written.close()


def test_lines_and_characters_are_not_cut_where_it_can_be_helped(tmp_path: Path) -> None:
    written = Written(tmp_path, 20_000)
    for number in range(5000):
        written.write(b"%05d: a line of text\n" % number)
    start, end = gap_in(written.kept(), written.all)
    assert written.all[start - 1 : start] == written.all[end - 1 : end] == b"\n"
    written.close()
    written = Written(tmp_path, 20_000)
    written.write("ä€".encode() * 40_000)
    start, end = gap_in(written.kept(), written.all)
    written.all[end:].decode()
    written.close()


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("every", [1, 7, 200])
def test_who_follows_a_log_misses_nothing_unsaid(tmp_path: Path, every: int, lines: bool) -> None:
    written = Written(tmp_path, 20_000)
    tail = Tail(tmp_path / "x.log")
    seen = b""

    def take() -> None:
        nonlocal seen
        while new := tail.take():
            seen += new

    for number in range(3000):
        written.write(b"%06d %s%s" % (number, b"z" * 60, b"\n" if lines else b"|"))
        if number % every == 0:
            take()
    take()
    if every < 100:
        assert seen == written.all
    else:
        # Too slow for some of it, and told so: what was seen and what was told make up the whole.
        at = 0
        for part in re.split(rb"(\[hubd: bytes \d+ to \d+ of the output are missing\]\n)", seen):
            if part.startswith(b"[hubd: "):
                start, end = map(int, re.findall(rb"\d+", part))
                assert start == at
                at = end
            else:
                assert part == written.all[at : at + len(part)]
                at += len(part)
        assert at == len(written.all)
        assert seen.count(b"[hubd: ") > 1
    tail.close()
    written.close()


def test_a_log_that_is_not_there_yet_has_nothing_new(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "x.log")
    assert tail.take() == b""
    (tmp_path / "x.log").write_bytes(b"now\n")
    assert tail.take() == b"now\n"
    assert tail.take() == b""
    tail.close()


# Real agents


def test_both_outputs_are_kept_apart(tmp_path: Path) -> None:
    code = "import os\nfor n in range(1000): os.write(1, b'out\\n'); os.write(2, b'error\\n')"
    ended, run = ran(tmp_path / "r", python(code))
    assert ended["bytes"] == 10_000
    assert (run.log(), run.log("stderr")) == ("out\n" * 1000, "error\n" * 1000)


LONG = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.mark.parametrize("size", [200, pytest.param(1024, marks=LONG)])
def test_who_prints_without_end_costs_its_cap_and_is_not_held_up(tmp_path: Path, size: int) -> None:
    # The last line says that it was not held up for ever; it waits, so that the wrapper can be looked at.
    work = f"yes 'all work and no play' | head -c {size}M"
    command = f"echo first; {work}; echo; echo last; read x < go; exit 4"
    folder = tmp_path / "r"
    folder.mkdir()
    os.mkfifo(folder / "go")
    with running(folder, ("sh", "-c", command), cap=4 * MIB) as run:
        began = time.monotonic()
        run.prints("last\n")
        took = time.monotonic() - began
        print(f"{size} MiB in {took:.2f} s, {size / took:.0f} MiB/s, {status(run.wrapped.pid)['VmHWM']}")
        assert int(status(run.wrapped.pid)["VmHWM"].split()[0]) < 60_000
        (folder / "go").write_text("now\n")
        ended = run.ends(60)
    text = run.log()
    assert ended["exit"] == 4
    assert ended["bytes"] == size * MIB + len("first\n\nlast\n")
    assert text.startswith("first\nall work")
    assert text.endswith("\nlast\n")
    assert text.count("of the output are missing]\n") == 1
    assert len(text) <= 3 * MIB + 200
    said = [event["bytes"] for event in run.events if event["event"] == "output"]
    assert said == sorted(set(said))
    assert len(said) <= took + 3


def test_output_is_told_at_once_and_then_once_a_second(tmp_path: Path) -> None:
    code = "import time\nfor _ in range(24): print('x', flush=True); time.sleep(0.1)"
    with running(tmp_path / "r", python(code)) as run:
        run.hears("output")
        began = time.monotonic()
        run.ends()
        took = time.monotonic() - began
    said = [event["bytes"] for event in run.events if event["event"] == "output"]
    assert said == sorted(set(said))
    assert 2 <= len(said) <= 2 + took


def test_a_hub_that_does_not_listen_holds_up_nobody(tmp_path: Path) -> None:
    with running(tmp_path / "r", ("sh", "-c", "yes | head -c 30M; echo done >&2; sleep 600")) as run:
        until(lambda: run.log("stderr") == "done\n", "the agent to go on")
        run.wrapped.stop()
        assert run.wrapped.wait(20)
        assert [event["event"] for event in run.wrapped.events()][-1] == "ended"


def test_output_that_somebody_still_holds_open_is_not_waited_for(tmp_path: Path) -> None:
    # The one who holds it is swept, so the end comes soon; what was printed until then is there.
    code = """
import os, sys, time, signal
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        print("chatter", flush=True)
        time.sleep(0.01)
time.sleep(0.2)
print("the end", flush=True)
"""
    ended, run = ran(tmp_path / "r", python(code))
    assert (ended["reason"], ended["exit"], ended["swept"]) == ("exit", 0, 1)
    assert ended["seconds"] < 5
    assert "the end" in run.log()


def test_the_last_words_are_kept_however_fast_the_end_comes(tmp_path: Path) -> None:
    for number in range(10):
        command = "head -c 60000 /dev/zero; echo end; kill -9 $$"
        ended, run = ran(tmp_path / str(number), ("sh", "-c", command))
        assert ended["signal"] == 9
        assert run.log().endswith("end\n")
        assert ended["bytes"] == 60_004


def test_a_disk_that_is_full_ends_the_keeping_and_not_the_agent(tmp_path: Path) -> None:
    # A limit on the size of files says the same as a full disk does, at a place of our choice.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        ended, run = ran(tmp_path / "r", ("sh", "-c", "yes | head -c 300k; exit 3"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (ended["reason"], ended["exit"], ended["bytes"]) == ("exit", 3, 300 * 1024)
    assert "its output was not kept from byte" in ended["error"]
    assert len(run.log()) == 100_000
