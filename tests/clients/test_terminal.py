"""A real client in a terminal: it takes its prompt, it is told of more, and it ends at its signal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hubd.launch.presets import keys, preset_of
from hubd.launch.results import read_result
from tests.clients.desk import Desk, needs, until
from tests.models import Say, Served, Shell, in_turn, serving

pytestmark = [pytest.mark.clients, pytest.mark.timeout(180)]


@pytest.fixture(params=["claude", "codex"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    needs(request.param)
    desk = Desk(tmp_path, request.param)
    yield desk
    assert not desk.sweep()


def trust(desk: Desk, served: Served) -> None:
    """Do what a person has done before: choose a theme, accept the key, trust the project."""
    claude, codex = desk.base / "claude", desk.base / "codex"
    served.claude(claude)
    served.codex(codex)
    known = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "customApiKeyResponses": {"approved": ["stub-key"], "rejected": []},
        "projects": {str(desk.project): {"hasTrustDialogAccepted": True}},
    }
    (claude / ".claude.json").write_text(json.dumps(known))
    with (codex / "config.toml").open("a") as config:
        config.write(f'\n[projects."{desk.project}"]\ntrust_level = "trusted"\n')


class Screen:
    """What a person would see."""

    def __init__(self, fd: int) -> None:
        self.fd, self.shown = fd, b""

    def look(self) -> bytes:
        while select.select([self.fd], [], [], 0)[0]:
            try:
                self.shown += os.read(self.fd, 65536)
            except OSError:  # nobody is at the other end any more
                break
        return self.shown


@contextmanager
def terminal(
    desk: Desk, argv: tuple[str, ...], env: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], Screen]]:
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    try:
        with subprocess.Popen(
            ("setsid", "--ctty", *argv), cwd=desk.tree, env=env, stdin=there, stdout=there, stderr=there
        ) as process:
            try:
                yield process, Screen(here)
            finally:
                process.kill()
    finally:
        os.close(here)
        os.close(there)


def test_it_takes_its_prompt_is_told_of_more_and_ends_at_its_signal(desk: Desk) -> None:
    lines = ("allowed_tools: [Bash]",) if desk.client == "claude" else ()
    card = desk.card("runtime: pty", *lines)
    run = desk.start()
    command = desk.command(run, card)
    assert command.long_lived
    with serving(in_turn(Shell("echo said > seen.txt"), Say("It is done."))) as served:
        # The home is written by `variables`; trust comes on top of it.
        variables = dict(desk.variables(served, card, command))
        trust(desk, served)
        with terminal(desk, command.argv, variables) as (process, screen):
            until(lambda: screen.look() and len(served.asked) == 2, "the first prompt is worked")
            assert served.asked[0].prompt.rstrip() == desk.prompt(run, card).rstrip()
            until(lambda: b"is done" in screen.look(), "the answer is shown")
            os.write(screen.fd, keys(card, "New in your inbox:\n- message `m-1`\x1b[201~\x03").encode())
            until(lambda: screen.look() and len(served.asked) == 4, "it is told of more")
            assert served.asked[2].prompt.rstrip() == "New in your inbox:\n- message `m-1`[201~"
            process.send_signal(command.signal)
            until(lambda: screen.look() and process.poll() is not None, "its end", 15)
            shown = screen.look()
    assert (desk.tree / "seen.txt").read_text() == "said\n"
    desk.sweep()
    result = read_result(preset_of(card), shown, b"", process.returncode, None, terminal=True)
    assert result.status == ""
    if desk.client == "claude":
        assert len(result.session) == 36
