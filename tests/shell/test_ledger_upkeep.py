"""Packs stay few, and nothing is lost on the way."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd.ledger import Ledger, LedgerError, Put, ledger, upkeep
from tests.shell.ledgers import Box


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path / "mailbox")
    yield box
    box.ledger.close()


def objects(box: Box) -> set[str]:
    """Every object the repository has, reachable or not."""
    out = box.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    return set(out.split())


def test_many_packs_become_one_and_every_object_stays(box: Box) -> None:
    for _ in range(30):
        box.group(2)
    lost = box.git("hash-object", "-w", "--stdin", stdin=b"reached by nothing").strip()
    before = objects(box)
    done = box.ledger.roll_up()
    assert (done.packs_before, done.packs_after) == (30, 1)
    assert objects(box) == before
    assert lost in before
    assert box.sequence() == list(range(1, 61))
    box.group(1)
    assert box.ledger.read("agents/a1/inbox/t-1.md") == b"document 1\n" * 20
    box.fsck()
    assert box.ledger.roll_up().packs_after == 2


def test_a_large_pack_is_left_alone_until_the_small_ones_outweigh_it(box: Box) -> None:
    box.record(*(Put(f"archive/00/00/{n}.md", os.urandom(1000)) for n in range(500)))
    box.ledger.roll_up()
    (large,) = (box.root / ".git/objects/pack").glob("*.pack")
    for _ in range(10):
        box.group(1)
    assert box.ledger.roll_up().packs_after == 2
    assert large.exists()


def test_idle_keeps_packs_few_without_being_waited_for(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_PACKS", 10)
    monkeypatch.setattr(ledger, "_DUE", 10)
    rolled = 0
    for _ in range(150):
        box.group(1)
        rolled += box.ledger.idle() is not None
        assert box.ledger.packs() < 80
    assert rolled > 3
    box.ledger.roll_up()
    assert box.sequence() == list(range(1, 151))
    box.fsck()


def test_a_ledger_that_is_never_idle_keeps_its_packs_few_all_the_same(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_PACKS", 8), ("_DUE", 8), ("_UNTENDED", 8)):
        monkeypatch.setattr(ledger, name, value)
    pids = set()
    for _ in range(120):
        box.group(1)
        pids.add(box.ledger.writer_pid)
    assert len(pids) >= 10
    # Rolled up beside the writing, and not by then: without that there would be one for each group.
    assert box.ledger.packs() < 100
    assert box.sequence() == list(range(1, 121))
    box.fsck()


def test_packs_that_a_writer_holds_are_not_touched(box: Box) -> None:
    for _ in range(5):
        box.group(1)
    upkeeper = upkeep.Upkeep(box.ledger._ground)
    assert not upkeeper.begin(due=2)
    assert box.ledger.packs() == 5
    box.group(1)


def test_readers_that_are_at_work_go_on_while_packs_go(box: Box) -> None:
    for _ in range(40):
        box.group(3)
    reader = Ledger.open(box.root, readonly=True)
    files = reader.load(["agents"])
    first = next(files)
    assert box.ledger.roll_up().packs_after == 1
    assert len([first, *files]) == 120
    for _ in range(20):
        box.group(1)
    box.ledger.roll_up()
    assert len(list(reader.log())) == 140
    assert all(reader.read(path) == data for path, data in box.ledger.load(["agents"]))
    reader.close()


def test_loose_objects_of_people_are_packed_when_they_are_many(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_LOOSE_DUE", 20)
    box.group(2)
    for number in range(40):
        box.git("hash-object", "-w", "--stdin", stdin=b"%d" % number)
    before = objects(box)
    box.ledger.roll_up()
    box.ledger.roll_up()
    assert objects(box) == before
    assert not [name for name in os.listdir(box.root / ".git/objects") if len(name) == 2 and
                os.listdir(box.root / ".git/objects" / name)]  # fmt: skip
    box.fsck()


def test_a_roll_up_that_lacks_an_object_removes_nothing(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        box.group(1)
    before = objects(box)
    honest = upkeep.read_ids
    lists = [honest(path) for path in (box.root / ".git/objects/pack").glob("*.idx")]
    monkeypatch.setattr(upkeep, "read_ids", lambda path: lists.pop() if lists else honest(path)[20:])
    with pytest.raises(LedgerError, match="lacks"):
        box.ledger.roll_up()
    monkeypatch.undo()
    assert objects(box) == before
    assert box.ledger.packs() == 5
    box.ledger.roll_up()
    assert objects(box) == before


def test_the_index_of_a_pack_is_read_as_git_reads_it(box: Box) -> None:
    box.group(300)
    (path,) = (box.root / ".git/objects/pack").glob("*.idx")
    shown = subprocess.run(["git", "show-index"], input=path.read_bytes(), capture_output=True, check=True)
    assert upkeep.read_ids(path).hex() == "".join(
        sorted(line.split()[1].decode() for line in shown.stdout.splitlines())
    )
    assert upkeep.read_ids(path.with_name("gone.idx")) == b""


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_what_is_lacking_is_found_however_it_is_shared_out(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_AT_ONCE_COMPARED", at_once)
    ids = [bytes([n % 256, n // 256, *range(18)]) for n in range(600)]
    assert upkeep.lacking([b"".join(ids[::2]), b"".join(ids[1::2]), b""], b"".join(ids)) is None
    assert upkeep.lacking([b"".join(ids)], b"".join(ids[:400] + ids[401:])) == ids[400]


@pytest.mark.slow
def test_a_persons_gc_beside_the_hub_harms_nothing(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_PACKS", 15)
    monkeypatch.setattr(ledger, "_DUE", 10)
    box.deliver(Put("agents/ada/inbox/x.md", b"x\n"))
    box.ledger.follow()
    lost = box.git("hash-object", "-w", "--stdin", stdin=b"reached by nothing").strip()
    stop, runs, bad = threading.Event(), [0], []

    def person() -> None:
        commands = (
            "gc --prune=now -q", "pack-refs --all", "prune --expire=now", "repack -a -d -q",
            "multi-pack-index write", "status -s",
        )  # fmt: skip
        while not stop.is_set():
            for command in commands:
                done = subprocess.run(
                    ["git", *command.split()], cwd=box.root, env=box.person(), capture_output=True, text=True
                )
                if done.returncode and "precious" not in done.stderr:
                    bad.append(done.stderr)
                runs[0] += 1

    thread = threading.Thread(target=person)
    thread.start()
    try:
        for number in range(200):
            box.group(1 + number % 3)
            box.ledger.follow()
            box.ledger.idle()
            if number % 20 == 0:
                box.ledger.mark_delivered(box.ledger.tip())
                box.ledger.refresh_index()
            assert box.ledger.version_at("agents/ada/inbox/x.md", 1) == b"x\n"
    finally:
        stop.set()
        thread.join()
    assert runs[0] > 10
    assert not bad
    box.ledger.roll_up()
    assert box.sequence() == list(range(1, box.seq + 1))
    assert box.git("cat-file", "blob", lost) == "reached by nothing"
    assert len(list(box.ledger.messages(""))) == box.seq
    box.fsck()
