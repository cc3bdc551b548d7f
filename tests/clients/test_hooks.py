"""Mail reaches the real Claude Code through its hooks: as it begins, after a tool, and as it stops."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.desk import BIN, needs
from tests.models import Act, Say, Seen, Shell, serving
from tests.shell.commands import Box, environment, make, program

pytestmark = [pytest.mark.clients, pytest.mark.timeout(180)]
EVENTS = ("SessionStart", "UserPromptSubmit", "PostToolUse", "Stop", "SessionEnd")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    needs("claude")
    box = make(tmp_path / "box")
    assert box.process("up").returncode == 0
    yield box
    assert box.process("down").returncode == 0
    assert box.process("verify").returncode == 0


def send(box: Box, subject: str, *more: str) -> str:
    words = ("--as", "lead", "--json", "send", "--to", "backend", "--subject", subject, *more)
    return str(json.loads(box.process(*words).stdout)["id"])


def settings(box: Box, tmp_path: Path) -> Path:
    """The settings that let each event fire `hubctl hook`."""
    command = shlex.join(program("-C", str(box.root), "--as", "backend", "hook"))
    hooks = {
        event: [{"hooks": [{"type": "command", "command": f"{command} {event}", "timeout": 10}]}]
        for event in EVENTS
    }
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"hooks": hooks}))
    return file


def test_a_running_session_is_told_of_mail_as_it_begins_after_a_tool_and_as_it_stops(
    box: Box, tmp_path: Path
) -> None:
    first = send(box, "Before it began")
    later: list[str] = []
    seen_by: dict[str, int] = {}
    turns: list[str] = []

    def script(seen: Seen) -> Act:
        turns.append(seen.whole)
        for id_ in (first, *later):
            if id_ in seen.whole:
                seen_by.setdefault(id_, len(turns))
        if len(turns) == 1:
            later.append(send(box, "Stop the release", "--priority", "urgent"))
            return Shell("true")
        if len(turns) == 2:
            later.append(send(box, "While it worked"))
        return Say("That is all.")

    home = tmp_path / "home"
    home.mkdir()
    command = [
        str(BIN / "claude"), "-p", "Go on with your work.", "--model", "claude-sonnet-4-5",
        "--output-format", "json", "--allowedTools", "Bash", "--settings", str(settings(box, tmp_path)),
    ]  # fmt: skip
    with serving(script) as served:
        done = subprocess.run(
            command, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
            env={
                **environment(HOME=str(home), PATH=f"{BIN}:{os.environ['PATH']}"),
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", **served.claude(tmp_path / "claude"),
            },
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    urgent, news = later
    assert seen_by == {first: 1, urgent: 2, news: 3}
    assert "You are backend" in turns[0]
    assert "You have unread mail that needs action" in turns[2]
    assert len(turns) == 3, "and then it may stop"
    for id_ in (first, urgent, news):
        assert json.loads(box.process("show", id_, "--json").stdout)["reached"] == "presented"
