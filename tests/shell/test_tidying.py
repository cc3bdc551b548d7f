"""The archive on disk stays small; the ledger keeps everything."""

from __future__ import annotations

from pathlib import Path

from hubd.clock import FakeClock
from hubd.founding import found
from hubd.hub import Hub
from hubd.tidying import tidy_archive


def closed_tasks(hub: Hub, root: Path, count: int) -> None:
    for number in range(count):
        path = root / f"agents/operator/outbox/t{number}.md"
        path.write_text(f"---\nkind: task\ntitle: Task {number}\n---\n")
        task = hub.submit("operator", path.name)
        assert task is not None
        close = root / "agents/operator/outbox/close.md"
        close.write_text(f"---\nkind: request\ndo: close\non: {task.id}\n---\n")
        assert hub.submit("operator", "close.md") is not None


def test_finished_documents_leave_the_disk_after_their_days_and_stay_in_the_ledger(tmp_path: Path) -> None:
    root, clock = tmp_path / "m", FakeClock()
    clock.set_wall(clock.wall.replace(year=2031))  # the files' own times are today's
    with found(root, ["lead"], clock=clock) as hub:
        closed_tasks(hub, root, 3)
        before = {p.relative_to(root).as_posix() for p in (root / "archive").rglob("*.md")}
        assert len(before) == 3
        assert tidy_archive(hub) == 3
        assert not list((root / "archive").iterdir())
        assert all(hub.ledger.exists(path) for path in before)


def test_an_archived_file_that_somebody_changed_is_left_alone(tmp_path: Path) -> None:
    root, clock = tmp_path / "m", FakeClock()
    clock.set_wall(clock.wall.replace(year=2031))
    with found(root, ["lead"], clock=clock) as hub:
        closed_tasks(hub, root, 1)
        (path,) = (root / "archive").rglob("*.md")
        path.write_text("my notes\n")
        assert tidy_archive(hub) == 0
        assert path.read_text() == "my notes\n"
