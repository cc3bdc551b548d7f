"""Putting documents into folders and taking them out, beside people who do the same."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hubd.spool import Bytes, Delivered, Displaced, FolderBlocked, Moving, NotAFile, Spool, SpoolError, Taken
from hubd.spool import ground as ground_module

INBOX = "agents/ada/inbox"
X = f"{INBOX}/x.md"
ONE, TWO, THREE = b"one\n", b"two, longer\n", b"three, the longest\n"


def fresh(root: Path) -> Path:
    for folder in (".git/hub", "agents/ada/inbox", "agents/ada/outbox"):
        (root / folder).mkdir(parents=True)
    return root


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(fresh(tmp_path)) as spool:
        yield spool


def lies(spool: Spool, path: str = X) -> bytes:
    read = spool.read(path)
    assert isinstance(read, Bytes)
    return read.data


def aside(spool: Spool) -> list[str]:
    """What lies in tmp that is not kept there to be written again."""
    kept = set(spool._aside._spares)
    return [path.name for path in spool.root.glob(".git/hub/tmp/*") if path.name not in kept]


def test_a_document_is_delivered_once_however_often_it_is_asked_for(spool: Spool) -> None:
    assert spool.deliver(X, ONE) == Delivered(changed=True)
    before = spool.stamp(X)
    assert spool.deliver(X, ONE) == Delivered(changed=False)
    assert spool.deliver(X, ONE, expected=TWO) == Delivered(changed=False)
    assert spool.stamp(X) == before
    assert lies(spool) == ONE
    assert aside(spool) == []


def test_a_delivered_document_can_be_read_by_all_and_run_by_none(spool: Spool) -> None:
    before = os.umask(0o027)
    try:
        spool.deliver(X, ONE)
    finally:
        os.umask(before)
    assert (spool.root / X).stat().st_mode & 0o777 == 0o640


def test_missing_folders_are_made_on_the_way(spool: Spool) -> None:
    path = "archive/0a/1b/t-1/t-1.md"
    assert spool.deliver(path, ONE) == Delivered(changed=True)
    assert spool.deliver("NOW.md", ONE) == Delivered(changed=True)
    assert lies(spool, path) == lies(spool, "NOW.md") == ONE


def test_what_the_hub_put_there_is_replaced(spool: Spool) -> None:
    spool.deliver(X, ONE)
    assert spool.deliver(X, TWO, expected=ONE) == Delivered(changed=True)
    assert spool.deliver(X, THREE, expected=(ONE, TWO)) == Delivered(changed=True)
    assert lies(spool) == THREE
    assert spool.leftovers() == ()


def test_a_deleted_document_is_delivered_again(spool: Spool) -> None:
    spool.deliver(X, ONE)
    (spool.root / X).unlink()
    assert spool.deliver(X, TWO, expected=ONE) == Delivered(changed=True)
    assert lies(spool) == TWO


@pytest.mark.parametrize("expected", [None, ONE, (ONE, THREE)])
def test_what_somebody_else_saved_there_is_handed_back(spool: Spool, expected: bytes | None) -> None:
    (spool.root / X).write_bytes(b"theirs")
    displaced = spool.deliver(X, TWO, expected=expected)
    assert isinstance(displaced, Displaced)
    assert (displaced.path, displaced.data) == (X, b"theirs")
    assert lies(spool) == TWO
    assert spool.leftovers() == (displaced,)
    assert spool.drop(displaced) is None
    assert spool.leftovers() == ()
    assert spool.drop(displaced) is None


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_what_is_no_file_gives_way_to_the_truth(spool: Spool, tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret").write_text("secret")
    make: dict[str, Callable[[Path], None]] = {
        "link": lambda path: path.symlink_to(tmp_path / "secret"),
        "fifo": os.mkfifo,
        "directory": Path.mkdir,
    }
    make[kind](spool.root / X)
    displaced = spool.deliver(X, ONE)
    assert isinstance(displaced, Displaced)
    assert isinstance(displaced.read, NotAFile)
    assert displaced.read.code == kind
    assert lies(spool) == ONE
    assert (tmp_path / "secret").read_text() == "secret"


def test_a_second_name_given_to_a_delivered_document_is_taken_from_it(spool: Spool, tmp_path: Path) -> None:
    spool.deliver(X, ONE)
    os.link(spool.root / X, tmp_path / "mine")
    assert spool.deliver(X, ONE) == Delivered(changed=True)
    (tmp_path / "mine").write_bytes(b"changed behind the hub's back")
    assert lies(spool) == ONE
    assert spool.leftovers() == ()


def test_a_document_is_taken_away_once(spool: Spool) -> None:
    spool.deliver(X, ONE)
    assert spool.take_away(X, ONE) == Taken(changed=True)
    assert spool.take_away(X, ONE) == Taken(changed=False)
    assert spool.take_away("agents/nobody/inbox/x.md", ONE) == Taken(changed=False)
    assert not (spool.root / X).exists()


def test_a_changed_document_is_not_taken_away_but_handed_back(spool: Spool) -> None:
    (spool.root / X).write_bytes(b"edited")
    displaced = spool.take_away(X, (ONE, TWO))
    assert isinstance(displaced, Displaced)
    assert displaced.data == b"edited"
    assert spool.put_back(displaced)
    assert lies(spool) == b"edited"
    assert not spool.put_back(displaced)


def test_nothing_is_put_back_over_something_new(spool: Spool) -> None:
    (spool.root / X).write_bytes(b"edited")
    displaced = spool.take_away(X, ONE)
    assert isinstance(displaced, Displaced)
    (spool.root / X).write_bytes(b"newer")
    assert not spool.put_back(displaced)
    assert lies(spool) == b"newer"
    assert spool.leftovers() == (displaced,)


def test_an_accepted_file_is_consumed_unless_it_was_saved_again(spool: Spool) -> None:
    path = "agents/ada/outbox/new.md"
    (spool.root / path).write_bytes(ONE)
    assert spool.consume(path, ONE) == Taken(changed=True)
    (spool.root / path).write_bytes(TWO)
    displaced = spool.consume(path, ONE)
    assert isinstance(displaced, Displaced)
    assert displaced.data == TWO
    assert spool.put_back(displaced)
    assert spool.consume(path, ONE) != Taken(changed=False)


def test_a_file_that_is_still_being_written_is_not_judged_and_not_lost(spool: Spool) -> None:
    """An editor truncates, is interrupted by the hub, and writes: into a file that lies in swap by then."""
    spool.deliver(X, ONE)
    with (spool.root / X).open("r+b") as editor:
        displaced = spool.deliver(X, TWO, expected=ONE)
        assert isinstance(displaced, Displaced)
        assert isinstance(displaced.read, Moving)
        editor.write(b"saved late")
    assert lies(spool) == TWO
    again = spool.again(displaced)
    assert again is not None
    assert again.data == b"saved late"
    changed = spool.drop(Displaced(X, again.entry, Bytes(b"something else", again.read.stamp)))  # type: ignore[union-attr]
    assert changed == again
    assert spool.drop(again) is None
    assert spool.again(again) is None


def test_a_reader_of_an_old_document_never_sees_a_new_one_in_it(spool: Spool) -> None:
    spool.deliver(X, ONE)
    spool.deliver(X, TWO, expected=ONE)
    with (spool.root / X).open("rb") as reader:
        spool.deliver(X, THREE, expected=TWO)
        for n in range(5):
            spool.deliver(f"{INBOX}/y{n}.md", b"other")
        assert reader.read() == TWO


def test_a_file_is_used_again_and_holds_no_rest_of_what_it_held(spool: Spool) -> None:
    spool.deliver(X, b"long " * 100)
    inode = (spool.root / X).stat().st_ino
    spool.take_away(X, b"long " * 100)
    spool.deliver(X, ONE)
    assert (spool.root / X).stat().st_ino == inode
    assert lies(spool) == ONE
    assert not spool.quarantine(b"secret").name.startswith("unread")
    spool.take_away(X, ONE)
    assert spool.clear() == 1
    assert spool.deliver(X, TWO) == Delivered(changed=True)


def test_an_inbox_that_became_a_link_gets_nothing(spool: Spool, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (spool.root / INBOX).rmdir()
    (spool.root / INBOX).symlink_to(outside)
    for act in (
        lambda: spool.deliver(X, ONE),
        lambda: spool.take_away(X, ONE),
        lambda: spool.keep(ONE, INBOX, "x.md"),
    ):
        with pytest.raises(FolderBlocked, match=INBOX):
            act()
    assert list(outside.iterdir()) == []
    assert aside(spool) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_disk_that_refuses_leaves_nothing_half_done(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    spool.deliver(X, ONE)
    write, left = os.write, [4]

    def failing(file: int, data: memoryview) -> int:
        if left[0] == 0:
            raise OSError(code, os.strerror(code))
        done = write(file, data[: left[0]])
        left[0] -= done
        return done

    monkeypatch.setattr(os, "write", failing)
    with pytest.raises(SpoolError, match="cannot deliver") as caught:
        spool.deliver(X, TWO, expected=ONE)
    monkeypatch.undo()
    assert caught.value.code == code
    assert caught.value.hint
    assert lies(spool) == ONE
    assert aside(spool) == []
    assert spool.leftovers() == ()
    assert spool.deliver(X, TWO, expected=ONE) == Delivered(changed=True)


def test_a_failed_sync_is_told_and_nothing_is_delivered(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(file: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(SpoolError):
        spool.deliver(X, ONE, durable=True)
    assert spool.deliver(X, ONE) == Delivered(changed=True)


def test_what_is_delivered_can_be_made_durable(spool: Spool) -> None:
    assert spool.deliver(X, ONE, durable=True) == Delivered(changed=True)
    spool.sync()


def test_a_full_disk_is_told_and_survived() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full in here")
    file = os.open(full, os.O_WRONLY)
    try:
        with pytest.raises(SpoolError, match="cannot write x"), ground_module.told("write", "x"):
            os.write(file, b"x")
    finally:
        os.close(file)


@pytest.mark.parametrize("missing", ["nothing", "flags", "call"])
def test_a_system_without_atomic_exchange_does_the_same(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    def unsupported(*_: object) -> int:
        ctypes.set_errno(errno.EINVAL)
        return -1

    if missing != "nothing":
        monkeypatch.setattr(ground_module, "_renameat2", unsupported if missing == "flags" else None)
    assert spool.deliver(X, ONE) == Delivered(changed=True)
    assert spool.deliver(X, TWO, expected=ONE) == Delivered(changed=True)
    (spool.root / X).write_bytes(b"theirs")
    displaced = spool.deliver(X, THREE, expected=TWO)
    assert isinstance(displaced, Displaced)
    assert displaced.data == b"theirs"
    assert spool.leftovers() == (displaced,)
    (spool.root / X).unlink()
    (spool.root / X).mkdir()
    folder = spool.deliver(X, ONE)
    assert isinstance(folder, Displaced)
    assert lies(spool) == ONE
    assert spool.take_away(X, ONE) == Taken(changed=True)
    assert spool.put_back(displaced)
    assert lies(spool) == b"theirs"


def test_swap_is_made_again_when_somebody_deleted_it(spool: Spool) -> None:
    spool.deliver(X, ONE)
    spool.deliver(X, TWO, expected=ONE)
    for room in ("swap", "tmp"):
        for file in (spool.root / ".git/hub" / room).iterdir():
            file.unlink()
        (spool.root / ".git/hub" / room).rmdir()
    assert spool.deliver(X, THREE, expected=TWO) == Delivered(changed=True)
    assert (spool.root / ".git/hub/swap").stat().st_mode & 0o777 == 0o700


def test_nothing_that_is_saved_between_deliveries_is_lost(spool: Spool) -> None:
    """Somebody saves under the same name whenever it is free, while the hub delivers and takes away."""
    saved = [b"saved %d" % n for n in range(300)]
    done = threading.Event()

    def save() -> None:
        for data in saved:
            aside = spool.root / "agents/ada/inbox/.x.tmp"
            aside.write_bytes(data)
            while True:
                try:
                    os.link(aside, spool.root / X)
                except FileExistsError:
                    continue
                break
            aside.unlink()
        done.set()

    saver = threading.Thread(target=save)
    saver.start()
    found = set()
    while not done.is_set() or (spool.root / X).exists():
        for outcome in (spool.take_away(X, ONE), spool.deliver(X, ONE), spool.take_away(X, ONE)):
            if isinstance(outcome, Displaced):
                last = spool.again(outcome)
                assert last is not None
                found.add(last.entry)
    saver.join()
    assert {displaced.data for displaced in spool.leftovers()} == set(saved)
    assert {displaced.entry for displaced in spool.leftovers()} == found
