"""A person's branch and the truth, with a clock that is moved by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubd.following import Following
from hubd.hub import Hub
from tests.shell.mailbox import Mailbox, task

MESSAGE = "---\nkind: message\nto: {}\nsubject: {}\n---\n"


@pytest.fixture
def box(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "m")


def test_while_a_merge_is_under_way_nothing_is_judged_and_told_once_it_is_over(box: Mailbox) -> None:
    task(box)
    box.step()
    box.drop("operator", "m.md", MESSAGE.format("lead", "Hello"))
    box.step()
    box.git("reset", "--hard", "-q", "HEAD~1")
    (box.root / ".git/MERGE_HEAD").write_text(box.git("rev-parse", "HEAD"))
    said: list[str] = []
    with Hub.open(box.root, clock=box.clock, environment=box.environment) as hub:
        hub.pause = box.clock.advance
        hub.log = lambda _level, text: said.append(text)
        following = Following(hub)
        for _ in range(3):
            following.rest()
        assert len([s for s in said if "a merge is under way" in s]) == 1
        assert not list((box.root / "agents/operator/inbox").iterdir())
        (box.root / ".git/MERGE_HEAD").unlink()
        for _ in range(3):
            following.rest()
        (told,) = (box.root / "agents/operator/inbox").iterdir()
        assert "was moved back" in told.read_text()
        assert len(list((box.root / "agents/lead/inbox").glob("m-*"))) == 1
    assert box.git("rev-parse", "HEAD") == box.git("rev-parse", "refs/hub/main")
    assert box.verified()


def test_a_step_takes_note_of_what_a_person_committed(box: Mailbox) -> None:
    task(box)
    box.step()
    path = box.find("lead", "fix-*.md")
    path.write_text(path.read_text().replace("It breaks.", "It breaks often."))
    box.git("commit", "-qam", "Say how often")
    theirs = box.git("rev-parse", "HEAD").strip()
    box.step()
    assert theirs in box.git("log", "--format=%P", "refs/hub/main")
    assert box.git("rev-parse", "HEAD") == box.git("rev-parse", "refs/hub/main")
    assert "often" in path.read_text()
    assert sum(s.endswith("new -> unread") for s in box.subjects()) == 0
    assert box.verified()
