"""Nothing of a run outlives it, whatever its processes do and however it ends."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubd.launch.cgroup import Group, groups
from hubd.launch.spec import TAG
from hubd.launch.sweeping import sweep, wrappers
from tests.house.sources import ROOT
from tests.shell.runs import (
    HIDDEN,
    PATH,
    PEOPLE,
    Run,
    alive,
    has_cgroups,
    household,
    kill_marked,
    marked,
    new_hub,
    python,
    running,
    status,
    until,
)

CGROUPS = has_cgroups()
NETS = [False, pytest.param(True, marks=pytest.mark.skipif(not CGROUPS, reason="no cgroup v2 of our own"))]


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[str]:
    """A word for the command lines of a test's processes."""
    word = f"mark-{tmp_path.name}-{os.getpid()}"
    yield word
    left = marked(word)
    kill_marked(word)
    assert not left, f"{len(left)} processes are left"


def begun(run: Run, mark: str, most: int = PEOPLE) -> list[int]:
    """Wait until the whole household is there."""
    run.prints("ready")

    def all_there() -> list[int]:
        found = marked(mark)
        return found if len(found) >= most else []

    return until(all_there, f"{most} processes")


@pytest.mark.parametrize("net", NETS)
def test_an_agent_that_ends_by_itself_leaves_nobody_behind(tmp_path: Path, mark: str, net: bool) -> None:
    with running(tmp_path / "r", household(mark, "leave-hidden"), cgroup=net) as run:
        ended = run.ends()
        assert not marked(mark)
        assert (ended["reason"], ended["exit"]) == ("exit", 0)
        assert ended["swept"] >= 3  # those that do not hear
        assert run.wrapped.wait(10)
    assert not list(groups(run.spec.tag))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("how", ["stay-hidden", "deaf-hidden"])
def test_a_stop_leaves_nobody_behind(tmp_path: Path, mark: str, how: str, net: bool) -> None:
    with running(tmp_path / "r", household(mark, how), cgroup=net, grace=0.5) as run:
        begun(run, mark)
        run.wrapped.stop()
        ended = run.ends()
        assert not marked(mark)
    assert (ended["reason"], ended["signal"]) == ("stop", 9 if how.startswith("deaf") else 15)


@pytest.mark.parametrize("net", NETS)
def test_a_time_limit_leaves_nobody_behind(tmp_path: Path, mark: str, net: bool) -> None:
    with running(tmp_path / "r", household(mark, "deaf-hidden"), cgroup=net, grace=0.2, timeout=1.0) as run:
        assert run.ends()["reason"] == "timeout"
        assert not marked(mark)


@pytest.mark.parametrize("net", NETS)
def test_a_terminal_leaves_nobody_behind(tmp_path: Path, mark: str, net: bool) -> None:
    with running(tmp_path / "r", household(mark, "deaf-hidden"), cgroup=net, grace=0.2, runtime="pty") as run:
        run.prints("ready", "terminal")
        run.wrapped.stop()
        run.ends()
        assert not marked(mark)


HUB_PROCESS = """
import sys, time
from pathlib import Path
from hubd.launch.control import Wrapped
from hubd.launch.spec import Spec
wrapped = Wrapped.start(Spec.from_json(sys.argv[1]))
print(wrapped.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("net", NETS)
def test_a_hub_that_is_killed_leaves_nobody_behind(tmp_path: Path, mark: str, net: bool) -> None:
    with running(tmp_path / "r", household(mark, "deaf-hidden"), cgroup=net, grace=0.2) as run:
        spec = run.spec.to_json()
        begun(run, mark)
    kill_marked(mark)  # it was only there to make a spec
    with subprocess.Popen(
        (sys.executable, "-c", HUB_PROCESS, spec), stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as hub:
        assert hub.stdout
        wrapper = int(hub.stdout.readline())
        until(lambda: "ready" in run.log() and len(marked(mark)) >= PEOPLE, "the agent to be there")
        assert wrappers(f"{run.hub}:") == {run.spec.tag: wrapper}
        hub.kill()
    until(lambda: not alive(wrapper), "the wrapper to end")
    assert not marked(mark)
    assert wrappers(f"{run.hub}:") == {}


@pytest.mark.parametrize("net", NETS)
def test_what_a_killed_wrapper_leaves_is_found_by_its_tag(tmp_path: Path, mark: str, net: bool) -> None:
    how = "deaf-hidden" if net else "deaf"
    with running(tmp_path / "r", household(mark, how), cgroup=net) as run:
        begun(run, mark)
        main = run.pid
        os.kill(run.wrapped.pid, signal.SIGKILL)
        lost = run.ends()
        assert lost["reason"] == "lost"
        assert "its wrapper is gone" in lost["error"]
        until(lambda: not alive(main), "the kernel to kill the agent")
        assert marked(mark)
        assert sweep(run.spec.tag) >= 6
        assert not marked(mark)
        assert sweep(run.spec.tag) == 0
    assert not list(groups(run.spec.tag))


def test_a_wrapper_may_be_killed_at_any_moment(tmp_path: Path, mark: str) -> None:
    chance = random.Random(7)
    for number in range(15):
        with running(tmp_path / str(number), household(mark, "deaf"), cgroup=False) as run:
            if number % 3 == 0:
                assert run.pid
            time.sleep(chance.uniform(0, 0.15))  # any moment will do: there is nothing to wait for
            run.wrapped.kill()
            assert not marked(mark), number


def test_only_who_hides_and_outlives_a_killed_wrapper_escapes(tmp_path: Path, mark: str) -> None:
    with running(tmp_path / "r", household(mark, "stay-hidden"), cgroup=False) as run:
        begun(run, mark)
        os.kill(run.wrapped.pid, signal.SIGKILL)
        run.ends()
        sweep(run.spec.tag)
        escaped = marked(mark)
        assert all(Path(f"/proc/{pid}/environ").read_bytes() == b"" for pid in escaped)
        assert len(escaped) == HIDDEN
    kill_marked(mark)


BOMB = """
import os, signal, time
ready, tell = os.pipe()
signal.signal(signal.SIGTERM, signal.SIG_IGN)

def start():
    if (pid := os.fork()) == 0:
        os.write(tell, b"x")
        while True:
            time.sleep(600)
    return pid

for number in range(10):
    if os.fork() == 0:
        # Whoever of its twenty dies is there again at once.
        if number % 2:
            os.setsid()
        for _ in range(20):
            start()
        while True:
            os.wait()
            start()
seen = b""
while len(seen) < 200:
    seen += os.read(ready, 1000)
print("ready", flush=True)
while True:
    time.sleep(600)
"""


@pytest.mark.parametrize("net", NETS)
def test_two_hundred_processes_that_come_again_when_they_are_killed_are_ended(
    tmp_path: Path, mark: str, net: bool
) -> None:
    with running(tmp_path / "r", python(BOMB, mark), cgroup=net, grace=0.2) as run:
        run.prints("ready")
        run.wrapped.stop()
        ended = run.ends()
        assert not marked(mark)
        assert ended["swept"] >= 200


def test_a_wrapper_is_killed_in_the_midst_of_two_hundred_processes(tmp_path: Path, mark: str) -> None:
    with running(tmp_path / "r", python(BOMB, mark), cgroup=False) as run:
        run.prints("ready")
        run.close()
        assert not marked(mark)


def test_who_ends_while_the_agent_runs_is_no_zombie(tmp_path: Path, mark: str) -> None:
    code = """
import os, sys, time
for _ in range(20):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.05)
        os._exit(0)
    os.wait()
print("ready", flush=True)
time.sleep(600)
"""
    with running(tmp_path / "r", python(code, mark)) as run:
        run.prints("ready")
        until(lambda: children(run.wrapped.pid) == [run.pid], "the orphans to be reaped")


def children(pid: int) -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(status(int(name))["PPid"]) == pid:
                found.append(int(name))
        except (OSError, KeyError):
            continue
    return found


# By tag alone


def sleeper(
    mark: str, tag: str | None, code: str = "import time; time.sleep(600)", lines: int = 1
) -> subprocess.Popen[bytes]:
    env = {**PATH, **({TAG: tag} if tag else {})}
    process = subprocess.Popen(python("print(1, flush=True)\n" + code, mark), env=env, stdout=subprocess.PIPE)
    assert process.stdout
    for _ in range(lines):
        process.stdout.readline()
    process.stdout.close()
    return process


def test_a_sweep_ends_one_run_and_no_other(mark: str) -> None:
    hub = new_hub()
    ours = [sleeper(mark, f"{hub}:run-1"), sleeper(mark, f"{hub}:run-1")]
    tags = (f"{hub}:run-10", f"{hub}:run-", f"{hub}b:run-1", f"x{hub}:run-1", None)
    others = [sleeper(mark, tag) for tag in tags]
    assert sweep(f"{hub}:run-1") == 2
    assert [process.wait(10) for process in ours] == [-signal.SIGKILL] * 2
    assert all(process.poll() is None for process in others)
    # All of one hub, but the runs that somebody looks after.
    assert sweep(f"{hub}:", spare=[f"{hub}:run-10"]) == 1
    assert [process.poll() is None for process in others] == [True, False, True, True, True]
    for process in others:
        process.kill()
        process.wait(10)


def test_a_sweep_with_grace_lets_them_end_by_themselves(mark: str) -> None:
    code = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(3))\nprint(2, flush=True)\n"
    tag = f"{new_hub()}:run-2"
    process = sleeper(mark, tag, f"{code}time.sleep(600)", lines=2)
    began = time.monotonic()
    sweep(tag, grace=20)
    assert process.wait(10) == 3
    assert time.monotonic() - began < 10


def test_a_sweep_never_ends_who_sweeps_nor_what_that_descends_from(mark: str) -> None:
    code = """
import subprocess, sys
sys.path.insert(0, sys.argv[2])
from hubd.launch.sweeping import sweep
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]])
print("swept", sweep(sys.argv[3]), child.wait(), flush=True)
"""
    tag = f"{new_hub()}:run-3"
    above = 'sh -c \'"$@"; echo and\' sh "$@"; echo still here'
    done = subprocess.run(
        ("sh", "-c", above, "sh", *python(code, mark, str(ROOT), tag)),
        env={**PATH, TAG: tag}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.stdout == "swept 1 -9\nand\nstill here\n", done.stderr


@pytest.mark.skipif(not CGROUPS, reason="no cgroup v2 of our own")
def test_a_group_that_was_left_is_removed_with_all_who_are_in_it(mark: str) -> None:
    hub = new_hub()
    group = Group.make(f"{hub}:run-4")
    assert group
    hidden = sleeper(mark, None)
    with open(group.door(), "wb", buffering=0) as door:
        door.write(str(hidden.pid).encode())
    assert group.pids() == (hidden.pid,)
    assert sweep(f"{hub}:") == 1
    assert hidden.wait(10) == -signal.SIGKILL
    assert not list(groups(f"{hub}:"))


def test_without_control_groups_nothing_is_said_and_the_rest_goes_on(monkeypatch: Any) -> None:
    monkeypatch.setattr("hubd.launch.cgroup._mount", lambda: None)
    assert Group.make("hub-a:run-5") is None
    assert list(groups("hub-a:run-5")) == []
    assert Group.make("x" * 300) is None
