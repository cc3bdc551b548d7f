"""The ledger when processes die, disks fail and somebody else moves its reference."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hubd.ledger import Ledger, LedgerError, Put, writer
from hubd.ledger.plumbing import Process
from tests.shell.ledgers import Box, change

REF = ".git/refs/hub/main"
PACKS = ".git/objects/pack"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path / "mailbox")
    yield box
    box.ledger.close()


def at(ledger: Ledger, point: str, act: Callable[[], object], *, times: int = 1) -> None:
    """Do this when the write reaches that point."""
    left = [times]

    def crash(reached: str) -> None:
        if reached == point and left[0]:
            left[0] -= 1
            act()

    ledger._writer._crash = crash


def kill(ledger: Ledger) -> None:
    pid = ledger.writer_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def names(box: Box, ending: str) -> list[str]:
    return [name for name in os.listdir(box.root / PACKS) if name.endswith(ending) or name.startswith(ending)]


# -- fast-import dies -----------------------------------------------------------------------------


def test_a_writer_killed_between_groups_is_started_again(box: Box) -> None:
    box.group(3)
    for _ in range(3):
        kill(box.ledger)
        box.group(2)
    assert box.sequence() == list(range(1, 10))
    box.fsck()


def test_a_writer_killed_while_it_writes_loses_and_doubles_nothing(box: Box) -> None:
    box.group(3)
    for _ in range(3):
        at(box.ledger, "ledger.before-ref", lambda: kill(box.ledger))
        assert len(box.group(5)) == 5
    assert box.sequence() == list(range(1, 19))
    box.fsck()


def test_a_writer_killed_after_the_reference_moved_loses_nothing(box: Box) -> None:
    at(box.ledger, "ledger.after-ref", lambda: kill(box.ledger), times=2)
    box.group(5)
    box.group(5)
    box.group(1)
    assert box.sequence() == list(range(1, 12))


def test_a_group_that_landed_before_the_writer_could_say_so_is_not_recorded_twice(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.group(2)
    honest = writer.Writer._checkpoint

    def mute(self: writer.Writer, process: Process, count: int) -> list[str]:
        honest(self, process, count)
        monkeypatch.setattr(writer.Writer, "_checkpoint", honest)
        raise BrokenPipeError

    monkeypatch.setattr(writer.Writer, "_checkpoint", mute)
    ids = box.group(4)
    assert [c.oid for c in box.ledger.messages("")][2:] == ids
    box.group(1)
    assert box.sequence() == list(range(1, 8))


def test_a_write_that_is_interrupted_shuts_the_ledger_until_it_is_read_anew(box: Box) -> None:
    box.group(2)

    def interrupt() -> None:
        raise KeyboardInterrupt

    for point, recorded in (("ledger.before-ref", 2), ("ledger.after-ref", 5)):
        at(box.ledger, point, interrupt)
        with pytest.raises(KeyboardInterrupt):
            box.ledger.record([change(n, box.document()) for n in (3, 4, 5)])
        with pytest.raises(LedgerError, match="interrupted"):
            box.group(1)
        box.reopen()
        assert box.sequence() == list(range(1, recorded + 1))


def test_a_writer_that_dies_twice_is_an_error_and_the_truth_stays(box: Box) -> None:
    box.group(2)
    tip = box.ledger.tip()
    at(box.ledger, "ledger.before-ref", lambda: kill(box.ledger), times=2)
    lost = [box.next(box.document()) for _ in range(3)]
    with pytest.raises(LedgerError, match="ended twice"):
        box.ledger.record(lost)
    assert box.ledger.tip() == tip == (box.root / REF).read_text().strip()
    box.ledger.record(lost)
    assert box.sequence() == [1, 2, 3, 4, 5]


def test_what_a_killed_writer_left_is_cleared_and_only_that(box: Box) -> None:
    box.group(3)
    foreign = [box.root / PACKS / name for name in ("pack-theirs.keep", "tmp_pack_theirs", "tmp_pack_young")]
    for path, data in zip(foreign, (b"mine", b"PACK\0\0\0\2\0\0\0\7...", b""), strict=True):
        path.write_bytes(data)
    assert len(names(box, ".keep")) == 2
    kill(box.ledger)
    (left,) = set(names(box, "tmp_pack_")) - {path.name for path in foreign}
    os.utime(box.root / PACKS / left, (0, 0))  # still empty: by its age alone it is nobody's
    box.ledger.close()
    box.reopen()
    assert sorted(names(box, ".keep") + names(box, "tmp_pack_")) == sorted(path.name for path in foreign)
    assert not list((box.root / ".git").glob("fast_import_crash_*"))


# -- the hub dies ---------------------------------------------------------------------------------

HUB = """
import os, sys
from hubd.ledger import Ledger, Put
from tests.shell.ledgers import change
def crash(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), 9)
ledger = Ledger.open(sys.argv[1])
ledger.record([change(2, Put("agents/ada/inbox/2.md", b"2"))])
ledger._writer._crash = crash
ledger.record([change(n, Put("agents/ada/inbox/%d.md" % n, b"x" * 1000)) for n in range(3, 40)])
"""


@pytest.mark.parametrize(("point", "recorded"), [("ledger.before-ref", 2), ("ledger.after-ref", 39)])
def test_a_hub_killed_while_it_records_leaves_a_whole_group_or_none(
    box: Box, point: str, recorded: int
) -> None:
    box.group(1)
    box.ledger.close()
    hub = subprocess.run([sys.executable, "-c", HUB, str(box.root), point], cwd=Path(__file__).parents[2])
    assert hub.returncode == -signal.SIGKILL
    ledger = box.reopen()
    assert box.sequence() == list(range(1, recorded + 1))
    assert [c.seq for c in ledger.log(1)] == [recorded]
    ledger.record([change(recorded + 1)])
    assert box.sequence() == list(range(1, recorded + 2))
    assert not list((box.root / ".git").glob("fast_import_crash_*"))
    box.fsck()


def test_a_new_hub_waits_for_the_last_writer_of_a_killed_one(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.group(1)
    box.ledger.close()
    lock = os.open(box.root / ".git/hub/writer.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    monkeypatch.setattr(writer, "_LOCK_PATIENCE", 0.05)
    with pytest.raises(LedgerError, match="still at work"):
        Ledger.open(box.root)
    monkeypatch.undo()
    threading.Timer(0.1, os.close, [lock]).start()
    box.reopen()
    assert box.group(1)


# -- somebody else --------------------------------------------------------------------------------


def test_a_reference_that_somebody_moved_stops_the_ledger_until_it_is_put_back(box: Box) -> None:
    first, second = box.group(2)
    (box.root / REF).write_text(f"{first}\n")
    with pytest.raises(LedgerError, match="moved by somebody else") as caught:
        box.group(1)
    assert "hubctl verify" in caught.value.hint
    assert (box.root / REF).read_text().strip() == first
    (box.root / REF).write_text(f"{second}\n")
    box.seq -= 1
    box.group(1)
    assert box.sequence() == [1, 2, 3]


def test_a_reference_moved_while_the_group_is_written_is_not_overwritten(box: Box) -> None:
    box.group(2)
    tree = box.git("rev-parse", "refs/hub/main^{tree}").strip()
    theirs = box.git("commit-tree", tree, "-p", "refs/hub/main", "-m", "intruder").strip()
    at(box.ledger, "ledger.before-ref", lambda: (box.root / REF).write_text(f"{theirs}\n"))
    with pytest.raises(LedgerError, match="moved by somebody else"):
        box.group(3)
    assert (box.root / REF).read_text().strip() == theirs


def test_a_lock_in_the_way_for_a_moment_is_waited_for(box: Box) -> None:
    box.group(1)
    lock = box.root / f"{REF}.lock"
    lock.touch()
    threading.Timer(0.2, lock.unlink).start()
    box.group(2)
    assert box.sequence() == [1, 2, 3]


def test_a_lock_that_stays_is_an_error_once_and_is_then_taken_for_a_left_over(box: Box) -> None:
    box.group(1)
    tip = box.ledger.tip()
    lock = box.root / f"{REF}.lock"
    lock.touch()
    commits = [box.next(box.document())]
    with pytest.raises(LedgerError, match="could not be moved") as caught:
        box.ledger.record(commits)
    assert "main.lock" in caught.value.what + caught.value.hint
    assert box.ledger.tip() == tip == (box.root / REF).read_text().strip()
    box.ledger.record(commits)
    assert box.sequence() == [1, 2]
    assert not lock.exists()


def test_a_reference_with_rubbish_in_it_is_an_error(box: Box) -> None:
    box.group(1)
    (box.root / REF).write_bytes(b"")
    with pytest.raises(LedgerError, match="holds no commit id"):
        box.group(1)


# -- the disk -------------------------------------------------------------------------------------


def test_a_failed_fsync_is_never_acknowledged_and_shuts_the_ledger(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.group(1)

    def failing(path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(writer, "sync_folder", failing)
    with pytest.raises(LedgerError, match="did not confirm"):
        box.group(1)
    monkeypatch.undo()
    with pytest.raises(LedgerError, match="the ledger is shut"):
        box.group(1)
    assert box.reopen().tip() == (box.root / REF).read_text().strip()


def test_an_fsync_that_failed_in_git_is_not_tried_again(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.group(1)
    at(box.ledger, "ledger.before-ref", lambda: kill(box.ledger))
    monkeypatch.setattr(
        writer.Writer, "_complaint", lambda _: "fatal: fsync error on '/x': Input/output error"
    )
    with pytest.raises(LedgerError, match="did not confirm"):
        box.group(1)
    with pytest.raises(LedgerError, match="the ledger is shut"):
        box.group(1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True)
    if done.returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_refuses_the_group_and_takes_the_next_when_there_is_room(small_disk: Path) -> None:
    box = Box(small_disk / "mailbox")
    box.group(3)
    tip = box.ledger.tip()
    filler = small_disk / "filler"
    with pytest.raises(OSError), filler.open("wb", buffering=0) as file:  # noqa: PT012
        while True:
            file.write(b"\0" * 4096)
    for _ in range(3):
        with pytest.raises(LedgerError, match="disk is full") as caught:
            box.ledger.record([change(4, Put("agents/ada/inbox/x.md", os.urandom(300_000)))])
        assert caught.value.full
        assert box.ledger.tip() == tip == (box.root / REF).read_text().strip()
    filler.unlink()
    box.group(2)
    assert box.sequence() == [1, 2, 3, 4, 5]
    box.fsck()
    box.ledger.close()


@pytest.mark.slow
def test_killing_the_writer_at_any_moment_keeps_every_acknowledged_commit(box: Box) -> None:
    stop = threading.Event()

    def slayer() -> None:
        delay = 0.01
        while not stop.wait(delay):
            delay = delay * 1.37 % 0.05 + 0.01
            pid = box.ledger.writer_pid
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=slayer)
    thread.start()
    acknowledged = 0
    try:
        for number in range(120):
            commits = [
                change(acknowledged + n, Put(f"a/{n}.md", b"x" * 500)) for n in range(1, number % 7 + 2)
            ]
            with suppress(LedgerError):
                box.ledger.record(commits)
                acknowledged += len(commits)
    finally:
        stop.set()
        thread.join()
    assert box.sequence() == list(range(1, acknowledged + 1))
    assert acknowledged > 100
    box.fsck()
