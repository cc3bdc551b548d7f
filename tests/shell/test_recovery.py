"""What a start finds that an earlier hub left: known by its bytes, or judged."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from hubd.crashing import crash_at
from hubd.hub import Hub
from hubd.ledger import LedgerError
from hubd.spool import SpoolError
from tests.shell.mailbox import Mailbox, approve, plan, task

MESSAGE = "---\nkind: message\nto: {}\nsubject: {}\n---\n"


@pytest.fixture
def box(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "m")


def test_a_group_of_which_only_the_first_was_delivered_is_delivered_to_the_end(box: Mailbox) -> None:
    for save in (task, plan):
        save(box)
        box.step()
    approve(box)
    box.drop("backend", "m.md", MESSAGE.format("lead", "Hello"))
    assert box.killed_step("act.after:1")
    truth = box.copy(box.root.with_name("copy"))
    truth.step()
    box.step()
    assert box.files() == truth.files()
    assert box.verified()


def test_an_edit_that_was_saved_while_no_hub_ran_is_judged_where_it_lies(box: Mailbox) -> None:
    task(box)
    plan_path = box.root / "agents/lead/outbox/plan.md"
    assert box.killed_step("ledger.after-ref")  # recorded, and not delivered
    box.step()
    plan(box)
    assert box.killed_step("deliver.after:1")
    assert plan_path.exists()
    box.step()
    round_ = box.find("operator", "*.r1.md")
    noted = round_.read_text().replace("Note:", "Note:\nhalf a thought")
    round_.write_text(noted)
    box.drop("lead", "m.md", MESSAGE.format("backend", "Hello"))
    assert box.killed_step("ledger.after-ref")
    box.step()
    assert round_.read_text() == noted, "a note without a tick stays as it is"


def test_a_disk_that_refuses_a_delivery_is_delivered_to_later_and_nothing_counts_as_removed(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.drop("operator", "m.md", MESSAGE.format("lead", "Hello"))
    with Hub.open(box.root, clock=box.clock, environment=box.environment) as hub:
        hub.pause = box.clock.advance
        real = hub.spool.deliver

        def full(*_: object, **__: object) -> None:
            raise SpoolError("cannot deliver: no space left", "make room", 28)

        monkeypatch.setattr(hub.spool, "deliver", full)
        with pytest.raises(SpoolError):
            hub.look(2)
        with pytest.raises(SpoolError):
            hub.look(2)
        assert not list((box.root / "agents/lead/inbox").glob("m-*"))
        monkeypatch.setattr(hub.spool, "deliver", real)
        hub.look(2)
    assert len(list((box.root / "agents/lead/inbox").glob("m-*"))) == 1
    assert [s for s in box.subjects() if "-> read" in s] == []
    assert not os.listdir(box.root / "agents/operator/outbox")


def test_what_could_not_be_recorded_is_forgotten_and_judged_again(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    task(box)
    with Hub.open(box.root, clock=box.clock, environment=box.environment) as hub:
        real = hub.ledger.record

        def full(_: object) -> None:
            raise LedgerError("the disk is full", "make room", full=True)

        monkeypatch.setattr(hub.ledger, "record", full)
        with pytest.raises(LedgerError):
            hub.look(0)
        assert not [d for d in hub.state.docs.values() if d.id.startswith("fix-")] or hub.state.seq > 0
        monkeypatch.setattr(hub.ledger, "record", real)
        (outcome,) = hub.look(0)
        assert outcome.ok
    assert sum(s.endswith("new -> draft") for s in box.subjects()) == 1
    assert box.verified()


def test_the_point_of_a_crash_is_named_and_counted() -> None:
    def killed(where: str, points: list[str]) -> bool:
        pid = os.fork()
        if pid == 0:
            crash = crash_at(where)
            for point in points:
                crash(point)
            os._exit(0)
        return os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL

    assert killed("a", ["b", "a"])
    assert killed("a:2", ["a", "a"])
    assert not killed("a:2", ["a", "b"])
    assert killed("*:2", ["a", "b"])
    assert not killed("", ["a", "b"])
