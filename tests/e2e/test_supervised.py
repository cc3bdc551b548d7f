"""hubd as a service: what it tells its supervisor through a real socket, and what becomes of its log."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd.cli.service import unit
from hubd.layout import Layout
from hubd.logfile import turn_over
from hubd.supervised import Supervisor
from tests.e2e.processes import DEADLINE, QUICK, Box, Hubd
from tests.house.sources import ROOT

pytestmark = pytest.mark.e2e


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(DEADLINE)
        yield line


def test_hubd_says_when_it_is_ready_that_it_lives_and_that_it_stops(
    tmp_path: Path, heard: socket.socket
) -> None:
    box = Box(tmp_path / "mail")
    told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
    hub = Hubd(box.root, environment={**QUICK, **told})
    assert heard.recv(100) == b"READY=1"
    assert hub.ask(do="ping")["ready"]
    began = time.monotonic()
    assert [heard.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    assert time.monotonic() - began >= 0.15
    assert hub.stop() == 0
    rest = b""
    while rest != b"STOPPING=1":
        assert rest in (b"", b"WATCHDOG=1")
        rest = heard.recv(100)


def test_an_abstract_socket_is_one_and_nobody_listening_is_no_error(tmp_path: Path) -> None:
    name = f"hubd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(f"\0{name}")
        line.settimeout(DEADLINE)
        Supervisor({"NOTIFY_SOCKET": f"@{name}"}).say("READY=1", "STATUS=well")
        assert line.recv(100) == b"READY=1\nSTATUS=well"
    for address in ("", f"@{name}", str(tmp_path / "nothing"), "relative"):
        Supervisor({"NOTIFY_SOCKET": address}).say("READY=1")


def test_a_watchdog_that_is_meant_for_another_process_is_not_answered() -> None:
    assert Supervisor({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}).pause() == float("inf")
    assert Supervisor({"WATCHDOG_USEC": "soon"}).pause() == float("inf")
    assert Supervisor({"WATCHDOG_USEC": "60000000"}).pause() > 25


def test_the_command_of_the_unit_starts_this_hubd(tmp_path: Path, heard: socket.socket) -> None:
    box = Box(tmp_path / "mail")
    text = unit(Layout(box.root), "systemd").text
    (command,) = [line.partition("=")[2] for line in text.splitlines() if line.startswith("ExecStart=")]
    words = [word.strip('"') for word in command.split()]
    env = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(words, env=env, cwd="/", stderr=subprocess.DEVNULL)
    try:
        assert heard.recv(100) == b"READY=1"
    finally:
        process.terminate()
        assert process.wait(DEADLINE) == 0


def test_up_starts_this_hubd_whatever_lies_in_the_mailbox(tmp_path: Path) -> None:
    box = Box(tmp_path / "mail")
    (box.root / "hubd").mkdir()
    trap = tmp_path / "sprung"
    (box.root / "hubd/__init__.py").write_text(f"open({str(trap)!r}, 'w').close()")
    hubctl = [sys.executable, "-P", "-m", "hubd.cli", "-C", str(box.root)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    try:
        up = subprocess.run([*hubctl, "up"], env=env, cwd=tmp_path, capture_output=True, text=True)
        assert up.returncode == 0, up.stderr
    finally:
        down = subprocess.run([*hubctl, "down"], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert "has ended" in down.stdout
    assert not trap.exists()


LOGS = """
import os, pathlib, sys
from hubd.logfile import turn_over
os.write(2, b"old\\n" * 100)
print(turn_over(pathlib.Path(sys.argv[1]), 300))
os.write(2, b"new\\n")
"""


def test_a_log_that_has_grown_is_begun_anew(tmp_path: Path) -> None:
    log = tmp_path / "hubd.log"
    for _ in range(2):
        with log.open("ab") as out:
            done = subprocess.run(
                [sys.executable, "-c", LOGS, str(log)], stdout=subprocess.PIPE, stderr=out, cwd=ROOT
            )
        assert done.stdout == b"True\n"
        assert log.read_bytes() == b"new\n"
        log.write_bytes(b"")
    assert (tmp_path / "hubd.log.1").read_bytes() == b"old\n" * 75
    assert sorted(p.name for p in tmp_path.iterdir()) == ["hubd.log", "hubd.log.1"]


def test_a_log_that_is_another_file_or_no_file_is_left_alone(tmp_path: Path) -> None:
    log, other = tmp_path / "hubd.log", tmp_path / "other"
    log.write_bytes(b"x" * 100)
    with other.open("wb") as out:
        out.write(b"y" * 100)
        out.flush()
        assert not turn_over(log, 10, out.fileno())
        assert not turn_over(tmp_path / "gone", 10, out.fileno())
    read, write = os.pipe()
    assert not turn_over(log, 10, write)
    os.close(read)
    os.close(write)
    assert log.read_bytes() == b"x" * 100
