"""The two-round story by plain files, whole, and killed at every point of every step."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell.mailbox import STORY, Mailbox, save_name


def play(m: Mailbox) -> None:
    for save in STORY:
        save(m)
        m.step()


def end(m: Mailbox) -> tuple[Counter[str], list[str]]:
    """Return what must be the same however often the hub was killed: the steps, and where everything lies."""
    return Counter(s.split(": ", 1)[1] for s in m.subjects()), sorted(_plain(p) for p in m.files())


def _plain(path: str) -> str:
    """A path without the letters that are drawn for ids."""
    path = re.sub(r"archive/../../", "archive/", re.sub(r"l-\d+", "l-n", path))
    return re.sub(r"-[a-z2-7]{4,8}\b", "-xxxx", path)


@pytest.fixture
def box(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "mailbox")


def test_two_rounds_by_plain_files_end_in_a_completed_task(box: Mailbox) -> None:
    play(box)
    steps = box.subjects()
    assert steps[-1].endswith(": awaiting_review -> completed")
    assert sum(s.endswith(": pending -> claimed") for s in steps) == 4
    assert sum(s.endswith(": new -> unread") for s in steps) == 1
    assert not list(box.root.glob("agents/*/outbox/*"))
    assert box.verified()


def test_a_story_killed_at_every_point_ends_like_one_that_was_not(tmp_path: Path) -> None:
    whole, broken = Mailbox(tmp_path / "whole"), Mailbox(tmp_path / "broken")
    play(whole)
    kills = 0
    for save in STORY:
        save(broken)
        point = 1
        # Kill the step at its first point, its recovery at the next one, and so on, until one is done.
        while broken.killed_step(f"*:{point}"):
            kills += 1
            point += 1
            assert point < 500, "a step never ends"
    assert kills > 5 * len(STORY)
    assert end(broken) == end(whole)
    assert not list((broken.root / ".git/hub/swap").iterdir())
    assert broken.verified()


KILLED_EVERYWHERE = [
    number
    for number, save in enumerate(STORY[:11])
    if save_name(save) in ("plan", "approve", "hand off backend", "review changes_requested")
]


@pytest.mark.parametrize("number", KILLED_EVERYWHERE, ids=lambda n: save_name(STORY[n]).replace(" ", "-"))
def test_a_step_killed_at_any_point_and_again_while_recovering_loses_and_doubles_nothing(
    tmp_path: Path, number: int
) -> None:
    before = Mailbox(tmp_path / "before")
    for save in STORY[:number]:
        save(before)
        before.step()
    STORY[number](before)
    killed_everywhere(before, tmp_path)


def killed_everywhere(before: Mailbox, tmp_path: Path) -> None:
    """Kill a copy at every point of the next step, and its recovery once; each must end like one unkilled."""
    whole = before.copy(tmp_path / "whole")
    whole.step()
    expected = (whole.subjects(), whole.files())
    for point in range(1, 500):
        broken = before.copy(tmp_path / "broken")
        if not broken.killed_step(f"*:{point}"):
            break
        broken.killed_step(f"*:{1 + point * 7 % 12}")
        broken.step()
        assert (broken.subjects(), broken.files()) == expected, f"killed at point {point}"
        assert not list((broken.root / ".git/hub/swap").iterdir()), f"killed at point {point}"
        shutil.rmtree(broken.root)
    assert point > 8


def _secret(m: Mailbox) -> None:
    m.drop("lead", "key.md", "---\nkind: task\ntitle: Use AKIAABCDEFGHIJKLMNOP\nwrong: yes\n---\n")


def _fifo(m: Mailbox) -> None:
    os.mkfifo(m.root / "agents/lead/outbox/pipe.md")


def _two_at_once(m: Mailbox) -> None:
    m.drop("lead", "a.md", "---\nkind: message\nto: backend\nsubject: One\n---\n")
    m.drop("lead", "b.md", "---\nkind: mesage\nto: backend\nsubject: Two\n---\n")
    m.drop("backend", "c.md", "---\nkind: message\nto: all\nsubject: Three\n---\n")


def _removed(m: Mailbox) -> None:
    m.find("lead", "fix-*.md").unlink()


def _settings(m: Mailbox) -> None:
    (m.root / "hub.yaml").write_text("max_rounds: many\n")


@pytest.mark.parametrize("save", [_secret, _fifo, _two_at_once, _removed, _settings])
def test_a_refusal_killed_at_any_point_is_bounced_once_and_kept_once(
    tmp_path: Path, save: Callable[[Mailbox], None]
) -> None:
    before = Mailbox(tmp_path / "before")
    STORY[0](before)
    before.step()
    save(before)
    killed_everywhere(before, tmp_path)
