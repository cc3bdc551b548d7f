"""What counts as saved, changed, removed; and what is due: with a clock that is moved by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hubd.hub import Hub
from tests.shell.mailbox import STORY, Mailbox, lease, task

TASK = "---\nkind: task\ntitle: {}\n---\n"
MESSAGE = "---\nkind: message\nto: {}\nsubject: {}\n---\n"


@pytest.fixture
def box(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "m")


def bounced(m: Mailbox) -> int:
    return sum(s.endswith(": new -> unread") for s in m.subjects())


def test_names_that_only_editors_use_are_left_alone(box: Mailbox) -> None:
    names = (".x.md.swp", "x.md~", "4913", ".#x.md", "#x.md#", "x.md.tmp", ".hidden")
    for name in names:
        (box.root / "agents/lead/outbox" / name).write_text("rubbish\n")
    before = box.subjects()
    assert box.step() == []
    assert sorted(os.listdir(box.root / "agents/lead/outbox")) == sorted(names)
    assert box.subjects() == before


def test_the_same_bytes_again_are_taken_silently_and_others_amend(box: Mailbox) -> None:
    box.drop("lead", "t.md", TASK.format("First"))
    box.step()
    before = len(box.subjects())
    box.drop("lead", "t.md", TASK.format("First"))
    box.step()
    assert len(box.subjects()) == before
    box.drop("lead", "t.md", TASK.format("Second"))
    box.step()
    assert box.subjects()[-1].endswith("draft -> draft")
    assert "title: Second" in box.find("lead", "first-*.md").read_text()
    assert not os.listdir(box.root / "agents/lead/outbox")


def test_documents_are_judged_in_the_order_in_which_they_were_saved(box: Mailbox) -> None:
    for number, name in enumerate(("c.md", "a.md", "b.md")):
        path = box.drop("lead", name, TASK.format(f"Number {number}"))
        os.utime(path, ns=(10**18 + number, 10**18 + number))
    box.step()
    assert [s[:8] for s in box.subjects()[-3:]] == ["number-0", "number-1", "number-2"]


def test_a_file_in_the_place_of_a_delivered_document_is_refused_and_the_truth_put_back(box: Mailbox) -> None:
    task(box)
    box.step()
    path = box.find("lead", "fix-*.md")
    truth = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    box.step()
    assert path.read_bytes() == truth
    assert (box.root / "agents/lead/refused" / path.name).is_fifo()
    assert bounced(box) == 1


def test_a_document_moved_between_folders_is_put_back(box: Mailbox) -> None:
    task(box)
    box.step()
    path = box.find("lead", "fix-*.md")
    truth = path.read_bytes()
    path.rename(box.root / "agents/lead/waiting" / path.name)
    box.step()
    box.step()
    assert path.read_bytes() == truth
    assert not os.listdir(box.root / "agents/lead/waiting")


def test_what_only_the_hub_writes_is_put_back(box: Mailbox) -> None:
    for name in ("README.md", "contract/schema/task.json"):
        truth = (box.root / name).read_bytes()
        (box.root / name).write_text("mine\n")
        box.step()
        assert (box.root / name).read_bytes() == truth
    (box.root / "leases/mine.md").write_text("mine\n")
    box.step()
    assert not (box.root / "leases/mine.md").exists()
    assert bounced(box) == 3
    kept = sorted(os.listdir(box.root / "agents/operator/refused"))
    assert kept == ["README.md", "mine.md", "task.json"]


def test_a_folder_that_was_removed_comes_back_with_its_documents(box: Mailbox) -> None:
    box.drop("operator", "m.md", MESSAGE.format("lead", "Keep me"))
    box.step()
    message = box.find("lead", "m-*.md")
    truth = message.read_bytes()
    message.unlink()
    message.parent.rmdir()
    box.step()
    assert message.read_bytes() == truth
    message.unlink()
    box.step()
    assert not message.exists()
    assert box.subjects()[-1].endswith("unread -> read")


def test_a_lease_that_nobody_renews_is_lost_and_its_holder_is_fenced(box: Mailbox) -> None:
    for save in STORY[:6]:
        save(box)
        box.step()
    path = box.find("backend", "*.a1.md")
    old = lease(path)
    box.clock.advance(91 * 60)
    box.step()
    assert box.subjects()[-1].endswith("claimed -> pending")
    box.edit(path, "state: pending", "state: claimed\nworker: w2")
    box.step()
    box.drop(
        "backend", "h.md",
        f"---\nkind: handoff\nassignment: {path.stem}\nlease: {old}\noutcome: done\nsummary: Late\n---\n",
    )  # fmt: skip
    outcomes = box.step()
    assert [o.code for o in outcomes] == ["stale-lease"]
    assert "worker: w2" in path.read_text()


def test_another_boot_gives_every_lease_one_full_term(box: Mailbox) -> None:
    for save in STORY[:6]:
        save(box)
        box.step()
    box.clock.advance(80 * 60)
    box.clock.reboot()
    box.step()
    assert "state: claimed" in box.find("backend", "*.a1.md").read_text()
    box.clock.advance(89 * 60)
    box.step()
    assert "state: claimed" in box.find("backend", "*.a1.md").read_text()
    box.clock.advance(2 * 60)
    box.step()
    assert "state: pending" in box.find("backend", "*.a1.md").read_text()
    assert box.verified()


def test_a_clock_that_is_set_back_does_not_turn_history_round(box: Mailbox) -> None:
    task(box)
    box.step()
    box.clock.set_wall(box.clock.wall.replace(year=2020))
    box.drop("lead", "t.md", TASK.format("Later"))
    box.step()
    times = [int(t) for t in box.git("log", "--format=%at", "--first-parent", "refs/hub/main").split()]
    assert times == sorted(times, reverse=True)
    assert box.verified()


def test_an_agent_over_its_rate_waits_and_is_told_once(box: Mailbox) -> None:
    box.environment = {**box.environment, "HUB_RATE": "60", "HUB_BURST": "5"}
    for number in range(8):
        box.drop("lead", f"{number}.md", TASK.format(f"Number {number}"))
    with Hub.open(box.root, clock=box.clock, environment=box.environment) as hub:
        hub.look(0)
        assert len(os.listdir(box.root / "agents/lead/outbox")) == 3
        box.clock.advance(2.1)
        hub.look(0)
        assert len(os.listdir(box.root / "agents/lead/outbox")) == 1
        told = hub.submit("lead", "7.md")
        assert told is not None
        assert told.code == "too-fast"
        box.clock.advance(1)
        hub.look(0)
    assert not os.listdir(box.root / "agents/lead/outbox")
    assert len(list((box.root / "agents/lead/inbox").glob("m-*.md"))) == 1
    assert bounced(box) == 1


def test_a_folder_without_a_card_is_told_to_the_operator_once_and_left_alone(box: Mailbox) -> None:
    outbox = box.root / "agents/ghost/outbox"
    outbox.mkdir(parents=True)
    (outbox / "x.md").write_text(TASK.format("Boo"))
    box.step()
    box.step()
    (told,) = (box.root / "agents/operator/inbox").glob("m-*.md")
    assert "agents/ghost/outbox/" in told.read_text()
    assert "cards/ghost.md" in told.read_text()
    assert (outbox / "x.md").read_text() == TASK.format("Boo")
    (box.root / "cards/ghost.md").write_text("---\nkind: agent\n---\n")
    box.step()
    box.step()
    assert not list(outbox.iterdir()), "with a card it takes part"


def test_rubbish_among_the_agents_folders_stops_nobody(box: Mailbox) -> None:
    agents = box.root / "agents"
    (agents / "notes.txt").write_text("mine\n")
    os.symlink("/tmp", agents / "link")
    odd = os.path.join(os.fsencode(agents), b"\xff\n`", b"outbox")
    os.makedirs(odd)
    with open(os.path.join(odd, b"x.md"), "wb") as file:
        file.write(b"x")
    box.drop("lead", "t.md", TASK.format("First"))
    assert [o.ok for o in box.step()] == [True]
    assert len(list((agents / "operator/inbox").glob("m-*.md"))) == 1
