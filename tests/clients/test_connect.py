"""The real Claude Code and Codex read what `hubctl connect` has written, and ask the server that it names."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.clients.desk import BIN, git, needs
from tests.models import Act, Say, Seen, Served, Tool, serving
from tests.shell.commands import Box, environment, make, program

pytestmark = [pytest.mark.clients, pytest.mark.timeout(180)]
CLAUDE = ("-p", "Go on.", "--model", "claude-sonnet-4-5", "--allowedTools", "mcp__hub")
CODEX = ("exec", "-s", "read-only", "--json", "Go on.")
BLOCK = "The hub: you are `backend`"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = make(tmp_path / "box")
    assert box.process("--as", "lead", "send", "--to", "backend", "--subject", "Mind the gap").returncode == 0
    yield box
    assert box.process("verify").returncode == 0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    top = tmp_path / "shop"
    top.mkdir()
    git(top, "init", "-q", "-b", "main")
    return top


def connect(box: Box, project: Path, client: str, *more: str) -> None:
    words = program("-C", str(box.root), "--as", "backend", "connect", client, *more)
    done = subprocess.run(words, cwd=project, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def start(
    program: str, words: tuple[str, ...], project: Path, leads: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a client in the project, with a home and a temporary folder of its own."""
    home = project.parent / "home"
    for folder in (home, home / "tmp"):
        folder.mkdir(exist_ok=True)
    return subprocess.run(
        [str(BIN / program), *words], cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, env={
            **environment(HOME=str(home), PATH=f"{BIN}:{os.environ['PATH']}", TMPDIR=str(home / "tmp")),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "ENABLE_TOOL_SEARCH": "false", **leads,
        },
    )  # fmt: skip


def asks(tool: Tool) -> tuple[list[Seen], object]:
    """A model that asks one tool, and ends."""
    turns: list[Seen] = []

    def script(seen: Seen) -> Act:
        turns.append(seen)
        return Say("That is all.") if seen.results else tool

    return turns, script


def first(served: Served) -> str:
    return json.dumps(served.bodies[0], ensure_ascii=False)


@pytest.mark.parametrize("shared", [(), ("--shared",)], ids=["local", "shared"])
def test_claude_reads_the_block_asks_the_server_and_runs_the_hooks(
    box: Box, project: Path, tmp_path: Path, shared: tuple[str, ...]
) -> None:
    needs("claude")
    connect(box, project, "claude", *shared)
    path = f"{Path(program()[0]).parent}:{BIN}:{os.environ['PATH']}"
    turns, script = asks(Tool("mcp__hub__inbox_list", {"agent": "backend"}))
    with serving(script) as served:
        done = start("claude", CLAUDE, project, {**served.claude(tmp_path / "claude"), "PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    assert BLOCK in first(served)
    assert str(box.root) in first(served)
    assert "SessionStart hook additional context: You are backend" in first(served)
    assert "Mind the gap" in turns[-1].results[0]
    assert "agents/backend/inbox/" in turns[-1].results[0]
    connect(box, project, "claude", "--remove")
    assert not [path for path in project.rglob("*") if ".git" not in path.parts]
    with serving(script) as served:
        start("claude", CLAUDE, project, served.claude(tmp_path / "claude"))
    assert BLOCK not in first(served)
    assert "mcp__hub__inbox_list" not in turns[-1].tools


@pytest.mark.parametrize("shared", [(), ("--shared",)], ids=["local", "shared"])
def test_codex_reads_the_block_and_asks_the_server_where_it_trusts_the_folder(
    box: Box, project: Path, tmp_path: Path, shared: tuple[str, ...]
) -> None:
    needs("codex")
    connect(box, project, "codex", *shared)
    home = tmp_path / "codex"
    path = f"{Path(program()[0]).parent}:{BIN}:{os.environ['PATH']}"
    asked = Tool("read_mcp_resource", {"server": "hub", "uri": "mailbox://inbox/backend"})
    turns, script = asks(asked)
    with serving(script) as served:
        leads = served.codex(home)
        with (home / "config.toml").open("a") as file:
            file.write(f'[projects.{json.dumps(str(project))}]\ntrust_level = "trusted"\n')
        done = start("codex", CODEX, project, {**leads, "PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    assert first(served).count(BLOCK) == 1
    assert "Mind the gap" in turns[-1].results[0]
    connect(box, project, "codex", "--remove")
    assert not [path for path in project.rglob("*") if ".git" not in path.parts]
    with serving(script) as served:
        start("codex", CODEX, project, served.codex(home))
    assert BLOCK not in first(served)
