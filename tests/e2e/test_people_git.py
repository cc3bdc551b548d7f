"""People use git inside a mailbox while hubd works in it: it makes sense to them, and nothing is lost."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import MESSAGE, ROUND, TASK, Box, Hubd, hubd, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "m")


@pytest.fixture
def running(box: Box) -> Iterator[Hubd]:
    with hubd(box.root) as hub:
        yield hub
    assert box.verified()
    assert box.git("status", "--porcelain") == ""
    box.git("fsck", "--full", "--strict")


def send(box: Box, *subjects: str, to: str = "lead") -> None:
    """Deliver messages, one after another."""
    for subject in subjects:
        before = len(box.folder(to, "inbox"))
        box.drop("operator", f"{subject.lower()}.md", MESSAGE.format(to, subject))
        until(lambda: len(box.folder(to, "inbox")) > before, f"{subject} to arrive")  # noqa: B023


def at_rest(box: Box, running: Hubd) -> str:
    """Wait until people's git follows; answers with the tip."""
    running.rested()
    until(lambda: box.git("status", "--porcelain") == "", "a clean status")
    assert box.git("rev-parse", "HEAD") == box.git("rev-parse", "refs/hub/main")
    return box.tip()


def refused_and_bounced(box: Box) -> int:
    return sum(len(box.folder(a, "refused")) + len(box.bounces(a)) for a in ("lead", "operator", "backend"))


def test_log_show_status_diff_and_blame_make_sense(box: Box, running: Hubd) -> None:
    box.drop("operator", "t.md", TASK.format("Fix the login"))
    task = box.find("lead", "fix-*.md")
    box.drop("lead", "p.md", ROUND.format(task.stem))
    round_ = box.find("operator", "*.r1.md")
    at_rest(box, running)
    assert box.git("log", "--format=%an %s", "-2").splitlines() == [
        f"lead {round_.stem}: new -> awaiting_approval",
        f"operator {task.stem}: new -> draft",
    ]
    shown = box.git("show", "--stat", "HEAD")
    assert "Hub-Transition: submit: new -> awaiting_approval" in shown
    assert f"agents/operator/inbox/{round_.name}" in shown
    blame = box.git("blame", "--line-porcelain", str(round_.relative_to(box.root)))
    assert "author lead" in blame
    round_.write_text(round_.read_text().replace("Note:", "Note:\nhm"))
    assert f" M agents/operator/inbox/{round_.name}" in box.git("status", "--porcelain")
    assert "+hm" in box.git("diff")
    box.git("checkout", "--", str(round_.relative_to(box.root)))
    at_rest(box, running)
    assert refused_and_bounced(box) == 0


def test_what_a_person_commits_is_judged_and_becomes_a_second_parent(box: Box, running: Hubd) -> None:
    box.drop("operator", "t.md", TASK.format("Fix the login"))
    task = box.find("lead", "fix-*.md").stem
    box.drop("lead", "p.md", ROUND.format(task))
    round_ = box.find("operator", "*.r1.md")
    at_rest(box, running)
    round_.write_text(round_.read_text().replace("- [ ] approve", "- [x] approve"))
    (box.root / "notes.txt").write_text("mine\n")
    box.git("add", "notes.txt")
    box.git("commit", "-am", "I approve")
    theirs = box.git("log", "-1", "--all", "--author=Anna", "--format=%H").strip()
    box.wait("awaiting_approval -> dispatched")

    def adopted() -> bool:
        return box.git("log", "--format=%P", "--first-parent", "refs/hub/main").find(f" {theirs}") > 0

    until(adopted, "their commit to become a parent")
    until(lambda: box.git("rev-parse", "HEAD").strip() == box.tip(), "the branch to follow")
    assert f"Hub-Foreign: {theirs}" in box.git("log", "--first-parent", "refs/hub/main")
    assert (box.root / "notes.txt").read_text() == "mine\n"
    until(lambda: box.git("status", "--porcelain") == "?? notes.txt\n", "only their own file in the status")
    (box.root / "notes.txt").unlink()
    assert refused_and_bounced(box) == 0


def test_after_a_reset_the_operator_is_told_once_and_no_step_is_undone(box: Box, running: Hubd) -> None:
    send(box, "One", "Two", "Three", "Four")
    tip = at_rest(box, running)
    files = box.files()
    box.git("reset", "--hard", "HEAD~3")
    box.wait("m-", 0)
    until(lambda: len(box.folder("operator", "inbox")) == 1, "a message")
    at_rest(box, running)
    assert "was moved back" in box.find("operator", "m-*.md").read_text()
    assert {p: d for p, d in box.files().items() if "operator/inbox" not in p} == files
    assert box.git("log", "--format=%s", f"{tip}..HEAD").count("\n") == 1
    assert box.count("unread -> read") == 0
    assert refused_and_bounced(box) == 0
    time.sleep(1.5)
    running.ask(do="look")
    assert len(box.folder("operator", "inbox")) == 1


def test_an_old_commit_can_be_looked_at_while_work_goes_on(box: Box, running: Hubd) -> None:
    send(box, "One", "Two", "Three")
    at_rest(box, running)
    old = box.git("rev-parse", "HEAD~2").strip()
    box.git("checkout", "-q", old)
    there = box.folder("lead", "inbox")
    assert len(there) == 1
    send(box, "Four", to="backend")
    time.sleep(1.5)  # longer than an absence needs to count
    running.ask(do="look")
    assert box.folder("lead", "inbox") == there, "what git shows is left alone"
    assert box.count("unread -> read") == 0
    box.git("checkout", "-q", "main")
    until(lambda: len(box.folder("lead", "inbox")) == 3, "all messages")
    at_rest(box, running)
    assert len(box.folder("backend", "inbox")) == 1
    assert box.count("unread -> read") == 0
    assert box.count("new -> unread") == 4
    assert refused_and_bounced(box) == 0


def test_a_stash_takes_nothing_and_brings_their_edit_back(box: Box) -> None:
    with hubd(box.root, environment={"HUB_SETTLE": "500ms"}) as running:
        stash_and_pop(box, running)
    assert box.verified()


def stash_and_pop(box: Box, running: Hubd) -> None:
    box.drop("operator", "t.md", TASK.format("Fix the login").replace("owner: lead", "owner: operator"))
    task = box.find("operator", "fix-*.md")
    at_rest(box, running)
    settings = box.root / "hub.yaml"
    before = settings.read_text()
    box.git("stash", "list")
    task.write_text(task.read_text().replace("It breaks.", "It breaks often."))
    box.git("stash")
    running.ask(do="look")
    box.git("stash", "pop")
    box.wait("draft -> draft", 1)
    assert "often" in task.read_text()
    assert settings.read_text() == before
    at_rest(box, running)
    assert refused_and_bounced(box) == 0


def test_cleaning_takes_what_is_not_the_mailboxs_and_the_folders_come_back(box: Box, running: Hubd) -> None:
    send(box, "One", "Two")
    at_rest(box, running)
    (box.root / "junk").mkdir()
    (box.root / "junk/file").write_text("x")
    # It may complain: hubd makes a folder again that git has just emptied.
    subprocess.run(("git", "clean", "-xfdq"), cwd=box.root, capture_output=True)
    assert not (box.root / "junk").exists()
    gone = [f"agents/{name}/{folder}" for name in ("backend", "operator") for folder in ("outbox", "drafts")]
    for folder in gone:
        until((box.root / folder).is_dir, f"{folder} to come back")
    send(box, "Three", to="backend")
    at_rest(box, running)
    assert len(box.folder("lead", "inbox")) == 2
    assert box.count("unread -> read") == 0
    assert refused_and_bounced(box) == 0


def test_a_rebase_that_rewrites_history_changes_no_truth(box: Box, running: Hubd) -> None:
    send(box, "One", "Two", "Three", "Four")
    tip = at_rest(box, running)
    edit = "sed -i -e '1s/^pick/drop/'"
    who = ("-c", "user.name=Anna", "-c", "user.email=a@example.org")
    command = ("git", *who, "-c", f"sequence.editor={edit}", "rebase", "-i", "HEAD~2")
    done = subprocess.run(command, cwd=box.root, capture_output=True, text=True)
    if done.returncode != 0:  # commits of the hub may not go on top of each other in another order
        box.git("rebase", "--abort")
    at_rest(box, running)
    assert box.git("merge-base", "--is-ancestor", tip, "HEAD") == ""
    assert len(box.folder("lead", "inbox")) == 4
    assert box.count("unread -> read") == 0
    assert refused_and_bounced(box) == 0


def test_a_rebase_that_rewords_is_adopted(box: Box, running: Hubd) -> None:
    send(box, "One", "Two", "Three")
    tip = at_rest(box, running)
    box.git("reset", "--soft", "HEAD~2")
    box.git("commit", "-qm", "Two of mine, as one")
    theirs = box.git("rev-parse", "HEAD").strip()

    def adopted() -> bool:
        return theirs in box.git("log", "-1", "--format=%P", "HEAD")

    until(adopted, "their history to become a parent")
    assert box.git("merge-base", "--is-ancestor", tip, "HEAD") == ""
    at_rest(box, running)
    assert len(box.folder("lead", "inbox")) == 3
    assert refused_and_bounced(box) == 0


@pytest.mark.slow
def test_git_gc_beside_a_working_hub_destroys_nothing(box: Box, running: Hubd) -> None:
    over = threading.Event()
    failed: list[str] = []

    def collect() -> None:
        while not over.is_set():
            done = subprocess.run(
                ("git", "gc", "--prune=now", "-q"), cwd=box.root, capture_output=True, text=True
            )
            if done.returncode != 0:
                failed.append(done.stderr)

    collecting = threading.Thread(target=collect)
    collecting.start()
    try:
        until_then = time.monotonic() + 6
        number = 0
        while time.monotonic() < until_then:
            box.drop("operator", f"{number}.md", MESSAGE.format("lead", f"Number {number}"))
            other = MESSAGE.format("tester", "x") if number % 10 else "no header\n"
            box.drop("backend", f"{number}.md", other)
            number += 1
            time.sleep(0.02)
    finally:
        over.set()
        collecting.join()
    until(lambda: not list(box.root.glob("agents/*/outbox/*")), "the outboxes to be empty")
    assert len(box.folder("lead", "inbox")) == number
    assert running.alive()
    # The last gc may have taken an index with it, which the hub makes again when it rests.
    command = ("git", "fsck", "--connectivity-only")
    until(lambda: not subprocess.run(command, cwd=box.root, capture_output=True).returncode, "all of history")
    at_rest(box, running)
    assert all(re.search("lock|precious", text) for text in failed), failed
