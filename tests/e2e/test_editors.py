"""An approval by every editor people use is one step: no bounce, nothing lost, nothing twice."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import DEADLINE, ROUND, TASK, Box, Hubd, hubd, until

pytestmark = [pytest.mark.e2e]

OLD, NEW = "- [ ] approve", "- [x] approve"
SLOWLY = {"HUB_SETTLE": "50ms", "HUB_DECISION_DELAY": "500ms"}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Box, Hubd]]:
    """One mailbox and one hubd for all editors."""
    box = Box(tmp_path_factory.mktemp("editors") / "m")
    with hubd(box.root, environment=SLOWLY) as running:
        yield box, running
    assert box.verified()


def plan(box: Box, title: str) -> Path:
    """Return a round that waits for the operator."""
    name = title.lower()
    box.drop("operator", f"{name}.md", TASK.format(title))
    task = box.find("lead", f"{name}-*.md").stem
    box.drop("lead", f"{name}.md", ROUND.format(task))
    return box.find("operator", f"{task}.r1.md")


def by_vim(*options: str) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        if shutil.which("vim") is None:
            pytest.skip("vim is not installed")
        settings = [word for option in options for word in ("-c", f"set {option}")]
        command = ["vim", "-u", "NONE", "-es", *settings, "-c", "%s/- \\[ \\] approve/- [x] approve/"]
        subprocess.run([*command, "-c", "wq", str(path)], check=True, timeout=DEADLINE)

    return edit


def by_nano(path: Path) -> None:
    if shutil.which("nano") is None:
        pytest.skip("nano is not installed")
    line = path.read_text().splitlines().index(OLD) + 1
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execvp("nano", ["nano", "--ignorercfiles", f"+{line},4", str(path)])
    try:
        keys = [b"\x04", b"x", b"\x0f", b"\r", b"\x18"]  # delete, x, write out, yes this name, exit
        deadline = time.monotonic() + DEADLINE
        quiet_since = time.monotonic()
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.05)[0]:
                try:
                    os.read(terminal, 65536)
                except OSError:  # it has ended
                    break
                quiet_since = time.monotonic()
            elif keys and time.monotonic() - quiet_since > 0.1:
                os.write(terminal, keys.pop(0))
    finally:
        os.close(terminal)
        assert os.waitpid(pid, 0)[1] == 0


def by_sed(path: Path) -> None:
    subprocess.run(["sed", "-i", r"s/- \[ \] approve/- [x] approve/", str(path)], check=True)


def in_place(path: Path) -> None:
    """As most editors with windows do: truncate, then write."""
    text = path.read_text().replace(OLD, NEW)
    with path.open("w") as file:
        file.flush()
        time.sleep(0.02)
        file.write(text)


def aside(path: Path) -> None:
    text = path.read_text().replace(OLD, NEW)
    other = path.with_name(f".{path.name}.tmp")
    other.write_text(text)
    other.rename(path)


def moved_away_first(path: Path) -> None:
    """As careful editors do: the old file becomes the backup, a new one is written in its place."""
    text = path.read_text().replace(OLD, NEW)
    path.rename(f"{path}~")
    time.sleep(0.05)
    path.write_text(text)


EDITORS: dict[str, Callable[[Path], None]] = {
    "vim": by_vim(),
    "vim with a backup": by_vim("backup", "writebackup"),
    "vim without one": by_vim("nobackup", "nowritebackup"),
    "vim copying": by_vim("backup", "backupcopy=yes"),
    "vim renaming": by_vim("backup", "backupcopy=no"),
    "nano": by_nano,
    "sed": by_sed,
    "in place": in_place,
    "aside": aside,
    "moved away first": moved_away_first,
}


@pytest.mark.parametrize("editor", EDITORS)
def test_an_approval_by_any_editor_is_one_step_and_no_bounce(office: tuple[Box, Hubd], editor: str) -> None:
    box, running = office
    path = plan(box, editor.replace(" ", "-").capitalize())
    seen, before = box.count(": awaiting_approval -> dispatched"), len(box.subjects())
    EDITORS[editor](path)
    until(lambda: not path.exists(), "the round to leave the inbox")
    running.ask(do="look")
    assert box.count(": awaiting_approval -> dispatched") == seen + 1
    assert len(box.subjects()) == before + 1
    assert box.bounces("operator") == []
    assert box.folder("operator", "refused") == []


def test_a_buffer_that_was_not_changed_does_no_harm_when_it_is_saved_late(office: tuple[Box, Hubd]) -> None:
    box, running = office
    path = plan(box, "Unchanged")
    buffer = path.read_bytes()
    aside(path)
    until(lambda: not path.exists(), "the round to leave the inbox")
    before = len(box.subjects())
    path.write_bytes(buffer)
    until(lambda: not path.exists(), "the old buffer to go")
    running.ask(do="look")
    assert len(box.subjects()) == before
    assert box.bounces("operator") == []


def test_a_buffer_of_a_plan_that_was_changed_since_approves_nothing_and_is_kept(
    office: tuple[Box, Hubd],
) -> None:
    box, running = office
    path = plan(box, "Amended")
    buffer = path.read_text()
    task = path.stem.removesuffix(".r1")
    box.drop("lead", "amended.md", ROUND.format(task).replace("Go", "Go further"))
    until(lambda: "Go further" in path.read_text(), "the amended plan")
    path.write_text(buffer.replace(OLD, NEW))
    until(lambda: len(box.bounces("operator")) == 1, "a bounce")
    running.ask(do="look")
    assert box.bounces("operator")[0] in ("stale-buffer", "plan-changed")
    assert (box.root / "agents/operator/refused" / path.name).read_text() == buffer.replace(OLD, NEW)
    assert OLD in path.read_text()
    assert "Go further" in path.read_text()
    # Read, and approved again: it counts.
    aside(path)
    until(lambda: not path.exists(), "the round to leave the inbox")
    box.find("operator", "b-*.md").unlink()
    box.wait("unread -> read")
    (box.root / "agents/operator/refused" / path.name).unlink()


def test_a_note_that_is_saved_before_the_tick_stays_and_comes_with_it(office: tuple[Box, Hubd]) -> None:
    box, running = office
    path = plan(box, "Noted")
    before = len(box.subjects())
    noted = path.read_text().replace("Note:", "Note:\nmind the tests")
    path.write_text(noted)
    time.sleep(0.7)
    running.ask(do="look")
    assert path.read_text() == noted
    assert len(box.subjects()) == before
    aside(path)
    until(lambda: not path.exists(), "the round to leave the inbox")
    assert len(box.subjects()) == before + 1
    waiting = box.root / "agents/lead/waiting" / path.name
    until(waiting.exists, "the round in its owner's waiting folder")
    assert "mind the tests" in waiting.read_text()


def test_half_a_decision_is_not_one(office: tuple[Box, Hubd]) -> None:
    """A tick that is saved, and taken back by the next save, before it was quiet."""
    box, running = office
    path = plan(box, "Hesitant")
    truth = path.read_text()
    before = len(box.subjects())
    for text in (truth.replace(OLD, NEW), truth) * 3:
        path.write_text(text)
        time.sleep(0.1)
    time.sleep(0.7)
    running.ask(do="look")
    assert len(box.subjects()) == before
    assert path.read_text() == truth
