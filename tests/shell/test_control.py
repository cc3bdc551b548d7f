"""The hub's side of a run: nothing of it blocks, nothing of it leaks, and what it says at the end is true."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hubd.launch.control import Wrapped
from hubd.launch.spec import Spec
from hubd.launch.sweeping import sweep
from tests.house.sources import ROOT
from tests.shell.runs import PATH, Run, alive, new_hub, ran, running, status, until


def spec(folder: Path, *argv: str, **more: object) -> Spec:
    folder.mkdir(exist_ok=True)
    told = {"cwd": "/", "env": PATH, "folder": folder, **more}
    return Spec(run="run-1", tag=f"{new_hub()}:run-1", argv=argv, **told)  # type: ignore[arg-type]


def test_a_start_does_not_wait_for_the_wrapper_nor_a_long_prompt_for_its_reader(tmp_path: Path) -> None:
    prompt = "x" * 20_000_000
    told = spec(tmp_path / "r", "sh", "-c", "sleep 0.5; wc -c", stdin=prompt)
    began = time.monotonic()
    wrapped = Wrapped.start(told)
    took = time.monotonic() - began
    with selectors.DefaultSelector() as selector:
        selector.register(wrapped, selectors.EVENT_READ)
        events: list[str] = []
        longest = 0.0
        while "ended" not in events:
            assert selector.select(20), "nothing comes any more"
            before = time.monotonic()
            events += [event["event"] for event in wrapped.events()]
            longest = max(longest, time.monotonic() - before)
        selector.unregister(wrapped)
    assert wrapped.wait(10)
    wrapped.close()
    assert (tmp_path / "r/stdout.log").read_text().strip() == str(len(prompt))
    print(f"start {took * 1000:.1f} ms, longest of events() {longest * 1000:.1f} ms")
    assert took < 2
    assert longest < 2


def test_many_runs_leave_no_descriptor_and_no_zombie(tmp_path: Path) -> None:
    ran(tmp_path / "first", ("true",))
    before = sorted(os.listdir("/proc/self/fd"))
    runs = [Run(tmp_path / str(number), ("sh", "-c", "echo hello")) for number in range(12)]
    for run in runs:
        assert run.ends()["exit"] == 0
        run.wrapped.close()
    # Whoever starts the next one reaps those before.
    with running(tmp_path / "last", ("true",)) as last:
        last.ends()
        wrappers = {run.wrapped.pid for run in runs}
        until(lambda: reaped_all(wrappers, tmp_path), "the wrappers to be reaped")
    assert sorted(os.listdir("/proc/self/fd")) == before


def reaped_all(wrappers: set[int], folder: Path) -> bool:
    ran(folder / "again", ("true",))
    return not any(Path(f"/proc/{pid}").exists() for pid in wrappers)


def test_runs_do_not_hold_one_anothers_pipes(tmp_path: Path) -> None:
    # A second wrapper that had the first one's pipes would keep it from noticing that the hub lets go.
    with running(tmp_path / "a", ("sleep", "600")) as one, running(tmp_path / "b", ("sleep", "600")) as two:
        pids = one.pid, two.pid
        one.wrapped.close()
        until(lambda: not alive(pids[0]), "the first agent to end")
        assert alive(pids[1])


def test_a_wrapper_has_its_channels_and_what_it_was_lent(tmp_path: Path) -> None:
    with running(tmp_path / "r", ("sleep", "600")) as run:
        assert run.pid
        links = [
            os.readlink(f"/proc/{run.wrapped.pid}/fd/{fd}")
            for fd in os.listdir(f"/proc/{run.wrapped.pid}/fd")
        ]
        strays = [link for link in links if link.startswith("/") and not link.startswith(str(run.folder))]
        assert strays == []
        assert os.readlink(f"/proc/{run.wrapped.pid}/cwd") == "/"
        assert status(run.wrapped.pid)["Threads"] == "1"


def test_a_wrapper_that_is_killed_is_lost_and_a_kill_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "r", ("sh", "-c", "setsid sleep 601 & sleep 602")) as run:
        pid = run.pid
        assert run.wrapped.kill() <= 3
        assert not alive(pid)
        assert run.wrapped.kill() == 0
        lost = run.ends()
        assert (lost["event"], lost["reason"]) == ("ended", "lost")
        assert "has said nothing" in lost["error"]
        assert run.wrapped.events() == []


BROKEN = """
import sys
from hubd.launch.wrapper import __main__ as wrapper
from hubd.launch.wrapper.process import Process
class Broken(Process):
    def {0}(self, *args):
        raise RuntimeError("a defect")
wrapper._maker = lambda spec: Broken
wrapper.main()
"""


@pytest.mark.parametrize("where", ["reaped", "ended", "drain", "clean_up", "signal", "start"])
def test_a_wrapper_with_a_defect_leaves_nothing_and_says_so(tmp_path: Path, where: str) -> None:
    told = spec(tmp_path / "r", "sh", "-c", "setsid sleep 603 & sleep 604", grace=0.2, timeout=0.5)
    done = subprocess.run(
        (sys.executable, "-c", BROKEN.format(where)), input=told.to_json() + "\n", capture_output=True,
        text=True, timeout=40, cwd=ROOT, env={"PATH": PATH["PATH"]},
    )  # fmt: skip
    assert done.returncode == 1
    assert "RuntimeError: a defect" in done.stderr
    *_, last = map(json.loads, done.stdout.splitlines())
    assert last["event"] == "ended"
    assert "the wrapper failed: RuntimeError('a defect')" in last["error"]
    assert sweep(told.tag) == 0


def test_what_somebody_else_writes_into_the_pipe_is_no_event(tmp_path: Path) -> None:
    with running(tmp_path / "r", ("sleep", "600")) as run:
        assert run.pid
        Path(f"/proc/{run.wrapped.pid}/fd/1").write_text('rubbish\n{"a": 1}\n[]\n')
        run.wrapped.stop()
        assert run.ends()["reason"] == "stop"
        assert [event["event"] for event in run.events] == ["started", "ended"]


def test_after_the_end_there_is_nothing_to_be_said(tmp_path: Path) -> None:
    with running(tmp_path / "r", ("true",)) as run:
        run.ends()
        run.wrapped.stop("too late")
        run.wrapped.type("too late")
        assert run.wrapped.wait(10)
        assert run.wrapped.events() == []
        run.wrapped.close()
        run.wrapped.close()
        run.wrapped.stop()


def test_waiting_gives_up_when_its_time_is_over(tmp_path: Path) -> None:
    with running(tmp_path / "r", ("sleep", "600")) as run:
        assert not run.wrapped.wait(0.2)
        assert run.pid
        run.wrapped.stop()
        assert run.wrapped.wait(20)
        assert [event["event"] for event in run.wrapped.events()][-1] == "ended"


def test_a_run_without_its_folder_is_not_started(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    told = spec(tmp_path / "r", "true")
    (tmp_path / "r").rmdir()
    with pytest.raises(FileNotFoundError):
        Wrapped.start(told)


def test_the_agent_runs_soon(tmp_path: Path) -> None:
    took = []
    for number in range(5):
        began = time.monotonic()
        with running(tmp_path / str(number), ("sleep", "600")) as run:
            assert run.pid
            took.append(time.monotonic() - began)
    print("started after", " ".join(f"{each * 1000:.0f}" for each in sorted(took)), "ms")
    assert min(took) < 5


def test_a_hub_in_a_terminal_keeps_ctrl_c_to_itself(tmp_path: Path) -> None:
    with running(tmp_path / "r", ("sleep", "600")) as run:
        pid = run.pid
        assert os.getsid(run.wrapped.pid) == run.wrapped.pid != os.getsid(0)
        assert os.getsid(pid) == pid
        os.kill(run.wrapped.pid, signal.SIGINT)  # but a signal of its own is an order
        assert run.ends()["reason"] == "stop"
