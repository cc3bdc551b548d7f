"""What agents, scripts and disks do to a running hubd: nothing is lost, and it lives."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.processes import MESSAGE, ROUND, TASK, Box, Hubd, hubd, until

pytestmark = [pytest.mark.e2e]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "m")


def test_missing_folders_are_made_and_watched_again_and_nobody_has_removed_what_was_in_them(box: Box) -> None:
    with hubd(box.root) as hub:
        box.drop("operator", "m.md", MESSAGE.format("lead", "Keep me"))
        message = box.find("lead", "m-*.md")
        text = message.read_bytes()
        for _ in range(2):
            os.rename(box.root / "agents/lead", box.root / "agents/gone")
            until(lambda: message.exists() and message.read_bytes() == text, "the message to come back")
            until((box.root / "agents/lead/outbox").is_dir, "the outbox to come back")
            hub.ask(do="look")
            box.drop("lead", "m.md", MESSAGE.format("operator", "I am back"))
            until(lambda: not (box.root / "agents/lead/outbox/m.md").exists(), "the outbox to be watched")
            until(lambda: len(list((box.root / "agents/operator/inbox").glob("m-*"))) == 1, "the answer")
            next((box.root / "agents/operator/inbox").glob("m-*")).unlink()
            box.wait("unread -> read", box.count("unread -> read") + 1)
            shutil.rmtree(box.root / "agents/gone")
        assert message.exists()
        assert box.count("unread -> read") == 2


def test_a_link_in_the_place_of_a_folder_is_not_used_and_does_no_harm(box: Box, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.md").write_text(TASK.format("Planted"))
    with hubd(box.root) as hub:
        box.drop("operator", "m.md", MESSAGE.format("lead", "Keep me"))
        message = box.find("lead", "m-*.md")
        for folder in ("inbox", "outbox"):
            os.rename(box.root / f"agents/lead/{folder}", tmp_path / folder)
            os.symlink(outside, box.root / f"agents/lead/{folder}")
        hub.ask(do="look")
        box.drop("operator", "n.md", MESSAGE.format("lead", "Second"))
        box.drop("operator", "o.md", MESSAGE.format("backend", "Third"))
        box.find("backend", "m-*.md")
        time.sleep(1.5)  # absence counts after a second; here it must not
        hub.ask(do="look")
        assert [p.name for p in outside.iterdir()] == ["x.md"]
        assert box.count("unread -> read") == 0
        for folder in ("inbox", "outbox"):
            (box.root / f"agents/lead/{folder}").unlink()
        os.rename(tmp_path / "inbox", box.root / "agents/lead/inbox")
        until(lambda: len(box.folder("lead", "inbox")) == 2, "both messages")
        assert message.exists()
        until((box.root / "agents/lead/outbox").is_dir, "a new outbox")
        assert "is no folder" in hub.log()
        assert hub.log().count("agents/lead/inbox is no folder") == 1


def test_what_is_no_document_is_bounced_once_and_kept(box: Box) -> None:
    outbox, refused = box.root / "agents/lead/outbox", box.root / "agents/lead/refused"
    with hubd(box.root) as hub:
        os.mkfifo(outbox / "pipe.md")
        os.mknod(outbox / "socket.md", stat.S_IFSOCK | 0o600)
        (outbox / "folder.md").mkdir()
        (outbox / "folder.md" / "inside").write_text("kept")
        os.symlink("/etc/passwd", outbox / "link.md")
        (box.root / "agents/lead/drafts/one").write_text(TASK.format("Linked"))
        os.link(box.root / "agents/lead/drafts/one", outbox / "hard.md")
        (outbox / "large.md").write_bytes(b"x" * (1024 * 1024 + 1))
        (outbox / "empty.md").touch()
        (outbox / os.fsdecode(b"caf\xe9.md")).write_text(TASK.format("Not UTF-8"))
        (outbox / "-rf; $(touch x).md").write_text(TASK.format("Shell"))
        (outbox / "notes.txt").write_text("not for the hub\n")
        until(lambda: len(box.folder("lead", "refused")) == 10, "ten refused things")
        hub.ask(do="look")
        time.sleep(0.5)
        hub.ask(do="look")
        codes = box.bounces("lead")
        assert len(codes) == 10
        assert {"not-a-file", "too-large", "no-header", "bad-name"} == set(codes)
        assert (refused / "folder.md/inside").read_text() == "kept"
        assert os.readlink(refused / "link.md") == "/etc/passwd"
        assert (refused / "large.md").stat().st_size == 1024 * 1024 + 1
        assert (refused / os.fsdecode(b"caf\xe9.md")).read_text() == TASK.format("Not UTF-8")
        assert box.folder("lead", "outbox") == []
        assert hub.ask(do="ping")["pid"] == hub.pid
    assert box.count("new -> unread") == 10
    assert box.verified()


def test_secrets_and_large_refused_bytes_stay_out_of_the_ledger(box: Box) -> None:
    secret = f"---\nkind: task\ntitle: Use it\nwrong: AKIA{'A1B2' * 4}\n---\n"
    large = "no header\n" + "x" * 70_000
    with hubd(box.root) as hub:
        box.drop("lead", "secret.md", secret)
        box.drop("lead", "large.md", large)
        until(lambda: len(box.bounces("lead")) == 2, "two bounces")
        hub.ask(do="ping")
        assert (box.root / "agents/lead/refused/secret.md").read_text() == secret
        assert (box.root / "agents/lead/refused/large.md").read_text() == large
        kept = sorted(p.stat().st_size for p in (box.root / ".git/hub/quarantine").iterdir())
        assert kept == sorted((len(secret), len(large)))
    everything = box.git("log", "-p", "--first-parent", "refs/hub/main", "--", ".hub")
    assert "quarantined: sha256" in everything
    command = ("git", "cat-file", "--batch", "--batch-all-objects", "--unordered")
    objects = subprocess.run(command, cwd=box.root, capture_output=True, check=True).stdout
    assert b"AKIAA1B2" not in objects
    assert b"x" * 1000 not in objects


def test_an_operator_is_served_during_a_flood(box: Box) -> None:
    with hubd(box.root) as hub:
        box.drop("operator", "t.md", TASK.format("Fix the login"))
        task = box.find("lead", "fix-*.md").stem
        box.drop("lead", "p.md", ROUND.format(task))
        round_ = box.find("operator", "*.r1.md")
        drafts = box.root / "agents/tester/drafts"
        for number in range(2000):
            (drafts / f"{number}.md").write_text(MESSAGE.format("backend", f"Number {number}"))
        for number in range(2000):
            os.rename(drafts / f"{number}.md", box.root / f"agents/tester/outbox/{number}.md")
        box.edit(round_, "- [ ] approve", "- [x] approve")
        box.wait("awaiting_approval -> dispatched")
        approved = box.subjects()
        until(lambda: hub.log().count("sends more than") == 1, "the limit to be told", 60)
        # A burst and what the minute gave since; the rest lies untouched, and goes on being judged.
        until(lambda: len(box.folder("tester", "outbox")) <= 1000, "the burst to be judged")
        left = len(box.folder("tester", "outbox"))
        assert left > 900
        assert "awaiting_approval -> dispatched" in approved[-1] or len(approved) < 1100
        until(lambda: len(box.folder("tester", "outbox")) < left - 5, "it to go on")
        assert any("too-fast" in p.read_text() for p in (box.root / "agents/tester/inbox").glob("m-*.md"))
        assert hub.ask(do="ping")["ok"]


BULK = {"HUB_SETTLE": "10ms", "HUB_DECISION_DELAY": "0ms", "HUB_BULK": "10"}


def bulk(box: Box, hub: Hubd) -> list[Path]:
    """Deliver some messages, and spoil them all at once."""
    for number in range(15):
        box.drop("operator", f"{number}.md", MESSAGE.format("lead", f"Number {number}"))
    inbox = box.root / "agents/lead/inbox"
    until(lambda: len(list(inbox.glob("m-*.md"))) == 15, "15 messages")
    hub.ask(do="ping")
    messages = sorted(inbox.glob("m-*.md"))
    for path in messages[:8]:
        path.unlink()
    for path in messages[8:]:
        path.write_text("spoilt\n")
    return messages


def test_after_a_bulk_change_one_question_is_asked_and_the_truth_can_be_put_back(box: Box) -> None:
    with hubd(box.root, environment=BULK) as hub:
        messages = bulk(box, hub)
        question = box.find("operator", "q-*.md")
        box.drop("backend", "new.md", MESSAGE.format("tester", "Still works"))
        box.find("tester", "m-*.md")
        hub.ask(do="look")
        assert len(list((box.root / "agents/operator/inbox").glob("q-*.md"))) == 1
        assert box.count("unread -> read") == 0
        box.edit(question, "- [ ] put the truth back", "- [x] put the truth back")
        until(lambda: all(p.exists() and p.read_text() != "spoilt\n" for p in messages), "the truth")
        hub.ask(do="look")
        assert box.bounces("lead") == []
        assert box.count("unread -> read") == 0
        assert any(p.read_text() == "spoilt\n" for p in (box.root / ".git/hub/quarantine").iterdir())


def test_after_a_bulk_change_each_file_can_be_judged(box: Box) -> None:
    with hubd(box.root, environment=BULK) as hub:
        bulk(box, hub)
        box.edit(box.find("operator", "q-*.md"), "- [ ] judge each file", "- [x] judge each file")
        box.wait("unread -> read", 8)
        until(lambda: len(box.folder("lead", "refused")) == 7, "seven refusals")
        assert len(list((box.root / "agents/operator/inbox").glob("q-*.md"))) == 0
        assert hub.alive()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB, where this user may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)), capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("no right to mount a small disk here")
    yield place
    subprocess.run(("umount", str(place)), check=True)


def fill(path: Path, left: int) -> None:
    """Leave so many bytes on a disk."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    os.truncate(path, path.stat().st_size - left)


def test_a_full_disk_is_told_survived_and_forgotten(small_disk: Path, tmp_path: Path) -> None:
    box = Box(small_disk / "m")
    running = Hubd(box.root, logs=tmp_path).ready()
    try:
        box.drop("operator", "t.md", TASK.format("Before"))
        box.find("lead", "before-*.md")
        fill(small_disk / "ballast", 8192)
        box.drop("operator", "u.md", TASK.format("Meanwhile") + "x" * 3000)
        running.says("error")
        assert running.ask(do="ping")["ok"]
        (small_disk / "ballast").unlink()
        box.find("lead", "meanwhile-*.md")
        running.says("it works again")
        box.drop("operator", "v.md", TASK.format("After"))
        box.find("lead", "after-*.md")
        assert running.stop() == 0
        assert box.count("new -> draft") == 3
        assert box.verified()
    finally:
        if running.alive():
            running.kill()
