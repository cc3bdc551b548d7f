"""Looking into folders that others write to."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd.spool import LARGEST, Absent, Bytes, FolderBlocked, Moving, NotAFile, Spool, SpoolError

OUTBOX = "agents/ada/outbox"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    for folder in (".git/hub", OUTBOX, "agents/ada/inbox"):
        (tmp_path / folder).mkdir(parents=True)
    with Spool(tmp_path) as spool:
        yield spool


@pytest.fixture
def outbox(spool: Spool) -> Path:
    return spool.root / OUTBOX


def code(spool: Spool, name: str) -> str:
    read = spool.read(f"{OUTBOX}/{name}")
    assert isinstance(read, NotAFile)
    return read.code


def test_a_plain_file_is_read_whole(spool: Spool, outbox: Path) -> None:
    for data in (b"", b"one\r\n", b"\0\xff" * 500_000):
        (outbox / "x.md").write_bytes(data)
        read = spool.read(f"{OUTBOX}/x.md")
        assert isinstance(read, Bytes)
        assert read.data == data
        assert read.stamp == spool.stamp(f"{OUTBOX}/x.md")


def test_what_is_not_there_is_absent(spool: Spool) -> None:
    assert isinstance(spool.read(f"{OUTBOX}/x.md"), Absent)
    assert isinstance(spool.read("agents/nobody/outbox/x.md"), Absent)
    assert spool.stamp(f"{OUTBOX}/x.md") is None
    assert spool.stamp("agents/nobody/outbox/x.md") is None
    assert spool.scan("agents/nobody/outbox") == []


def test_a_link_is_not_followed(spool: Spool, outbox: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (outbox / "x.md").symlink_to(tmp_path / "secret")
    (outbox / "y.md").symlink_to("missing")
    assert [code(spool, "x.md"), code(spool, "y.md")] == ["link", "link"]


def test_a_second_name_of_a_file_is_not_read(spool: Spool, outbox: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    os.link(tmp_path / "secret", outbox / "x.md")
    assert code(spool, "x.md") == "hard-link"


def test_nothing_that_is_no_file_is_opened_or_waited_for(spool: Spool, outbox: Path) -> None:
    os.mkfifo(outbox / "fifo.md")
    (outbox / "folder.md").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        held = os.open(outbox, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{held}/socket.md")
        os.close(held)
        found = [code(spool, name) for name in ("fifo.md", "folder.md", "socket.md")]
    assert found == ["fifo", "directory", "socket"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_not_opened(spool: Spool, outbox: Path) -> None:
    try:
        os.mknod(outbox / "x.md", 0o20644, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no devices in here")
    assert code(spool, "x.md") == "device"


def test_a_file_that_is_too_large_is_not_read(spool: Spool, outbox: Path) -> None:
    (outbox / "x.md").write_bytes(b"x" * LARGEST)
    assert isinstance(spool.read(f"{OUTBOX}/x.md"), Bytes)
    os.truncate(outbox / "x.md", LARGEST + 1)
    assert code(spool, "x.md") == "too-large"
    os.truncate(outbox / "x.md", 10**12)  # a hole costs nothing to make
    assert code(spool, "x.md") == "too-large"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_the_right_to_read_it_is_a_value(spool: Spool, outbox: Path) -> None:
    (outbox / "x.md").write_text("x")
    (outbox / "x.md").chmod(0)
    assert code(spool, "x.md") == "unreadable"


@pytest.mark.parametrize("where", ["agents", "agents/ada", OUTBOX])
def test_a_folder_that_is_a_link_is_not_entered(spool: Spool, tmp_path: Path, where: str) -> None:
    real = tmp_path / "elsewhere"
    (tmp_path / where).rename(real)
    (tmp_path / where).symlink_to(real)
    for look in (lambda: spool.read(f"{OUTBOX}/x.md"), lambda: spool.scan(OUTBOX)):
        with pytest.raises(FolderBlocked, match="not a folder") as caught:
            look()
        assert caught.value.folder == OUTBOX
        assert caught.value.hint


def test_a_file_where_a_folder_belongs_is_blocked_too(spool: Spool, outbox: Path) -> None:
    outbox.rmdir()
    outbox.write_text("a file")
    with pytest.raises(FolderBlocked):
        spool.scan(OUTBOX)


def during(monkeypatch: pytest.MonkeyPatch, change: object) -> None:
    """Let something happen between the two looks of the next read."""
    read = os.read
    pending = [change]

    def reading(file: int, most: int) -> bytes:
        data = read(file, most)
        while pending:
            pending.pop()()  # type: ignore[operator]
        return data

    monkeypatch.setattr(os, "read", reading)


def test_a_file_that_grows_while_it_is_read_is_moving(
    spool: Spool, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outbox / "x.md").write_text("half")
    during(monkeypatch, lambda: (outbox / "x.md").write_text("half and half"))
    assert isinstance(spool.read(f"{OUTBOX}/x.md"), Moving)
    assert isinstance(spool.read(f"{OUTBOX}/x.md"), Bytes)


def test_a_file_that_is_replaced_while_it_is_read_is_moving(
    spool: Spool, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outbox / "x.md").write_text("old")
    (outbox / "y.md").write_text("new")
    during(monkeypatch, lambda: (outbox / "y.md").rename(outbox / "x.md"))
    assert isinstance(spool.read(f"{OUTBOX}/x.md"), Moving)


def test_a_file_that_is_deleted_while_it_is_read_is_moving(
    spool: Spool, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outbox / "x.md").write_text("old")
    during(monkeypatch, (outbox / "x.md").unlink)
    assert isinstance(spool.read(f"{OUTBOX}/x.md"), Moving)
    assert isinstance(spool.read(f"{OUTBOX}/x.md"), Absent)


def test_a_folder_is_listed_by_name_with_all_that_lies_in_it(spool: Spool, outbox: Path) -> None:
    (outbox / "b.md").write_text("b")
    (outbox / "a.md").symlink_to("b.md")
    os.mkfifo(outbox / "c.md")
    odd = os.fsdecode(b"caf\xe9.md")
    (outbox / odd).write_text("odd")
    found = spool.scan(OUTBOX)
    assert [name for name, _ in found] == sorted(["a.md", "b.md", "c.md", odd])
    assert dict(found)["b.md"] == spool.stamp(f"{OUTBOX}/b.md")
    assert isinstance(spool.read(f"{OUTBOX}/{odd}"), Bytes)


def test_a_stamp_changes_with_what_is_saved(spool: Spool, outbox: Path) -> None:
    (outbox / "x.md").write_text("one")
    stamps = [spool.stamp(f"{OUTBOX}/x.md")]
    (outbox / "x.md").write_text("three")
    stamps.append(spool.stamp(f"{OUTBOX}/x.md"))
    (outbox / "y.md").write_text("three")
    (outbox / "y.md").rename(outbox / "x.md")
    stamps.append(spool.stamp(f"{OUTBOX}/x.md"))
    assert len(set(stamps)) == 3


@pytest.mark.parametrize("path", ["../x.md", "/etc/passwd", ".git/config", "a//b", "a/./b", "", "a\0"])
def test_no_path_leads_out_of_the_mailbox(spool: Spool, path: str) -> None:
    for look in (spool.read, spool.stamp):
        with pytest.raises(ValueError, match="not a path"):
            look(path)


def test_a_mailbox_that_is_not_there_is_told_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="cannot open the mailbox") as caught:
        Spool(tmp_path / "missing")
    assert caught.value.hint
    assert caught.value.code


def test_reading_beside_a_writer_gives_whole_versions_only(spool: Spool, outbox: Path) -> None:
    """A writer that renames is never seen half done, however the reads fall."""
    versions = [bytes([65 + n]) * 5_000 for n in range(20)]
    (outbox / "x.md").write_bytes(versions[0])
    done = threading.Event()

    def write() -> None:
        for n in range(400):
            (outbox / ".x.tmp").write_bytes(versions[n % 20])
            (outbox / ".x.tmp").rename(outbox / "x.md")
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while not done.is_set() or not seen:
        read = spool.read(f"{OUTBOX}/x.md")
        assert isinstance(read, Bytes | Moving)
        if isinstance(read, Bytes):
            assert read.data in versions
            seen += 1
    writer.join()
