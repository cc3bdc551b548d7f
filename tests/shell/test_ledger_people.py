"""What people do with their own git in the mailbox, and what the hub makes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd.ledger import Drop, Foreign, LedgerError, Put
from tests.shell.ledgers import Box

ADA, BEN = "agents/ada/inbox/x.md", "agents/ben/inbox/y.md"
MAIN = ".git/refs/heads/main"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path / "mailbox")
    box.deliver(
        Put(ADA, b"line 1\nline 2\n"),
        Put(BEN, b"ben\n"),
        Put("README.md", b"read\n"),
        Put("cards/ada.md", b"card\n"),
        Put("archive/01/02/old/old.md", b"old\n"),
    )
    box.deliver(Put(ADA, b"line 1\nline 2, changed\n"))
    step(box)
    yield box
    assert box.ledger.warnings == []
    box.ledger.close()


def step(box: Box) -> Foreign | None:
    """What the hub does for people when it is idle."""
    foreign = box.ledger.follow()
    box.ledger.refresh_index()
    return foreign


def status(box: Box) -> str:
    return box.git("status", "--porcelain=v1")


def main(box: Box) -> str:
    return box.git("rev-parse", "refs/heads/main").strip()


# -- nothing to do with git but to look -----------------------------------------------------------


def test_git_works_for_a_person_as_anywhere(box: Box) -> None:
    assert status(box) == ""
    assert main(box) == box.ledger.tip()
    assert box.git("log", "--format=%s").split("\n")[:2] == ["t-2: new -> draft", "t-1: new -> draft"]
    assert "+line 2, changed" in box.git("show", "--", ADA)
    assert [line.split()[0][:8] for line in box.git("blame", "-s", ADA).splitlines()] == [
        box.git("log", "--format=%h", "--abbrev=8", "--skip=1", "-1").strip()[:8].join(["^", ""])[:8],
        box.ledger.tip()[:8],
    ]
    assert "old" in box.git("show", "HEAD:archive/01/02/old/old.md")
    assert not (box.root / "archive").exists()
    box.write(ADA, b"mine\n")
    assert status(box) == f" M {ADA}\n"
    assert "+mine" in box.git("diff")
    box.git("checkout", "--", ADA)
    assert (box.root / ADA).read_bytes() == b"line 1\nline 2, changed\n"
    box.write(ADA, b"mine\n")
    box.git("stash")
    assert (box.root / ADA).read_bytes() == b"line 1\nline 2, changed\n"
    box.git("stash", "pop")
    assert (box.root / ADA).read_bytes() == b"mine\n"
    box.git("restore", ADA)
    box.git("clean", "-fd")
    assert status(box) == ""
    assert not (box.root / "archive").exists()


def test_status_stays_clean_while_the_hub_works(box: Box) -> None:
    for number in range(5):
        box.deliver(
            Put(f"agents/ada/inbox/n{number}.md", b"new\n"),
            Put(f"archive/0{number}/00/a/a.md", b"a\n"),
            Put(ADA, b"%d\n" % number),
        )
        if number:
            box.deliver(Drop(f"agents/ada/inbox/n{number - 1}.md"), Drop("archive/00/00/a/a.md"))
        step(box)
        assert status(box) == ""
        assert main(box) == box.ledger.tip()
    assert "archive/\n" in box.git("ls-files", "--sparse")


def test_recent_documents_may_lie_in_the_archive_on_disk(box: Box) -> None:
    box.write("archive/01/02/old/old.md", b"old\n")
    box.write("archive/01/02/new/new.md", b"new\n")
    box.record(Put("archive/01/02/new/new.md", b"new\n"))
    step(box)
    assert status(box) == ""
    box.git("stash", "list")
    box.git("checkout", "--", ".")
    assert (box.root / "archive/01/02/new/new.md").exists()


def test_an_index_that_was_removed_or_written_in_full_is_made_again(box: Box) -> None:
    index = box.root / ".git/index"
    index.unlink()
    box.deliver(Put("archive/07/00/b/b.md", b"b\n"))
    step(box)
    assert status(box) == ""
    box.git("-c", "index.sparse=false", "-c", "core.sparseCheckout=false", "read-tree", "HEAD")
    assert "archive/\n" not in box.git("ls-files", "--sparse")
    assert status(box) != ""
    box.deliver(Put("archive/08/00/b/b.md", b"b\n"))
    step(box)
    assert status(box) == ""
    assert "archive/\n" in box.git("ls-files", "--sparse")


# -- they commit ----------------------------------------------------------------------------------


def test_a_commit_of_a_person_becomes_file_changes_and_then_a_second_parent(box: Box) -> None:
    base = box.ledger.tip()
    box.write("cards/ada.md", b"other card\n")
    box.write("cards/new.md", b"new card\n")
    box.git("add", "cards")
    box.git("rm", "-q", BEN)
    assert box.ledger.busy() == "changes are staged"
    box.git("commit", "-qm", "my cards")
    theirs = main(box)
    foreign = box.ledger.follow()
    assert foreign == Foreign(theirs, "ahead", base)
    assert box.ledger.files_of_foreign(foreign) == [
        (BEN, None), ("cards/ada.md", b"other card\n"), ("cards/new.md", b"new card\n"),
    ]  # fmt: skip
    with pytest.raises(LedgerError, match="not yet part"):
        box.ledger.adopt(foreign)
    assert main(box) == theirs
    # The cards are accepted, the deletion is not.
    ours = box.record(
        Put("cards/ada.md", b"other card\n"), Put("cards/new.md", b"new card\n"), second_parent=theirs
    )
    assert box.ledger.adopt(foreign)
    assert main(box) == ours
    box.write(BEN, b"ben\n")
    step(box)
    assert status(box) == ""
    logged = box.ledger.commit(ours)
    assert logged is not None
    assert logged.parents == (base, theirs)
    assert [c.seq for c in box.ledger.log()] == [3, 2, 1]
    assert "my cards" in box.git("log", "--format=%s")
    box.fsck()


def test_a_commit_made_while_the_hub_went_on_is_seen_against_what_they_saw(box: Box) -> None:
    box.write("cards/ada.md", b"other card\n")
    box.git("add", "cards")
    seen = box.ledger.tip()
    for number in range(3):
        box.deliver(Put(f"agents/ada/inbox/n{number}.md", b"n\n"))
        assert step(box) is None  # they are in the middle of something: nothing moves under them
    assert main(box) == seen
    box.git("commit", "-qm", "mine")
    foreign = box.ledger.follow()
    assert foreign is not None
    assert (foreign.kind, foreign.base) == ("ahead", seen)
    assert box.ledger.files_of_foreign(foreign) == [("cards/ada.md", b"other card\n")]


def test_a_commit_that_holds_an_old_tree_tells_what_it_would_undo(box: Box) -> None:
    box.deliver(Put(BEN, b"ben, changed by the hub\n"))
    box.ledger.follow()
    box.write(BEN, b"ben\n")  # an editor's old buffer, and the index has not caught up
    box.git("commit", "-qm", "stale", "--allow-empty")
    foreign = box.ledger.follow()
    assert foreign is not None
    assert box.ledger.files_of_foreign(foreign) == [(BEN, b"ben\n")]


def test_a_commit_that_says_what_the_truth_says_is_nothing_to_judge(box: Box) -> None:
    box.write("cards/ada.md", b"same\n")
    box.git("commit", "-qam", "mine")
    box.record(Put("cards/ada.md", b"same\n"))
    foreign = box.ledger.follow()
    assert foreign is not None
    assert box.ledger.files_of_foreign(foreign) == []


def test_further_commits_on_one_that_was_adopted_are_seen_alone(box: Box) -> None:
    box.write("cards/ada.md", b"one\n")
    box.git("commit", "-qam", "first")
    first = box.ledger.follow()
    assert first is not None
    box.record(Put("cards/ada.md", b"one\n"), second_parent=first.tip)
    box.write("cards/ben.md", b"two\n")
    box.git("add", "cards/ben.md")
    box.git("commit", "-qm", "second")
    assert not box.ledger.adopt(first)
    second = box.ledger.follow()
    assert second is not None
    assert second.base == first.tip
    assert box.ledger.files_of_foreign(second) == [("cards/ben.md", b"two\n")]
    box.record(Put("cards/ben.md", b"two\n"), second_parent=second.tip)
    assert box.ledger.follow() is None
    assert main(box) == box.ledger.tip()


def test_links_and_submodules_are_told_and_not_followed(box: Box, tmp_path: Path) -> None:
    (box.root / "cards/link.md").symlink_to("/etc/passwd")
    box.git("add", "cards/link.md")
    box.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},cards/sub")
    box.git("commit", "-qm", "odd")
    foreign = box.ledger.follow()
    assert foreign is not None
    assert box.ledger.files_of_foreign(foreign) == [
        ("cards/link.md", b"/etc/passwd"), ("cards/sub", b"Subproject commit %s\n" % (b"1" * 40)),
    ]  # fmt: skip


# -- they rewrite ---------------------------------------------------------------------------------


def test_an_amended_commit_of_the_hub_is_a_change_from_its_parent(box: Box) -> None:
    first = box.git("rev-parse", "HEAD~1").strip()
    box.write(BEN, b"amended\n")
    box.git("commit", "-q", "--amend", "-a", "-m", "rewritten")
    foreign = box.ledger.follow()
    assert foreign is not None
    assert (foreign.kind, foreign.base) == ("diverged", first)
    assert box.ledger.files_of_foreign(foreign) == [(BEN, b"amended\n")]
    ours = box.record(Put(BEN, b"amended\n"), second_parent=foreign.tip)
    assert box.ledger.adopt(foreign)
    step(box)
    assert (main(box), status(box)) == (ours, "")


def test_going_back_is_told_and_undone_only_when_the_hub_has_judged_it(box: Box) -> None:
    tip = box.ledger.tip()
    box.git("reset", "-q", "--hard", "HEAD~1")
    back = main(box)
    for _ in range(2):
        assert step(box) == Foreign(back, "behind", back)
        assert main(box) == back
    foreign = box.ledger.follow()
    assert foreign is not None
    assert box.ledger.files_of_foreign(foreign) == []
    assert box.ledger.adopt(foreign)
    box.write(ADA, b"line 1\nline 2, changed\n")
    assert step(box) is None
    assert (main(box), status(box)) == (tip, "")


def test_another_history_altogether_is_told_as_it_is(box: Box) -> None:
    tree = box.git("mktree", stdin=b"").strip()
    orphan = box.git("commit-tree", tree, "-m", "nothing").strip()
    box.git("update-ref", "refs/heads/main", orphan)
    foreign = box.ledger.follow()
    assert foreign == Foreign(orphan, "diverged", "")
    assert box.ledger.files_of_foreign(foreign) == []


def test_a_removed_branch_is_made_again(box: Box) -> None:
    (box.root / MAIN).unlink()
    assert box.ledger.follow() is None
    assert main(box) == box.ledger.tip()


# -- they are elsewhere ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "said"),
    [(["--detach", "HEAD~1"], "HEAD is on a commit of its own"), (["-b", "mine"], "HEAD is on mine")],
)
def test_a_person_on_another_branch_is_left_in_peace(box: Box, args: list[str], said: str) -> None:
    box.git("checkout", "-q", *args)
    head, index = (box.root / ".git/HEAD").read_bytes(), (box.root / ".git/index").read_bytes()
    box.write("cards/ben.md", b"staged there\n")
    box.git("add", "cards/ben.md")
    index = (box.root / ".git/index").read_bytes()
    box.deliver(Put("agents/ada/inbox/n.md", b"n\n"))
    assert box.ledger.away() == said
    assert step(box) is None
    assert not box.ledger.refresh_index()
    assert (box.root / ".git/HEAD").read_bytes() == head
    assert (box.root / ".git/index").read_bytes() == index
    assert main(box) == box.ledger.tip()
    box.git("reset", "-q", "--hard")
    box.git("checkout", "-q", "main")
    step(box)
    assert status(box) == ""


def test_a_rebase_under_way_is_not_disturbed(box: Box) -> None:
    box.git("checkout", "-qb", "side", "HEAD~1")
    box.write(ADA, b"conflict\n")
    box.git("commit", "-qam", "side")
    box.git("checkout", "-q", "main")
    before = main(box)
    box.git("rebase", "side", ok=(1,))
    assert box.ledger.busy() == "a rebase is under way"
    box.deliver(Put("agents/ada/inbox/n.md", b"n\n"))
    assert step(box) is None
    assert main(box) == before
    box.git("rebase", "--abort")
    step(box)
    assert main(box) == box.ledger.tip()


def test_a_lock_on_the_index_is_waited_out(box: Box) -> None:
    lock = box.root / ".git/index.lock"
    lock.touch()
    box.deliver(Put("agents/ada/inbox/n.md", b"n\n"))
    assert step(box) is None
    assert "index.lock" in (box.ledger.busy() or "")
    assert main(box) != box.ledger.tip()
    lock.unlink()
    step(box)
    assert (main(box), status(box)) == (box.ledger.tip(), "")
    assert not lock.exists()


def test_staged_changes_survive_whatever_the_hub_does(box: Box) -> None:
    box.write("cards/ada.md", b"staged\n")
    box.git("add", "cards/ada.md")
    staged = box.git("diff", "--cached")
    for number in range(3):
        box.deliver(Put(f"agents/ada/inbox/n{number}.md", b"n\n"))
        step(box)
        assert not box.ledger.refresh_index()
        box.reopen()
    assert box.git("diff", "--cached") == staged
    box.git("reset", "-q")
    box.git("checkout", "--", "cards/ada.md")
    step(box)
    assert (main(box), status(box)) == (box.ledger.tip(), "")


def test_a_branch_that_moved_before_the_index_caught_up_is_not_taken_for_staging(box: Box) -> None:
    box.deliver(Put(BEN, b"new\n"), Drop("README.md"))
    box.ledger.follow()
    assert status(box) != ""
    box.reopen()
    assert box.ledger.busy() is None
    step(box)
    assert status(box) == ""


def test_a_lock_left_on_the_index_by_a_killed_hub_is_known_and_removed(box: Box) -> None:
    aside = box.root / ".git/hub/tmp/index"
    aside.write_bytes((box.root / ".git/index").read_bytes())
    os.link(aside, box.root / ".git/index.lock")
    box.reopen()
    assert box.ledger.busy() is None
    (box.root / ".git/index.lock").touch()
    box.reopen()
    assert (box.root / ".git/index.lock").exists()


def test_nothing_is_started_for_people_when_nothing_changed(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    status(box)
    step(box)
    monkeypatch.setattr("git.cmd.safer_popen", None)
    for _ in range(3):
        assert step(box) is None
        assert box.ledger.busy() is None
