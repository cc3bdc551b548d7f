"""What was not accepted is kept, byte for byte, and never over something else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd.spool import (
    LARGEST,
    Bytes,
    Delivered,
    Displaced,
    FolderBlocked,
    NotAFile,
    Quarantined,
    Refused,
    Spool,
    SpoolError,
    submit,
)
from hubd.spool.keeping import numbered
from hubd.spool.placing import swap_name, swap_path
from tests.shell.test_spool import ONE, TWO, fresh
from tests.shell.test_spool_crash import crash

OUTBOX = "agents/ada/outbox"
REFUSED = "agents/ada/refused"
X = f"{OUTBOX}/x.md"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(fresh(tmp_path)) as spool:
        yield spool


def kept(spool: Spool) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (spool.root / REFUSED).iterdir()}


def test_a_refused_file_moves_under_the_name_it_had(spool: Spool) -> None:
    (spool.root / X).write_bytes(b"bad")
    assert spool.refuse(X, REFUSED, "x.md", b"bad") == Refused(f"{REFUSED}/x.md")
    assert not (spool.root / X).exists()
    assert kept(spool) == {"x.md": b"bad"}
    assert spool.leftovers() == ()


def test_other_bytes_of_the_same_name_get_a_number_and_the_same_bytes_do_not(spool: Spool) -> None:
    for data, name in ((b"bad", "x.md"), (b"worse", "x.2.md"), (b"bad", "x.md"), (b"worst", "x.3.md")):
        (spool.root / X).write_bytes(data)
        assert spool.refuse(X, REFUSED, "x.md", data) == Refused(f"{REFUSED}/{name}")
    assert kept(spool) == {"x.md": b"bad", "x.2.md": b"worse", "x.3.md": b"worst"}


def test_bytes_whose_file_is_gone_are_kept_all_the_same(spool: Spool) -> None:
    assert spool.refuse(X, REFUSED, "x.md", b"bad") == Refused(f"{REFUSED}/x.md")
    assert spool.keep(b"bad", REFUSED, "x.md") == f"{REFUSED}/x.md"
    assert spool.keep(b"worse", REFUSED, "x.md") == f"{REFUSED}/x.2.md"
    assert spool.refuse(X, REFUSED, "x.md") == Refused(None)
    assert kept(spool) == {"x.md": b"bad", "x.2.md": b"worse"}


def test_what_was_saved_after_the_refused_bytes_is_not_refused_with_them(spool: Spool) -> None:
    (spool.root / X).write_bytes(b"corrected")
    assert spool.refuse(X, REFUSED, "x.md", b"bad") == Refused(f"{REFUSED}/x.md")
    assert kept(spool) == {"x.md": b"bad"}
    assert (spool.root / X).read_bytes() == b"corrected"


def test_what_was_saved_twice_since_is_kept_in_swap(spool: Spool) -> None:
    def save_again(point: str) -> None:
        if point == "refuse.taken":
            (spool.root / X).write_bytes(b"newest")

    (spool.root / X).write_bytes(b"newer")
    spool._crash = save_again
    refused = spool.refuse(X, REFUSED, "x.md", b"bad")
    assert refused.newer is not None
    assert refused.newer.data == b"newer"
    assert (spool.root / X).read_bytes() == b"newest"
    assert spool.refuse_displaced(refused.newer, REFUSED, "x.md") == f"{REFUSED}/x.2.md"
    assert spool.leftovers() == ()


@pytest.mark.parametrize("kind", ["link", "fifo", "directory", "too-large"])
def test_what_cannot_be_read_is_moved_unread(spool: Spool, tmp_path: Path, kind: str) -> None:
    path = spool.root / X
    for number in ("x.md", "x.2.md"):
        if kind == "link":
            path.symlink_to(tmp_path)
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "directory":
            path.mkdir()
        else:
            path.touch()
            os.truncate(path, LARGEST + 1)
        assert spool.refuse(X, REFUSED, "x.md") == Refused(f"{REFUSED}/{number}")
        read = spool.read(f"{REFUSED}/{number}")
        assert isinstance(read, NotAFile)
        assert read.code == kind


def test_names_that_are_not_utf8_and_names_that_are_too_long_are_kept(spool: Spool) -> None:
    odd = os.fsdecode(b"caf\xe9.md")
    long = "é" * 126 + ".md"
    for name in (odd, long, "no suffix", ".md"):
        for data in (b"bad", b"worse"):
            (spool.root / OUTBOX / name).write_bytes(data)
            path = spool.refuse(f"{OUTBOX}/{name}", REFUSED, name, data).path
            assert path is not None
            read = spool.read(path)
            assert isinstance(read, Bytes)
            assert read.data == data
    assert len(kept(spool)) == 8


def test_numbers_stand_before_the_suffix() -> None:
    assert [name for name, _ in zip(numbered("x.md"), range(3), strict=False)] == ["x.md", "x.2.md", "x.3.md"]
    assert [name for name, _ in zip(numbered(".md"), range(2), strict=False)] == [".md", ".md.2"]
    for name in ("", ".", "..", "a/b", "a\0"):
        with pytest.raises(ValueError, match="not the name of a file"):
            next(numbered(name))


def test_a_refused_folder_that_became_a_link_gets_nothing(spool: Spool, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (spool.root / REFUSED).symlink_to(outside)
    (spool.root / X).write_bytes(b"bad")
    with pytest.raises(FolderBlocked, match=REFUSED):
        spool.refuse(X, REFUSED, "x.md", b"bad")
    assert (spool.root / X).read_bytes() == b"bad"
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("point", ["before", "taken", "after"])
def test_a_refusal_that_was_killed_is_finished_by_doing_it_again(tmp_path: Path, point: str) -> None:
    root = fresh(tmp_path)
    (root / X).write_bytes(b"bad")
    crash(root, f"refuse.{point}", "refuse")
    with Spool(root) as spool:
        spool.clear()
        assert spool.refuse(X, REFUSED, "x.md", b"bad") == Refused(f"{REFUSED}/x.md")
        assert kept(spool) == {"x.md": b"bad"}
        assert not (root / X).exists()
        assert {displaced.data for displaced in spool.leftovers()} <= {b"bad"}


def test_a_secret_is_kept_where_only_the_hub_reads_it(spool: Spool) -> None:
    name = hashlib.sha256(b"secret").hexdigest()
    assert spool.quarantine(b"secret") == spool.quarantine(b"secret") == Quarantined(name, 6)
    file = spool.root / ".git/hub/quarantine" / name
    assert file.read_bytes() == b"secret"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert spool.quarantined() == (Quarantined(name, 6),)
    assert spool.purge(name)
    assert not spool.purge(name)
    assert spool.quarantined() == ()
    with pytest.raises(ValueError, match="not a name"):
        spool.purge("../lock")


def test_a_large_file_is_quarantined_under_its_hash(spool: Spool) -> None:
    data = b"x" * (LARGEST + 1)
    (spool.root / X).write_bytes(data)
    found = spool.quarantine_file(X)
    assert found == Quarantined(hashlib.sha256(data).hexdigest(), len(data))
    assert found is not None
    assert (spool.root / ".git/hub/quarantine" / found.name).stat().st_mode & 0o777 == 0o600
    assert spool.quarantine_file(X) is None


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 10**12)


def test_what_is_no_file_is_quarantined_unread(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    for make in (
        lambda path: path.symlink_to(tmp_path / "secret"),
        lambda path: os.link(tmp_path / "secret", path),
        os.mkfifo,
        Path.mkdir,
        huge,
    ):
        make(spool.root / X)
        found = spool.quarantine_file(X)
        assert found is not None
        assert found.name.startswith("unread-")
    assert len(spool.quarantined()) == 5
    assert (tmp_path / "secret").stat().st_mode & 0o777 != 0o600


def test_a_name_in_swap_tells_where_it_came_from() -> None:
    for path in ("NOW.md", "agents/ada/inbox/x.md", os.fsdecode(b"agents/a/outbox/\xff 100%.md")):
        assert swap_path(swap_name(17, path)) == path
        assert swap_path(swap_name(17, path) + "%out") == path
    long = swap_name(17, "agents/ada/outbox/" + "é" * 100)
    assert len(long) <= 251
    assert swap_path(long) is None
    for odd in ("", "x", "1", "a-b", "1-..%2Fx", "1-%00", "1-"):
        assert swap_path(odd) is None


def test_leftovers_of_any_kind_are_listed(spool: Spool) -> None:
    spool.deliver(X, ONE)
    assert isinstance(spool.take_away(X, TWO), Displaced)
    swap = spool.root / ".git/hub/swap"
    (swap / "odd").write_bytes(b"odd")
    (swap / "9-folder").mkdir()
    left = {displaced.entry: displaced for displaced in spool.leftovers()}
    assert len(left) == 3
    assert left["odd"].path is None
    assert not spool.put_back(left["odd"])
    assert spool.refuse_displaced(left["odd"], REFUSED, "odd.md") == f"{REFUSED}/odd.md"
    assert spool.drop(left["9-folder"]) == left["9-folder"]
    assert spool.deliver(X, TWO) == Delivered(changed=True)


def test_a_program_submits_a_document_whole(spool: Spool) -> None:
    outbox = spool.root / OUTBOX
    assert submit(outbox, "x.md", ONE) == "x.md"
    assert submit(outbox, "x.md", TWO) == "x.2.md"
    assert submit(outbox, "x.md", ONE) == "x.md"
    assert {path.name: path.read_bytes() for path in outbox.iterdir()} == {"x.md": ONE, "x.2.md": TWO}
    with pytest.raises(SpoolError) as caught:
        submit(spool.root / "missing", "x.md", ONE)
    assert caught.value.hint
