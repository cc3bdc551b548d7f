"""Kernel locks, between real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import filelock
import pytest

from hubd.lease import Holder, HubBusy, HubLock, LeaseError, Liveness, parse_holder

SINCE = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

CHILD = textwrap.dedent(
    """
    import sys
    from datetime import UTC, datetime
    from pathlib import Path
    from hubd.lease import HubLock, Liveness
    what, path = sys.argv[1], Path(sys.argv[2])
    if what == "alive":
        held = Liveness(path).hold(17)
    else:
        lock = HubLock(path)
        lock.acquire(what, datetime(2026, 11, 21, 10, 0, tzinfo=UTC))
    print("held", flush=True)
    sys.stdin.readline()
    if what == "alive":
        held.release()
    else:
        lock.release()
    print("released", flush=True)
    sys.stdin.readline()
    """
)


class Child:
    """Another process that holds a lock until it is told to let go, or is killed."""

    def __init__(self, what: str, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, what, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input: IO[bytes] = self.process.stdin
        self.output: IO[bytes] = self.process.stdout
        self.until("held")

    def until(self, word: str) -> None:
        assert self.output.readline().decode().strip() == word

    def release(self) -> None:
        self.input.write(b"\n")
        self.input.flush()
        self.until("released")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.input.close()
        self.output.close()


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        child.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_the_hub_lock_says_who_holds_it(path: Path) -> None:
    with HubLock(path, host="here") as lock:
        mine = lock.acquire("daemon", SINCE)
        assert (mine.pid, mine.host, mine.mode) == (os.getpid(), "here", "daemon")
        assert mine.since == "2026-11-21T10:00:00Z"
        assert mine.started > 0
        assert HubLock(path, host="here").holder() == mine
        assert lock.still_ours()
        assert not HubLock(path).still_ours()
    assert HubLock(path, host="here").holder() is None
    assert not lock.still_ours()
    assert path.exists()
    assert os.listdir(path.parent) == ["lock"]


def test_a_second_daemon_is_refused_at_once(path: Path, children: list[Child]) -> None:
    children.append(Child("daemon", path))
    began = time.monotonic()
    with pytest.raises(HubBusy, match="hubd, process") as caught:
        HubLock(path).acquire("daemon", SINCE, wait=30)
    assert time.monotonic() - began < 5
    assert caught.value.holder is not None
    assert caught.value.holder.pid == children[0].process.pid
    assert "down" in caught.value.hint


def test_a_daemon_waits_for_a_step(path: Path, children: list[Child]) -> None:
    children.append(Child("step", path))
    with pytest.raises(HubBusy) as caught:
        HubLock(path).acquire("daemon", SINCE, wait=0.2)
    assert caught.value.holder is not None
    assert caught.value.holder.mode == "step"
    children[0].input.write(b"\n")
    children[0].input.flush()
    with HubLock(path) as lock:
        assert lock.acquire("daemon", SINCE, wait=30).mode == "daemon"
        assert lock.still_ours()


def test_a_step_waits_for_a_daemon_that_may_end(path: Path, children: list[Child]) -> None:
    children.append(Child("daemon", path))
    with pytest.raises(HubBusy):
        HubLock(path).acquire("step", SINCE)
    children[0].input.write(b"\n")
    children[0].input.flush()
    with HubLock(path) as lock:
        lock.acquire("step", SINCE, wait=30)


def test_the_lock_of_a_killed_hub_is_free_and_its_record_says_nothing(
    path: Path, children: list[Child]
) -> None:
    children.append(Child("daemon", path))
    children[0].process.kill()
    children[0].process.wait()
    assert path.with_name("lock.holder").exists()
    assert HubLock(path).holder() is None
    with HubLock(path) as lock:
        lock.acquire("daemon", SINCE)
        assert lock.still_ours()


def test_a_deleted_lock_file_is_noticed(path: Path) -> None:
    with HubLock(path) as lock:
        lock.acquire("daemon", SINCE)
        path.unlink()
        assert not lock.still_ours()


def test_a_second_hub_on_a_new_lock_file_is_noticed_by_the_first(path: Path, children: list[Child]) -> None:
    with HubLock(path) as lock:
        lock.acquire("daemon", SINCE)
        path.unlink()
        children.append(Child("step", path))
        assert not lock.still_ours()
    # The first one leaves the record of the second alone.
    found = HubLock(path).holder()
    assert found is not None
    assert found.pid == children[0].process.pid


def test_a_record_of_somebody_else_is_noticed_even_if_the_lock_file_is_ours(path: Path) -> None:
    with HubLock(path) as lock:
        lock.acquire("daemon", SINCE)
        lock.record.unlink()
        assert lock.still_ours()  # nobody else has said that they are the hub
        assert lock.holder() is not None
        other = lock.record.with_name("other")
        other.write_text("{}")
        other.replace(lock.record)
        assert not lock.still_ours()


def test_one_process_takes_the_lock_once(path: Path) -> None:
    with HubLock(path) as lock:
        lock.acquire("step", SINCE)
        with pytest.raises(RuntimeError, match="already"):
            lock.acquire("step", SINCE)
        with pytest.raises(HubBusy):
            HubLock(path).acquire("step", SINCE)
    with HubLock(path) as again:
        again.acquire("step", SINCE)
    lock.release()


def test_a_record_is_believed_only_as_far_as_it_can_be_checked(path: Path) -> None:
    with HubLock(path, host="here") as lock:
        mine = lock.acquire("daemon", SINCE)
        for other, believed in (
            (replace(mine, pid=2**22 - 1), False),
            (replace(mine, started=mine.started + 1), False),
            (replace(mine, boot="another"), False),
            (replace(mine, boot="another", host="elsewhere"), True),
        ):
            lock.record.write_text(json.dumps({"hub-lock": 1, **asdict(other)}))
            assert lock.holder() == (other if believed else None)


def test_only_a_whole_record_of_this_format_is_read() -> None:
    good = Holder(1, 2, "b", "h", "step", "now")
    fields = {"hub-lock": 1, **asdict(good)}
    assert parse_holder(json.dumps(fields).encode()) == good
    bad: list[object] = [
        {**fields, "hub-lock": 2},
        {**fields, "more": 1},
        {**fields, "pid": "1"},
        {},
        [],
        "x",
        1,
    ]
    bad += [{**fields, "pid": True}, {**fields, "pid": 0}, {**fields, "mode": "x"}, {**fields, "host": None}]
    bad += [{**fields, "mode": []}]
    for odd in bad:
        assert parse_holder(json.dumps(odd).encode()) is None
    for raw in (b"", b"{", b"\xff", b"[" * 100_000):
        assert parse_holder(raw) is None


def test_a_lock_that_cannot_be_made_is_told_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LeaseError, match="cannot lock") as caught:
        HubLock(tmp_path / "file" / "lock").acquire("step", SINCE)
    assert caught.value.hint


def test_a_link_in_place_of_the_lock_is_refused(tmp_path: Path, path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LeaseError):
        HubLock(path).acquire("step", SINCE)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_system_without_locks_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """filelock would go on with a file that merely exists, which a killed hub leaves behind for good."""
    monkeypatch.setattr(filelock, "FileLock", filelock.SoftFileLock)
    with pytest.raises(LeaseError, match="no locks") as caught:
        HubLock(path).acquire("daemon", SINCE)
    assert "local disk" in caught.value.hint


def test_a_worker_is_alive_as_long_as_its_wrapper(tmp_path: Path, children: list[Child]) -> None:
    alive = Liveness(tmp_path / "alive")
    assert alive.alive(17) is None
    children.append(Child("alive", tmp_path / "alive"))
    assert alive.alive(17) is True
    assert alive.numbers() == [17]
    assert alive.hold(17, wait=0) is None
    children[0].process.kill()
    children[0].process.wait()
    assert alive.alive(17) is False
    alive.let_go(17)
    assert alive.alive(17) is None
    alive.let_go(17)
    assert alive.numbers() == []


def test_a_worker_that_lets_go_is_not_alive(tmp_path: Path, children: list[Child]) -> None:
    children.append(Child("alive", tmp_path / "alive"))
    children[0].release()
    assert Liveness(tmp_path / "alive").alive(17) is False


def test_a_command_that_outlives_its_wrapper_does_not_hold_the_lease(tmp_path: Path) -> None:
    alive = Liveness(tmp_path / "alive")
    with alive.hold(3) or pytest.fail("not held"):
        command = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        assert alive.alive(3) is True
    assert alive.alive(3) is False
    command.communicate(b"\n")


def test_a_hold_ends_with_its_lease(tmp_path: Path) -> None:
    alive = Liveness(tmp_path / "alive")
    held = alive.hold(3)
    assert held is not None
    assert held.still_held()
    alive.let_go(3)
    assert not held.still_held()
    assert alive.alive(3) is None
    held.release()
    assert not held.still_held()


def test_asking_takes_nothing_from_a_worker(tmp_path: Path) -> None:
    """Those who ask hold the file for an instant; a worker that comes in that instant tries again."""
    alive = Liveness(tmp_path / "alive")
    with alive.hold(3) or pytest.fail("not held"):
        pass
    asking = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from hubd.lease import Liveness\n"
            "print('up', flush=True)\n"
            "while True: Liveness(Path(sys.argv[1])).alive(3)",
            str(tmp_path / "alive"),
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert asking.stdout is not None
        asking.stdout.readline()
        for _ in range(20):
            held = alive.hold(3, wait=30)
            assert held is not None
            held.release()
    finally:
        asking.kill()
        asking.communicate()


@pytest.mark.parametrize("number", [-1, 2**63])
def test_a_lease_number_has_63_bits(tmp_path: Path, number: int) -> None:
    with pytest.raises(ValueError, match="not a lease number"):
        Liveness(tmp_path).alive(number)


def test_a_link_in_place_of_a_lease_is_an_error_not_an_answer(tmp_path: Path) -> None:
    (tmp_path / "3").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LeaseError):
        Liveness(tmp_path).alive(3)


def test_a_lock_that_was_handed_over_lives_as_long_as_the_process_that_has_it(path: Path) -> None:
    alive = Liveness(path)
    lock = alive.hand_over(23)
    worker = subprocess.Popen(("sleep", "60"), pass_fds=(lock,))
    os.close(lock)
    try:
        assert alive.alive(23) is True
        with pytest.raises(LeaseError):
            alive.hand_over(23)
    finally:
        worker.kill()
        worker.wait()
    assert alive.alive(23) is False
